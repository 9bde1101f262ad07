"""What the page of failed payments shows: how many, why, what was recovered, and by which try."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from sqlalchemy.orm import Session

from billing.revenue.at_risk import AtRisk, Order, Stake, queue, stakes
from billing.revenue.domain import valued
from billing.revenue.people_figures import Tried, renewals_by_try
from billing.revenue.periods import Period, Step, steps
from billing.revenue.reading import Asked, MonthlyRates
from billing.revenue.recovery import Recovery, is_final, recovery
from billing.revenue.rounding import apportion
from billing.revenue.viewers import (
    DUE,
    FAILED,
    RECOVERED,
    Hidden,
    hidden_in_any,
    hidden_renewals,
    parts_shown,
    round_to,
)
from billing.revenue.why import REST, family

SHOWN = 10
"""How many pledges of the queue stand on the page itself."""


@dataclass(frozen=True, kw_only=True)
class MonthOfRenewals:
    """A month's renewals by the day of their first attempt."""

    period: Period
    seen: Recovery
    final: bool
    """Whether the window of the last failure has closed; before, more may be recovered."""
    hidden: Hidden = frozenset()
    """What is not shown to a viewer: see `viewers.py`."""


@dataclass(frozen=True, kw_only=True)
class RoundedRecovery(Recovery):
    """Renewals with rounded sums and exact rates, as viewers see them."""

    rates: tuple[Fraction | None, Fraction | None]

    @property
    def failed_rate(self) -> Fraction | None:
        """As of the exact numbers."""
        return self.rates[0]

    @property
    def recovery_rate(self) -> Fraction | None:
        """As of the exact sums."""
        return self.rates[1]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Failed renewals that have a reason, or the try that paid them, in common."""

    name: str
    failed: int
    recovered: int
    failed_minor: int
    recovered_minor: int
    """In minor units of the reporting currency."""

    @property
    def rate(self) -> Fraction | None:
        """Recovered / failed, by value."""
        return Fraction(self.recovered_minor, self.failed_minor) if self.failed_minor else None


@dataclass(frozen=True, kw_only=True)
class Risk:
    """What is past due now."""

    pledges: int
    owed: int
    """Not paid, in minor units of the reporting currency."""
    twelfths: int
    """What these pledges bring in a year."""
    elsewhere: list[Stake]
    """In currencies that have no rate yet."""
    first: list[AtRisk]


@dataclass(frozen=True, kw_only=True)
class Failures:
    """A period's failed renewals."""

    whole: Recovery
    months: list[MonthOfRenewals]
    reasons: list[Part]
    tries: list[Part]
    """By the number of the attempt that paid: 2 and above."""
    risk: Risk | None
    """None for viewers, as the attempts are: it changes with each of few."""

    @property
    def hidden(self) -> Hidden:
        """What is not shown of the whole, since it is not of one of its months."""
        return hidden_in_any(each.hidden for each in self.months)

    @property
    def final(self) -> bool:
        """Whether nothing of the period can be recovered any more."""
        return all(each.final for each in self.months)


def read_failures(session: Session, asked: Asked) -> Failures:
    """The failures of a period and of each of its months, and what is at risk. Six queries."""
    months = steps(asked.filters.period, Step.MONTH)
    rates = MonthlyRates(session, asked, [asked.filters.period, Period(asked.today, asked.today)])
    by_month = renewals_by_try(session, asked.cells, months)
    parts = [
        MonthOfRenewals(
            period=each,
            seen=recovery(rows, rates.of(each.first)),
            final=is_final(each.last, asked.today),
        )
        for each, rows in zip(months, by_month, strict=True)
    ]
    whole = add(each.seen for each in parts)
    if not asked.sees_people:
        return _for_viewers(asked, parts, by_month, rates)
    failed = [
        (row, rates.of(month.first).get(row.currency, Fraction()))
        for month, rows in zip(months, by_month, strict=True)
        for row in rows
        if row.reason
    ]
    return Failures(
        whole=whole,
        months=parts,
        reasons=_parts([(family(row.reason), row, rate) for row, rate in failed], whole),
        tries=_parts([(f"{row.tries}", row, rate) for row, rate in failed], whole),
        risk=read_risk(session, asked, rates.of(asked.today)),
    )


