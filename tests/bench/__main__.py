"""`python -m tests.bench [NAME ...]`: see docs/benchmarks.md."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from functools import partial

import click

from tests.bench import dashboards, exports, renewals, table, upkeep, webhooks
from tests.bench.figures import Figure, Say

BENCHMARKS: dict[str, Callable[[Say], list[Figure]]] = {
    "pace25": partial(renewals.pace, 25),
    "pace100": partial(renewals.pace, 100),
    "free": renewals.free,
    "table": table.run,
    "webhooks": webhooks.run,
    "export": exports.run,
    "figures": upkeep.run,
    "dashboards": dashboards.run,
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
def main(names: tuple[str, ...]) -> None:
    """Measure, print every figure beside what it should be, and end with 1 if one is missed."""
    figures: list[Figure] = []
    for name in names or BENCHMARKS:
        began = time.monotonic()
        say = partial(_say, name)
        say(f"begins (load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores)")
        found = BENCHMARKS[name](say)
        figures += found
        for figure in found:
            click.echo(figure.line())
        say(f"took {time.monotonic() - began:.0f} s")
    sys.exit(0 if all(figure.good for figure in figures) else 1)


def _say(name: str, text: str) -> None:
    click.echo(f"[{name}] {text}", err=True)


if __name__ == "__main__":
    main()
