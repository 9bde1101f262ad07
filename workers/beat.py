"""The beat's clockwork: it keeps nothing, and leaves a sign of life.

Celery's own keeps a file of when each task was last sent, and closes it in its signal handler while
it may be writing to it. Ours needs no such memory: every task asks the database what is due by now.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery.beat import Scheduler


class Beat(Scheduler):
    """Sends what is due and touches the file named by TUPPENCE_BEAT_FILE, if there is one."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due.

        Returns:
            Seconds until the next look.
        """
        seconds: float = super().tick(*args, **kwargs)
        if sign := os.environ.get("TUPPENCE_BEAT_FILE"):
            Path(sign).touch()
        return seconds
