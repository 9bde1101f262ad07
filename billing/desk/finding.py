"""Finding a supporter by what staff have at hand: an address, an id of Stripe's, a number of ours.

An address is turned into its keyed digest at once; it is neither stored nor logged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Select, select, union
from sqlalchemy.orm import Session

from billing.charges.tables import Attempt, Charge
from billing.charges.tables_after import Dispute, FraudWarning, Refund
from billing.checkout.tables import CardUpdate, Checkout
from billing.crypto import Vault
from billing.ledger.tables import LedgerTransaction
from billing.pledges.tables import Pledge
from billing.reminders.tables import Reminder, Suppression
from billing.supporters.address import InvalidAddressError, lookup_form, read_address
from billing.supporters.tables import Supporter

MOST_FOUND = 20
"""How many people are listed at most."""

_LARGEST = 2**63 - 1
_STRIPE_ID = re.compile(r"[a-z]{2,6}(?:_test|_live)?_[A-Za-z0-9_]{1,240}", re.ASCII)
_NUMBER = re.compile(
    r"(?:(pledge|charge|supporter|reminder)\s*)?(?:no\.?\s*|nr\.?\s*|#\s*)?(\d{1,19})",
    re.ASCII | re.IGNORECASE,
)


class By(StrEnum):
    """What somebody was looked for by."""

    ADDRESS = "address"
    STRIPE_ID = "stripe id"
    NUMBER = "number"


class UnreadableQueryError(ValueError):
    """What was written is neither an address, nor an id of Stripe's, nor a number."""


@dataclass(frozen=True, kw_only=True)
class Query:
    """What is looked for."""

    by: By
    text: str
    """The address, the id, or the digits."""
    kind: str = ""
    """With a number: `pledge`, `charge`, `supporter` or `reminder`, where that was said."""


@dataclass(frozen=True, kw_only=True)
class Match:
    """A supporter who was found, and by what."""

    supporter_id: int
    what: str


def read_query(written: str) -> Query:
    """What staff wrote into the field.

    Raises:
        UnreadableQueryError: when it is nothing that can be looked for.
    """
    text = written.strip(" \t\r\n\u00a0\u200b\ufeff<>")
    text = text.removeprefix("mailto:")
    if "@" in text:
        try:
            return Query(by=By.ADDRESS, text=read_address(text))
        except InvalidAddressError as error:
            raise UnreadableQueryError from error
    if number := _NUMBER.fullmatch(text):
        return Query(by=By.NUMBER, text=number[2], kind=(number[1] or "").lower())
    if _STRIPE_ID.fullmatch(text):
        return Query(by=By.STRIPE_ID, text=text)
    raise UnreadableQueryError


def find(session: Session, vault: Vault, query: Query) -> list[Match]:
    """Everybody who fits, by number; at most `MOST_FOUND`."""
    if query.by is By.ADDRESS:
        digest = vault.digest(lookup_form(query.text))
        known = select(Supporter.id).where(Supporter.email_digest == digest)
        return [Match(supporter_id=one, what="this address") for one in session.scalars(known)]
    if query.by is By.NUMBER:
        return _by_number(session, int(query.text), query.kind)
    look = _BY_PREFIX.get(query.text.partition("_")[0])
    if look is None:
        return []
    wanted = union(*look(query.text)).limit(MOST_FOUND)
    found = sorted({int(row) for row in session.scalars(wanted)})
    return [Match(supporter_id=one, what=query.text) for one in found]


def find_reminder(session: Session, vault: Vault, query: Query) -> int | None:
    """The last reminder to an address, or the one of a number, for whoever has never given."""
    if query.by is By.ADDRESS:
        digest = vault.digest(lookup_form(query.text))
        theirs = select(Reminder.id).where(Reminder.email_digest == digest)
        return session.scalar(theirs.order_by(Reminder.id.desc()).limit(1))
    if query.by is By.NUMBER and query.kind == "reminder" and int(query.text) <= _LARGEST:
        return session.scalar(select(Reminder.id).where(Reminder.id == int(query.text)))
    return None


