"""The comparison at the end: Stripe's books with ours, and the outbox with the mailbox. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """A pledge as it was made, with the moments at which it should be charged, period 1 first."""

    amount: int
    dues: Sequence[datetime]
    email: str


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A charge as our database has it."""

    pledge: int
    period: int
    paid: bool
    declined: bool
    """Whether a refusal is recorded for it."""
    open: int
    """Attempts without an outcome."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A payment that succeeded at Stripe, by the charge that its metadata names."""

    charge: int
    amount: int


@dataclass(frozen=True, kw_only=True)
class Message:
    """A row of the outbox."""

    message_id: str
    sent: bool
    wanted: bool
    """False for what was dropped: nobody waits for it."""


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail in the mailbox; `about` is what tells it from others of its subject."""

    message_id: str
    recipient: str
    subject: str
    about: str
    charge: int | None
    """The number of the charge that it is a receipt for."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything that is compared. Movements are by balance transaction: net and fee."""

    agreed: Mapping[int, Agreed]
    charges: Mapping[int, Recorded]
    taken: Sequence[Taken]
    stripe: Mapping[str, tuple[int, int]]
    ledger: Mapping[str, tuple[int, int]]
    outbox: Sequence[Message]
    mails: Sequence[Mail]


@dataclass
class Verdict:
    """The figures, and what each that is not 0 consists of."""

    due: int = 0
    made: int = 0
    doubled: int = 0
    missed: int = 0
    unknown: int = 0
    difference: int = 0
    mails_doubled: int = 0
    mails_lost: int = 0
    resent: int = 0
    """Mails that came again under the Message-ID they had come with: not counted as doubled."""
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every figure but the first two is 0."""
        return not any(
            (
                self.doubled,
                self.missed,
                self.unknown,
                self.difference,
                self.mails_doubled,
                self.mails_lost,
            )
        )

    def line(self) -> str:
        """The one line."""
        return (
            f"charges due {self.due}, made {self.made}, doubled {self.doubled}, "
            f"missed {self.missed}, unknown {self.unknown}, "
            f"ledger difference {self.difference} cents, "
            f"mails doubled {self.mails_doubled}, mails lost {self.mails_lost}"
        )


def compare(facts: Facts) -> Verdict:
    """Hold the two sides against each other."""
    verdict = Verdict()
    _charges(facts, verdict)
    _outcomes(facts, verdict)
    _ledger(facts, verdict)
    _mails(facts, verdict)
    return verdict


def _due(facts: Facts) -> Iterator[tuple[int, int]]:
    """Pledge and period of every charge that was due.

    A pledge whose period was never paid ends there, as past due or lapsed: what comes after it is
    not due.
    """
    paid = {
        (charge.pledge, charge.period)
        for taken in facts.taken
        if (charge := facts.charges.get(taken.charge)) is not None
    }
    for pledge, agreed in facts.agreed.items():
        for period, _ in enumerate(agreed.dues, start=1):
            yield pledge, period
            if (pledge, period) not in paid:
                break


def _charges(facts: Facts, verdict: Verdict) -> None:
    by_period = {(charge.pledge, charge.period): charge for charge in facts.charges.values()}
    times: Counter[tuple[int, int]] = Counter()
    for taken in facts.taken:
        charge = facts.charges.get(taken.charge)
        if charge is None:
            verdict.doubled += 1
            verdict.notes.append(f"charge {taken.charge} was paid at Stripe and has no row")
            continue
        times[charge.pledge, charge.period] += 1
        agreed = facts.agreed[charge.pledge]
        if taken.amount != agreed.amount:
            verdict.difference += abs(taken.amount - agreed.amount)
            verdict.notes.append(f"charge {taken.charge} took {taken.amount} of {agreed.amount}")
    due = set(_due(facts))
    verdict.due = len(due)
    for pledge, period in sorted(due):
        found = by_period.get((pledge, period))
        if times[pledge, period] or (found is not None and found.declined):
            verdict.made += 1
        else:
            verdict.missed += 1
            verdict.notes.append(f"pledge {pledge} period {period} was missed: {found}")
    for key, count in times.items():
        above = count - (key in due)
        if above:
            verdict.doubled += above
            verdict.notes.append(f"pledge {key[0]} period {key[1]} was paid {count} times")


def _outcomes(facts: Facts, verdict: Verdict) -> None:
    """What we do not know, or believe wrongly, about money."""
    paid = {taken.charge for taken in facts.taken}
    for number, charge in facts.charges.items():
        if charge.open or charge.paid != (number in paid):
            verdict.unknown += 1
            verdict.notes.append(f"charge {number}: {charge}, paid at Stripe: {number in paid}")


def _ledger(facts: Facts, verdict: Verdict) -> None:
    for name in facts.stripe.keys() | facts.ledger.keys():
        ours, theirs = facts.ledger.get(name, (0, 0)), facts.stripe.get(name, (0, 0))
        off = sum(abs(our - their) for our, their in zip(ours, theirs, strict=True))
        if off:
            verdict.difference += off
            verdict.notes.append(f"{name}: ledger {ours}, Stripe {theirs}")


def _mails(facts: Facts, verdict: Verdict) -> None:
    arrived = Counter(mail.message_id for mail in facts.mails)
    verdict.resent = arrived.total() - len(arrived)
    known = {message.message_id for message in facts.outbox}
    for message in facts.outbox:
        if message.wanted and not (message.sent and arrived[message.message_id]):
            _lost(verdict, f"message {message.message_id} (sent: {message.sent})")
    different = {mail.message_id: mail for mail in facts.mails}.values()
    for mail in different:
        if mail.message_id not in known:
            _doubled(verdict, 1, f"{mail.subject} to {mail.recipient} is in no outbox")
    same = Counter((mail.recipient, mail.subject, mail.about) for mail in different)
    for (recipient, subject, _), count in same.items():
        if count > 1:
            _doubled(verdict, count - 1, f"{subject} to {recipient} came {count} times")
    _receipts(facts, different, verdict)


def _receipts(facts: Facts, mails: Iterable[Mail], verdict: Verdict) -> None:
    """Without a look at the outbox: one receipt for each payment at Stripe, to who paid."""
    receipts: dict[int, list[str]] = defaultdict(list)
    for mail in mails:
        if mail.charge is not None:
            receipts[mail.charge].append(mail.recipient)
    for number in {taken.charge for taken in facts.taken} & facts.charges.keys():
        who = facts.agreed[facts.charges[number].pledge].email
        got = receipts.pop(number, []).count(who)
        if got > 1:
            _doubled(verdict, got - 1, f"charge {number} has {got} receipts")
        if got < 1:
            _lost(verdict, f"the receipt of charge {number}")
    for number, to in receipts.items():
        _doubled(verdict, len(to), f"receipts for charge {number}, which was not paid")


def _doubled(verdict: Verdict, count: int, note: str) -> None:
    verdict.mails_doubled += count
    verdict.notes.append(f"mail doubled: {note}")


def _lost(verdict: Verdict, note: str) -> None:
    verdict.mails_lost += 1
    verdict.notes.append(f"mail lost: {note}")
