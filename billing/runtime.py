"""What every entry point (web, worker, command line) is given: settings made into working parts."""

from __future__ import annotations

from dataclasses import dataclass

from billing.clock import Clock, FileClock, SystemClock
from billing.crypto import Vault
from billing.db import Database
from billing.gateway import Gateway
from billing.links import Links
from billing.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The working parts of one process. Build it after a fork."""

    settings: Settings
    clock: Clock
    database: Database
    vault: Vault
    links: Links
    gateway: Gateway


def build_runtime(settings: Settings, *, pool_size: int = 10) -> Runtime:
    """Make the working parts. Opens no connection yet."""
    return Runtime(
        settings=settings,
        clock=FileClock(settings.clock_file) if settings.clock_file else SystemClock(),
        database=Database(settings.database_url, pool_size=pool_size),
        vault=Vault(settings.encryption_keys, settings.digest_key),
        links=Links(settings.secret_key, settings.base_url),
        gateway=Gateway(settings.stripe),
    )
