"""What a supporter is written about their charges: rows in the outbox, one for each matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, any_, bindparam, select
from sqlalchemy.orm import Session

from billing.charges.reasons import reason_for
from billing.charges.tables import Charge
from billing.db import Json
from billing.outbox import Draft, put, put_many
from billing.pledges.domain import Cadence, ChangeKind
from billing.pledges.tables import Pledge
from billing.runtime import Runtime
from billing.supporters.tables import Supporter

CANCEL_LINK = "cancel-pledge"
PAY_LINK = "pay-pledge"
CARD_LINK = "pledge-card"
MANAGE_LINK = "pledge"
"""The purposes under which links in letters are signed."""

_ADDRESSEE = (
    select(Supporter.email_encrypted, Supporter.email_digest, Supporter.language)
    .where(Supporter.id == bindparam("supporter_id", type_=Supporter.id.type))
    .with_for_update(read=True)
)
"""Locked with other letters, not with an erasure: no address outlives its owner's wish in here."""

_ADDRESSEES = (
    select(Supporter.id, Supporter.email_encrypted, Supporter.email_digest, Supporter.language)
    .where(Supporter.id == any_(bindparam("supporter_ids", type_=ARRAY(BigInteger))))
    .order_by(Supporter.id)
    .with_for_update(read=True)
)
"""The same for many, locked in the order of their ids."""

_PATHS = {CANCEL_LINK: "/cancel", PAY_LINK: "/pay", CARD_LINK: "/card", MANAGE_LINK: ""}


def pledge_url(runtime: Runtime, purpose: str, pledge_id: int) -> str:
    """The address of a page about one pledge. Each asks before it acts, and needs no sign-in."""
    token = runtime.links.token(purpose, pledge_id)
    return runtime.links.url(f"/pledges/{token}{_PATHS[purpose]}")


@dataclass(frozen=True, kw_only=True)
class Letter:
    """What `put_letter` is given, for one of many letters."""

    key: str
    template: str
    supporter_id: int
    language: str | None
    context: Json


def put_letters(session: Session, letters: Sequence[Letter], *, now: datetime) -> None:
    """Queue letters as `put_letter` does, in two statements for all of them."""
    ids = sorted({letter.supporter_id for letter in letters})
    found = {row.id: row for row in session.execute(_ADDRESSEES, {"supporter_ids": ids})}
    drafts = [
        Draft(
            unique_key=letter.key,
            template=letter.template,
            language=letter.language or supporter.language,
            recipient_encrypted=supporter.email_encrypted,
            recipient_digest=supporter.email_digest,
            context=letter.context,
        )
        for letter in letters
        if (supporter := found[letter.supporter_id]).email_encrypted is not None
    ]
    if drafts:
        put_many(session, drafts, now=now)


def put_letter(
    session: Session,
    *,
    key: str,
    template: str,
    supporter_id: int,
    language: str | None,
    context: Json,
    now: datetime,
) -> bool:
    """Queue a letter, once for each `key`; an erased supporter gets none.

    Returns:
        Whether it is new.
    """
    supporter = session.execute(_ADDRESSEE, {"supporter_id": supporter_id}).one()
    if supporter.email_encrypted is None:
        return False
    return put(
        session,
        unique_key=key,
        template=template,
        language=language or supporter.language,
        recipient_encrypted=supporter.email_encrypted,
        recipient_digest=supporter.email_digest,
        context=context,
        now=now,
    )


def put_failure(
    session: Session,
    runtime: Runtime,
    charge: Charge,
    pledge: Pledge,
    *,
    remedy: str,
    now: datetime,
) -> None:
    """Queue the letter about a failed payment: why, that nothing was taken, one link to mend it.

    One for each remedy of a charge, so that four retries do not make four letters.
    """
    template = "confirm_payment" if remedy == "confirm" else "payment_failed"
    put_letter(
        session,
        key=f"{template}:charge:{charge.id}:{remedy}",
        template=template,
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "amount_minor": charge.amount_minor,
            "reason": reason_for(charge.decline_code).value,
            "remedy": remedy,
            "due_at": charge.due_at.isoformat(),
            "next_attempt_at": (
                charge.next_attempt_at.isoformat() if charge.next_attempt_at else None
            ),
            "pay_url": pledge_url(runtime, PAY_LINK, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )


def put_lapsed(session: Session, runtime: Runtime, pledge: Pledge, *, now: datetime) -> None:
    """Queue the letter that says a pledge has lapsed, and how to take it up again."""
    put_letter(
        session,
        key=f"lapsed:pledge:{pledge.id}:{pledge.next_period}",
        template="lapsed",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "since": pledge.anchor_at.isoformat(),
            "pay_url": pledge_url(runtime, PAY_LINK, pledge.id),
        },
        now=now,
    )


