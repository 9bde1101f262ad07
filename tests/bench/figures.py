"""A figure that was reached, beside what it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Say = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """One measured value with its unit."""

    what: str
    reached: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def good(self) -> bool:
        """Whether it is where it should be; True for one that is only told."""
        low = self.at_least is not None and self.reached < self.at_least
        high = self.at_most is not None and self.reached > self.at_most
        return not low and not high

    def line(self) -> str:
        """As it is printed."""
        wanted = ""
        if self.at_least is not None:
            wanted = f"at least {self.at_least:g}"
        if self.at_most is not None:
            wanted = f"at most {self.at_most:g}"
        verdict = "" if not wanted else "good" if self.good else "MISSED"
        return (
            f"{self.what:<66} {self.reached:>9.4g} {self.unit:<8} {wanted:<16} {verdict}".rstrip()
        )
