"""What the workers' and the beat's Celery applications agree upon: broker, queues and routes."""

from __future__ import annotations

import os
import sys

from celery import Celery

from billing.settings import Settings, SettingsError, read_settings
from workers.schedule import QUEUES, ROUTES


def settings_or_exit() -> Settings:
    """The settings of this process; where they cannot be used it ends, and says why."""
    try:
        return read_settings(os.environ)
    except SettingsError as error:
        sys.exit(str(error))


def make_app(settings: Settings) -> Celery:
    """A Celery application that sends each task to its queue. It knows no task yet."""
    app = Celery("tuppence", broker=settings.redis_url)
    app.conf.update(
        task_ignore_result=True,
        task_default_queue="sweeps",
        task_queues={name: {} for name in QUEUES},
        task_routes=ROUTES,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": 3600},
        timezone="UTC",
    )
    return app
