"""Where time comes from. Nothing else in the code reads the system clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Anything that knows the time."""

    def now(self) -> datetime:
        """The moment it is, timezone-aware, in UTC."""
        ...


class SystemClock:
    """The machine's own clock: what production uses."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved; for tests and one-off calculations."""

    def __init__(self, at: datetime) -> None:
        self._at = at.astimezone(UTC)

    def now(self) -> datetime:
        return self._at

    def advance(self, by: timedelta) -> None:
        """Move the hands by `by`, which may be negative."""
        self._at += by


class FileClock:
    """The system clock plus an offset kept in a file, so that several processes move together.

    The file holds one decimal number: the offset in seconds. A missing or empty file is an
    offset of zero. Only local mode uses it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset_seconds())

    def offset_seconds(self) -> float:
        """Seconds by which this clock is ahead of the system's."""
        try:
            return float(self._path.read_text(encoding="ascii").strip() or 0)
        except FileNotFoundError:
            return 0.0

    def advance(self, by: timedelta) -> datetime:
        """Move the hands by `by` for every process that reads the file; returns the new time.

        The file is replaced in one step, so that no reader ever sees half a number.
        """
        offset = self.offset_seconds() + by.total_seconds()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".new")
        draft.write_text(repr(offset), encoding="ascii")
        draft.replace(self._path)
        return self.now()
