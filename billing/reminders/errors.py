"""What can go wrong with a reminder."""

from __future__ import annotations


class ReminderNotFoundError(Exception):
    """There is no reminder with this id."""