def wants_no_reminders(session: Session, vault: Vault, query: Query) -> bool:
    """Whether what is looked for is an address that asked for no more reminders."""
    if query.by is not By.ADDRESS:
        return False
    return session.get(Suppression, vault.digest(lookup_form(query.text))) is not None


def knows(stripe_id: str) -> bool:
    """Whether ids of this sort stand in our tables at all."""
    return stripe_id.partition("_")[0] in _BY_PREFIX


def _by_number(session: Session, number: int, kind: str) -> list[Match]:
    if number > _LARGEST:
        return []
    looks = {
        "pledge": select(Pledge.supporter_id).where(Pledge.id == number),
        "charge": select(Charge.supporter_id).where(Charge.id == number),
        "supporter": select(Supporter.id).where(Supporter.id == number),
    }
    return [
        Match(supporter_id=found, what=f"{name} {number}")
        for name, look in looks.items()
        if kind in ("", name)
        for found in session.scalars(look)
    ]


Look = Callable[[str], list[Select[Any]]]


def _customer(id_: str) -> list[Select[Any]]:
    return [
        select(Pledge.supporter_id).where(Pledge.stripe_customer_id == id_),
        select(Charge.supporter_id).where(
            Charge.stripe_customer_id == id_, Charge.pledge_id.is_(None)
        ),
    ]


def _payment(id_: str) -> list[Select[Any]]:
    return [
        select(Charge.supporter_id).where(Charge.stripe_payment_intent_id == id_),
        select(Charge.supporter_id)
        .join(Attempt, Attempt.charge_id == Charge.id)
        .where(Attempt.stripe_payment_intent_id == id_),
    ]


def _charge(id_: str) -> list[Select[Any]]:
    return [
        select(Charge.supporter_id).where(Charge.stripe_charge_id == id_),
        select(Charge.supporter_id)
        .join(LedgerTransaction, LedgerTransaction.charge_id == Charge.id)
        .where(LedgerTransaction.stripe_charge_id == id_),
    ]


def _checkout(id_: str) -> list[Select[Any]]:
    return [
        select(Charge.supporter_id)
        .join(Checkout, Checkout.charge_id == Charge.id)
        .where(Checkout.stripe_session_id == id_),
        select(Pledge.supporter_id)
        .join(Checkout, Checkout.prepays_pledge_id == Pledge.id)
        .where(Checkout.stripe_session_id == id_),
        select(Pledge.supporter_id)
        .join(CardUpdate, CardUpdate.pledge_id == Pledge.id)
        .where(CardUpdate.stripe_session_id == id_),
    ]


def _card(id_: str) -> list[Select[Any]]:
    return [select(Pledge.supporter_id).where(Pledge.stripe_payment_method_id == id_)]


def _refund(id_: str) -> list[Select[Any]]:
    of_charge = select(Charge.supporter_id).join(Refund, Refund.charge_id == Charge.id)
    return [of_charge.where(Refund.stripe_refund_id == id_)]


def _dispute(id_: str) -> list[Select[Any]]:
    of_charge = select(Charge.supporter_id).join(Dispute, Dispute.charge_id == Charge.id)
    return [of_charge.where(Dispute.stripe_dispute_id == id_)]


def _warning(id_: str) -> list[Select[Any]]:
    of_charge = select(Charge.supporter_id).join(FraudWarning, FraudWarning.charge_id == Charge.id)
    return [of_charge.where(FraudWarning.stripe_warning_id == id_)]


def _movement(id_: str) -> list[Select[Any]]:
    moved = LedgerTransaction.stripe_balance_transaction_id == id_
    return [
        select(Charge.supporter_id)
        .join(LedgerTransaction, LedgerTransaction.charge_id == Charge.id)
        .where(moved)
    ]


_BY_PREFIX: dict[str, Look] = {
    "cus": _customer,
    "pi": _payment,
    "ch": _charge,
    "py": _charge,
    "cs": _checkout,
    "pm": _card,
    "card": _card,
    "src": _card,
    "re": _refund,
    "pyr": _refund,
    "dp": _dispute,
    "du": _dispute,
    "issfr": _warning,
    "txn": _movement,
}
"""Stripe's ids by their first letters. Subscriptions (sub_) there are none: pledges are ours."""
