"""Why pledges end and renewals fail, gathered into what staff can tell apart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from billing.charges.reasons import REASONS, Reason
from billing.pledges.domain import EndAnswer, EndReason

UNKNOWN = "unknown"
"""Nothing is recorded about it, or Stripe's word for it is in no table."""

REST = "rest"
"""All reasons that are not told apart to whoever sees no people."""
NAMES: Mapping[str, str] = {
    EndAnswer.COST: "Costs too much just now",
    EndAnswer.LIMITED: "Had meant to give for a while only",
    EndAnswer.SAFETY: "Worried about their safety",
    EndAnswer.PAYMENT: "Trouble with the payments",
    EndAnswer.CONTENT: "Not happy with what we publish",
    EndAnswer.OTHERWISE: "Gives in another way",
    EndAnswer.OTHER: "Another reason, told as such",
    EndReason.SUPPORTER: "Cancelled without saying why",
    EndReason.ERASED: "Asked to be forgotten",
    EndReason.DISPUTED: "Took a payment back through the bank",
    EndReason.FRAUD_WARNING: "Given back after a fraud warning",
    Reason.MONEY: "Not enough money on the card",
    Reason.LIMIT: "Above the card’s limit",
    Reason.EXPIRED: "Card expired",
    Reason.DETAILS: "Card details wrong",
    Reason.CONFIRM: "Bank wants the supporter to confirm",
    Reason.CALL: "Supporter has to ask their bank",
    Reason.BLOCKED: "Card blocked for good",
    Reason.STOPPED: "Told the bank to stop the payments",
    Reason.UNSUITABLE: "Card can’t be used for this",
    Reason.ACCOUNT: "Bank account closed or not debitable",
    Reason.GONE: "No card saved any more",
    Reason.AWAY: "Bank or Stripe could not be reached",
    Reason.REFUSED: "Bank refused without saying why",
    UNKNOWN: "Reason not recorded",
}
"""Every reason a figure is told apart by, in words. An address names them by the key."""

_TOLD = frozenset({*EndReason, *EndAnswer})


def in_words(name: str) -> str:
    """A reason as a table of figures names it."""
    return "All other reasons" if name == REST else NAMES[name]


def family(code: str) -> str:
    """Which of `NAMES` a code belongs to: an answer, an `EndReason`, or Stripe's for a refusal."""
    if code in _TOLD:
        return code
    return REASONS.get(code, UNKNOWN)


def codes_of(name: str, seen: Iterable[str]) -> list[str]:
    """Those of the codes that were seen which belong to a family."""
    return sorted({code for code in seen if family(code) == name})
