"""What of the comparison is about mail: the outbox, the mailbox, and what each reader is owed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from datetime import timedelta

from tests.chaos.facts import Facts, Mail
from tests.chaos.verdict import Verdict

EARLY = timedelta(minutes=40)
"""By how much a reminder may seem early: the clock goes back by a quarter of an hour at times."""

NOTICE, REMINDER, CANCELLED, FAILED = "notice", "reminder", "cancelled", "failed"


def compare_mails(facts: Facts, verdict: Verdict) -> None:
    """Nothing lost, nothing said twice, and to each reader what they are owed."""
    arrived = Counter(mail.message_id for mail in facts.mails)
    verdict.resent = arrived.total() - len(arrived)
    different = {mail.message_id: mail for mail in facts.mails}.values()
    _outbox(facts, arrived, different, verdict)
    _failures(facts, different, verdict)
    others = [mail for mail in different if mail.charge is None and not mail.kind]
    same = Counter((mail.recipient, mail.subject, mail.about) for mail in others)
    for (recipient, subject, _), count in same.items():
        if count > 1:
            verdict.double_mail(count - 1, f"{subject} to {recipient} came {count} times")
    _receipts(facts, different, verdict)
    _reminders(facts, different, verdict)
    by_reader = {agreed.email: agreed for agreed in facts.agreed.values()}
    cancelled = [email for email, agreed in by_reader.items() if agreed.cancelled_at is not None]
    _once(CANCELLED, cancelled, different, verdict)
    _nobody_else(CANCELLED, cancelled, different, verdict)
    told = [email for email, agreed in by_reader.items() if agreed.notice_owed]
    _once(NOTICE, told, different, verdict)


def _outbox(
    facts: Facts, arrived: Mapping[str, int], different: Collection[Mail], verdict: Verdict
) -> None:
    known = {message.message_id for message in facts.outbox}
    for message in facts.outbox:
        if message.wanted and not (message.sent and arrived.get(message.message_id)):
            verdict.lose_mail(f"message {message.message_id} (sent: {message.sent})")
    for mail in different:
        if mail.message_id not in known:
            verdict.double_mail(1, f"{mail.subject} to {mail.recipient} is in no outbox")


def _failures(facts: Facts, mails: Collection[Mail], verdict: Verdict) -> None:
    """The same words at most once for each refused charge: two of them may be refused alike."""
    refused = Counter(
        facts.agreed[charge.pledge].email for charge in facts.charges.values() if charge.declined
    )
    letters = Counter((m.recipient, m.subject, m.about) for m in mails if m.kind == FAILED)
    for (recipient, subject, _), count in letters.items():
        if count > refused[recipient]:
            above = count - refused[recipient]
            verdict.double_mail(above, f"{subject} to {recipient} came {count} times")


def _receipts(facts: Facts, mails: Collection[Mail], verdict: Verdict) -> None:
    """Without a look at the outbox: one receipt for each payment at Stripe, to who paid."""
    receipts: dict[int, list[str]] = defaultdict(list)
    for mail in mails:
        if mail.charge is not None:
            receipts[mail.charge].append(mail.recipient)
    for number, who in _payers(facts).items():
        got = receipts.pop(number, []).count(who)
        if got > 1:
            verdict.double_mail(got - 1, f"charge {number} has {got} receipts")
        if got < 1:
            verdict.lose_mail(f"the receipt of charge {number}")
    for number, to in receipts.items():
        verdict.double_mail(len(to), f"receipts for charge {number}, which was not paid")


def _payers(facts: Facts) -> dict[int, str]:
    """Who paid each charge that Stripe has as paid."""
    renewals = {taken.charge for taken in facts.taken} & facts.charges.keys()
    payers = {number: facts.agreed[facts.charges[number].pledge].email for number in renewals}
    payers |= {number: visit.email for visit in facts.visits for number in visit.charges}
    return payers


def _reminders(facts: Facts, mails: Collection[Mail], verdict: Verdict) -> None:
    """One to each who asked, on its day, and none to who has given by then."""
    days = {owed.email: owed.at for owed in facts.reminders if owed.wanted}
    _once(REMINDER, days, mails, verdict)
    _nobody_else(REMINDER, days, mails, verdict)
    for mail in mails:
        day = days.get(mail.recipient)
        if mail.kind == REMINDER and mail.at and day and mail.at < day - EARLY:
            verdict.double_mail(1, f"a reminder to {mail.recipient} at {mail.at}, too early")


def _once(kind: str, owed: Collection[str], mails: Collection[Mail], verdict: Verdict) -> None:
    """One mail of a kind to each of these, whatever its words."""
    got = Counter(mail.recipient for mail in mails if mail.kind == kind)
    for email in owed:
        if not got[email]:
            verdict.lose_mail(f"the {kind} to {email}")
        elif got[email] > 1:
            verdict.double_mail(got[email] - 1, f"{got[email]} times {kind} to {email}")


def _nobody_else(
    kind: str, owed: Collection[str], mails: Collection[Mail], verdict: Verdict
) -> None:
    """No mail of a kind to anybody but these."""
    for mail in mails:
        if mail.kind == kind and mail.recipient not in owed:
            verdict.double_mail(1, f"a {kind} to {mail.recipient}, who is owed none")
