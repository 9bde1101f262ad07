from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.compare import Agreed, Facts, Mail, Message, Recorded, Taken, compare

FEBRUARY, MARCH = (datetime(2027, month, 5, tzinfo=UTC) for month in (2, 3))


def receipt(charge: int, **fields: Any) -> Mail:
    return Mail(
        **{
            "message_id": f"<{charge}>",
            "recipient": "a@chaos.example",
            "subject": "Thank you",
            "about": str(charge),
            "charge": charge,
            **fields,
        }
    )


def recorded(period: int, **fields: Any) -> Recorded:
    given = {"paid": True, "declined": False, "open": 0, **fields}
    return Recorded(pledge=1, period=period, **given)


@pytest.fixture
def facts() -> Facts:
    """One pledge, charged twice as agreed."""
    return Facts(
        agreed={1: Agreed(amount=500, dues=[FEBRUARY, MARCH], email="a@chaos.example")},
        charges={11: recorded(1), 12: recorded(2)},
        taken=[Taken(charge=11, amount=500), Taken(charge=12, amount=500)],
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
    again = replace(facts, taken=[*facts.taken, Taken(charge=11, amount=500)])
    assert "doubled 1," in figures(again)


def test_a_period_paid_by_two_charges_is_doubled(facts: Facts) -> None:
    taken = [*facts.taken, Taken(charge=13, amount=500)]
    again = replace(facts, charges={**facts.charges, 13: recorded(2)}, taken=taken)
    assert "doubled 1," in figures(again)


def test_a_payment_that_was_not_due_is_doubled(facts: Facts) -> None:
    early = replace(facts, agreed={1: replace(facts.agreed[1], dues=[FEBRUARY])})
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
    taken = [facts.taken[0], Taken(charge=12, amount=600)]
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
