"""Makes a local Tuppence ready to be used: tables, demo newsroom, a way in for its staff."""

from __future__ import annotations

from datetime import timedelta

from billing.migrate import migrate
from billing.runtime import Runtime, build_runtime
from billing.seed.demo import seed_demo
from billing.settings import Settings
from billing.staff.invitations import make_local_link
from billing.staff.relying_party import relying_party

DEMO_EDITOR = "Demo editor"

_LINK_LASTS = timedelta(days=3650)
"""Here the clock is moved by months: the link in the log should still be good after that."""


def prepare(settings: Settings) -> str:
    """Bring the tables up to date, and fill them if they are empty.

    Returns the address of a one-time sign-in for staff.
    """
    runtime = build_runtime(settings, pool_size=1)
    try:
        migrate(runtime.database.engine)
        seed_demo(runtime)
        return local_link(runtime)
    finally:
        runtime.database.dispose()


def local_link(runtime: Runtime) -> str:
    """The address of a one-time sign-in without a passkey, at the name where passkeys work too."""
    with runtime.database.transaction() as session:
        token = make_local_link(session, DEMO_EDITOR, runtime.clock.now(), lasts=_LINK_LASTS)
    return relying_party(runtime.settings.base_url).url(f"/staff/sign-in/{token}")
