from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.compare import compare
from tests.chaos.compare_mails import CANCELLED, FAILED, NOTICE, REMINDER
from tests.chaos.facts import (
    Agreed,
    Due,
    Facts,
    Mail,
    Message,
    Owed,
    Prepaid,
    Recorded,
    Taken,
    Visit,
)

FEBRUARY, MARCH = (datetime(2027, month, 5, tzinfo=UTC) for month in (2, 3))
DUES = [Due(earliest=FEBRUARY), Due(earliest=MARCH)]
LATER = timedelta(minutes=5)


def receipt(charge: int, **fields: Any) -> Mail:
    return Mail(
        **{
            "message_id": f"<{charge}>",
            "recipient": "a@chaos.example",
            "subject": "Thank you",
            "about": str(charge),
            "charge": charge or None,
            **fields,
        }
    )


def letter(kind: str, to: str = "a@chaos.example", number: int = 1, **fields: Any) -> Mail:
    return receipt(
        0,
        message_id=f"<{kind} {number}>",
        **{"recipient": to, "subject": kind, "about": f"{number}", "kind": kind, **fields},
    )


def with_mails(facts: Facts, *mails: Mail, **changed: Any) -> Facts:
    """Mails that came, each from its row of the outbox."""
    ids = {mail.message_id for mail in mails}
    outbox = [Message(message_id=name, sent=True, wanted=True) for name in sorted(ids)]
    return replace(facts, mails=[*facts.mails, *mails], outbox=[*facts.outbox, *outbox], **changed)


def recorded(period: int, **fields: Any) -> Recorded:
    given = {"paid": True, "declined": False, "open": 0, **fields}
    return Recorded(pledge=1, period=period, **given)


@pytest.fixture
def facts() -> Facts:
    """One pledge, charged twice as agreed."""
    return Facts(
        agreed={1: Agreed(amount=500, dues=DUES, email="a@chaos.example")},
        charges={11: recorded(1), 12: recorded(2)},
        taken=[
            Taken(charge=11, amount=500, at=FEBRUARY + LATER),
            Taken(charge=12, amount=500, at=MARCH + LATER),
        ],
        stripe={"txn_1": (455, 45), "txn_2": (455, 45)},
        ledger={"txn_1": (455, 45), "txn_2": (455, 45)},
        outbox=[Message(message_id=f"<{n}>", sent=True, wanted=True) for n in (11, 12)],
        mails=[receipt(11), receipt(12)],
    )


def figures(facts: Facts) -> str:
    return compare(facts).line()


def test_all_is_well(facts: Facts) -> None:
    assert compare(facts).good
    assert figures(facts) == (
        "charges due 2, made 2, doubled 0, missed 0, unknown 0, ledger difference 0 cents, "
        "mails doubled 0, mails lost 0"
    )


def test_a_charge_paid_twice_is_doubled(facts: Facts) -> None:
    again = replace(facts, taken=[*facts.taken, Taken(charge=11, amount=500, at=FEBRUARY)])
    assert "doubled 1," in figures(again)


def test_a_period_paid_by_two_charges_is_doubled(facts: Facts) -> None:
    taken = [*facts.taken, Taken(charge=13, amount=500, at=MARCH)]
    again = replace(facts, charges={**facts.charges, 13: recorded(2)}, taken=taken)
    assert "doubled 1," in figures(again)


def test_a_payment_that_was_not_due_is_doubled(facts: Facts) -> None:
    early = replace(facts, agreed={1: replace(facts.agreed[1], dues=DUES[:1])})
    assert "due 1, made 1, doubled 1," in figures(early)


def test_a_payment_without_a_row_is_doubled(facts: Facts) -> None:
    assert "doubled 1," in figures(replace(facts, charges={11: recorded(1)}))


def test_a_period_without_a_charge_is_missed(facts: Facts) -> None:
    short = replace(facts, charges={11: recorded(1)}, taken=facts.taken[:1])
    assert "due 2, made 1, doubled 0, missed 1," in figures(short)


def test_a_refused_charge_is_made_and_ends_the_pledge(facts: Facts) -> None:
    refused = replace(facts, charges={11: recorded(1, paid=False, declined=True)}, taken=[])
    assert "due 1, made 1, doubled 0, missed 0, unknown 0" in figures(
        replace(refused, mails=[], outbox=[], ledger={}, stripe={})
    )


