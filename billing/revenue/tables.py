"""Rollups: sums by the newsroom's day, from which the revenue pages are read.

Everything here is computed from the ledger, the movements and the attempts, and can be thrown away
and computed anew (`tuppence revenue rebuild`). See ADR 55.

Each rollup keeps the same sums in several slices (`Slice`), so that a filter reads few rows
whatever the number of payments. `member_id` is what the slice is told apart by: the number of a
label, of a pair of labels (`PAIR`), or of a source in the joint slice; 0 elsewhere. `country` is
empty where a slice does not tell countries apart. What has no campaign, appeal, article or country
counts under the empty name.

The sums of months that are over (`RevenueState.months_until`) are kept once more, as rows of the
slice's number plus `MONTHS` whose `day` is the first of the month: a long period reads a row a
month.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum, StrEnum
from typing import Annotated

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Minor, Moment, RowId, choice

Key = Annotated[int, mapped_column(primary_key=True, autoincrement=False)]
Short = Annotated[int, mapped_column(SmallInteger, primary_key=True, autoincrement=False)]
Country = Annotated[str, mapped_column(String(2), primary_key=True)]
Day = Annotated[date, mapped_column(Date, primary_key=True)]
Rhythm = Annotated[str, mapped_column(String(8), primary_key=True)]
Code = Annotated[str, mapped_column(String(3), primary_key=True)]


def by_name(table: str) -> Index:
    """The index that finds all names of one part of a source, by the day."""
    return Index(
        f"ix_{table}_by_name",
        "slice",
        "day",
        postgresql_where="slice IN (1, 2, 7, 10, 11, 21, 22, 27, 30, 31)",
    )


class Slice(IntEnum):
    """By what a row of a rollup is told apart; see this module."""

    ALL = 0
    CAMPAIGN = 1
    APPEAL = 2
    COUNTRY = 3
    JOINT = 4
    """By source (campaign, appeal, variant, article, referrer) and country. Not kept of people."""
    PAIR = 5
    """By campaign and appeal."""
    PAIR_COUNTRY = 6
    ARTICLE = 7
    CAMPAIGN_COUNTRY = 8
    """Kept of people only, as the next: sums are added up from pairs, people cannot be."""
    APPEAL_COUNTRY = 9
    VARIANT = 10
    """Not kept of people, nor is the next."""
    REFERRER = 11


MONTHS = 20
"""What is added to a slice's number in the rows of whole months."""

ADDED = (Slice.ALL, Slice.CAMPAIGN, Slice.APPEAL, Slice.COUNTRY, Slice.JOINT, Slice.PAIR,
         Slice.PAIR_COUNTRY, Slice.ARTICLE, Slice.VARIANT, Slice.REFERRER)  # fmt: skip
"""The slices of what can be added up: money, movements, renewals."""

PEOPLE = tuple(each for each in Slice if each not in (Slice.JOINT, Slice.VARIANT, Slice.REFERRER))
"""The slices of people."""


class LabelKind(StrEnum):
    """What a label names: a part of where somebody came from."""

    CAMPAIGN = "campaign"
    APPEAL = "appeal"
    ARTICLE = "article"
    VARIANT = "variant"
    REFERRER = "referrer"


class MoveKind(StrEnum):
    """Why monthly recurring revenue moved, seen over all pledges of a supporter on a day."""

    NEW = "new"
    REACTIVATION = "reactivation"
    EXPANSION = "expansion"
    CONTRACTION = "contraction"
    CHURN_VOLUNTARY = "churn_voluntary"
    CHURN_INVOLUNTARY = "churn_involuntary"
    PAUSED = "paused"
    """Pauses and their ends."""
    RHYTHM = "rhythm"
    """From monthly to annual or back, at equal yearly value: shows only beside a cadence."""


class RevenueState(Base):
    """How far the rollups have come; one row."""

    __tablename__ = "revenue_state"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[Key]
    horizon: Mapped[int]
    """Everything written by transactions below this number is in the rollups, nothing above."""
    database_system: Mapped[int]
    """The database server's identity: transaction numbers of another mean nothing here."""
    timezone: Mapped[str] = mapped_column(String(64))
    """The newsroom's zone, by whose days the sums were made."""
    folded_at: Mapped[Moment]
    months_until: Mapped[date]
    """The first day of the first month that is not kept as one sum."""
    renewals_until: Mapped[Moment]
    """Up to when the outcomes of renewals were looked at."""
    expected_at: Mapped[Moment]
    """When what is still due was counted."""
    rebuilt_at: Mapped[Moment]


