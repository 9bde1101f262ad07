"""What an audit finds: for each invariant how much was looked at, and what breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing.runtime import Runtime

INVARIANTS = {
    1: "a pledge is charged at most once a period",
    2: "nobody is charged after cancelling, or above what they agreed to",
    3: "an attempt is recorded before Stripe is called",
    4: "an unknown outcome is resolved before anything else is tried",
    5: "the ledger is balanced, unchangeable, and equals Stripe's balance",
    6: "everything to be sent is in the outbox, once",
    7: "nothing due is forgotten, and nothing missed is charged at once",
    8: "every webhook event is stored once and acted upon",
    9: "sums are whole minor units, moments have a zone, calendars keep their day",
    10: "personal data is encrypted and stays where it belongs",
}
"""In the words of a newsroom; the numbers are those of README.md."""

MOST_NAMED = 10


@dataclass
class Finding:
    """One check: `looked_at` things of which `offenders` break the invariant."""

    invariant: int
    looked_at: int = 0
    offenders: list[str] = field(default_factory=list)

    def __iadd__(self, other: Finding) -> Self:
        self.looked_at += other.looked_at
        self.offenders += other.offenders
        return self

    def line(self) -> str:
        """The finding in one line."""
        head = f"{self.invariant:>2}  {INVARIANTS[self.invariant]}: {self.looked_at} looked at"
        if not self.offenders:
            return f"ok    {head}"
        named = "; ".join(self.offenders[:MOST_NAMED])
        more = len(self.offenders) - MOST_NAMED
        rest = f"; and {more} more" if more > 0 else ""
        return f"FAIL  {head}, {len(self.offenders)} wrong: {named}{rest}"


Check = Callable[[Runtime, Session], Finding]


def count(session: Session, table: str, where: str = "true") -> int:
    """How many rows of a table there are. Both arguments are our own words, never input."""
    return int(session.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())  # noqa: S608


def offenders(session: Session, query: str, **params: object) -> list[str]:
    """The first column of each row, as text; the query writes out what is wrong."""
    return [str(row[0]) for row in session.execute(text(query), params)]