def test_an_attempt_without_an_outcome_is_unknown(facts: Facts) -> None:
    waits = replace(facts, charges={**facts.charges, 12: recorded(2, open=1)})
    assert "unknown 1," in figures(waits)


def test_a_payment_that_we_believe_failed_is_unknown(facts: Facts) -> None:
    wrong = recorded(2, paid=False, declined=True)
    assert "unknown 1," in figures(replace(facts, charges={**facts.charges, 12: wrong}))


def test_a_payment_that_we_believe_in_wrongly_is_unknown(facts: Facts) -> None:
    assert "unknown 1," in figures(replace(facts, taken=facts.taken[:1]))


def test_a_movement_that_is_not_posted_is_a_difference(facts: Facts) -> None:
    ledger = {"txn_1": (455, 45)}
    assert "ledger difference 500 cents" in figures(replace(facts, ledger=ledger))


def test_two_errors_in_the_ledger_do_not_cancel_out(facts: Facts) -> None:
    ledger = {"txn_1": (456, 45), "txn_2": (454, 45)}
    assert "ledger difference 2 cents" in figures(replace(facts, ledger=ledger))


def test_a_wrong_sum_is_a_difference(facts: Facts) -> None:
    taken = [facts.taken[0], Taken(charge=12, amount=600, at=MARCH)]
    assert "ledger difference 100 cents" in figures(replace(facts, taken=taken))


def test_a_mail_under_two_ids_is_doubled(facts: Facts) -> None:
    mails = [*facts.mails, receipt(12, message_id="<other>")]
    outbox = [*facts.outbox, Message(message_id="<other>", sent=True, wanted=True)]
    assert not compare(replace(facts, mails=mails, outbox=outbox)).good


def test_a_mail_that_is_in_no_outbox_is_doubled(facts: Facts) -> None:
    mails = [*facts.mails, receipt(12, message_id="<other>")]
    assert compare(replace(facts, mails=mails)).mails_doubled > 0


def test_a_mail_that_comes_again_under_its_own_id_is_a_resend(facts: Facts) -> None:
    verdict = compare(replace(facts, mails=[*facts.mails, receipt(12)]))
    assert verdict.good
    assert verdict.resent == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"mails": [receipt(11)]},
        {"outbox": [Message(message_id="<11>", sent=True, wanted=True)], "mails": [receipt(11)]},
        {"mails": [receipt(11), receipt(12, recipient="b@chaos.example")]},
    ],
    ids=["never arrived", "never written", "went to somebody else"],
)
def test_a_missing_receipt_is_lost(facts: Facts, changed: dict[str, Any]) -> None:
    assert compare(replace(facts, **changed)).mails_lost > 0


def test_a_message_that_still_waits_is_lost(facts: Facts) -> None:
    waits = Message(message_id="<21>", sent=False, wanted=True)
    assert compare(replace(facts, outbox=[*facts.outbox, waits])).mails_lost == 1


def test_a_payment_before_its_day_is_doubled(facts: Facts) -> None:
    early = [facts.taken[0], replace(facts.taken[1], at=MARCH - timedelta(hours=1))]
    assert "doubled 1," in figures(replace(facts, taken=early))


def cancelled(facts: Facts, at: datetime, dues: list[Due]) -> Facts:
    ended = replace(facts.agreed[1], cancelled_at=at, dues=dues)
    return with_mails(facts, letter(CANCELLED), agreed={1: ended})


def test_a_period_after_the_end_of_a_pledge_is_doubled(facts: Facts) -> None:
    assert "doubled 1," in figures(cancelled(facts, FEBRUARY + LATER, DUES[:1]))


def test_a_charge_asked_for_after_the_end_of_a_pledge_is_doubled(facts: Facts) -> None:
    dues = [DUES[0], Due(earliest=MARCH, owed=False)]
    ended = cancelled(facts, MARCH, dues)
    assert compare(ended).good
    late = recorded(2, asked_at=MARCH + timedelta(hours=2))
    assert "doubled 1," in figures(replace(ended, charges={**facts.charges, 12: late}))


