"""How the desk calls states, rhythms, mails and what staff do."""

from __future__ import annotations

from billing.pledges.domain import Cadence, EndReason, PledgeStatus
from billing.reminders.domain import ReminderStatus

STATUSES = {
    PledgeStatus.ACTIVE: "Running",
    PledgeStatus.PAST_DUE: "Payment failed",
    PledgeStatus.PAUSED: "Paused",
    PledgeStatus.LAPSED: "Lapsed",
    PledgeStatus.CANCELLED: "Ended",
}
CADENCES = {Cadence.ONCE: "once", Cadence.MONTHLY: "a month", Cadence.ANNUAL: "a year"}
ENDS = {
    EndReason.SUPPORTER: "At the supporter’s wish.",
    EndReason.DISPUTED: "The payer took a payment back through their bank.",
    EndReason.FRAUD_WARNING: "The money was given back after a fraud warning.",
    EndReason.ERASED: "The supporter was erased.",
}
LANGUAGES = {"en": "English", "ru": "Russian"}
METHODS = {"bank": "by bank transfer", "cheque": "by cheque", "cash": "in cash"}
MAILS = {
    "amount_changed": "Confirmation of another amount",
    "cancelled": "Confirmation that the pledge ended",
    "card_expiring": "Note that the card runs out",
    "card_needed": "Request for another card",
    "confirm_payment": "Request to confirm a payment",
    "lapsed": "Note that the pledge has lapsed",
    "link_asked": "Link that was asked for",
    "payment_failed": "Note that a payment failed",
    "pledge_changed": "Confirmation of a change",
    "prepaid": "Receipt for months paid ahead",
    "receipt": "Receipt",
    "refunded": "Note that money was given back",
    "reminder": "Reminder",
    "renewal_notice": "Notice of the next annual payment",
}
MAIL_STATES = {
    "waiting": "waits to be sent",
    "sending": "is being sent",
    "sent": "sent",
    "dropped": "taken back before it was sent",
    "failed": "could not be delivered",
}
REFUNDS = {
    "requested": "asked for, on its way to Stripe",
    "pending": "on its way to the payer",
    "succeeded": "given back",
    "failed": "sent back by the bank: give it back another way",
    "refused": "refused by Stripe; no money moved",
}
ATTEMPTS = {
    "in_flight": ("Being charged", "Stripe was asked and has not answered yet."),
    "unknown": ("Outcome unknown", "Stripe did not answer; it is being found out what happened."),
    "processing": ("With the bank", "The bank has it; the money comes, or not, days later."),
    "absent": ("Never reached Stripe", "No money moved."),
}
STAFF = {
    "charge_refunded": "gave money back",
    "gift_entered": "entered a gift",
    "gift_taken_back": "took an entry back",
    "link_sent": "had a link sent",
    "mail_sent_again": "had a receipt sent again",
    "person_erased": "erased the supporter",
    "pledge_cancelled": "ended a pledge",
    "pledge_changed": "changed a pledge",
    "reminders_stopped": "stopped reminders",
    "warning_kept": "let a payment stand after a fraud warning",
    "warning_refunded": "gave money back after a fraud warning",
}
DECISIONS = {
    "kept": "Staff let the payment stand.",
    "refunded": "The money was given back.",
    "disputed": "The payer disputed the payment before anybody had decided.",
    None: "Nobody has decided about it yet.",
}
REMINDERS = {
    ReminderStatus.WAITING: "waits for its day",
    ReminderStatus.QUEUED: "is being sent",
    ReminderStatus.SENT: "was sent",
    ReminderStatus.SKIPPED: "was not sent: its reader gave before",
    ReminderStatus.UNSUBSCRIBED: "was stopped",
    ReminderStatus.UNDELIVERED: "could not be delivered",
}
CHANGES = {"resumed": "Gone on after a pause", "skipped": "One payment left out"}
