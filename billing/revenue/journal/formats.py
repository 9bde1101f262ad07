"""A journal written down: as CSV with debits and credits, and for Beancount. Pure.

Beancount: https://beancount.github.io/docs/beancount_language_syntax.html.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from zoneinfo import ZoneInfo

from billing.money import Money, plain_decimal
from billing.revenue.days import day_of
from billing.revenue.exports.writing import Cell, Row, Writer
from billing.revenue.journal.domain import NAMES, OPENING, Entry, Named
from billing.revenue.months import Month

COLUMNS = (
    "row", "date", "moment", "movement", "stripe_id", "category", "charge", "account", "debit",
    "credit", "currency",
)  # fmt: skip


class Format(StrEnum):
    """How a journal is written."""

    CSV = "csv"
    BEANCOUNT = "beancount"


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a journal says of itself."""

    newsroom: str
    month: Month
    zone: ZoneInfo
    currency: str
    """The newsroom's own."""
    provisional: bool
    """Whether Stripe may still date movements back into the month."""

    @property
    def last(self) -> date:
        """The month's last day."""
        return day_of(self.month.ends, self.zone) - timedelta(days=1)


class CsvJournal:
    """Balances and lines in one table: the column `row` tells them apart."""

    def __init__(self, head: Head) -> None:
        self._head, self._writer = head, Writer(head.zone)

    def beginning(self, opened: Named) -> bytes:
        """The names of the columns, and what stood on each account."""
        rows = self._balances("opening balance", self._head.month.first, opened)
        return self._writer.head(COLUMNS) + self._writer.lines(rows)

    def entries(self, entries: Iterable[Entry]) -> bytes:
        """Movements, a row for each of their lines."""
        return self._writer.lines(row for entry in entries for row in self._entry(entry))

    def end(self, closed: Named) -> bytes:
        """What stands on each account in the end."""
        return self._writer.lines(self._balances("closing balance", self._head.last, closed))

    def _entry(self, entry: Entry) -> Iterable[Row]:
        day = day_of(entry.occurred_at, self._head.zone)
        of: list[Cell] = [
            "entry", day, entry.occurred_at, entry.id, entry.stripe_id, entry.category,
            entry.charge_id,
        ]  # fmt: skip
        return ([*of, *_sides(each.account, each.currency, each.minor)] for each in entry.lines)

    def _balances(self, kind: str, day: date, named: Named) -> Iterable[Row]:
        empty: list[Cell] = [None] * 5
        return (
            [kind, day, *empty, *_sides(account, currency, minor)]
            for (account, currency), minor in named.items()
        )


class BeancountJournal:
    """A ledger that stands by itself, with a balance of every account asserted at its end."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def beginning(self, opened: Named) -> bytes:
        """Title, accounts, and what stood on them."""
        head, first = self._head, self._head.month.first
        title = f"{head.newsroom}: {first:%Y-%m}"
        lines = [
            f";; Days of {head.zone.key}. Income and expenses of earlier months are in {OPENING}.",
            *([_PROVISIONAL] if head.provisional else []),
            f'option "title" {_quoted(title)}',
            f'option "operating_currency" "{head.currency.upper()}"',
            "",
            *(f"{first} open {name}" for name in sorted({*NAMES.values(), OPENING})),
            "",
        ]
        if opened:
            lines += [f'{first} * "Opening balances"']
            lines += [_amount(*each) for each in _flat(opened)]
            lines += [""]
        return _text(lines)

    def entries(self, entries: Iterable[Entry]) -> bytes:
        """Movements as transactions."""
        return _text([line for entry in entries for line in self._entry(entry)])

    def end(self, closed: Named) -> bytes:
        """A balance is asserted as of the morning of its day, so of the day after the last."""
        day = self._head.last + timedelta(days=1)
        lines = [
            f"{day} balance {account}  {plain_decimal(minor, currency)} ~ 0 {currency.upper()}"
            for account, currency, minor in _flat(closed)
        ]
        return _text([*lines, ";; End of the journal."])

    def _entry(self, entry: Entry) -> list[str]:
        day = day_of(entry.occurred_at, self._head.zone)
        what = entry.category.replace("_", " ")
        charge = [] if entry.charge_id is None else [f"  charge: {entry.charge_id}"]
        at_stripe = [] if entry.stripe_id is None else [f"  stripe-id: {_quoted(entry.stripe_id)}"]
        return [
            f"{day} * {_quoted('Stripe' if at_stripe else '')} {_quoted(what)}",
            *at_stripe,
            f"  movement: {entry.id}",
            *charge,
            *(_amount(each.account, each.currency, each.minor) for each in entry.lines),
            "",
        ]


_PROVISIONAL = ";; PROVISIONAL: Stripe may still date movements back into this month."


def _sides(account: str, currency: str, minor: int) -> tuple[Cell, ...]:
    """Account, debit, credit and currency: a line has a debit or a credit."""
    sum_ = Money(abs(minor), currency)
    return (account, sum_ if minor > 0 else None, sum_ if minor < 0 else None, currency.upper())


def _flat(named: Named) -> Iterable[tuple[str, str, int]]:
    return ((account, currency, minor) for (account, currency), minor in named.items())


def _amount(account: str, currency: str, minor: int) -> str:
    return f"  {account:<30} {plain_decimal(minor, currency):>16} {currency.upper()}"


def _quoted(text: str) -> str:
    """A string of Beancount's on one line."""
    plain = "".join(each if each.isprintable() else " " for each in text)
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