def test_what_was_due_when_its_pledge_ended_may_be_made_or_not(facts: Facts) -> None:
    ended = cancelled(facts, MARCH, [DUES[0], Due(earliest=MARCH, owed=False)])
    without = replace(
        ended, charges={11: facts.charges[11]}, taken=facts.taken[:1],
        mails=[mail for mail in ended.mails if mail.charge != 12],
        outbox=[row for row in ended.outbox if row.message_id != "<12>"],
    )  # fmt: skip
    assert compare(without).good
    assert "due 1, made 1," in figures(without)


def visit(**changed: Any) -> Visit:
    given = {"paid": True, "payments": [900], "charges": [21], "settled": 1, "pledges": 1}
    return Visit(**{"email": "v@chaos.example", "amount": 900, "monthly": True, **given, **changed})


def visited(facts: Facts, **changed: Any) -> Facts:
    return with_mails(facts, receipt(21, recipient="v@chaos.example"), visits=[visit(**changed)])


def test_a_first_payment_counts_as_a_charge(facts: Facts) -> None:
    assert compare(visited(facts)).good
    assert "due 3, made 3," in figures(visited(facts))


@pytest.mark.parametrize(
    ("changed", "figure"),
    [
        ({"payments": [900, 900], "charges": [21, 21], "settled": 2, "pledges": 2}, "doubled 1,"),
        ({"paid": False, "charges": [21]}, "doubled 1,"),
        ({"charges": [], "settled": 0, "pledges": 0}, "missed 1,"),
        ({"settled": 0}, "unknown 1,"),
        ({"pledges": 0}, "unknown 1,"),
        ({"payments": [800]}, "ledger difference 100 cents"),
    ],
    ids=["paid twice", "not by the reader", "not in our books", "not settled", "no pledge", "sum"],
)
def test_what_goes_wrong_with_a_first_payment_is_found(
    facts: Facts, changed: dict[str, Any], figure: str
) -> None:
    assert figure in figures(visited(facts, **changed))


def test_a_first_payment_needs_its_receipt(facts: Facts) -> None:
    assert "mails lost 1" in figures(replace(facts, visits=[visit()]))


def reminded(facts: Facts, *mails: Mail, wanted: bool = True) -> str:
    owed = Owed(email="r@chaos.example", at=MARCH, wanted=wanted)
    return figures(with_mails(facts, *mails, reminders=[owed]))


def test_a_reminder_is_owed_once_and_on_its_day(facts: Facts) -> None:
    came = letter(REMINDER, "r@chaos.example", at=MARCH + LATER)
    assert "mails doubled 0, mails lost 0" in reminded(facts, came)
    assert "mails doubled 0, mails lost 1" in reminded(facts)
    again = letter(REMINDER, "r@chaos.example", 2, at=MARCH + LATER)
    assert "mails doubled 1, mails lost 0" in reminded(facts, came, again)
    early = replace(came, at=MARCH - timedelta(days=1))
    assert "mails doubled 1, mails lost 0" in reminded(facts, early)


def test_no_reminder_is_owed_to_who_has_given(facts: Facts) -> None:
    assert "mails doubled 0, mails lost 0" in reminded(facts, wanted=False)
    came = letter(REMINDER, "r@chaos.example", at=MARCH + LATER)
    assert "mails doubled 1, mails lost 0" in reminded(facts, came, wanted=False)


@pytest.mark.parametrize("kind", [NOTICE, CANCELLED])
def test_a_notice_and_a_confirmation_are_owed_once(facts: Facts, kind: str) -> None:
    owed = replace(
        facts.agreed[1],
        notice_owed=kind == NOTICE,
        cancelled_at=MARCH + LATER if kind == CANCELLED else None,
    )
    owing = replace(facts, agreed={1: owed})
    assert "mails doubled 0, mails lost 1" in figures(owing)
    once = with_mails(owing, letter(kind))
    assert "mails doubled 0, mails lost 0" in figures(once)
    assert "mails doubled 1, mails lost 0" in figures(with_mails(once, letter(kind, number=2)))


def test_a_confirmation_to_who_did_not_cancel_is_doubled(facts: Facts) -> None:
    assert "mails doubled 1," in figures(with_mails(facts, letter(CANCELLED)))


def with_dues(facts: Facts, *dues: Due) -> Facts:
    return replace(facts, agreed={1: replace(facts.agreed[1], dues=dues)})


