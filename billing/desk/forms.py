"""What is asked for at the desk, read from the request and judged."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flask_babel import force_locale

from billing.accounts.words import explain_amount
from billing.charges.offline import Entered
from billing.charges.tables_offline import OfflineMethod
from billing.checkout.domain import OFFERS, AmountError, Offer, read_amount
from billing.desk.errors import DeskFormError
from billing.money import Money, scale
from billing.staff.domain import plain
from billing.supporters.address import InvalidAddressError, read_address

OLDEST_GIFT = timedelta(days=3660)
"""How long ago a gift can have come that is entered now: ten years, as books are kept."""

LARGEST_GIFT = 1_000_000
"""In major units. A slip of the finger should not buy the newsroom; a bequest may be entered."""

LONGEST_REFERENCE = 100


@dataclass(frozen=True, kw_only=True)
class Newcomer:
    """Of whom a gift is that came by bank, cheque or in cash."""

    address: str | None
    """None where nobody knows it."""
    language: str
    """In which they are written to."""


def read_sum(written: str, offer: Offer) -> Money:
    """A sum as staff wrote it, within the bounds of the offer.

    Raises:
        DeskFormError: in words, when it can't be read or is out of bounds.
    """
    if not written.strip():
        raise DeskFormError("Please write a sum.")
    try:
        return read_amount(written, offer)
    except AmountError as error:
        with force_locale("en"):
            raise DeskFormError(explain_amount(error.problem, offer)) from error


def any_sum(currency: str) -> Offer:
    """The bounds of what is not a supporter's choice: from the smallest coin upwards."""
    known = OFFERS.get(currency)
    largest = LARGEST_GIFT * scale(currency)
    if known is not None:
        return replace(known, minimum=1, maximum=largest)
    return Offer(
        currency=currency,
        minimum=1,
        maximum=largest,
        suggested=(),
        suggested_annual=(),
        fee_fixed=0,
    )


def read_gift(fields: Mapping[str, str], now: datetime, zone: ZoneInfo) -> Entered:
    """A gift that came by bank, cheque or in cash, as staff wrote it down.

    Raises:
        DeskFormError: in words, for the first field that can't be taken.
    """
    currency = fields.get("currency", "")
    if currency not in OFFERS:
        raise DeskFormError("Please choose a currency from the list.")
    amount = read_sum(fields.get("amount", ""), any_sum(currency))
    try:
        method = OfflineMethod(fields.get("method", ""))
    except ValueError as error:
        raise DeskFormError("Please choose how the gift came.") from error
    reference = plain(fields.get("reference", ""))
    if not reference:
        raise DeskFormError("Please give a reference by which it is found in your bank’s papers.")
    if len(reference) > LONGEST_REFERENCE or "@" in reference:
        raise DeskFormError(
            f"A reference has at most {LONGEST_REFERENCE} letters, and holds no address."
        )
    return Entered(
        amount=amount,
        received_on=_read_day(fields.get("day", ""), now.astimezone(zone).date()),
        method=method,
        reference=reference,
    )


def read_newcomer(fields: Mapping[str, str], languages: Collection[str]) -> Newcomer:
    """Of whom a gift is, as far as it is known.

    Raises:
        DeskFormError: in words, when the address can't be read, or the language is none of ours.
    """
    written, language = fields.get("email", "").strip(), fields.get("language", "")
    if language not in languages:
        raise DeskFormError("Please choose a language from the list.")
    if not written:
        return Newcomer(address=None, language=language)
    try:
        return Newcomer(address=read_address(written), language=language)
    except InvalidAddressError as error:
        raise DeskFormError(
            "That is not an address to which mail can be sent. Without one, leave the field empty."
        ) from error


def _read_day(written: str, today: date) -> date:
    try:
        day = date.fromisoformat(written.strip())
    except ValueError as error:
        raise DeskFormError("That is not a day. Please write it like 2026-03-31.") from error
    if day > today:
        raise DeskFormError("That day has not come yet.")
    if day < today - OLDEST_GIFT:
        raise DeskFormError("That is more than ten years ago.")
    return day
