"""The beat's Celery application. It sends tasks by their names and imports none of them."""

from __future__ import annotations

from billing.logs import configure_logs
from workers.configuration import make_app, settings_or_exit
from workers.schedule import schedule

configure_logs()
settings = settings_or_exit()

app = make_app(settings)
app.conf.update(
    beat_schedule=schedule(settings.tick_seconds),
    beat_scheduler="workers.beat:Beat",
    beat_max_loop_interval=5,
)
