"""What a revenue page is asked for, read from its address and written back to it. Pure.

`period=last-12-months` or `from=2026-01-01&to=2026-03-31`, and any of `by`, `currency`, `campaign`,
`appeal`, `variant`, `article`, `referrer`, `cadence` and `country`. A value that nothing has is no
error: the page is empty then. A name or a form that is unknown is one, and is told in a sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any
from urllib.parse import urlencode

from dateutil.relativedelta import relativedelta

from billing.money import CURRENCIES
from billing.pledges.domain import Cadence
from billing.revenue.periods import LONGEST_YEARS, Period, Preset, Step, period_of

SOURCE_NAMES = ("campaign", "appeal", "variant", "article", "referrer")
FILTERS = ("currency", *SOURCE_NAMES, "cadence", "country")
NAMES = ("period", "from", "to", "by", *FILTERS)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_LONGEST = 200
_MOST_DAYS = {Step.DAY: 93, Step.WEEK: 2 * 366}
"""A table of more lines is read by nobody."""


class FilterError(ValueError):
    """An address that asks for what cannot be; the message is a sentence for its reader."""


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What the figures are about."""

    period: Period
    preset: Preset | None = None
    """The name by which the period was asked for: it moves with the days."""
    step: Step = Step.MONTH
    currency: str | None = None
    """Paid in this currency."""
    campaign: str | None = None
    appeal: str | None = None
    variant: str | None = None
    """Which of several wordings of an appeal."""
    article: str | None = None
    referrer: str | None = None
    """What kind of site led to the article."""
    cadence: Cadence | None = None
    country: str | None = None
    """Where the card is from: ISO 3166."""
    extra: Mapping[str, str] = field(default_factory=dict)
    """What a page of its own takes beside these."""

    @property
    def is_filtered(self) -> bool:
        """Whether they leave anything out but days."""
        return any(getattr(self, name) is not None for name in FILTERS)

    @property
    def names(self) -> dict[str, str]:
        """The parts of a source that are asked for."""
        chosen = ((name, getattr(self, name)) for name in SOURCE_NAMES)
        return {name: value for name, value in chosen if value is not None}

    def pairs(self) -> list[tuple[str, str]]:
        """Names and values in their one order: the same figures have one address."""
        if self.preset is not None:
            pairs = [("period", self.preset.value)]
        else:
            pairs = [("from", f"{self.period.first}"), ("to", f"{self.period.last}")]
        if self.step is not Step.MONTH:
            pairs.append(("by", self.step.value))
        chosen = ((name, getattr(self, name)) for name in FILTERS)
        pairs += [(name, str(value)) for name, value in chosen if value is not None]
        return pairs + sorted(self.extra.items())

    def query(self, **changes: Any) -> str:
        """The query string; `changes` are fields that differ, None takes one out."""
        if "period" in changes:
            changes.setdefault("preset", None)
        return urlencode(replace(self, **changes).pairs())


def read_filters(
    given: Iterable[tuple[str, str]],
    today: date,
    *,
    default: Preset = Preset.THIS_MONTH,
    step: Step = Step.MONTH,
    extra: Iterable[str] = (),
) -> Filters:
    """Read the names and values of an address; `extra` names are taken as they are.

    Raises:
        FilterError: with what is wrong, in a sentence.
    """
    values = _once(given, {*NAMES, *extra})
    period, preset = _period(values, today, default)
    drawn = chosen(Step, values.get("by", step.value), "step")
    if period.days > _MOST_DAYS.get(drawn, period.days):
        raise FilterError(f"A period of {period.days} days is too long to be shown by {drawn}.")
    cadence = values.get("cadence")
    return Filters(
        period=period,
        preset=preset,
        step=drawn,
        currency=_currency(values.get("currency")),
        campaign=_name(values, "campaign"),
        appeal=_name(values, "appeal"),
        variant=_name(values, "variant"),
        article=_name(values, "article"),
        referrer=_name(values, "referrer"),
        cadence=None if cadence is None else chosen(Cadence, cadence, "cadence"),
        country=_country(values.get("country")),
        extra={name: values[name] for name in extra if name in values},
    )


def _once(given: Iterable[tuple[str, str]], known: set[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            raise FilterError(f"There is no filter called “{name[:40]}”.")
        if name in values:
            raise FilterError(f"The filter “{name}” is given twice.")
        if value.strip():
            values[name] = value.strip()
    return values


def _period(
    values: Mapping[str, str], today: date, default: Preset
) -> tuple[Period, Preset | None]:
    if "from" not in values and "to" not in values:
        preset = chosen(Preset, values.get("period", default.value), "period")
        return period_of(preset, today), preset
    if "period" in values:
        raise FilterError("Give either a period or from and to, not both.")
    if "from" not in values or "to" not in values:
        raise FilterError("Give both from and to.")
    first, last = (_date(values[name], name) for name in ("from", "to"))
    if last < first:
        raise FilterError(f"The period ends ({last}) before it begins ({first}).")
    if last >= first + relativedelta(years=LONGEST_YEARS):
        raise FilterError(f"A period may be {LONGEST_YEARS} years long at most.")
    return Period(first, last), None


def _date(written: str, name: str) -> date:
    if not _DATE.fullmatch(written):
        raise FilterError(f"“{written[:40]}” in {name} is not a date such as 2026-01-31.")
    try:
        day = date.fromisoformat(written)
    except ValueError:
        raise FilterError(f"There is no day {written}.") from None
    if not 2000 <= day.year < 2100:
        raise FilterError(f"{written} is not within 2000 and 2099.")
    return day


def chosen(kind: Any, value: str, name: str) -> Any:
    """One of a kind by the value that an address gives.

    Raises:
        FilterError: when there is none of that value.
    """
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(kind)
        raise FilterError(f"“{value[:40]}” is no {name}; there are {known}.") from None


def _currency(value: str | None) -> str | None:
    if value is None:
        return None
    if value.lower() not in CURRENCIES:
        raise FilterError(f"“{value[:40]}” is no currency such as usd.")
    return value.lower()


def _country(value: str | None) -> str | None:
    if value is None:
        return None
    if not _COUNTRY.fullmatch(value.upper()):
        raise FilterError(f"“{value[:40]}” is no country such as LV.")
    return value.upper()


def _name(values: Mapping[str, str], name: str) -> str | None:
    value = values.get(name)
    if value is not None and len(value) > _LONGEST:
        raise FilterError(f"The {name} is longer than {_LONGEST} letters.")
    return value
