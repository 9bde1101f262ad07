"""Rollups of givers, of pledges' beginnings and of where they come from; and what is still due.

As in `tables.py`, everything here can be thrown away and computed anew. See ADRs 55 and 63.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum

from sqlalchemy import Boolean, Date, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Minor
from billing.revenue.tables import Code, Country, Day, Key, Rhythm, Short

_ZERO = text("0")


class Dimension(IntEnum):
    """By what the sources page tells supporters apart."""

    CAMPAIGN = 1
    APPEAL = 2
    VARIANT = 3
    ARTICLE = 4
    REFERRER = 5


class RevenueGifts(Base):
    """Gifts by day and amount, in slices; one that came back counts as one less."""

    __tablename__ = "revenue_gifts"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    currency: Mapped[Code]
    amount_minor: Mapped[Key]
    """What was paid, the covered fee included, in minor units of `currency`."""
    gifts: Mapped[int]


class RevenueGiver(Base):
    """Somebody who has given a gift, by their first: one line a person."""

    __tablename__ = "revenue_givers"
    __table_args__ = (
        Index("ix_revenue_givers_day", "day", "supporter_id"),
        Index("ix_revenue_givers_source_id_day", "source_id", "day"),
    )

    supporter_id: Mapped[Key]
    charge_id: Mapped[int]
    """Of the first gift."""
    day: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[Minor]
    source_id: Mapped[int]
    country: Mapped[str] = mapped_column(String(2))
    again_on: Mapped[date | None] = mapped_column(Date)
    """The day of the second gift."""
    pledged_on: Mapped[date | None] = mapped_column(Date)
    """The day of the first pledge, which may be before the gift."""


class RevenueConversions(Base):
    """Givers by the day of their first gift, in slices: how many gave again, or pledged."""

    __tablename__ = "revenue_conversions"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    currency: Mapped[Code]
    givers: Mapped[int]
    again: Mapped[int]
    """Gave a second gift, whenever."""
    had_pledged: Mapped[int]
    """Had pledged before the gift: they can't be won by it."""
    within_30: Mapped[int]
    """Pledged on the day of the gift or up to 30 days later; likewise the others."""
    within_90: Mapped[int]
    within_365: Mapped[int]


class RevenueStart(Base):
    """The beginning of a pledge: one line a pledge."""

    __tablename__ = "revenue_starts"
    __table_args__ = (
        Index("ix_revenue_starts_supporter_id", "supporter_id"),
        Index("ix_revenue_starts_day", "day", "pledge_id"),
        Index("ix_revenue_starts_source_id_day", "source_id", "day"),
    )

    pledge_id: Mapped[Key]
    supporter_id: Mapped[int]
    day: Mapped[date]
    currency: Mapped[str] = mapped_column(String(3))
    yearly_minor: Mapped[Minor]
    """What was promised that day, in minor units a year."""
    cadence: Mapped[str] = mapped_column(String(8))
    source_id: Mapped[int]
    country: Mapped[str] = mapped_column(String(2))
    stayed: Mapped[bool] = mapped_column(Boolean)
    """Whether it stands three months later, as far as is known; a pause is no end."""


class RevenueOrigins(Base):
    """What each campaign, appeal, variant, article and kind of referrer brought, by day and month.

    A period is read as its whole months and the days beside them, so that a year costs twelve rows
    for each name. Where a name is asked for by another filter, the joint slices answer.
    """

    __tablename__ = "revenue_origins"

    dimension: Mapped[Short]
    name_id: Mapped[Key]
    """The label; 0 for what has none."""
    whole: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    """Whether the row is a month's, told by its first day."""
    day: Mapped[Day]
    cadence: Mapped[Rhythm]
    paid_currency: Mapped[Code]
    settled_currency: Mapped[Code]
    """Empty for pledges, as is all of this for what readers did before they paid."""
    shown: Mapped[int] = mapped_column(server_default=_ZERO)
    opened: Mapped[int] = mapped_column(server_default=_ZERO)
    began: Mapped[int] = mapped_column(server_default=_ZERO)
    gifts: Mapped[int] = mapped_column(server_default=_ZERO)
    gross: Mapped[Minor] = mapped_column(server_default=_ZERO)
    net: Mapped[Minor] = mapped_column(server_default=_ZERO)
    pledges: Mapped[int] = mapped_column(server_default=_ZERO)
    """How many began."""
    yearly_minor: Mapped[Minor] = mapped_column(server_default=_ZERO)
    stayed: Mapped[int] = mapped_column(server_default=_ZERO)
    """How many of these stand three months later."""


class RevenueExpected(Base):
    """What active pledges are to pay on days to come; counted anew every few minutes."""

    __tablename__ = "revenue_expected"

    day: Mapped[Day]
    currency: Mapped[Code]
    pledges: Mapped[int]
    amount_minor: Mapped[Minor]
