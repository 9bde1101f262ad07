"""How values are written at the desk."""

from __future__ import annotations

from billing.runtime import Runtime
from billing.staff.formats import Formats


def formats_of(runtime: Runtime) -> Formats:
    """How staff of this newsroom read values."""
    return Formats(runtime.settings.newsroom.timezone)
