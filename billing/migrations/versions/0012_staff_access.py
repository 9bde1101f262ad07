"""Staff get roles, passkeys, invitations and an audit trail; whoever was here is an admin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

import billing.db

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_MOMENT = billing.db.UtcDateTime(timezone=True)
_DIGEST = sa.LargeBinary(length=32)


def upgrade() -> None:
    _members()
    # Links and sessions of before know no passkey: whoever was signed in gets a link to register one.
    op.drop_table("staff_sign_in_links")
    op.drop_table("staff_sessions")
    _passkeys()
    _invitations()
    _sessions()
    _challenges()
    _audit()


def _members() -> None:
    op.add_column("staff_members", sa.Column("role", _role(), server_default="admin", nullable=False))
    op.alter_column("staff_members", "role", server_default=None)
    op.add_column("staff_members", sa.Column("user_handle", sa.LargeBinary(length=64)))
    op.execute(
        "UPDATE staff_members SET user_handle ="
        " decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex')"
    )
    op.alter_column("staff_members", "user_handle", nullable=False)
    op.create_unique_constraint(
        op.f("uq_staff_members_user_handle"), "staff_members", ["user_handle"]
    )


def _passkeys() -> None:
    op.create_table(
        "staff_passkeys",
        _id(),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("credential_data", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_used_at", _MOMENT),
        sa.Column("revoked_at", _MOMENT),
        _member("staff_passkeys"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_staff_passkeys_credential_id")),
    )
    _index("staff_passkeys", "staff_member_id")


def _invitations() -> None:
    op.create_table(
        "staff_invitations",
        sa.Column("token_digest", _DIGEST, nullable=False),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("invited_by_id", sa.BigInteger()),
        sa.Column("role", _role(), nullable=False),
        sa.Column("without_passkey", sa.Boolean(), nullable=False),
        sa.Column("revokes_passkeys", sa.Boolean(), nullable=False),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.Column("used_at", _MOMENT),
        sa.Column("used_by_browser", _DIGEST),
        _member("staff_invitations"),
        _member("staff_invitations", "invited_by_id"),
        sa.PrimaryKeyConstraint("token_digest", name=op.f("pk_staff_invitations")),
    )
    _index("staff_invitations", "staff_member_id")


def _sessions() -> None:
    op.create_table(
        "staff_sessions",
        _id(),
        sa.Column("selector_digest", _DIGEST, nullable=False),
        sa.Column("secret_digest", _DIGEST, nullable=False),
        sa.Column("previous_digest", _DIGEST),
        sa.Column("rotated_at", _MOMENT, nullable=False),
        sa.Column("confirmed_at", _MOMENT),
        sa.Column("staff_member_id", sa.BigInteger(), nullable=False),
        sa.Column("passkey_id", sa.BigInteger()),
        sa.Column("browser", sa.String(length=64), nullable=False),
        sa.Column("verified_at", _MOMENT),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("last_seen_at", _MOMENT, nullable=False),
        sa.Column("ended_at", _MOMENT),
        _member("staff_sessions"),
        sa.ForeignKeyConstraint(
            ["passkey_id"], ["staff_passkeys.id"], name=op.f("fk_staff_sessions_passkey_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_sessions")),
        sa.UniqueConstraint("selector_digest", name=op.f("uq_staff_sessions_selector_digest")),
    )
    _index("staff_sessions", "staff_member_id")


def _challenges() -> None:
    op.create_table(
        "staff_challenges",
        sa.Column("challenge_digest", _DIGEST, nullable=False),
        sa.Column("purpose_digest", _DIGEST, nullable=False),
        sa.Column("browser_digest", _DIGEST, nullable=False),
        sa.Column("expires_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("challenge_digest", name=op.f("pk_staff_challenges")),
    )
    _index("staff_challenges", "expires_at")


def _audit() -> None:
    op.create_table(
        "staff_audit",
        _id(),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("staff_member_id", sa.BigInteger()),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject_kind", sa.String(length=32)),
        sa.Column("subject_id", sa.BigInteger()),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        _member("staff_audit"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_staff_audit")),
    )
    op.create_index("ix_staff_audit_staff_member_id_id", "staff_audit", ["staff_member_id", "id"])
    op.create_index("ix_staff_audit_action_id", "staff_audit", ["action", "id"])
    op.create_index(
        "ix_staff_audit_subject_kind_subject_id", "staff_audit", ["subject_kind", "subject_id"]
    )
    op.execute(_APPEND_ONLY)


_APPEND_ONLY = """
CREATE FUNCTION staff_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only: % is refused', TG_OP
        USING ERRCODE = 'integrity_constraint_violation';
END $$;

CREATE TRIGGER staff_audit_append_only
    BEFORE UPDATE OR DELETE ON staff_audit
    FOR EACH ROW EXECUTE FUNCTION staff_audit_is_append_only();
CREATE TRIGGER staff_audit_no_truncate
    BEFORE TRUNCATE ON staff_audit
    FOR EACH STATEMENT EXECUTE FUNCTION staff_audit_is_append_only();
"""


def _id() -> sa.Column[int]:
    return sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False)


def _role() -> sa.Enum:
    return sa.Enum(
        "viewer", "desk", "admin",
        name="role", native_enum=False, create_constraint=True, length=32,
    )  # fmt: skip


def _member(table: str, column: str = "staff_member_id") -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["staff_members.id"], name=op.f(f"fk_{table}_{column}"))


def _index(table: str, column: str) -> None:
    op.create_index(op.f(f"ix_{table}_{column}"), table, [column])
