"""What the comparison holds against each other, as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.people import Kind, Visitor


@dataclass(frozen=True, kw_only=True)
class Due:
    """When a period of a pledge should be charged."""

    earliest: datetime
    """A charge made before this was not due."""
    owed: bool = True
    """False where it may be made or not: its reader cancelled at about that time."""
    amounts: frozenset[int] | None = None
    """What may be taken, where that is not the pledge's first sum."""
    left_out: bool = False
    """Nothing may be taken: its reader left it out, or has paid for it ahead."""
    optional: bool = False
    """Whether the pledge goes on though nothing was taken."""
    let_go: bool = False
    """Whether it may be over without having been asked for; then the pledge goes on, too."""
    ahead: bool = False
    """Whether it was paid before its period began."""


@dataclass(frozen=True, kw_only=True)
class Agreed:
    """A pledge as it was made, with its dues, period 1 first."""

    amount: int
    dues: Sequence[Due]
    email: str
    cancelled_at: datetime | None = None
    """Nothing may be asked for after this."""
    notice_owed: bool = False
    """Whether a notice of an annual charge should have come by now."""


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
    asked_at: datetime | None = None
    """When the last attempt was recorded, if there is one."""
    refused_at: datetime | None = None
    """When the first refusal was recorded, if there is one."""


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A payment that succeeded at Stripe, by the charge that its metadata names."""

    charge: int
    amount: int
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A reader who came to pay for the first time, and what both sides have of it."""

    email: str
    amount: int
    monthly: bool
    paid: bool
    """Whether Stripe's page said so to the reader."""
    payments: Sequence[int]
    """Sums of the payments that succeeded at Stripe."""
    charges: Sequence[int]
    """Our charges for those payments, by their numbers."""
    settled: int
    """How many of them we believe to be paid."""
    pledges: int
    """How many pledges were made of them."""


@dataclass(frozen=True, kw_only=True)
class Paid:
    """Whether Stripe's page told a visitor that the payment was made."""

    visitor: Visitor
    paid: bool


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """When a reader asked for the end of a pledge, and when the page said that it had ended."""

    pledge: int
    asked_at: datetime
    confirmed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Changed:
    """A change of a pledge, as its reader saw it."""

    pledge: int
    kind: Kind
    asked_at: datetime
    confirmed_at: datetime | None
    """When a page said that it was done; None when none did: then it may have been or not."""
    amount: int
    """What is taken afterwards, or for the months ahead, in minor units."""
    turn: int = 0
    """The period that the page showed as the next."""
    until: datetime | None = None
    """The end of a pause, as the page showed it."""
    refused: bool = False
    """Whether no button was ever pressed: no page asked."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Which pledges had something due, or without an outcome, before the clock moved on."""

    at: datetime
    busy: frozenset[int]


@dataclass(frozen=True, kw_only=True)
class Prepaid:
    """Months paid ahead: Stripe's payment, and the period that our books have for it."""

    pledge: int
    amount: int
    at: datetime
    charge: int | None
    period: int | None


@dataclass(frozen=True, kw_only=True)
class Owed:
    """A reminder that somebody asked for."""

    email: str
    at: datetime
    wanted: bool
    """False for who gives before that day."""


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
    kind: str = ""
    """`notice`, `reminder` or `cancelled`, where it is one of these."""
    at: datetime | None = None
    """When the mail server took it."""


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
    visits: Sequence[Visit] = ()
    reminders: Sequence[Owed] = ()
    prepaid: Sequence[Prepaid] = ()
