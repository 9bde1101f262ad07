"""`python -m tests.chaos --pledges 200 --months 2 --seed 1`: see docs/chaos.md."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.chaos.plan import make_plan
from tests.chaos.run import Outcome, Run


@click.command()
@click.option("--pledges", default=200, show_default=True)
@click.option("--months", default=2, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--workers", default=3, show_default=True, help="Worker processes.")
@click.option("--plan", "only_plan", is_flag=True, help="Print the plan and do nothing.")
@click.option("--keep", is_flag=True, help="Leave the directory with its logs.")
def main(
    *, pledges: int, months: int, seed: int, workers: int, only_plan: bool, keep: bool
) -> None:
    """Charge pledges while everything around them breaks, then compare both sides' books."""
    plan = make_plan(pledges=pledges, months=months, seed=seed)
    if only_plan:
        for line in plan.lines():
            click.echo(line)
        return
    home = Path(tempfile.mkdtemp(prefix="tuppence-chaos-"))
    began = time.monotonic()
    outcome = None
    try:
        outcome = Run(plan, home, workers=workers, say=click.echo).go()
    finally:
        if keep or outcome is None or not outcome.good:
            click.echo(f"logs are in {home}")
        else:
            shutil.rmtree(home, ignore_errors=True)
    _report(outcome, time.monotonic() - began)
    sys.exit(0 if outcome.good else 1)


def _report(outcome: Outcome, seconds: float) -> None:
    click.echo("\nfaults that fired:")
    for name, times in sorted(outcome.fired.items()):
        click.echo(f"  {times:>6}  {name}")
    for note in outcome.verdict.notes[:50]:
        click.echo(f"wrong: {note}")
    for finding in outcome.findings:
        click.echo(f"audit: {finding}")
    click.echo(f"\n{outcome.verdict.resent} mails came again under their own Message-ID")
    click.echo(f"{seconds:.0f} s, {outcome.verdict.made / seconds:.1f} charges a second")
    click.echo(outcome.verdict.line())


if __name__ == "__main__":
    main()
