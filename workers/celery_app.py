"""The workers' Celery application, with every task, and the working parts of a process."""

from __future__ import annotations

import gc
import sys
from functools import cache
from typing import Any, cast

import redis
from celery import signals

from billing.logs import configure_logs
from billing.ratelimit import TokenBucket
from billing.runtime import Runtime, build_runtime
from workers.configuration import make_app, settings_or_exit
from workers.schedule import ahead

configure_logs()
sys.setswitchinterval(0.001)  # many threads that wait: one whose turn has come is let in soon
settings = settings_or_exit()

app = make_app(settings)
app.conf.update(
    include=[
        "workers.cards",
        "workers.charges",
        "workers.digest",
        "workers.events",
        "workers.mail",
        "workers.pledges",
        "workers.revenue",
        "workers.refunds",
        "workers.reminders",
    ],
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_log_format="%(levelname)s %(message)s",
    worker_task_log_format="%(levelname)s %(task_name)s %(message)s",
    worker_cancel_long_running_tasks_on_connection_loss=False,
)


@signals.worker_ready.connect
def _keep_what_is_loaded(**_: Any) -> None:
    """What was made to start with stays: garbage is not looked for in it again and again."""
    gc.freeze()


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