class RevenueLabel(Base):
    """The name of a part of a source."""

    __tablename__ = "revenue_labels"
    __table_args__ = (UniqueConstraint("kind", "name"),)

    id: Mapped[RowId]
    kind: Mapped[LabelKind] = mapped_column(choice(LabelKind))
    name: Mapped[str] = mapped_column(String(200))


class RevenueSource(Base):
    """One combination of all the parts of a source from which somebody came."""

    __tablename__ = "revenue_sources"
    __table_args__ = (
        UniqueConstraint("article", "appeal", "campaign", "variant", "referrer"),
        Index("ix_revenue_sources_campaign_id", "campaign_id"),
        Index("ix_revenue_sources_appeal_id", "appeal_id"),
        Index("ix_revenue_sources_article_id", "article_id"),
    )

    id: Mapped[RowId]
    campaign: Mapped[str] = mapped_column(String(200))
    appeal: Mapped[str] = mapped_column(String(200))
    article: Mapped[str] = mapped_column(String(200))
    variant: Mapped[str] = mapped_column(String(200))
    """Which of several wordings of the appeal was shown."""
    referrer: Mapped[str] = mapped_column(String(200))
    """What kind of site had led to the article, never which."""
    campaign_id: Mapped[int] = mapped_column(ForeignKey("revenue_labels.id"))
    appeal_id: Mapped[int] = mapped_column(ForeignKey("revenue_labels.id"))
    article_id: Mapped[int] = mapped_column(ForeignKey("revenue_labels.id"))
    variant_id: Mapped[int] = mapped_column(ForeignKey("revenue_labels.id"))
    referrer_id: Mapped[int] = mapped_column(ForeignKey("revenue_labels.id"))


class RevenueMoney(Base):
    """What came in and what was taken back, by day. All sums are positive when as their name says.

    Sums are in minor units of `settled_currency`, save those that say paid.
    """

    __tablename__ = "revenue_money"
    __table_args__ = (by_name("revenue_money"),)

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    cadence: Mapped[Rhythm]
    """once, monthly or annual; empty for what belongs to no charge."""
    paid_currency: Mapped[Code]
    settled_currency: Mapped[Code]
    payments: Mapped[int]
    """How many payments; a bank debit that came back counts as none."""
    periods: Mapped[int]
    """How many months or years these pay for."""
    gross_paid: Mapped[Minor]
    covered_paid: Mapped[Minor]
    """The part of it by which supporters cover fees."""
    gross: Mapped[Minor]
    refunds: Mapped[Minor]
    disputes: Mapped[Minor]
    fees: Mapped[Minor]
    other: Mapped[Minor]
    """What moved without our doing, after its fees; not part of any other sum."""


class RevenueLine(Base):
    """By what lists find a ledger transaction: its day, and all that filters ask for.

    Everything a list needs to choose is in the key, whose index is read alone. What is rare in any
    period is found by its account.
    """

    __tablename__ = "revenue_lines"
    __table_args__ = (
        Index(
            "ix_revenue_lines_rare",
            "account",
            "occurred_at",
            "transaction_id",
            postgresql_where="account IN ('refunds', 'disputes', 'other')",
            postgresql_include=["country", "paid_currency", "cadence", "source_id"],
        ),
    )

    day: Mapped[Day]
    country: Mapped[Country]
    paid_currency: Mapped[Code]
    cadence: Mapped[Rhythm]
    """As in `RevenueMoney`."""
    source_id: Mapped[Key]
    occurred_at: Mapped[Moment] = mapped_column(primary_key=True)
    transaction_id: Mapped[Key]
    account: Mapped[str] = mapped_column(String(16))
    """Of `Account`, what it was; empty for a fee that belongs to no payment."""


class RevenueRenewalLine(Base):
    """By what lists find a renewal: the day of its first attempt, and all that filters ask for.

    As in `RevenueLine` everything is in the key. What becomes of it makes another line of it.
    """

    __tablename__ = "revenue_renewal_lines"
    __table_args__ = (
        Index(
            "ix_revenue_renewal_lines_failed",
            "day",
            "reason",
            "country",
            "currency",
            "cadence",
            "source_id",
            "tries",
            "started_at",
            "attempt_id",
            postgresql_where="reason <> ''",
        ),
    )

    day: Mapped[Day]
    country: Mapped[Country]
    currency: Mapped[Code]
    cadence: Mapped[Rhythm]
    source_id: Mapped[Key]
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    """As in `RevenueRenewals`, as is the next."""
    tries: Mapped[Short]
    started_at: Mapped[Moment] = mapped_column(primary_key=True)
    attempt_id: Mapped[Key]


