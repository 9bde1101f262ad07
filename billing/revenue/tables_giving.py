"""Rollups of givers, of pledges' beginnings and of where they come from; and what is still due.

As in `tables.py`, everything here can be thrown away and computed anew. See ADRs 55 and 63.
"""

from __future__ import annotations

from datetime import date

from sqlalchemy import Boolean, Date, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Minor
from billing.revenue.tables import (
    Code,
    Country,
    Day,
    Key,
    RevenueAmounts,
    RevenueLine,
    RevenueMoney,
    RevenueMove,
    RevenuePromise,
    RevenueRenewalLine,
    RevenueRenewals,
    RevenueRetention,
    RevenueSupporters,
    Rhythm,
    Short,
    by_name,
)


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


class RevenueBegun(Base):
    """Pledges by the day on which they began, in slices."""

    __tablename__ = "revenue_begun"
    __table_args__ = (by_name("revenue_begun"),)

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    cadence: Mapped[Rhythm]
    currency: Mapped[Code]
    pledges: Mapped[int]
    yearly_minor: Mapped[Minor]
    stayed: Mapped[int]
    """How many of them stand three months later, as far as is known."""


class RevenueSteps(Base):
    """What readers did before they paid, by day, in slices; nobody's country is known then."""

    __tablename__ = "revenue_steps"
    __table_args__ = (by_name("revenue_steps"),)

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    day: Mapped[Day]
    shown: Mapped[int]
    opened: Mapped[int]
    began: Mapped[int]


class RevenueReminders(Base):
    """What became of reminders, by the day on which they were asked for, in slices."""

    __tablename__ = "revenue_reminders"

    slice: Mapped[Short]
    member_id: Mapped[Key]
    country: Mapped[Country]
    """Always empty: nobody's is known then."""
    day: Mapped[Day]
    asked: Mapped[int]
    under_way: Mapped[int]
    """This and all that follow as in `Reminded`."""
    sent: Mapped[int]
    gave_before: Mapped[int]
    not_wanted: Mapped[int]
    gave: Mapped[int]
    still_open: Mapped[int]


class RevenueExpected(Base):
    """What active pledges are to pay on days to come; counted anew every few minutes."""

    __tablename__ = "revenue_expected"

    day: Mapped[Day]
    currency: Mapped[Code]
    pledges: Mapped[int]
    amount_minor: Mapped[Minor]


ROLLUPS: tuple[type[Base], ...] = (
    RevenueMoney,
    RevenueLine,
    RevenueMove,
    RevenuePromise,
    RevenueSupporters,
    RevenueRetention,
    RevenueAmounts,
    RevenueRenewals,
    RevenueRenewalLine,
    RevenueGifts,
    RevenueGiver,
    RevenueConversions,
    RevenueStart,
    RevenueBegun,
    RevenueSteps,
    RevenueReminders,
)
"""What a rebuild computes anew; sources and labels keep their ids."""
