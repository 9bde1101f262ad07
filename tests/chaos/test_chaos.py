"""Two small runs of the harness, side by side. Larger ones: `make chaos`, see docs/chaos.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.alone

SEEDS = (11, 12)
ZEROS = re.compile(
    r"charges due (\d+), made \1, doubled 0, missed 0, unknown 0, ledger difference 0 cents, "
    r"mails doubled 0, mails lost 0"
)


@pytest.fixture(scope="module")
def said() -> dict[int, str]:
    """What the runs said, by their seeds."""
    command = [sys.executable, "-m", "tests.chaos", "--pledges=20", "--months=1", "--workers=2"]
    running = {
        seed: subprocess.Popen(
            [*command, f"--seed={seed}"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for seed in SEEDS
    }
    return {seed: process.communicate()[0] for seed, process in running.items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_doubled_missed_unknown_or_lost(said: dict[int, str], seed: int) -> None:
    last = said[seed].strip().rpartition("\n")[2]
    assert ZEROS.fullmatch(last), said[seed]
    assert "audit:" not in said[seed], said[seed]


def test_the_faults_did_fire(said: dict[int, str]) -> None:
    """In both together: how much strikes within a run of half a minute depends on the machine."""
    names = set(re.findall(r"^ +[1-9]\d*  (.+)$", "".join(said.values()), re.MULTILINE))
    assert {"valkey restarted", "postgres stopped at once", "tasks sent twice"} <= names
    assert any(name.startswith("killed in ") for name in names)
    assert sum(name.startswith("Stripe: ") for name in names) > 3
    assert "three days' outage" in names
