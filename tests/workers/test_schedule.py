"""What the beat starts."""

from __future__ import annotations

from workers.schedule import CLOCKS_APART_SECONDS, schedule


def test_ticks_outlive_clocks_that_are_some_seconds_apart() -> None:
    lasting = {name: entry["options"]["expires"] for name, entry in schedule(60).items()}
    assert min(lasting.values()) >= CLOCKS_APART_SECONDS
    assert lasting["create the charges now due"] == 120
