"""Lines of CSV (RFC 4180) that spreadsheets open as what they are and never as formulas. Pure.

Text is text: what would begin a formula gets an apostrophe before it. Numbers, sums and days are
written by their type and are never touched, so −5 stays a number. See ADR 0067.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from billing.money import Money, plain_decimal

Cell = str | int | Decimal | Fraction | Money | date | datetime | None
Row = Sequence[Cell]

BOM = "\ufeff"
"""Told so, every version of Excel reads UTF-8; without it Cyrillic becomes rubbish there."""
_FORMULA = frozenset("=+-@\uff1d\uff0b\uff0d\uff20")
"""With tab, CR and LF, which are made spaces, and the full-width forms.

Source: https://owasp.org/www-community/attacks/CSV_Injection.
"""
_SHARE_DIGITS = 6


def safe_text(text: str) -> str:
    """Text on one line that no spreadsheet takes for a formula."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else " " for each in text)
    return f"'{text}" if text.lstrip()[:1] in _FORMULA else text


class Writer:
    """Writes rows; moments in one zone."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._by_type: dict[type, Callable[[Any], str]] = {
            int: str,
            str: safe_text,
            type(None): lambda _: "",
            date: date.isoformat,
            datetime: self._moment,
            Money: lambda sum_: plain_decimal(sum_.minor, sum_.currency),
            Decimal: lambda number: f"{number:f}",
            Fraction: lambda share: f"{float(share):.{_SHARE_DIGITS}f}",
        }

    def lines(self, rows: Iterable[Row]) -> bytes:
        """The rows, each ended by CR LF."""
        written: list[str] = []
        csv.writer(_Sink(written)).writerows([self._cell(each) for each in row] for row in rows)
        return "".join(written).encode()

    def head(self, columns: Iterable[str]) -> bytes:
        """What a file begins with: the mark of UTF-8, and the names of the columns."""
        return BOM.encode() + self.lines([list(columns)])

    def _cell(self, cell: Cell) -> str:
        write = self._by_type.get(type(cell))
        return safe_text(str(cell)) if write is None else write(cell)

    def _moment(self, at: datetime) -> str:
        return at.astimezone(self._zone).isoformat(timespec="seconds")


class _Sink:
    """What `csv.writer` writes to: a list."""

    def __init__(self, written: list[str]) -> None:
        self.write = written.append