def _for_viewers(
    asked: Asked,
    months: Sequence[MonthOfRenewals],
    by_month: Sequence[Sequence[Tried]],
    rates: MonthlyRates,
) -> Failures:
    """The same without what tells of few, and without attempts and what is past due."""
    whole, step = add(each.seen for each in months), asked.sight.step
    seen = [replace(each, hidden=_hidden(each)) for each in months]
    hidden = hidden_in_any(each.hidden for each in seen)
    failed = [[row for row in rows if row.reason] for rows in by_month]
    rows = [
        (family(row.reason), row, rates.of(month.period.first).get(row.currency, Fraction()))
        for month, of_month in zip(months, failed, strict=True)
        for row in of_month
    ]
    return Failures(
        whole=_coarse(whole, hidden, step),
        months=[replace(each, seen=_coarse(each.seen, each.hidden, step)) for each in seen],
        reasons=[] if FAILED in hidden else _reasons_for_viewers(
            _parts(rows, whole), [_by_reason(of_month) for of_month in failed], whole, step
        ),
        tries=[],
        risk=None,
    )  # fmt: skip


def _hidden(month: MonthOfRenewals) -> Hidden:
    seen = month.seen
    names = hidden_renewals(seen.due, seen.failed, seen.recovered, final=month.final)
    return names | {RECOVERED} if FAILED in names else names


def _coarse(exact: Recovery, hidden: Hidden, step: int) -> RoundedRecovery:
    failed, recovered = FAILED not in hidden, RECOVERED not in hidden
    return RoundedRecovery(
        due=0 if DUE in hidden else exact.due,
        failed=exact.failed if failed else 0,
        recovered=exact.recovered if recovered else 0,
        failed_value=Fraction(round_to(round(exact.failed_value), step) if failed else 0),
        recovered_value=Fraction(round_to(round(exact.recovered_value), step) if recovered else 0),
        rates=(
            exact.failed_rate if failed else None,
            exact.recovery_rate if recovered else None,
        ),
    )


def _reasons_for_viewers(
    parts: Sequence[Part], months: Sequence[Mapping[str, int]], whole: Recovery, step: int
) -> list[Part]:
    """How many failed for a reason of many; the others as one, and nothing of what came of it."""
    told = parts_shown(months)
    found = [
        Part(name=each.name, failed=each.failed, recovered=0, recovered_minor=0,
             failed_minor=round_to(each.failed_minor, step))
        for each in parts if each.name in told
    ]  # fmt: skip
    failed = whole.failed - sum(each.failed for each in found)
    minor = round_to(round(whole.failed_value), step) - sum(each.failed_minor for each in found)
    rest = Part(name=REST, failed=failed, recovered=0, failed_minor=minor, recovered_minor=0)
    return [*found, rest] if failed else found


def _by_reason(rows: Iterable[Tried]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        found[family(row.reason)] = found.get(family(row.reason), 0) + row.renewals
    return found


def read_risk(session: Session, asked: Asked, rates: Mapping[str, Fraction]) -> Risk:
    """What is past due now, and what is worth most of it. Four queries at most."""
    found = stakes(session, asked.filters)
    return Risk(
        pledges=sum(each.pledges for each in found),
        owed=valued({each.currency: each.owed_minor for each in found}, rates),
        twelfths=valued({each.currency: each.yearly_minor for each in found}, rates),
        elsewhere=[each for each in found if each.currency not in rates],
        first=queue(session, asked.filters, Order.VALUE, rates, limit=SHOWN),
    )


def add(parts: Iterable[Recovery]) -> Recovery:
    """Several months' renewals as one."""
    parts = list(parts)
    return Recovery(
        due=sum(each.due for each in parts),
        failed=sum(each.failed for each in parts),
        recovered=sum(each.recovered for each in parts),
        failed_value=sum((each.failed_value for each in parts), Fraction()),
        recovered_value=sum((each.recovered_value for each in parts), Fraction()),
    )


def _parts(rows: Sequence[tuple[str, Tried, Fraction]], whole: Recovery) -> list[Part]:
    """Failures by name, what failed most first; their sums are exactly those of the whole."""
    names = sorted({name for name, _, _ in rows})
    failed = {name: Fraction() for name in names}
    recovered = dict(failed)
    for name, row, rate in rows:
        failed[name] += row.amount_minor * rate
        recovered[name] += row.recovered_minor * rate
    of_failed = apportion(list(failed.values()), round(whole.failed_value))
    of_recovered = apportion(list(recovered.values()), round(whole.recovered_value))
    found = [
        Part(
            name=name,
            failed=sum(row.renewals for each, row, _ in rows if each == name),
            recovered=sum(row.recovered for each, row, _ in rows if each == name),
            failed_minor=of_failed[place],
            recovered_minor=of_recovered[place],
        )
        for place, name in enumerate(names)
    ]
    return sorted(found, key=lambda each: (-each.failed_minor, each.name))
