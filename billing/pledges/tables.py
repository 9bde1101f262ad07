"""The tables of pledges and of the movements of monthly recurring revenue."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import (
    WRITER,
    Base,
    Json,
    Minor,
    Moment,
    RowId,
    UtcDateTime,
    choice,
    written_in_index,
)
from billing.pledges.domain import (
    Cadence,
    Calendar,
    CardLoss,
    ChangeKind,
    EndAnswer,
    EndReason,
    PledgeStatus,
)


class Pledge(Base):
    """A recurring promise. Its row lock is what a charge and a cancellation agree on."""

    __tablename__ = "pledges"
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "fee_cover_minor >= 0 AND fee_cover_minor < amount_minor", name="cover_within_amount"
        ),
        CheckConstraint("cadence <> 'once'", name="recurring"),
        CheckConstraint("next_period >= 1", name="next_period_positive"),
        CheckConstraint(
            "status NOT IN ('cancelled', 'lapsed') OR next_charge_at IS NULL",
            name="ended_is_not_due",
        ),
        CheckConstraint(
            "(status = 'cancelled') = (cancelled_at IS NOT NULL)", name="cancelled_has_moment"
        ),
        CheckConstraint(
            "(status = 'paused') = (paused_until IS NOT NULL)", name="paused_has_an_end"
        ),
        CheckConstraint(
            "from_period >= 0 AND from_period <= next_period AND from_month >= 0",
            name="rhythm_has_begun",
        ),
        CheckConstraint(
            "end_reason IS NULL OR status = 'cancelled'", name="only_the_ended_have_a_reason"
        ),
        Index(
            "ix_pledges_due",
            "next_charge_at",
            "id",
            postgresql_where="status = 'active'",
        ),
        Index(
            "ix_pledges_annual_due",
            "next_charge_at",
            "id",
            postgresql_where="status = 'active' AND cadence = 'annual'",
        ),
        Index(
            "ix_pledges_card_expires_on",
            "card_expires_on",
            postgresql_where="status IN ('active', 'paused') AND card_expires_on IS NOT NULL",
        ),
        Index(
            "ix_pledges_past_due",
            "past_due_since",
            "id",
            postgresql_where="status = 'past_due'",
            postgresql_include=["currency", "cadence", "amount_minor", "fee_cover_minor"],
        ),
        Index("ix_pledges_paused_until", "paused_until", postgresql_where="status = 'paused'"),
        Index("ix_pledges_stripe_payment_method_id", "stripe_payment_method_id"),
        Index("ix_pledges_stripe_customer_id", "stripe_customer_id"),
        Index("ix_pledges_supporter_id", "supporter_id"),
        Index(
            "ix_pledges_past_due_since",
            "past_due_since",
            "id",
            postgresql_where="status = 'past_due'",
        ),
        Index(
            "ix_pledges_without_card",
            "id",
            postgresql_where="stripe_payment_method_id IS NULL"
            " AND status IN ('active', 'past_due', 'paused')",
        ),
        Index(
            "ix_pledges_cancelled_at", "cancelled_at", postgresql_where="cancelled_at IS NOT NULL"
        ),
        Index(
            "ix_pledges_renewal_notice_id",
            "renewal_notice_id",
            postgresql_where="renewal_notice_id IS NOT NULL",
        ),
    )

    id: Mapped[RowId]
    supporter_id: Mapped[int] = mapped_column(ForeignKey("supporters.id"))
    status: Mapped[PledgeStatus] = mapped_column(choice(PledgeStatus))
    cadence: Mapped[Cadence] = mapped_column(choice(Cadence))
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[Minor]
    """What is taken each period, the covered fee included: what the reader agreed to."""
    fee_cover_minor: Mapped[Minor]
    """The part of the amount by which the reader covers Stripe's fee."""
    anchor_at: Mapped[Moment]
    """When the first payment was made; every later period is counted from here."""
    next_period: Mapped[int]
    """The first period for which no charge exists yet."""
    from_period: Mapped[int] = mapped_column(default=0, server_default="0")
    from_month: Mapped[int] = mapped_column(default=0, server_default="0")
    """Since which period the present rhythm runs, and how many months after the anchor that is."""
    next_charge_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When `next_period` falls due; while paused, when the first charge after the pause does."""
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often its supporter has changed it: rows in `pledge_changes`."""
    stripe_customer_id: Mapped[str] = mapped_column(String(255))
    stripe_payment_method_id: Mapped[str | None] = mapped_column(String(255))
    card_brand: Mapped[str | None] = mapped_column(String(32))
    """Stripe's word for it, such as `visa`, or `sepa_debit` for a bank account."""
    card_last4: Mapped[str | None] = mapped_column(String(4))
    card_expires_on: Mapped[date | None]
    """The last day of its month; empty for what does not expire, or is not known yet."""
    card_country: Mapped[str | None] = mapped_column(String(2))
    """Where the card of its first payment is from (ISO 3166); never changed afterwards."""
    card_lost: Mapped[CardLoss | None] = mapped_column(choice(CardLoss))
    """Why there is no payment method any more; a line for staff."""
    renewal_notice_id: Mapped[int | None] = mapped_column(
        ForeignKey("outbox.id", ondelete="SET NULL")
    )
    """The email that announces the next annual charge: without it none is made."""
    language: Mapped[str] = mapped_column(String(8))
    source: Mapped[Json] = mapped_column(JSONB)
    """Which campaign, appeal and article brought it; nothing about the person."""
    created_at: Mapped[Moment]
    past_due_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    past_due_reason: Mapped[str | None] = mapped_column(String(64))
    """The decline code that made it past due, in Stripe's words."""
    cancelled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[EndReason | None] = mapped_column(choice(EndReason))
    """Why it was cancelled; empty for one that was cancelled before it came here."""
    held_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """Since when nothing is taken until staff decide about a fraud warning.

    Not a state of the promise: the supporter still promises, whether past due or not, and it
    counts as income promised. It is we who wait.
    """

    def calendar(self, zone: ZoneInfo) -> Calendar:
        """When its periods fall due, the newsroom being in `zone`."""
        return Calendar(
            anchor=self.anchor_at,
            cadence=self.cadence,
            zone=zone,
            from_period=self.from_period,
            from_month=self.from_month,
        )

    def turn(self, zone: ZoneInfo, now: datetime) -> int:
        """The period charged next: the first without a charge, or a later one if due by now.

        After an outage what was missed before it is not charged any more (invariant 7).
        """
        return max(self.next_period, self.calendar(zone).current(now))


