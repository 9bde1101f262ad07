"""Every step at which a process may be killed: what it was doing, and how far it had come.

`commit 2` is the commit of the second transaction of a task. Transactions are numbered as they
begin, so that the names need no knowledge of the code between. Those of `take` claim and open
charges in turns. A webhook is stored by one statement, which is a transaction of its own.
"""

from __future__ import annotations

_CALL = ("before POST", "during POST")
_TICK = ("before commit 1", "after commit 1", "before publishing")

SEND, RECORD = "send_charge", "record_charges"
"""What the threads of `take` do, each thing again and again: its transactions are all numbered 1.
What was paid is recorded by `record_charges`, many at once; all else by `send_charge` itself."""

STEPS: dict[str, tuple[str, ...]] = {
    "take": (
        "after commit 1",
        "after begin 2",
        "before commit 2",
        "after commit 2",
        "before commit 4",
        "after commit 4",
    ),
    SEND: (*_CALL, "after begin 1", "before commit 1", "after commit 1"),
    RECORD: ("after begin 1", "before commit 1", "after commit 1"),
    "resolve_attempt": (
        "after commit 1",
        "before GET",
        *_CALL,
        "after begin 2",
        "before commit 2",
        "after commit 2",
        "before commit 3",
        "after commit 3",
    ),
    "process_event": (
        "after commit 1",
        "before GET",
        "after begin 2",
        "before commit 2",
        "after commit 2",
        "before commit 3",
        "after commit 3",
    ),
    "send_message": (
        "before commit 1",
        "after commit 1",
        "before MAIL",
        "before RCPT",
        "before DATA",
        "before message",
        "before QUIT",
        "after begin 2",
        "before commit 2",
        "after commit 2",
    ),
    "webhook": ("before statement", "after statement"),
    "renew": _TICK,
    "announce": ("before commit 1", "after commit 1"),
    "send_due": ("before commit 3", "after commit 3"),
    "resolve": _TICK,
    "process": _TICK,
    "send": _TICK,
    "backfill_events": ("after commit 1", "before GET", "before commit 2", "after commit 2"),
    "reconcile_ledger": ("after commit 1", "before GET", "before commit 2", "after commit 2"),
}

PER_CHARGE = frozenset({SEND, "process_event", "send_message", "webhook"})
"""What happens once for each charge; the rest happens once in a while."""

SWEEPS = frozenset({"backfill_events", "reconcile_ledger"})
"""What happens seldom even among those."""

COMMON = frozenset(
    f"{task}: {step}"
    for task in PER_CHARGE
    for step in STEPS[task]
    if task != SEND or step in _CALL
)
"""Steps that a process comes by all the time. What was paid is recorded by another thread: a sender
records only what was no plain success."""

WEB = "webhook"
"""What the web server does; all else is the workers'."""

WORKER_POINTS = tuple(
    f"{task}: {step}" for task, steps in STEPS.items() if task != WEB for step in steps
)
WEB_POINTS = tuple(f"{WEB}: {step}" for step in STEPS[WEB])


def task_of(point: str) -> str:
    """The task that a point belongs to."""
    return point.partition(":")[0]
