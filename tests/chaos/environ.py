"""The settings under which the newsroom's own processes run."""

from __future__ import annotations

import os
from pathlib import Path

from tests.chaos.services import HOST, Services

LARGE = 1000
"""From so many pledges on, ticks come slower: each asks for all that is due by then anyway."""

_ROOT = Path(__file__).parents[2]


def environment(services: Services, pledges: int) -> dict[str, str]:
    """The environment of web, workers and beats."""
    return {
        **os.environ,
        "PYTHONPATH": str(_ROOT),
        "TUPPENCE_LOCAL": "1",
        "TUPPENCE_CLOCK_FILE": str(services.clock_file),
        "TUPPENCE_TICK_SECONDS": "0.4" if pledges < LARGE else "4",
        "DATABASE_URL": services.database_url,
        "REDIS_URL": services.redis_url,
        "BASE_URL": services.web_url,
        "SECRET_KEY": "a-secret-key-that-is-only-used-in-chaos",
        "ENCRYPTION_KEYS": "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtbG9uZy4uLi4=",
        "DIGEST_KEY": "a-digest-key-that-is-only-used-in-chaos",
        "STRIPE_API_KEY": "sk_test_tuppence",
        "STRIPE_API_BASE": services.stripe_url,
        "STRIPE_WEBHOOK_SECRET": services.webhook_secret,
        "STRIPE_REQUESTS_PER_SECOND": "400",
        "NEWSROOM_NAME": "The Northern Courier",
        "NEWSROOM_TIMEZONE": "Europe/Riga",
        "CONTACT_EMAIL": "support@northern-courier.example",
        "STATEMENT_DESCRIPTOR": "NORTHERN COURIER",
        "SMTP_URL": f"smtp://{HOST}:{services.post.port}",
    }
