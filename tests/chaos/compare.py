"""The comparison at the end: Stripe's books with ours, and the outbox with the mailbox. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tests.chaos.compare_mails import compare_mails
from tests.chaos.facts import Due, Facts, Recorded, Taken, Visit
from tests.chaos.verdict import Verdict

SLACK = timedelta(minutes=40)
"""How far two moments of one thing may be apart: the clock goes back by a quarter of an hour, and
may do so twice, between our look at it and Stripe's."""

REPLAYED = timedelta(hours=23)
"""For how long what was asked for in its period may be asked again under the same key."""

Key = tuple[int, int]
"""A pledge and one of its periods."""


def compare(facts: Facts) -> Verdict:
    """Hold the two sides against each other."""
    verdict = Verdict()
    _charges(facts, verdict)
    _moments(facts, verdict)
    _outcomes(facts, verdict)
    for visit in facts.visits:
        _visit(visit, verdict)
    for prepaid in facts.prepaid:
        if prepaid.charge is None:
            verdict.miss(f"months paid ahead are not in our books: {prepaid}")
    _ledger(facts, verdict)
    compare_mails(facts, verdict)
    return verdict


def _due(facts: Facts, times: Mapping[Key, Sequence[datetime]]) -> Iterator[tuple[Key, Due]]:
    """Pledge and period of every charge that was due.

    A pledge whose period was never paid ends there, as past due or lapsed: what comes after it is
    not due, unless the refusal was heard of when that was due already. What was refused and is paid
    in a later period counts for that one.
    """
    found = {(charge.pledge, charge.period): charge for charge in facts.charges.values()}
    for pledge, agreed in facts.agreed.items():
        late: datetime | None = None
        for period, due in enumerate(agreed.dues, start=1):
            key = pledge, period
            if due.left_out or (_surely_before(due, late) and not due.ahead):
                continue
            unsure = late is not None and due.earliest - SLACK <= late and not due.ahead
            yield key, replace(due, owed=False, optional=True) if unsure else due
            charge, following = found.get(key), agreed.dues[period : period + 1]
            refused_at = charge and charge.refused_at
            if times[key]:
                late = max(times[key]) if refused_at else late
            elif refused_at and following and refused_at >= following[0].earliest - SLACK:
                late = None if _surely_before(following[0], refused_at) else refused_at
            elif not (due.optional or ((due.let_go or unsure) and not refused_at)):
                break


def _surely_before(due: Due, moment: datetime | None) -> bool:
    """Whether a period had begun when a payment was asked for that was made at `moment`."""
    return moment is not None and due.earliest + REPLAYED + SLACK <= moment


def _charges(facts: Facts, verdict: Verdict) -> None:
    by_period = {(charge.pledge, charge.period): charge for charge in facts.charges.values()}
    times: dict[Key, list[datetime]] = defaultdict(list)
    for taken in facts.taken:
        charge = facts.charges.get(taken.charge)
        if charge is None:
            verdict.double(1, f"charge {taken.charge} was paid at Stripe and has no row")
            continue
        times[charge.pledge, charge.period].append(taken.at)
        agreed = _amounts(facts, charge)
        if taken.amount not in agreed:
            off = min(abs(taken.amount - amount) for amount in agreed)
            verdict.differ(off, f"charge {taken.charge} took {taken.amount} of {sorted(agreed)}")
    dues = set()
    for key, due in _due(facts, times):
        dues.add(key)
        found = by_period.get(key)
        made = times[key] or (found is not None and found.declined)
        verdict.due += bool(made or due.owed)
        verdict.made += bool(made)
        if due.owed and not made:
            verdict.miss(f"pledge {key[0]} period {key[1]} was missed: {found}")
    for key, moments in times.items():
        above = len(moments) - (key in dues)
        if above > 0:
            verdict.double(above, f"pledge {key[0]} period {key[1]} was paid {len(moments)} times")


def _amounts(facts: Facts, charge: Recorded) -> frozenset[int]:
    """What may be taken for a charge: the pledge's sum, unless its reader has changed it."""
    agreed = facts.agreed[charge.pledge]
    due = agreed.dues[charge.period - 1] if 0 < charge.period <= len(agreed.dues) else None
    return (due and due.amounts) or frozenset({agreed.amount})


def _moments(facts: Facts, verdict: Verdict) -> None:
    """Nothing is taken before it is due, or asked for after the reader has cancelled."""
    for taken in facts.taken:
        charge = facts.charges.get(taken.charge)
        if charge is None:
            continue
        if _early(facts, taken):
            verdict.double(1, f"charge {taken.charge} was taken before it was due, at {taken.at}")
        if charge.refused_at is None and _over(facts, taken):
            verdict.double(1, f"charge {taken.charge} was taken when it was over, at {taken.at}")
        cancelled = facts.agreed[charge.pledge].cancelled_at
        if cancelled and charge.asked_at and charge.asked_at > cancelled + SLACK:
            verdict.double(1, f"charge {taken.charge}, {charge}, of what ended at {cancelled}")


def _early(facts: Facts, taken: Taken) -> bool:
    charge = facts.charges[taken.charge]
    dues = facts.agreed[charge.pledge].dues
    known = 0 < charge.period <= len(dues)
    return known and taken.at < dues[charge.period - 1].earliest - SLACK


def _over(facts: Facts, taken: Taken) -> bool:
    """Whether the next period had long begun, and not been left out, when a payment was made."""
    charge = facts.charges[taken.charge]
    own = facts.agreed[charge.pledge].dues[charge.period - 1 : charge.period]
    dues = facts.agreed[charge.pledge].dues[charge.period :]
    later = [due for due in dues if not (due.left_out or due.optional)]
    if not charge.period or not own or own[0].ahead or not later or later[0].ahead:
        return False
    return _surely_before(later[0], taken.at)


def _outcomes(facts: Facts, verdict: Verdict) -> None:
    """What we do not know, or believe wrongly, about money."""
    paid = {taken.charge for taken in facts.taken}
    for number, charge in facts.charges.items():
        if charge.open or charge.paid != (number in paid):
            verdict.wonder(f"charge {number}: {charge}, paid at Stripe: {number in paid}")


def _visit(visit: Visit, verdict: Verdict) -> None:
    """A first payment: once at Stripe if the reader saw it paid, and the same in our books."""
    verdict.due += visit.paid
    verdict.made += bool(visit.paid and visit.charges)
    above = len(visit.payments) - visit.paid
    if above > 0:
        verdict.double(above, f"{visit.email} paid {len(visit.payments)} times: {visit}")
    if visit.paid and not visit.charges:
        verdict.miss(f"the payment of {visit.email} is not in our books: {visit}")
    elif not len(visit.payments) == len(visit.charges) == visit.settled:
        verdict.wonder(f"the payment of {visit.email}: {visit}")
    elif visit.pledges != len(visit.charges) * visit.monthly:
        verdict.wonder(f"the pledge of {visit.email}: {visit}")
    for amount in visit.payments:
        if amount != visit.amount:
            verdict.differ(abs(amount - visit.amount), f"{visit.email} paid {amount}: {visit}")


def _ledger(facts: Facts, verdict: Verdict) -> None:
    for name in facts.stripe.keys() | facts.ledger.keys():
        ours, theirs = facts.ledger.get(name, (0, 0)), facts.stripe.get(name, (0, 0))
        off = sum(abs(our - their) for our, their in zip(ours, theirs, strict=True))
        if off:
            verdict.differ(off, f"{name}: ledger {ours}, Stripe {theirs}")
