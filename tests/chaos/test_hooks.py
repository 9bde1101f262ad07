"""SIGKILL strikes in the threads that take money, too."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from billing.charges.due import create_due_charges
from billing.runtime import Runtime
from tests.chaos.points import RECORD, SEND
from tests.support.people import card_of, pledge_of
from tests.support.standin import StandIn

RUN = "from tests.chaos.hooks import arm; import workers.charges as w; arm(); w.taking().run()"


@pytest.mark.parametrize(
    "step", [f"{SEND}: before POST", f"{SEND}: during POST", f"{RECORD}: before commit 1"]
)
def test_a_run_of_charges_is_killed_at_its_steps(
    runtime: Runtime, stripe: StandIn, environment: dict[str, str], tmp_path: Path, step: str
) -> None:
    customer_id, method_id = card_of(stripe)
    now, zone = runtime.clock.now(), runtime.settings.newsroom.timezone
    pledge_of(
        runtime, anchor=now - timedelta(days=33), customer_id=customer_id,
        payment_method_id=method_id,
    )  # fmt: skip
    with runtime.database.transaction() as session:
        create_due_charges(session, zone=zone, now=now, limit=1)
    killed = tmp_path / "killed"
    kills = {"CHAOS_KILLS": json.dumps({step: 1}), "CHAOS_KILLED": str(killed)}
    command = [sys.executable, "-c", RUN]
    ended = subprocess.run(
        command, env={**os.environ, **environment, **kills}, timeout=60, check=False
    )
    assert ended.returncode == -signal.SIGKILL
    assert killed.read_text() == f"{step}\n"
