"""The table of gifts that came by bank transfer or cheque."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from billing.db import Base, Moment, UtcDateTime, choice


class OfflineMethod(StrEnum):
    """How a gift came that Stripe knows nothing of."""

    BANK = "bank"
    CHEQUE = "cheque"
    CASH = "cash"


class OfflineGift(Base):
    """What is known of a gift beside its charge, which has no attempt and nothing at Stripe."""

    __tablename__ = "offline_gifts"

    charge_id: Mapped[int] = mapped_column(ForeignKey("charges.id"), primary_key=True)
    method: Mapped[OfflineMethod] = mapped_column(choice(OfflineMethod))
    received_on: Mapped[date]
    """The newsroom's day on which the money was there."""
    reference: Mapped[str] = mapped_column(String(100))
    """By which it is found on the bank's statement or in the binder."""
    entered_by: Mapped[str] = mapped_column(String(100))
    """Which member of staff."""
    entered_at: Mapped[Moment]
    reversed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    """When the entry was taken back: the ledger has a transaction that reverses it."""
