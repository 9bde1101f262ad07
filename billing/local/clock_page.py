"""`/local/clock`: moves the time of the application and of the Stripe stand-in together.

A month later the pledge is charged again and the reminder goes out: nobody has to wait for it.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from billing.clock import FileClock
from billing.web import runtime

blueprint = Blueprint(
    "local_clock", __name__, url_prefix="/local", static_folder="static", static_url_path="/static"
)

STEPS = {
    "hour": relativedelta(hours=1),
    "day": relativedelta(days=1),
    "week": relativedelta(weeks=1),
    "month": relativedelta(months=1),
    "year": relativedelta(years=1),
}
_SECONDS_TO_WAIT = 30
"""The stand-in may have a month of events to send before it answers."""


def later(now: datetime, step: relativedelta, zone: ZoneInfo) -> timedelta:
    """How far off the moment is at which a wall clock in `zone` shows `step` more.

    Months and years are clamped to the last day (31 January and a month is the end of February),
    and a day has 23 or 25 hours where the clocks change.
    """
    wall = now.astimezone(zone).replace(tzinfo=None)
    return (wall + step).replace(tzinfo=zone).astimezone(UTC) - now


@blueprint.get("/clock")
def show() -> str:
    """What time it is for everybody here, and how to move it."""
    now = runtime().clock.now()
    zone = runtime().settings.newsroom.timezone
    clock_file = runtime().settings.clock_file
    return render_template(
        "local/clock/page.html",
        now=now.astimezone(zone),
        zone=zone.key,
        steps=STEPS,
        movable=clock_file is not None,
        seen=_hands(FileClock(clock_file)) if clock_file else "",
        standin=_standin_now(zone) if clock_file else None,
    )


@blueprint.post("/clock")
def move() -> Response:
    """Move both clocks by one step, and have the stand-in act upon it at once."""
    settings = runtime().settings
    step = STEPS.get(request.form.get("step", ""))
    if settings.clock_file is None or step is None:
        abort(400)
    clock = FileClock(settings.clock_file)
    if request.form.get("seen", _hands(clock)) != _hands(clock):
        return redirect(url_for("local_clock.show"), 303)  # a second click on the same page
    now = clock.advance(later(clock.now(), step, settings.newsroom.timezone))
    flash(f"It is now {now.astimezone(settings.newsroom.timezone):%A, %-d %B %Y, %H:%M}.")
    if _standin_now(settings.newsroom.timezone) is None:
        flash("The Stripe stand-in did not answer; it follows as soon as it runs.")
    return redirect(url_for("local_clock.show"), 303)


def _hands(clock: FileClock) -> str:
    """Where a clock's hands stand against the system's: what a page had seen of it."""
    return f"{clock.offset_seconds():.0f}"


def _standin_now(zone: ZoneInfo) -> datetime | None:
    """The stand-in's time once it has done what was due, or None if it does not answer."""
    ask = urllib.request.Request(  # noqa: S310 - the address is our own setting
        f"{runtime().settings.stripe.api_base}/_standin/clock",
        data=json.dumps({"advance_seconds": 0}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(ask, timeout=_SECONDS_TO_WAIT) as answer:  # noqa: S310 - as above
            return datetime.fromtimestamp(json.load(answer)["now"], zone)
    except (urllib.error.URLError, TimeoutError, ValueError, KeyError):
        return None