class RevenueMove(Base):
    """A movement of monthly recurring revenue as it counts: one for each row of the history.

    A change of rhythm has two, −1 of the old cadence and 1 of the new one.
    """

    __tablename__ = "revenue_moves"
    __table_args__ = (
        Index("ix_revenue_moves_supporter_id", "supporter_id"),
        Index("ix_revenue_moves_day", "day", "origin_id", "part"),
        Index("ix_revenue_moves_source_id_day", "source_id", "day"),
        Index(
            "ix_revenue_moves_source_id_country",
            "source_id",
            "country",
            postgresql_include=[
                "supporter_id",
                "day",
                "yearly_minor",
                "cadence",
                "currency",
                "cohort",
            ],
        ),
        Index("ix_revenue_moves_cohort", "cohort", "supporter_id"),
        Index(
            "ix_revenue_moves_churn",
            "kind",
            "reason",
            "day",
            "origin_id",
            postgresql_where="kind IN ('churn_voluntary', 'churn_involuntary')",
        ),
    )

    origin_id: Mapped[Key]
    """The movement's id; of a change of rhythm, that of the change."""
    part: Mapped[Short]
    """0 for a movement; −1 and 1 for a change of rhythm."""
    supporter_id: Mapped[int]
    pledge_id: Mapped[int]
    day: Mapped[date]
    kind: Mapped[MoveKind] = mapped_column(choice(MoveKind))
    currency: Mapped[str] = mapped_column(String(3))
    yearly_minor: Mapped[Minor]
    cadence: Mapped[str] = mapped_column(String(8))
    source_id: Mapped[int]
    country: Mapped[str] = mapped_column(String(2))
    cohort: Mapped[date]
    """The first day of the month of the supporter's first pledge."""
    reason: Mapped[str] = mapped_column(String(64))
    """Of churn, why: `EndReason`, or Stripe's word for the last refusal before it; else empty."""


class RevenuePromise(Base):
    """Movements of monthly recurring revenue by day, in minor units a year (twelfths of MRR)."""

    __tablename__ = "revenue_promises"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    kind: Mapped[MoveKind] = mapped_column(choice(MoveKind), primary_key=True)
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Why somebody left; empty for other kinds."""
    moves: Mapped[int]
    yearly_minor: Mapped[Minor]


class RevenueSupporters(Base):
    """People with a running pledge: how many more or fewer than the day before.

    People cannot be added up over slices, cadences or currencies: whoever has two pledges counts
    once. So there is a row for each cadence and for all (empty), and so for currencies. The joint
    slice is not kept: what it would answer is counted from the moves.
    """

    __tablename__ = "revenue_supporters"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    day: Mapped[Day]
    supporters: Mapped[int]


class RevenueRetention(Base):
    """Cohorts by month: supporters and yearly value gained or lost in each month since."""

    __tablename__ = "revenue_retention"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    cohort: Mapped[Day]
    month: Mapped[Day]
    supporters: Mapped[int]
    yearly_minor: Mapped[Minor]
    """Of rows that name a currency only."""


class RevenueAmounts(Base):
    """How many people promise how much: how many more or fewer than the day before.

    Kept for each currency, for each cadence and for all (empty), and not in the joint slice.
    """

    __tablename__ = "revenue_amounts"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    day: Mapped[Day]
    yearly_minor: Mapped[Key]
    """What a person promises a year in this currency."""
    supporters: Mapped[int]


class RevenueRenewals(Base):
    """Renewals by the day of their first attempt: how many failed, and how many were recovered."""

    __tablename__ = "revenue_renewals"
    __table_args__ = (Index("ix_revenue_renewals_day", "day", postgresql_where=text("slice = 4")),)

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    reason: Mapped[str] = mapped_column(String(64), primary_key=True)
    """Stripe's word for why the first attempt failed; empty when it did not."""
    tries: Mapped[Short]
    """Which attempt succeeded; 0 where none has."""
    renewals: Mapped[int]
    recovered: Mapped[int]
    amount_minor: Mapped[Minor]
    recovered_minor: Mapped[Minor]
