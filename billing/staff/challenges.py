"""Challenges: random bytes that one browser may have signed once, for one purpose, in minutes."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.orm import Session

from billing.crypto import token_digest
from billing.staff.domain import CHALLENGE_LASTS
from billing.staff.errors import PasskeyError
from billing.staff.tables import Challenge

_BYTES = 32


def make_challenge(session: Session, purpose: str, *, browser: str, now: datetime) -> bytes:
    """A new challenge for a purpose, for the browser that holds the text `browser`."""
    challenge = secrets.token_bytes(_BYTES)
    session.execute(delete(Challenge).where(Challenge.expires_at <= now))
    session.add(
        Challenge(
            challenge_digest=hashlib.sha256(challenge).digest(),
            purpose_digest=token_digest(purpose),
            browser_digest=token_digest(browser),
            expires_at=now + CHALLENGE_LASTS,
        )
    )
    session.flush()
    return challenge


def take_challenge(
    session: Session, challenge: bytes, purpose: str, *, browser: str, now: datetime
) -> None:
    """Use a challenge up. Commit this before looking at the signature: a wrong one uses it up too.

    Raises:
        PasskeyError: when it was never asked, was answered before, or is too old.
    """
    taken = session.execute(
        delete(Challenge)
        .where(
            Challenge.challenge_digest == hashlib.sha256(challenge).digest(),
            Challenge.purpose_digest == token_digest(purpose),
            Challenge.browser_digest == token_digest(browser),
            Challenge.expires_at > now,
        )
        .returning(Challenge.expires_at)
    )
    if taken.one_or_none() is None:
        raise PasskeyError("That took too long, or was sent twice. Please try again.")
