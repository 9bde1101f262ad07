"""The web application as it is, in a process that may be killed at a planned step."""

from __future__ import annotations

from billing.wsgi import app
from tests.chaos.hooks import arm

__all__ = ["app"]

arm()
