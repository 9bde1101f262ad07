"""Finding, creating and forgetting supporters."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.crypto import Vault
from billing.supporters.address import InvalidAddressError, lookup_form, read_address
from billing.supporters.errors import SupporterNotFoundError
from billing.supporters.tables import Supporter


def get_or_create(
    session: Session, vault: Vault, *, address: str, name: str | None, language: str, now: datetime
) -> Supporter:
    """The supporter with this address, made if there is none.

    An address that Stripe took but we would not is kept as it is: a payment is never turned away
    over its receipt.
    """
    try:
        address = read_address(address)
    except InvalidAddressError:
        address = address.strip()
    digest = vault.digest(lookup_form(address))
    session.execute(
        insert(Supporter)
        .values(
            email_digest=digest,
            email_encrypted=vault.encrypt(address),
            name_encrypted=vault.encrypt(name) if name else None,
            language=language,
            created_at=now,
        )
        .on_conflict_do_nothing(index_elements=[Supporter.email_digest])
    )
    return session.scalars(select(Supporter).where(Supporter.email_digest == digest)).one()


def get_supporter(session: Session, supporter_id: int, *, lock: bool = False) -> Supporter:
    """The supporter; `lock` keeps an erasure waiting until the transaction ends, not a letter.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
    """
    query = select(Supporter).where(Supporter.id == supporter_id)
    query = query.execution_options(populate_existing=True)
    found = session.scalars(query.with_for_update(read=True) if lock else query).one_or_none()
    if found is None:
        raise SupporterNotFoundError(supporter_id)
    return found


def add_anonymous(session: Session, *, language: str, now: datetime) -> Supporter:
    """A new supporter of whom nothing is known: a number, under which gifts by cheque are kept."""
    supporter = Supporter(anonymous=True, language=language, created_at=now)
    session.add(supporter)
    session.flush()
    return supporter


def erase(session: Session, supporter_id: int, *, now: datetime) -> tuple[bool, bytes | None]:
    """Wipe address and name, the row locked; that there was somebody stays, for the money's sake.

    Returns:
        Whether this call did it, and not one before; and the digest under which they were known,
        for what else is to be forgotten, if they had an address.

    Raises:
        SupporterNotFoundError: when there is no such supporter.
    """
    supporter = session.get(Supporter, supporter_id, with_for_update=True, populate_existing=True)
    if supporter is None:
        raise SupporterNotFoundError(supporter_id)
    if supporter.erased_at is not None:
        return False, None
    digest = supporter.email_digest
    supporter.email_digest = supporter.email_encrypted = supporter.name_encrypted = None
    supporter.erased_at = now
    session.flush()
    return True, digest
