"""The tables of staff: who they are, how they get in, and what they did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ForeignKey, Index, LargeBinary, String
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, RowId, UtcDateTime, choice
from billing.staff.domain import LONGEST_NAME, Role

_DIGEST = LargeBinary(32)


class StaffMember(Base):
    """Someone who works at the newsroom."""

    __tablename__ = "staff_members"

    id: Mapped[RowId]
    name: Mapped[str] = mapped_column(String(LONGEST_NAME), unique=True)
    role: Mapped[Role] = mapped_column(choice(Role))
    user_handle: Mapped[bytes] = mapped_column(LargeBinary(64), unique=True)
    """What passkeys know this person by: random, so that it says nothing."""
    created_at: Mapped[Moment]
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Passkey(Base):
    """A WebAuthn credential. Never deleted: sessions and the audit trail point at it."""

    __tablename__ = "staff_passkeys"

    id: Mapped[RowId]
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    """The longest that WebAuthn Level 3 allows is 1023 bytes."""
    credential_data: Mapped[bytes] = mapped_column(LargeBinary)
    """Attested credential data (WebAuthn §6.5.2): model, credential id and COSE public key."""
    sign_count: Mapped[int]
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[Moment]
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Invitation(Base):
    """A one-time link: it registers a passkey, or in local mode signs in by itself."""

    __tablename__ = "staff_invitations"

    token_digest: Mapped[bytes] = mapped_column(_DIGEST, primary_key=True)
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"), index=True)
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff_members.id"))
    """Empty when it was made from the command line."""
    role: Mapped[Role] = mapped_column(choice(Role))
    """The role that the person had, or was given, when it was made."""
    without_passkey: Mapped[bool] = mapped_column(Boolean)
    """A local one-time sign-in; refused wherever real services are used."""
    revokes_passkeys: Mapped[bool] = mapped_column(Boolean)
    """Whether using it revokes what passkeys there are: for a lost or stolen device."""
    created_at: Mapped[Moment]
    expires_at: Mapped[Moment]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by_browser: Mapped[bytes | None] = mapped_column(_DIGEST)
    """The digest of a random text in the browser that used it, which may so click twice."""


class StaffSession(Base):
    """A signed-in browser."""

    __tablename__ = "staff_sessions"

    id: Mapped[RowId]
    selector_digest: Mapped[bytes] = mapped_column(_DIGEST, unique=True)
    """Of the half of the cookie that stays the same."""
    secret_digest: Mapped[bytes] = mapped_column(_DIGEST)
    """Of the half that is exchanged every few minutes."""
    previous_digest: Mapped[bytes | None] = mapped_column(_DIGEST)
    rotated_at: Mapped[Moment]
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the browser first came back with the current secret."""
    staff_member_id: Mapped[int] = mapped_column(ForeignKey("staff_members.id"), index=True)
    passkey_id: Mapped[int | None] = mapped_column(ForeignKey("staff_passkeys.id"))
    """Empty only after a local one-time sign-in."""
    browser: Mapped[str] = mapped_column(String(64))
    """Its family and system: "Firefox on Linux"."""
    verified_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the passkey was last shown."""
    created_at: Mapped[Moment]
    last_seen_at: Mapped[Moment]
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Challenge(Base):
    """What a passkey was asked to sign, kept for five minutes and taken once."""

    __tablename__ = "staff_challenges"

    challenge_digest: Mapped[bytes] = mapped_column(_DIGEST, primary_key=True)
    purpose_digest: Mapped[bytes] = mapped_column(_DIGEST)
    """Of what it was for: registering by which link, signing in, confirming in which session."""
    browser_digest: Mapped[bytes] = mapped_column(_DIGEST)
    """Of a random text in the cookie of the browser that asked."""
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


class AuditEntry(Base):
    """One thing that staff did or saw. A trigger refuses to change or delete it."""

    __tablename__ = "staff_audit"
    __table_args__ = (
        Index("ix_staff_audit_staff_member_id_id", "staff_member_id", "id"),
        Index("ix_staff_audit_action_id", "action", "id"),
        Index("ix_staff_audit_subject_kind_subject_id", "subject_kind", "subject_id"),
    )

    id: Mapped[RowId]
    occurred_at: Mapped[Moment]
    staff_member_id: Mapped[int | None] = mapped_column(ForeignKey("staff_members.id"))
    """Empty for the command line, and where nobody could be told from a failed try."""
    action: Mapped[str] = mapped_column(String(64))
    subject_kind: Mapped[str | None] = mapped_column(String(32))
    subject_id: Mapped[int | None]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str] = mapped_column(String(500))
