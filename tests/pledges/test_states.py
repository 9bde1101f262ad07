"""The state tables, told as tables."""

from __future__ import annotations

from enum import StrEnum

import pytest

from billing.charges.domain import (
    ATTEMPT_TRANSITIONS,
    CHARGE_TRANSITIONS,
    OPEN_ATTEMPTS,
    AttemptStatus,
    ChargeStatus,
)
from billing.checkout.domain import CHECKOUT_TRANSITIONS, CheckoutStatus
from billing.pledges.domain import CHARGEABLE, TRANSITIONS, PledgeStatus, may_become
from billing.reminders.domain import REMINDER_TRANSITIONS, ReminderStatus

PLEDGES = """
            active past_due paused lapsed cancelled
active      .      yes      yes    .      yes
past_due    yes    .        yes    yes    yes
paused      yes    .        .      .      yes
lapsed      yes    .        .      .      yes
cancelled   .      .        .      .      .
"""

CHARGES = """
            due submitted processing succeeded declined cancelled
due         .   yes       .          yes       yes      yes
submitted   yes .         yes        yes       yes      .
processing  .   .         .          yes       yes      .
succeeded   .   .         .          .         yes      .
declined    .   yes       .          yes       .        yes
cancelled   .   .         .          yes       .        .
"""

ATTEMPTS = """
            in_flight unknown processing succeeded declined refused absent
in_flight   .         yes     yes        yes       yes      yes     yes
unknown     .         .       yes        yes       yes      yes     yes
processing  .         .       .          yes       yes      .       .
succeeded   .         .       .          .         yes      .       .
declined    .         .       .          yes       .        .       .
refused     .         .       .          .         .        .       .
absent      .         .       .          yes       yes      .       .
"""

CHECKOUTS = """
            open processing paid failed expired
open        .    yes        yes  yes    yes
processing  .    .          yes  yes    .
paid        .    .          .    yes    .
failed      .    .          yes  .      .
expired     .    yes        yes  .      .
"""

REMINDERS = """
             waiting queued sent skipped unsubscribed undelivered
waiting      .       yes    .    yes     yes          .
queued       .       .      yes  yes     yes          yes
sent         .       .      .    .       .            .
skipped      .       .      .    .       .            .
unsubscribed .       .      .    .       .            .
undelivered  .       yes    .    .       .            .
"""


@pytest.mark.parametrize(
    ("picture", "table", "kind"),
    [
        (PLEDGES, TRANSITIONS, PledgeStatus),
        (CHARGES, CHARGE_TRANSITIONS, ChargeStatus),
        (ATTEMPTS, ATTEMPT_TRANSITIONS, AttemptStatus),
        (CHECKOUTS, CHECKOUT_TRANSITIONS, CheckoutStatus),
        (REMINDERS, REMINDER_TRANSITIONS, ReminderStatus),
    ],
    ids=["pledges", "charges", "attempts", "checkouts", "reminders"],
)
def test_each_state_goes_where_its_table_says(
    picture: str, table: dict[StrEnum, frozenset[StrEnum]], kind: type[StrEnum]
) -> None:
    header, *rows = [line.split() for line in picture.strip().splitlines()]
    assert header == [status.value for status in kind]
    drawn = {
        row[0]: {name for name, cell in zip(header, row[1:], strict=True) if cell == "yes"}
        for row in rows
    }
    assert drawn == {status.value: {target.value for target in table[status]} for status in kind}


def test_money_is_taken_only_for_pledges_that_still_run() -> None:
    assert {PledgeStatus.ACTIVE, PledgeStatus.PAST_DUE} == CHARGEABLE
    assert not may_become(PledgeStatus.CANCELLED, PledgeStatus.ACTIVE)


def test_an_attempt_that_may_still_take_money_is_open() -> None:
    still_open = {status for status in AttemptStatus if status in OPEN_ATTEMPTS}
    assert still_open == {AttemptStatus.IN_FLIGHT, AttemptStatus.UNKNOWN, AttemptStatus.PROCESSING}
