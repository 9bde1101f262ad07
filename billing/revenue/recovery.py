"""Renewals that failed, and what was recovered of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from billing.charges.declines import WINDOW


@dataclass(frozen=True, kw_only=True)
class Renewals:
    """Renewals by one currency and outcome of the first attempt; sums in its minor units."""

    currency: str
    reason: str
    """Stripe's word for why the first attempt failed; empty when it did not."""
    renewals: int
    recovered: int
    amount_minor: int
    recovered_minor: int


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A period's renewals by the day of their first attempt."""

    due: int
    failed: int
    recovered: int
    failed_value: Fraction
    recovered_value: Fraction
    """In minor units of the reporting currency."""

    @property
    def failed_rate(self) -> Fraction | None:
        """Renewals whose first attempt failed / renewals due."""
        return Fraction(self.failed, self.due) if self.due else None

    @property
    def recovery_rate(self) -> Fraction | None:
        """Recovered / failed, by value, counted to the month of the failure."""
        return self.recovered_value / self.failed_value if self.failed_value else None


def recovery(rows: Iterable[Renewals], rates: Mapping[str, Fraction]) -> Recovery:
    """Put a period's renewals together; what has no rate counts by number only."""
    rows = list(rows)
    failed = [row for row in rows if row.reason]
    return Recovery(
        due=sum(row.renewals for row in rows),
        failed=sum(row.renewals for row in failed),
        recovered=sum(row.recovered for row in failed),
        failed_value=_value(((r.currency, r.amount_minor) for r in failed), rates),
        recovered_value=_value(((r.currency, r.recovered_minor) for r in failed), rates),
    )


def is_final(last: date, today: date) -> bool:
    """Whether the window of the last failure of a period has closed."""
    return last + WINDOW < today


def _value(sums: Iterable[tuple[str, int]], rates: Mapping[str, Fraction]) -> Fraction:
    known = (minor * rates[currency] for currency, minor in sums if currency in rates)
    return sum(known, Fraction())