class PledgeChange(Base):
    """One change that a supporter made to a pledge; rows are only ever added."""

    __tablename__ = "pledge_changes"
    __table_args__ = (
        UniqueConstraint("pledge_id", "version"),
        CheckConstraint(
            "(spared_from IS NULL) = (spared_until IS NULL) AND spared_from < spared_until",
            name="spared_is_a_range",
        ),
        written_in_index("pledge_changes"),
    )

    id: Mapped[RowId]
    pledge_id: Mapped[int] = mapped_column(ForeignKey("pledges.id"))
    version: Mapped[int]
    """The pledge's version after it: 1 for the first change."""
    kind: Mapped[ChangeKind] = mapped_column(choice(ChangeKind))
    occurred_at: Mapped[Moment]
    old_cadence: Mapped[Cadence] = mapped_column(choice(Cadence, "old_cadence"))
    cadence: Mapped[Cadence] = mapped_column(choice(Cadence))
    old_amount_minor: Mapped[Minor]
    amount_minor: Mapped[Minor]
    fee_cover_minor: Mapped[Minor]
    """What is agreed to from now on, the covered fee included in the amount."""
    next_period: Mapped[int]
    from_period: Mapped[int]
    from_month: Mapped[int]
    """The calendar after the change."""
    spared_from: Mapped[int | None]
    spared_until: Mapped[int | None]
    """The periods, the last one excluded, that are never charged because of it."""
    paused_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    written_in: Mapped[int | None] = mapped_column(server_default=WRITER)
    """The number of the transaction that wrote it: what the rollups have not seen yet is found by
    it. Empty in rows older than the rollups."""


class PledgeAnswer(Base):
    """What made a supporter stop, for a pledge that they ended: asked once, never insisted on."""

    __tablename__ = "pledge_answers"
    __table_args__ = (written_in_index("pledge_answers"),)

    pledge_id: Mapped[int] = mapped_column(
        ForeignKey("pledges.id"), primary_key=True, autoincrement=False
    )
    answer: Mapped[EndAnswer | None] = mapped_column(choice(EndAnswer))
    """Empty once its supporter has asked to be forgotten."""
    answered_at: Mapped[Moment]
    written_in: Mapped[int] = mapped_column(server_default=WRITER)
    """The number of the transaction that wrote or emptied it, for the rollups to count it."""


class MovementKind(StrEnum):
    """Why monthly recurring revenue moved."""

    NEW = "new"
    REACTIVATION = "reactivation"
    EXPANSION = "expansion"
    CONTRACTION = "contraction"
    PAUSED = "paused"
    RESUMED = "resumed"
    CHURN_VOLUNTARY = "churn_voluntary"
    CHURN_INVOLUNTARY = "churn_involuntary"


class PledgeMovement(Base):
    """One movement of monthly recurring revenue; rows are only ever added."""

    __tablename__ = "pledge_movements"
    __table_args__ = (
        UniqueConstraint("pledge_id", "kind", "occurred_at"),
        Index("ix_pledge_movements_effective_on", "effective_on"),
        Index("ix_pledge_movements_supporter_id", "supporter_id"),
        written_in_index("pledge_movements"),
    )

    id: Mapped[RowId]
    pledge_id: Mapped[int] = mapped_column(ForeignKey("pledges.id"))
    supporter_id: Mapped[int] = mapped_column(ForeignKey("supporters.id"))
    kind: Mapped[MovementKind] = mapped_column(choice(MovementKind))
    currency: Mapped[str] = mapped_column(String(3))
    yearly_minor: Mapped[Minor]
    """The change in yearly value, signed, without the covered fee: twelve times the MRR."""
    occurred_at: Mapped[Moment]
    effective_on: Mapped[date]
    """The newsroom's day on which it counts: churn does when the paid period ends."""
    written_in: Mapped[int | None] = mapped_column(server_default=WRITER)
    """The number of the transaction that wrote it: what the rollups have not seen yet is found by
    it. Empty in rows older than the rollups."""
