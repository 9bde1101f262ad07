"""What is said on the support page about a field that could not be taken."""

from __future__ import annotations

from collections.abc import Callable

from billing.checkout.domain import AmountProblem, Offer
from billing.checkout.forms import Field, Problem
from billing.l10n import current_language, format_money, gettext
from billing.money import Money, exponent
from billing.pledges.domain import Cadence


def explain(problem: Problem, offer: Offer) -> str:
    """One sentence that says what to do about a problem, in the reader's language."""
    if problem.amount is not None:
        return _AMOUNT[problem.amount](offer)
    if problem.field is Field.CADENCE:
        return gettext("Please choose how often you would like to give: once, monthly or annually.")
    if problem.field is Field.CURRENCY:
        return gettext("We cannot take this currency. Please choose one from the list.")
    return gettext("This form arrived incomplete. Please check it and send it again.")


def name_of_currency(code: str) -> str:
    """The currency by name, with its code: there is more than one dollar."""
    names = {
        "usd": gettext("US dollars"),
        "eur": gettext("euros"),
        "gbp": gettext("pounds sterling"),
        "jpy": gettext("Japanese yen"),
    }
    return f"{names[code]} ({code.upper()})"


def title_for(cadence: Cadence, newsroom: str) -> str:
    """What Stripe's page calls the payment."""
    if cadence is Cadence.MONTHLY:
        return gettext("Monthly support for %(name)s", name=newsroom)
    if cadence is Cadence.ANNUAL:
        return gettext("Annual support for %(name)s", name=newsroom)
    return gettext("Support for %(name)s", name=newsroom)


def _bound(minor: int, offer: Offer) -> str:
    return format_money(Money(minor, offer.currency), current_language())


def _too_precise(offer: Offer) -> str:
    if exponent(offer.currency) == 0:
        return gettext("This currency has no smaller coins: please write a whole number.")
    return gettext("Please write at most two digits after the decimal sign, for example 5.50.")


def _not_a_number(_: Offer) -> str:
    return gettext("We could not read this as an amount. Please write a number, for example 5.50.")


def _ambiguous(_: Offer) -> str:
    return gettext(
        "This could mean two different amounts. Please write it without a thousands "
        "separator, for example 1234 or 1.23."
    )


def _other_currency(offer: Offer) -> str:
    return gettext(
        "You wrote the sign of another currency, but chose %(currency)s. Please change "
        "one of them.",
        currency=name_of_currency(offer.currency),
    )


_AMOUNT: dict[AmountProblem, Callable[[Offer], str]] = {
    AmountProblem.EMPTY: lambda _: gettext("Please write the amount you would like to give."),
    AmountProblem.NOT_A_NUMBER: _not_a_number,
    AmountProblem.NOT_POSITIVE: lambda offer: gettext(
        "Please write an amount above zero; support starts at %(minimum)s.",
        minimum=_bound(offer.minimum, offer),
    ),
    AmountProblem.TOO_PRECISE: _too_precise,
    AmountProblem.AMBIGUOUS: _ambiguous,
    AmountProblem.OTHER_CURRENCY: _other_currency,
    AmountProblem.BELOW_MINIMUM: lambda offer: gettext(
        "Support starts at %(minimum)s: below that, fees would take most of it.",
        minimum=_bound(offer.minimum, offer),
    ),
    AmountProblem.ABOVE_MAXIMUM: lambda offer: gettext(
        "We can take at most %(maximum)s at once here. To give more, please write to us.",
        maximum=_bound(offer.maximum, offer),
    ),
}
