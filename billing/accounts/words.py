"""What is said on the pages of a pledge, in the reader's language."""

from __future__ import annotations

from billing.checkout.domain import AmountProblem, Offer
from billing.checkout.forms import Field, Problem
from billing.checkout.words import explain
from billing.l10n import current_language, format_months, gettext


def explain_amount(problem: AmountProblem, offer: Offer) -> str:
    """One sentence that says what to do about a sum."""
    return explain(Problem(Field.AMOUNT, problem), offer)


def title_ahead(months: int, newsroom: str) -> str:
    """What Stripe's page calls it."""
    return gettext(
        "Support for %(name)s, %(span)s ahead",
        name=newsroom,
        span=format_months(months, current_language()),
    )


def notice_for(problem: str) -> str:
    """What is said above the pledge when a button could not do what it was pressed for."""
    if problem == "under_way":
        return gettext(
            "A payment of this pledge is being made at this moment. Nothing was changed: please "
            "try again in a few minutes, when it is through."
        )
    if problem == "unavailable":
        return gettext(
            "The payment service does not answer at this moment. Nothing was charged or changed. "
            "Please try again in a minute."
        )
    if problem == "changed":
        return gettext(
            "Nothing was changed just now: your pledge is not any more as that page showed it, or "
            "the form was altered on its way. This is how it stands."
        )
    return gettext(
        "This page had been open too long, or your browser keeps no cookies for this site. Nothing "
        "was changed. Please press the button once more; if this message comes back, allow cookies "
        "for this page."
    )
