"""The figures that a run ends in."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Verdict:
    """The figures, and what each that is not 0 consists of."""

    due: int = 0
    made: int = 0
    doubled: int = 0
    missed: int = 0
    unknown: int = 0
    difference: int = 0
    mails_doubled: int = 0
    mails_lost: int = 0
    resent: int = 0
    """Mails that came again under the Message-ID they had come with: not counted as doubled."""
    notes: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every figure but the first two is 0."""
        return not any(
            (
                self.doubled,
                self.missed,
                self.unknown,
                self.difference,
                self.mails_doubled,
                self.mails_lost,
            )
        )

    def line(self) -> str:
        """The one line."""
        return (
            f"charges due {self.due}, made {self.made}, doubled {self.doubled}, "
            f"missed {self.missed}, unknown {self.unknown}, "
            f"ledger difference {self.difference} cents, "
            f"mails doubled {self.mails_doubled}, mails lost {self.mails_lost}"
        )

    def double(self, count: int, note: str) -> None:
        """So many charges were made that were not due."""
        self.doubled += count
        self.notes.append(note)

    def miss(self, note: str) -> None:
        """A charge that was due was not made."""
        self.missed += 1
        self.notes.append(note)

    def wonder(self, note: str) -> None:
        """Something about money is not known, or believed wrongly."""
        self.unknown += 1
        self.notes.append(note)

    def differ(self, minor: int, note: str) -> None:
        """A sum is off by so much."""
        self.difference += minor
        self.notes.append(note)

    def double_mail(self, count: int, note: str) -> None:
        """So many mails came that nobody was owed."""
        self.mails_doubled += count
        self.notes.append(f"mail doubled: {note}")

    def lose_mail(self, note: str) -> None:
        """A mail that was owed did not come."""
        self.mails_lost += 1
        self.notes.append(f"mail lost: {note}")
