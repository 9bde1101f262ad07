"""A made-up history in a house's database, by the command that makes one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.figures import Figure, Say
from tests.bench.house import House

MONTHS = 30
CHARGES_EACH = 6.8
"""How many charges a supporter comes to in a history of so many months."""
_MINUTES = 20
_FULL = 9_500_000
"""From how many charges on the time counts."""


def write_history(house: House, charges: int, say: Say) -> list[Figure]:
    """Make up a history by the command that does, in a house that has none yet."""
    if written := house.scalar("SELECT count(*) FROM charges"):
        say(f"a history of {written:,} charges was kept")
        return []
    people = round(charges / CHARGES_EACH)
    say(f"a history of about {charges:,} charges …")
    log_file = house.home / "seed.log"
    began = time.monotonic()
    with log_file.open("wb") as log:
        subprocess.run(
            [sys.executable, "-m", "billing.cli", "seed", f"--supporters={people}",
             f"--months={MONTHS}"],
            env={**os.environ, **house.environment()}, cwd=Path(__file__).parents[2],
            stdout=log, stderr=log, check=True,
        )  # fmt: skip
    took = time.monotonic() - began
    say(log_file.read_text().strip().splitlines()[-1])
    with house.database() as database:
        database.execute("VACUUM")
    written = house.scalar("SELECT count(*) FROM charges")
    size = house.scalar("SELECT pg_database_size(current_database())")
    limit = _MINUTES * 60 if written >= _FULL else None
    return [
        Figure(f"seed: {written:,} charges", took, "s", at_most=limit),
        Figure("seed: charges a second, rollups included", written / took, "/s"),
        Figure("seed: the database's size", size / 1e9, "GB"),
    ]  # fmt: skip
