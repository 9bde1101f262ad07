"""The page of the day, which staff open every morning. Everybody here has passed the guard."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, render_template

from billing.charges.attention import look
from billing.charges.domain import ChargeStatus
from billing.charges.progress import progress
from billing.money import Money, scale
from billing.reminders import brake
from billing.revenue import renewals, viewers
from billing.revenue.charts import Chart, Series
from billing.revenue.counts import counts_for
from billing.revenue.reasons import reason_in_words
from billing.revenue.today import (
    CHART_MONTHS,
    MonthSoFar,
    read_month,
    read_past_due,
    read_recent,
)
from billing.revenue.words import CADENCES
from billing.runtime import Runtime
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires, signed_in
from billing.web import runtime

blueprint = Blueprint("revenue", __name__, url_prefix=PREFIX)

NEEDED_SHOWN = 50
"""How many sentences about what needs a person; `tuppence attention` prints all of them."""

STATUSES = {
    ChargeStatus.DUE: "Due",
    ChargeStatus.SUBMITTED: "Being charged",
    ChargeStatus.PROCESSING: "With the bank",
    ChargeStatus.SUCCEEDED: "Paid",
    ChargeStatus.DECLINED: "Refused",
    ChargeStatus.CANCELLED: "Cancelled",
}


@blueprint.get("/")
@requires(Role.VIEWER)
def overview() -> str:
    """This month against the goal, what it consists of, and what needs a person."""
    parts = runtime()
    newsroom, now = parts.settings.newsroom, parts.clock.now()
    sees_people = signed_in().role.covers(Role.DESK)
    with parts.database.transaction() as session:
        seen = read_month(session, newsroom, now)
    people = _what_goes_on(parts, seen, now) if sees_people else {}
    formats = viewers.formats_for(newsroom, sees_people=sees_people)
    step = viewers.rounding_step(newsroom.goal)
    return render_template(
        "revenue/overview.html",
        seen=seen,
        f=formats,
        money_of=Money,
        zone=newsroom.timezone.key,
        staff=signed_in(),
        sees_people=sees_people,
        rounded_to=formats.whole(Money(step, seen.currency)),
        counts=counts_for(signed_in().role, seen.people),
        support_url=parts.links.url("/support"),
        chart=months_chart(seen, formats, round_to=1 if sees_people else step),
        chart_months=CHART_MONTHS,
        reason=reason_in_words,
        statuses=STATUSES,
        cadences=CADENCES,
        needed_shown=NEEDED_SHOWN,
        renewals=renewals,
        **people,
    )


def _what_goes_on(parts: Runtime, seen: MonthSoFar, now: datetime) -> dict[str, Any]:
    """What is no sum, read by itself: what makes sums quick would have these walk whole tables."""
    newsroom, limit = parts.settings.newsroom, parts.settings.stripe.requests_per_second
    with parts.database.transaction() as session:
        needed, known = look(session, now=now)
        return {
            "waiting": seen.waiting,
            "needed": [*needed, *brake.in_words(seen.waiting.turned_away)],
            "remarks": known,
            "run": progress(session, zone=newsroom.timezone, limit=limit, now=now),
            "recent": read_recent(session),
            "past_due": read_past_due(session) if seen.waiting.past_due else [],
        }


def months_chart(seen: MonthSoFar, formats: Formats, *, round_to: int = 1) -> Chart:
    """Twelve months of gross by kind, with net and the goal as lines.

    `round_to` is 1 for those who may see people; for viewers gross is one bar, and all values are
    multiples of it, in minor units.
    """
    takings = [each.takings for each in seen.chart]

    def row(name: str, css: str) -> Series:
        values = [viewers.round_to(getattr(each, name), round_to) for each in takings]
        return Series(name=name, css=css, values=values)

    firsts = [each.period.first for each in seen.chart]

    def money(minor: int) -> str:
        return formats.money(Money(minor, seen.currency))

    return Chart(
        key="months",
        title=_chart_title(seen, formats),
        description=f"{formats.month(firsts[0])} to {formats.month(firsts[-1])}, in "
        f"{seen.currency.upper()}, by the month in {formats.zone.key}.",
        columns=[formats.short_month(first) for first in firsts],
        full_columns=[
            formats.month(each.period.first) + ("" if each.complete else " so far")
            for each in seen.chart
        ],
        bars=(
            [row("pledges", "pledges"), row("gifts", "gifts")]
            if round_to == 1
            else [row("gross", "pledges")]
        ),
        lines=[
            Series(name="goal", css="goal", values=[seen.goal.goal.minor] * len(takings)),
            row("net", "net"),
        ],
        unfinished=frozenset(i for i, each in enumerate(seen.chart) if not each.complete),
        write=money,
        write_axis=lambda minor: formats.axis(Money(minor, seen.currency)),
        unit=scale(seen.currency),
    )


def _chart_title(seen: MonthSoFar, formats: Formats) -> str:
    """What the chart says."""
    full = [each for each in seen.chart if each.complete and not each.takings.is_empty]
    if not full:
        return "No complete month yet"
    reached = sum(each.takings.net >= seen.goal.goal.minor for each in full)
    if reached:
        months = "month" if len(full) == 1 else "months"
        return f"{reached} of {len(full)} complete {months} reached the goal after fees"
    best = max(full, key=lambda each: each.takings.net)
    net = formats.money(Money(best.takings.net, seen.currency))
    return f"Best month so far: {formats.month(best.period.first)}, with {net} after fees"
