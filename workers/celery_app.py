"""The Celery application, its queues, and the working parts of a worker process."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any, cast

import redis
from celery import Celery

from billing.logs import configure_logs
from billing.ratelimit import TokenBucket
from billing.runtime import Runtime, build_runtime
from billing.settings import SettingsError, read_settings
from workers.schedule import QUEUES, ROUTES, ahead, schedule

configure_logs()
sys.setswitchinterval(0.001)  # many threads that wait: one whose turn has come is let in soon
try:
    settings = read_settings(os.environ)
except SettingsError as error:
    sys.exit(str(error))

app = Celery("tuppence", broker=settings.redis_url)
app.conf.update(
    include=[
        "workers.cards",
        "workers.charges",
        "workers.events",
        "workers.mail",
        "workers.pledges",
        "workers.refunds",
        "workers.reminders",
    ],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_default_queue="sweeps",
    task_queues={name: {} for name in QUEUES},
    task_routes=ROUTES,
    task_serializer="json",
    accept_content=["json"],
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 3600},
    worker_hijack_root_logger=False,
    worker_log_format="%(levelname)s %(message)s",
    worker_task_log_format="%(levelname)s %(task_name)s %(message)s",
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_schedule=schedule(settings.tick_seconds),
    beat_scheduler="workers.beat:Beat",
    beat_max_loop_interval=5,
    timezone="UTC",
)


@cache
def runtime() -> Runtime:
    """The working parts of this process, made at first use: after any fork."""
    return build_runtime(settings, pool_size=20)


@cache
def limiter() -> TokenBucket:
    """The pace of calls to Stripe that all workers share."""
    return TokenBucket(settings.redis_url, settings.stripe.requests_per_second)


def room(queue: str) -> int:
    """How many more tasks may wait in a queue; what finds no room is found by the next tick.

    Those that a worker has in hand don't count. Celery keeps a queue as a list under its name.
    """
    waiting = cast(int, _broker().llen(queue))
    return max(0, ahead(settings.stripe.requests_per_second) - waiting)


@cache
def _broker() -> Any:
    return redis.Redis.from_url(settings.redis_url, socket_timeout=5, socket_connect_timeout=5)
