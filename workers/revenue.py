"""Tasks that keep the figures up to date."""

from __future__ import annotations

from billing.revenue.rebuild import keep_up
from workers.celery_app import app, runtime


@app.task
def fold() -> None:
    """Carry what is new into the rollups of the revenue pages."""
    keep_up(runtime())
