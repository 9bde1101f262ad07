"""How far the sweeps over Stripe's lists have come; kept in the database, where nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import TypeVar

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing.charges.tables import SweepMark

_PAGE = 100
"""As many as Stripe lists at once."""

_Listed = TypeVar("_Listed")


def pages(listed: Iterable[_Listed]) -> Iterator[list[_Listed]]:
    """What Stripe lists, a page at a time: what is long known is looked up for all of it at once.

    A sweep sees everything of the last hours or days again, and most of it is known.
    """
    rest = iter(listed)
    while page := list(islice(rest, _PAGE)):
        yield page


def seen_until(session: Session, name: str) -> datetime | None:
    """Until when the sweep has seen everything; None before its first whole run."""
    mark = session.get(SweepMark, name)
    return mark.seen_until if mark else None


def mark_seen(session: Session, name: str, *, until: datetime) -> None:
    """The sweep has seen everything up to `until`."""
    row = insert(SweepMark).values(name=name, seen_until=until)
    session.execute(
        row.on_conflict_do_update(
            index_elements=[SweepMark.name], set_={"seen_until": row.excluded.seen_until}
        )
    )
