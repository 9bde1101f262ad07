"""How staff read sums, days and moments: in English, in the newsroom's time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.numbers import (
    format_compact_decimal,
    format_currency,
    format_percent,
    get_currency_symbol,
)

from billing.money import Money, exponent

_ENGLISH = "en"


@dataclass(frozen=True)
class Formats:
    """Writes values for one newsroom."""

    zone: ZoneInfo

    def money(self, sum_: Money) -> str:
        """A sum to its last minor unit: $1,234.50."""
        major = Decimal(sum_.minor).scaleb(-exponent(sum_.currency))
        return format_currency(major, sum_.currency.upper(), locale=_ENGLISH)

    def whole(self, sum_: Money) -> str:
        """A sum without its minor units, for axes and goals: $10,000."""
        major = Decimal(sum_.minor).scaleb(-exponent(sum_.currency))
        return format_currency(
            major, sum_.currency.upper(), "¤#,##0", locale=_ENGLISH, currency_digits=False
        )

    def axis(self, sum_: Money) -> str:
        """A sum as short as an axis needs it: $500, $2K, -$1.5K."""
        major = Decimal(sum_.minor).scaleb(-exponent(sum_.currency))
        sign = get_currency_symbol(sum_.currency.upper(), locale=_ENGLISH)
        short = format_compact_decimal(abs(major), locale=_ENGLISH, fraction_digits=1)
        return f"{'-' if major < 0 else ''}{sign}{short}"

    def signed(self, sum_: Money) -> str:
        """A change: +$5.00, −$5.00, $0.00."""
        sign = "\N{MINUS SIGN}" if sum_.minor < 0 else "+" if sum_.minor else ""
        return sign + self.money(Money(abs(sum_.minor), sum_.currency))

    def percent_fine(self, part: float) -> str:
        """A share of 1 with one decimal: 4.2%."""
        return format_percent(part, "#,##0.0%", locale=_ENGLISH)

    def percent(self, part: float) -> str:
        """A share of 1: 42%."""
        return format_percent(part, locale=_ENGLISH)

    def moment(self, at: datetime) -> str:
        """A moment in the newsroom's zone: 3 Nov 2026, 14:05."""
        return format_datetime(at, "d MMM y, HH:mm", tzinfo=self.zone, locale=_ENGLISH)

    def day_of(self, at: datetime) -> str:
        """The newsroom's day of a moment: 3 Nov 2026."""
        return self.day(at.astimezone(self.zone).date())

    def day(self, day: date) -> str:
        """A day: 3 Nov 2026."""
        return format_date(day, "d MMM y", locale=_ENGLISH)

    def short_month(self, day: date) -> str:
        """The month of a day in three letters: Nov."""
        return format_date(day, "MMM", locale=_ENGLISH)

    def month(self, day: date) -> str:
        """The month of a day: November 2026."""
        return format_date(day, "MMMM y", locale=_ENGLISH)


@dataclass(frozen=True)
class RoundedFormats(Formats):
    """Writes sums as viewers see them: rounded, without minor units (ADR 0072)."""

    step: Decimal
    """Sums are whole multiples of this, in major units."""

    def money(self, sum_: Money) -> str:
        """A sum rounded to the step, half to even: $1,200."""
        return self.whole(self._rounded(sum_))

    def signed(self, sum_: Money) -> str:
        """A change rounded to the step: +$200, −$100, $0."""
        return super().signed(self._rounded(sum_))

    def _rounded(self, sum_: Money) -> Money:
        step = max(1, int(self.step.scaleb(exponent(sum_.currency))))
        return Money(round(Decimal(sum_.minor) / step) * step, sum_.currency)