def put_card_expiring(session: Session, runtime: Runtime, pledge: Pledge, *, now: datetime) -> None:
    """Queue the letter that says that the card runs out before the next charge.

    Raises:
        ValueError: when the pledge has no card that expires, or no next charge.
    """
    if pledge.card_expires_on is None or pledge.next_charge_at is None:
        raise ValueError("there is nothing that expires")
    _put_about_card(
        session,
        runtime,
        pledge,
        key=f"card_expiring:pledge:{pledge.id}:{pledge.card_expires_on:%Y-%m}",
        template="card_expiring",
        more={
            "card_last4": pledge.card_last4,
            "expires_month": pledge.card_expires_on.month,
            "expires_year": pledge.card_expires_on.year,
        },
        now=now,
    )


def put_card_needed(
    session: Session, runtime: Runtime, pledge: Pledge, *, lost: str, now: datetime
) -> None:
    """Queue the letter that asks for another card because Stripe has lost this one (its id)."""
    _put_about_card(
        session,
        runtime,
        pledge,
        key=f"card_needed:pledge:{pledge.id}:{lost}",
        template="card_needed",
        more={},
        now=now,
    )


def put_renewal_notice(
    session: Session, runtime: Runtime, pledge: Pledge, *, charge_at: datetime, now: datetime
) -> str:
    """Queue the notice of a pledge's next charge, to be made at `charge_at` or later.

    Returns:
        The notice's key in the outbox.
    """
    key = f"renewal_notice:pledge:{pledge.id}:{pledge.next_period}:{now:%Y-%m-%d}"
    if pledge.version:
        key += f":{pledge.version}"  # what is announced has changed, perhaps since this morning
    put_letter(
        session,
        key=key,
        template="renewal_notice",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "since": pledge.anchor_at.isoformat(),
            "charge_at": charge_at.isoformat(),
            "card_url": pledge_url(runtime, CARD_LINK, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )
    return key


def put_amount_changed(
    session: Session,
    runtime: Runtime,
    pledge: Pledge,
    *,
    old_amount_minor: int,
    old_cadence: Cadence,
    now: datetime,
) -> None:
    """Queue the letter that confirms another sum or rhythm, already in the locked pledge."""
    next_charge_at = pledge.next_charge_at
    put_letter(
        session,
        key=f"amount_changed:pledge:{pledge.id}:{pledge.version}",
        template="amount_changed",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "old_amount_minor": old_amount_minor,
            "old_cadence": old_cadence.value,
            "next_charge_at": next_charge_at.isoformat() if next_charge_at else None,
            "manage_url": pledge_url(runtime, MANAGE_LINK, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )


def put_pledge_changed(
    session: Session, runtime: Runtime, pledge: Pledge, kind: ChangeKind, *, now: datetime
) -> None:
    """Queue the letter that confirms a pause, its end, or a payment left out."""
    next_charge_at, until = pledge.next_charge_at, pledge.paused_until
    put_letter(
        session,
        key=f"pledge_changed:pledge:{pledge.id}:{pledge.version}",
        template="pledge_changed",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "change": kind.value,
            "paused_until": until.isoformat() if until else None,
            "next_charge_at": next_charge_at.isoformat() if next_charge_at else None,
            "manage_url": pledge_url(runtime, MANAGE_LINK, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )


def put_link(
    session: Session, runtime: Runtime, pledge: Pledge, purpose: str, *, key: str, now: datetime
) -> bool:
    """Queue a letter with the link that its supporter asked staff for; `key` tells it from others.

    `purpose` is `CARD_LINK`, `PAY_LINK` or `MANAGE_LINK`.

    Returns:
        Whether there is an address to send it to.
    """
    return put_letter(
        session,
        key=f"link_asked:pledge:{pledge.id}:{key}",
        template="link_asked",
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            "about": {CARD_LINK: "card", PAY_LINK: "pay"}.get(purpose, "pledge"),
            "url": pledge_url(runtime, purpose, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )


def _put_about_card(
    session: Session,
    runtime: Runtime,
    pledge: Pledge,
    *,
    key: str,
    template: str,
    more: Json,
    now: datetime,
) -> None:
    next_charge_at = pledge.next_charge_at
    put_letter(
        session,
        key=key,
        template=template,
        supporter_id=pledge.supporter_id,
        language=pledge.language,
        context={
            **_pledge(pledge),
            **more,
            "next_charge_at": next_charge_at.isoformat() if next_charge_at else None,
            "card_url": pledge_url(runtime, CARD_LINK, pledge.id),
            "cancel_url": pledge_url(runtime, CANCEL_LINK, pledge.id),
        },
        now=now,
    )


def _pledge(pledge: Pledge) -> Json:
    return {
        "amount_minor": pledge.amount_minor,
        "currency": pledge.currency,
        "cadence": pledge.cadence.value,
    }
