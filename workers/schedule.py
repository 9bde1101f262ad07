"""What the beat starts and how often, and which queue each task waits in.

Every tick only asks the database what is due by now, so a tick that is lost, late or doubled
changes nothing.
"""

from __future__ import annotations

from typing import TypedDict

QUEUES = ("charges", "events", "mail", "sweeps")

ROUTES = {
    "workers.charges.take": {"queue": "charges"},
    "workers.charges.resolve_attempt": {"queue": "charges"},
    "workers.refunds.send_refund": {"queue": "charges"},
    "workers.events.process_event": {"queue": "events"},
    "workers.mail.send_message": {"queue": "mail"},
}
"""Tasks not named here wait in `sweeps`."""

QUICK_SECONDS = 2.0
"""How often what should not wait is looked for: mail, webhook events, the next due charges."""

FIGURES_SECONDS = 3.0
"""How often the revenue figures follow: they are to be five seconds old at most, and each time
costs the database some milliseconds however little is new."""

TAKE_WITHIN_SECONDS = 60.0
"""How long a tick that takes money is good for: it may wait behind attempts to be resolved."""

SLOW_SECONDS = 900.0
"""How often Stripe's lists are compared with ours."""

CLOCKS_APART_SECONDS = 60.0
"""How long a tick is kept at least: the worker judges by its own clock what the beat wrote by its
own, and where the hosts are some seconds apart it would drop every quick tick, silently."""

AHEAD_SECONDS = 30.0
"""How much work is queued ahead of those who do it: many ticks' worth, and little to lose."""

_AHEAD_LEAST, _AHEAD_MOST = 500, 5000


def ahead(calls_per_second: float) -> int:
    """How many tasks may wait in one queue, given the pace at which Stripe may be called.

    What is beyond that waits in the database, where it is due until the next tick. So a night of
    30,000 charges fills no Redis, and nothing is queued twice because its turn has not come yet.
    """
    return int(min(_AHEAD_MOST, max(_AHEAD_LEAST, calls_per_second * AHEAD_SECONDS)))


class Entry(TypedDict):
    """One line of the beat's schedule."""

    task: str
    schedule: float
    options: dict[str, float]


def schedule(tick_seconds: float) -> dict[str, Entry]:
    """The beat's schedule, given how often due charges and reminders are looked for."""
    quick = min(QUICK_SECONDS, tick_seconds)
    figures = min(FIGURES_SECONDS, tick_seconds)
    slow = min(SLOW_SECONDS, tick_seconds * 15)
    return {
        "create the charges now due": _every(tick_seconds, "workers.charges.renew"),
        "take the money that is due": _every(quick, "workers.charges.take"),
        "resolve attempts without an outcome": _every(tick_seconds, "workers.charges.resolve"),
        "end pauses": _every(tick_seconds, "workers.pledges.resume"),
        "close pages of changed pledges": _every(tick_seconds, "workers.pledges.close_pages"),
        "let pledges lapse": _every(tick_seconds, "workers.charges.lapse"),
        "announce annual charges": _every(tick_seconds, "workers.cards.announce"),
        "warn of cards that expire": _every(slow, "workers.cards.warn"),
        "close card pages that ran out": _every(slow, "workers.cards.close_pages"),
        "give money back": _every(tick_seconds, "workers.refunds.give_back"),
        "process webhook events": _every(quick, "workers.events.process"),
        "send what is in the outbox": _every(quick, "workers.mail.send"),
        "put due reminders in the outbox": _every(tick_seconds, "workers.reminders.send_due"),
        "erase reminders that went out": _every(slow, "workers.reminders.erase_old"),
        "keep the revenue figures up to date": _every(figures, "workers.revenue.fold"),
        "send the weekly digest": _every(slow, "workers.digest.send_weekly"),
        "find webhook events that never came": _every(slow, "workers.events.backfill_events"),
        "close checkouts that ran out": _every(slow, "workers.charges.close_checkouts"),
        "reconcile payouts": _every(slow, "workers.charges.reconcile_payouts"),
        "post what moved on Stripe's balance": _every(slow, "workers.charges.reconcile_ledger"),
    }


def _every(seconds: float, task: str) -> Entry:
    """A tick that nobody took in time is dropped: the next one does its work."""
    expires = max(CLOCKS_APART_SECONDS, seconds * 2)
    return {"task": task, "schedule": seconds, "options": {"expires": expires}}