def test_a_payment_for_what_was_left_out_is_doubled(facts: Facts) -> None:
    skipped = with_dues(facts, Due(earliest=FEBRUARY, owed=False, left_out=True), DUES[1])
    assert "due 1, made 1, doubled 1, missed 0" in figures(skipped)


def test_what_comes_after_a_period_left_out_is_due(facts: Facts) -> None:
    skipped = with_dues(facts, Due(earliest=FEBRUARY, owed=False, left_out=True), DUES[1])
    short = replace(skipped, charges={}, taken=[])
    assert "due 1, made 0, doubled 0, missed 1" in figures(short)


def test_what_may_be_or_not_ends_no_pledge(facts: Facts) -> None:
    unsure = with_dues(facts, Due(earliest=FEBRUARY, owed=False, optional=True), DUES[1])
    assert "due 2, made 2, doubled 0, missed 0" in figures(unsure)
    short = replace(unsure, charges={12: recorded(2)}, taken=facts.taken[1:])
    assert "due 1, made 1, doubled 0, missed 0" in figures(short)


def test_another_sum_than_the_one_agreed_to_since_is_a_difference(facts: Facts) -> None:
    raised = with_dues(facts, DUES[0], Due(earliest=MARCH, amounts=frozenset({700})))
    assert "ledger difference 200 cents" in figures(raised)
    either = with_dues(facts, DUES[0], Due(earliest=MARCH, amounts=frozenset({500, 700})))
    assert compare(either).good


def test_months_paid_ahead_that_our_books_do_not_have_are_missed(facts: Facts) -> None:
    paid = Prepaid(pledge=1, amount=1500, at=MARCH, charge=None, period=None)
    assert "missed 1," in figures(replace(facts, prepaid=[paid]))


LONG_AFTER = timedelta(days=2)


def taken(charge: int, at: datetime) -> Taken:
    return Taken(charge=charge, amount=500, at=at)


def test_a_payment_in_a_later_period_is_doubled(facts: Facts) -> None:
    late = [taken(11, MARCH + LONG_AFTER), taken(12, MARCH + LATER)]
    assert "doubled 1" in figures(replace(facts, taken=late))
    in_time = [taken(11, MARCH + LATER), taken(12, MARCH + LATER)]
    assert "doubled 0" in figures(replace(facts, taken=in_time))


def test_what_was_refused_and_is_paid_in_a_later_period_counts_for_that_one(facts: Facts) -> None:
    refused = recorded(1, declined=True, refused_at=FEBRUARY + LATER)
    late = [taken(11, MARCH + LONG_AFTER), taken(12, MARCH + LONG_AFTER)]
    charges = {11: refused, 12: recorded(2)}
    assert "doubled 1" in figures(replace(facts, charges=charges, taken=late))
    once = replace(facts, charges={11: refused}, taken=late[:1], outbox=[], mails=[])
    assert "due 1, made 1, doubled 0, missed 0" in figures(once)


def test_a_refusal_heard_of_in_a_later_period_does_not_end_its_pledge(facts: Facts) -> None:
    in_march = recorded(1, paid=False, declined=True, refused_at=MARCH + LONG_AFTER)
    heard = replace(facts, charges={11: in_march, 12: recorded(2)}, taken=facts.taken[1:])
    assert "due 2, made 2, doubled 0, missed 0" in figures(heard)
    without = replace(heard, charges={11: in_march}, taken=[])
    assert "missed 1" in figures(without)
    in_february = replace(in_march, refused_at=FEBRUARY + LATER)
    ended = replace(facts, charges={11: in_february, 12: recorded(2)}, taken=facts.taken[1:])
    assert "doubled 1" in figures(ended)


@pytest.mark.parametrize(("letters", "doubled"), [(1, 0), (2, 0), (3, 1)])
def test_a_letter_in_the_same_words_is_owed_for_each_refusal(
    facts: Facts, letters: int, doubled: int
) -> None:
    charges = {11: recorded(1, declined=True), 12: recorded(2, declined=True)}
    mails = [letter(FAILED, number=number, about="refused") for number in range(letters)]
    told = with_mails(replace(facts, charges=charges), *mails)
    assert f"mails doubled {doubled}" in figures(told)
