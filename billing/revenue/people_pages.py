"""The revenue pages about people: who stays, who leaves and why, whose payments fail, what comes.

Counts of people come to the templates from one place each: `Retention`, `Churn` (`ended`,
`reasons`, `annual`), `Failures` (`months`, `reasons`, `tries`) and `Risk`.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from billing.revenue import people_words
from billing.revenue.bridge import month_of
from billing.revenue.choices import measure_of, reach_of
from billing.revenue.churn import EVENTS_NEEDED, gross_churn, net_churn, quick_ratio
from billing.revenue.churn_reading import read_churn
from billing.revenue.cohort_reading import Measure, read_retention
from billing.revenue.cohorts import Cohort
from billing.revenue.filters import FilterError
from billing.revenue.forecast import LEAST_MONTHS
from billing.revenue.forecast_reading import REACHES, read_outlook
from billing.revenue.heat import HeatMap
from billing.revenue.pages import address, links_that_fit, refuse, show
from billing.revenue.people_drawings import churn_chart, forecast_chart, recovery_chart
from billing.revenue.periods import Preset, period_of
from billing.revenue.reading import Asked
from billing.revenue.reasons import reason_in_words
from billing.revenue.recovery_reading import read_failures
from billing.revenue.why import NAMES, in_words
from billing.staff.domain import Role
from billing.staff.formats import Formats
from billing.staff.guard import PREFIX, requires
from billing.web import runtime

blueprint = Blueprint("people", __name__, url_prefix=f"{PREFIX}/revenue")
blueprint.register_error_handler(FilterError, refuse)

_ROOM = 85_000
"""How many bytes the heat map of cohorts may take."""

SHARED = {"people": people_words, "why": NAMES, "reason_in_words": reason_in_words}


@blueprint.get("/cohorts")
@requires(Role.VIEWER)
def cohorts() -> str:
    """Who stays, by the month of their first pledge, as a heat map."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        measure = measure_of(asked)
        month = f"{asked.today:%Y-%m}"
        link = address("behind.cohort", asked.filters, extra={"cohort": month, "month": month})
        seen = read_retention(session, asked, measure).latest(links_that_fit(link, _ROOM))

        def write(amount: int) -> str:
            if measure is Measure.SUPPORTERS:
                return f"{amount:,}"
            return formats.money(month_of(amount, asked.currency))

        def opens(cohort: Cohort, later: int) -> str | None:
            if not asked.sees_people:
                return None
            on = people_words.month_after(cohort.month, later)
            extra = {"cohort": f"{cohort.month:%Y-%m}", "month": f"{on:%Y-%m}"}
            return address("behind.cohort", asked.filters, extra=extra)

        heat: HeatMap = people_words.heat_map(seen, formats, formats.zone.key, write, opens)
        return {"seen": seen, "heat": heat, "write": write, **SHARED}

    return show("revenue/cohorts.html", read, default=Preset.LAST_12_MONTHS, extra=("measure",))


@blueprint.get("/churn")
@requires(Role.VIEWER)
def churn() -> str:
    """Who leaves, by their will or not, and why."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        seen = read_churn(session, asked)
        return {
            "seen": seen,
            "chart": churn_chart(seen, formats),
            "gross_churn": gross_churn,
            "net_churn": net_churn,
            "quick_ratio": quick_ratio,
            "needed": EVENTS_NEEDED,
            "reason_of": in_words,
            **SHARED,
        }

    return show("revenue/churn.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/recovery")
@requires(Role.VIEWER)
def recovery() -> str:
    """Payments that failed, what was recovered of them, and what is at risk now."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        seen = read_failures(session, asked)
        return {
            "seen": seen,
            "chart": recovery_chart(seen, asked.currency, formats),
            "now": runtime().clock.now(),
            "reason_of": in_words,
            **SHARED,
        }

    return show("revenue/recovery.html", read, default=Preset.LAST_12_MONTHS)


@blueprint.get("/forecast")
@requires(Role.DESK)
def forecast() -> str:
    """What is still to come in, month by month, as a range with what it goes by."""

    def read(session: Session, asked: Asked, formats: Formats) -> dict[str, Any]:
        reach = reach_of(asked.filters)
        seen = read_outlook(session, asked, reach)
        return {
            "seen": seen,
            "assumed": seen.assumptions,
            "chart": forecast_chart(seen, asked.currency, formats),
            "this_month": period_of(Preset.THIS_MONTH, asked.today),
            "reach": reach,
            "reaches": REACHES,
            "least": LEAST_MONTHS,
            **SHARED,
        }

    return show("revenue/forecast.html", read, default=Preset.LAST_12_MONTHS, extra=("months",))
