"""What is asked for on the pages of a pledge, read from the request and judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from billing.checkout.domain import Offer, fee_cover_for, read_amount
from billing.money import Money
from billing.pledges.changes import LONGEST_PAUSE
from billing.pledges.domain import Cadence

PAUSES = (1, 2, 3, 6)
"""How many months a pause is offered for."""


class PauseProblemError(ValueError):
    """The end of a pause could not be read, or is not within a year from tomorrow."""


class RhythmProblemError(ValueError):
    """A form names no rhythm that can be agreed to: it was altered on its way."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """A sum and a rhythm that are in order."""

    amount: Money
    """What is taken each period, the covered fee included."""
    fee_cover: Money
    cadence: Cadence


def read_number(fields: Mapping[str, str], name: str) -> int:
    """What a form was made for, by its hidden field of this name; -1 for a form that lacks it."""
    written = fields.get(name, "")
    return int(written) if written.isascii() and written.isdigit() and len(written) < 10 else -1


def read_pause(fields: Mapping[str, str], now: datetime, zone: ZoneInfo) -> datetime:
    """The moment at which a pause is to end.

    A number of months counts from this moment, so that as many monthly payments fall into it; a
    day begins at its midnight in the newsroom.

    Raises:
        PauseProblemError: when it cannot be read, or is too soon or too late.
    """
    day, months = fields.get("until", "").strip(), fields.get("months", "")
    local = now.astimezone(zone)
    if day:
        try:
            until = datetime.combine(date.fromisoformat(day), time(), tzinfo=zone)
        except ValueError as error:
            raise PauseProblemError from error
    elif months in {str(each) for each in PAUSES}:
        wall = local.replace(tzinfo=None) + relativedelta(months=int(months))
        until = wall.replace(tzinfo=zone)
    else:
        raise PauseProblemError
    if not now < until < now + LONGEST_PAUSE - timedelta(days=1):
        raise PauseProblemError
    return until


def read_frozen_pause(fields: Mapping[str, str]) -> datetime:
    """The very moment that the page showed, sent back by its button.

    Raises:
        PauseProblemError: when it was altered.
    """
    try:
        until = datetime.fromisoformat(fields.get("until", ""))
    except ValueError as error:
        raise PauseProblemError from error
    if until.tzinfo is None:
        raise PauseProblemError
    return until


def read_terms(
    fields: Mapping[str, str], offer: Offer, *, unless_said: Cadence | None = None
) -> Terms:
    """A sum and a rhythm as they were written.

    `unless_said` is the rhythm meant by fields that name none; what agrees to a sum has to name it,
    or a year's sum would be taken each month.

    Raises:
        AmountError: when the sum cannot be read or may not be charged.
        RhythmProblemError: when the rhythm is missing or is none that can be agreed to.
    """
    given = read_amount(fields.get("amount", ""), offer)
    covers = fields.get("cover_fee") == "1"
    cover = fee_cover_for(given, offer) if covers else Money(0, given.currency)
    written = fields.get("cadence", unless_said)
    if written not in (Cadence.MONTHLY, Cadence.ANNUAL):
        raise RhythmProblemError
    return Terms(
        amount=given + cover,
        fee_cover=cover,
        cadence=Cadence(written),
    )
