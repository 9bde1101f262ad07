"""How the pages about gifts, sources, reminders and payouts name things."""

from __future__ import annotations

from billing.charges.domain import PayoutStatus
from billing.reminders.domain import ReminderStatus
from billing.revenue.fold_reminders import ReminderStep
from billing.revenue.listing import GiverStep, PayoutRow, StartStep
from billing.revenue.reminded import ReminderLine

DIMENSIONS = {
    "campaign": "Campaign",
    "appeal": "Appeal",
    "variant": "Wording",
    "article": "Article",
    "referrer": "Where from",
}
NO_NAME = {
    "campaign": "No campaign",
    "appeal": "No appeal",
    "variant": "Only one wording",
    "article": "No article",
    "referrer": "Not known",
}
REFERRERS = {
    "direct": "Opened directly",
    "inside": "From another page of the same site",
    "search": "Search engines",
    "social": "Social networks",
    "messenger": "Messengers",
    "mail": "Mail on the web",
    "sites": "Other sites",
}
GIVERS = {
    GiverStep.ALL: "People who gave for the first time",
    GiverStep.AGAIN: "People who gave again",
    GiverStep.HAD_PLEDGED: "People who had a pledge before their first gift",
    GiverStep.WITHIN_30: "People who pledged within 30 days of their first gift",
    GiverStep.WITHIN_90: "People who pledged within 90 days of their first gift",
    GiverStep.WITHIN_365: "People who pledged within 365 days of their first gift",
}
STARTS = {
    StartStep.ALL: "Pledges that began",
    StartStep.STAYED: "Pledges that stood three months later",
}
REMINDED = {
    ReminderStep.ASKED: "Reminders asked for",
    ReminderStep.UNDER_WAY: "Reminders that wait",
    ReminderStep.SENT: "Reminders sent",
    ReminderStep.GAVE_BEFORE: "Reminders not sent, as somebody gave before",
    ReminderStep.NOT_WANTED: "Reminders taken back, or undeliverable",
    ReminderStep.GAVE: "Reminders after which somebody gave within 30 days",
    ReminderStep.STILL_OPEN: "Reminders that may still lead to a gift",
}
REMINDERS = {
    ReminderStatus.WAITING: "Waits for its day",
    ReminderStatus.QUEUED: "Its email waits for the mail server",
    ReminderStatus.SENT: "Sent",
    ReminderStatus.SKIPPED: "Not sent: gave before",
    ReminderStatus.UNSUBSCRIBED: "Not wanted any more",
    ReminderStatus.UNDELIVERED: "No mail server took it",
}
PAYOUTS = {
    PayoutStatus.PENDING: "On its way",
    PayoutStatus.IN_TRANSIT: "On its way",
    PayoutStatus.PAID: "At the bank",
    PayoutStatus.FAILED: "Sent back by the bank",
    PayoutStatus.CANCELED: "Taken back",
}


def name_of(by: str, name: str) -> str:
    """A part of a source as staff read it."""
    if not name:
        return NO_NAME[by]
    return REFERRERS.get(name, name) if by == "referrer" else name


def reconciled(row: PayoutRow) -> str:
    """What became of holding a payout against the ledger."""
    if row.status in (PayoutStatus.FAILED, PayoutStatus.CANCELED):
        return "Not looked at: the money is back at Stripe"
    if row.reconciled_at is not None:
        return "Agrees to the cent"
    if not row.automatic:
        return "Made by hand: Stripe does not say what is in it"
    if row.difference_minor is None:
        return "Stripe has not listed it yet"
    if row.unposted:
        return f"{row.unposted:,} of {row.movements or 0:,} movements are not in the ledger yet"
    return "Does not agree: a person has to look"


def gave(line: ReminderLine) -> str:
    """Whether a reminder led to something, in words."""
    if line.status is not ReminderStatus.SENT:
        return "—"
    if line.gave is None:
        return "Not known: erased before" if line.erased else "Not yet"
    return "Gave within 30 days" if line.gave else "Did not give within 30 days"
