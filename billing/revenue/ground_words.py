"""How the pages of a charge and of a pledge name things."""

from __future__ import annotations

from billing.charges.declines import Remedy
from billing.charges.domain import (
    AttemptKind,
    AttemptStatus,
    ChargeStatus,
    DisputeStatus,
    RefundStatus,
    WarningDecision,
)
from billing.charges.tables import EventStatus
from billing.ledger.domain import Account
from billing.outbox import OutboxStatus
from billing.pledges.domain import ChangeKind, EndReason, PledgeStatus
from billing.pledges.tables import MovementKind

CHARGES = {
    ChargeStatus.DUE: "Due",
    ChargeStatus.SUBMITTED: "Being asked for",
    ChargeStatus.PROCESSING: "With the bank",
    ChargeStatus.SUCCEEDED: "Paid",
    ChargeStatus.DECLINED: "Refused",
    ChargeStatus.CANCELLED: "Let go of",
}
PLEDGES = {
    PledgeStatus.ACTIVE: "Active",
    PledgeStatus.PAST_DUE: "Past due",
    PledgeStatus.PAUSED: "Paused",
    PledgeStatus.LAPSED: "Lapsed",
    PledgeStatus.CANCELLED: "Cancelled",
}
ENDS = {
    EndReason.SUPPORTER: "by the supporter",
    EndReason.DISPUTED: "after a payment was taken back through the bank",
    EndReason.FRAUD_WARNING: "after a fraud warning",
    EndReason.ERASED: "when the supporter asked to be forgotten",
}
ATTEMPTS = {
    AttemptStatus.IN_FLIGHT: "Not answered yet",
    AttemptStatus.UNKNOWN: "Answer unknown: being found out",
    AttemptStatus.PROCESSING: "With the bank",
    AttemptStatus.SUCCEEDED: "Paid",
    AttemptStatus.DECLINED: "Refused",
    AttemptStatus.REFUSED: "Not taken by Stripe",
    AttemptStatus.ABSENT: "Never reached Stripe",
}
KINDS = {
    AttemptKind.CHECKOUT: "by the supporter, on a page",
    AttemptKind.OFF_SESSION: "by the saved card",
}
REMEDIES = {
    Remedy.RETRY_LATER: "It is tried again by itself.",
    Remedy.NEEDS_PAYER: "Only the supporter can mend it: a letter with a link asks them to.",
    Remedy.NEVER_AGAIN: "This card is never tried again: a letter asks for another.",
    Remedy.UNKNOWN_OUTCOME: "It is being found out whether money was taken.",
}
REFUNDS = {
    RefundStatus.REQUESTED: "Asked for",
    RefundStatus.PENDING: "On its way",
    RefundStatus.SUCCEEDED: "Given back",
    RefundStatus.FAILED: "Sent back by the bank",
    RefundStatus.REFUSED: "Not made by Stripe",
}
DISPUTES = {
    DisputeStatus.WARNING_NEEDS_RESPONSE: "The bank asks: an answer is wanted",
    DisputeStatus.WARNING_UNDER_REVIEW: "The bank looks at the answer",
    DisputeStatus.WARNING_CLOSED: "The bank asked, and let it be",
    DisputeStatus.NEEDS_RESPONSE: "Open: an answer is wanted",
    DisputeStatus.UNDER_REVIEW: "Open: the bank looks at the answer",
    DisputeStatus.PREVENTED: "Prevented",
    DisputeStatus.LOST: "Lost",
    DisputeStatus.WON: "Won",
}
DECISIONS = {
    WarningDecision.KEPT: "Staff trust the supporter",
    WarningDecision.REFUNDED: "Given back",
    WarningDecision.DISPUTED: "The bank decided first",
    None: "Not decided yet",
}
EVENTS = {
    EventStatus.STORED: "Waiting to be acted upon",
    EventStatus.PROCESSED: "Acted upon",
    EventStatus.IGNORED: "Kept for the record",
    EventStatus.FAILED: "Could not be acted upon: somebody should look",
}
LETTERS = {
    OutboxStatus.WAITING: "Waiting",
    OutboxStatus.SENDING: "Being sent",
    OutboxStatus.SENT: "Sent",
    OutboxStatus.DROPPED: "Not sent: no longer wanted",
    OutboxStatus.FAILED: "Given up: somebody should look",
}
ACCOUNTS = {account: account.value.replace("_", " ").capitalize() for account in Account}
MOVEMENTS = {
    MovementKind.NEW: "First pledge",
    MovementKind.REACTIVATION: "Came back",
    MovementKind.EXPANSION: "Raised",
    MovementKind.CONTRACTION: "Lowered",
    MovementKind.PAUSED: "Paused",
    MovementKind.RESUMED: "Gone on after a pause",
    MovementKind.CHURN_VOLUNTARY: "Cancelled",
    MovementKind.CHURN_INVOLUNTARY: "Lost to failed payments",
}
CHANGES = {
    ChangeKind.PAUSED: "Paused it",
    ChangeKind.RESUMED: "Went on after a pause",
    ChangeKind.SKIPPED: "Left out a payment",
    ChangeKind.TERMS: "Changed the sum or the rhythm",
    ChangeKind.PREPAID: "Paid ahead",
}
NOTHING = "—"
