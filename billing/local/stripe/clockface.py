"""The stand-in's time: the application's clock file, or else an offset of its own."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from billing.clock import FileClock, SystemClock


class Clockface(Protocol):
    """What the rest of the stand-in needs of a clock."""

    def now(self) -> int:
        """Unix seconds."""

    def offset(self) -> int:
        """Seconds ahead of (negative: behind) the machine's clock."""

    def move_to(self, offset_seconds: int) -> None:
        """Set the offset."""


class SharedClock:
    """Reads and writes the offset in a file that the application reads too."""

    def __init__(self, path: Path) -> None:
        self._clock = FileClock(path)

    def now(self) -> int:
        """Unix seconds."""
        return int(self._clock.now().timestamp())

    def offset(self) -> int:
        """The number in the file; a missing or empty file is 0."""
        return int(self._clock.offset_seconds())

    def move_to(self, offset_seconds: int) -> None:
        """Write the offset for every process that reads the file."""
        self._clock.advance(timedelta(seconds=offset_seconds - self._clock.offset_seconds()))


class OwnClock:
    """The machine's clock plus an offset kept in this process."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._offset = 0

    def now(self) -> int:
        """Unix seconds."""
        return int(self._clock.now().timestamp()) + self._offset

    def offset(self) -> int:
        """Seconds added to the machine's clock."""
        return self._offset

    def move_to(self, offset_seconds: int) -> None:
        """Set the offset."""
        self._offset = offset_seconds


def open_clock(path: Path | None) -> Clockface:
    """The clock to use: shared through `path`, or this process's own."""
    return SharedClock(path) if path else OwnClock()
