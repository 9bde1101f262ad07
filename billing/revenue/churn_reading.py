"""What the page of churn shows: who left, by their will or not, why, and what that means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

from dateutil.relativedelta import relativedelta
from sqlalchemy.orm import Session

from billing.pledges.domain import Cadence
from billing.revenue import figures
from billing.revenue.bridge import CHURN, TWELFTHS, Bridge
from billing.revenue.churn import annual_churn, arpu, lifetime_value
from billing.revenue.domain import valued
from billing.revenue.figures import MoneyRow
from billing.revenue.people_figures import Departed, departures, renewals_by_try, yearly_by_currency
from billing.revenue.periods import Period
from billing.revenue.reading import Asked, MonthlyRates, read_bridges
from billing.revenue.rounding import apportion
from billing.revenue.tables import MoveKind
from billing.revenue.viewers import parts_shown, round_to
from billing.revenue.why import REST, family

PLEDGED = (Cadence.MONTHLY.value, Cadence.ANNUAL.value)
KNOWN_AHEAD = relativedelta(years=3)
"""How far ahead what is known to end is looked for: no pledge is paid further ahead."""


@dataclass(frozen=True, kw_only=True)
class MonthOfChurn:
    """A month of the period."""

    period: Period
    bridge: Bridge
    ended: dict[MoveKind, int]
    """How many pledges ended, by their supporter's will or not; 0 for what the bridge hides."""
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Why:
    """What was lost for one reason; `twelfths` is negative, in minor units of the currency."""

    kind: MoveKind
    reason: str
    """A key of `why.NAMES`, or `REST`."""
    ended: int
    twelfths: int


@dataclass(frozen=True, kw_only=True)
class Annual:
    """Annual pledges: how many were due for renewal in the period, and how many of them ended."""

    asked_for: int
    """Whose renewal was asked for."""
    cancelled: int
    """Those whose supporters ended them before that."""
    lost: int
    """Those that ended otherwise, nearly all after their renewal had been refused."""

    @property
    def due(self) -> int:
        """Asked for, and cancelled before they could be."""
        return self.asked_for + self.cancelled

    @property
    def ended(self) -> int:
        """Cancelled or lost."""
        return self.cancelled + self.lost

    @property
    def rate(self) -> Fraction | None:
        """Ended / due."""
        return annual_churn(self.ended, self.due)


@dataclass(frozen=True, kw_only=True)
class Lifetime:
    """What a supporter brings until they leave; see `churn.lifetime_value`."""

    value: Fraction | None
    """In twelfths of minor units; None where too few have left."""
    departures: int
    supporter_months: int


@dataclass(frozen=True, kw_only=True)
class Churn:
    """A period's losses."""

    whole: Bridge
    ended: dict[MoveKind, int]
    months: list[MonthOfChurn]
    reasons: list[Why]
    """By kind, and what was lost most first."""
    scheduled: int
    """Pledges known to end after the period."""
    scheduled_twelfths: int
    """What they bring: negative."""
    to_come: Period
    """Where those stand."""
    annual: Annual | None
    """None for viewers, as is what follows."""
    lifetime: Lifetime | None


def read_churn(session: Session, asked: Asked) -> Churn:
    """The losses of a period and of each of its months. Eight queries."""
    period = asked.filters.period
    rates = MonthlyRates(session, asked, [period])
    whole, bridges = read_bridges(session, asked, rates)
    months = [each for each, _ in bridges]
    after = max(period.last, asked.today) + timedelta(days=1)
    to_come = Period(after, after + KNOWN_AHEAD)
    *by_month, ahead = departures(session, asked.cells, [*months, to_come])
    parts = [
        MonthOfChurn(period=each, bridge=seen, ended=count(rows), complete=each.last < asked.today)
        for (each, seen), rows in zip(bridges, by_month, strict=True)
    ]
    if not asked.sees_people:
        return _for_viewers(asked, whole, parts, by_month, rates, to_come)
    everybody = [row for rows in by_month for row in rows]
    ahead = [each for each in ahead if each.kind is MoveKind.CHURN_VOLUNTARY]
    return Churn(
        whole=whole,
        ended=count(everybody),
        months=parts,
        reasons=_reasons(whole, months, by_month, rates),
        scheduled=sum(each.moves for each in ahead),
        scheduled_twelfths=valued(yearly_by_currency(ahead), rates.of(period.last)),
        to_come=to_come,
        annual=_annual(session, asked, everybody),
        lifetime=_lifetime(session, asked, parts),
    )


def _for_viewers(
    asked: Asked,
    whole: Bridge,
    months: Sequence[MonthOfChurn],
    by_month: Sequence[Sequence[Departed]],
    rates: MonthlyRates,
    to_come: Period,
) -> Churn:
    """The same without what tells of few, such as what is known to end. `whole` is so already."""
    everybody = count(row for rows in by_month for row in rows)
    reasons: list[Why] = []
    for kind in CHURN:
        if not whole.hides(kind):
            reasons += _reasons_for_viewers(
                [each for each in _reasons(whole, [m.period for m in months], by_month, rates)
                 if each.kind is kind],
                [_by_reason(rows, kind) for rows in by_month],
                Why(kind=kind, reason=REST, ended=everybody[kind], twelfths=whole.moves[kind]),
                asked.sight.step * TWELFTHS,
            )  # fmt: skip
    return Churn(
        whole=whole,
        ended=_seen(everybody, whole),
        months=[replace(each, ended=_seen(each.ended, each.bridge)) for each in months],
        reasons=reasons,
        scheduled=0,
        scheduled_twelfths=0,
        to_come=to_come,
        annual=None,
        lifetime=None,
    )


def _reasons_for_viewers(
    reasons: Sequence[Why], months: Sequence[Mapping[str, int]], whole: Why, step: int
) -> list[Why]:
    """Those of many, rounded to `step`, and what is left of `whole` as one."""
    told = parts_shown(months)
    found = [
        replace(each, twelfths=round_to(each.twelfths, step))
        for each in reasons
        if each.reason in told
    ]
    rest = replace(
        whole,
        ended=whole.ended - sum(each.ended for each in found),
        twelfths=whole.twelfths - sum(each.twelfths for each in found),
    )
    return [*found, rest] if rest.ended else found


def _by_reason(rows: Iterable[Departed], kind: MoveKind) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        if row.kind is kind:
            found[family(row.reason)] = found.get(family(row.reason), 0) + row.moves
    return found


def _seen(ended: Mapping[MoveKind, int], bridge: Bridge) -> dict[MoveKind, int]:
    return {kind: 0 if bridge.hides(kind) else count for kind, count in ended.items()}


def count(rows: Iterable[Departed]) -> dict[MoveKind, int]:
    """How many pledges ended, by kind."""
    found = dict.fromkeys(CHURN, 0)
    for row in rows:
        found[row.kind] += row.moves
    return found


def net_share(rows: Iterable[MoneyRow]) -> Fraction:
    """The part of what supporters pay that is left after fees; all of it where nothing was paid."""
    rows = list(rows)
    gross, fees = sum(row.gross for row in rows), sum(row.fees for row in rows)
    return 1 - min(Fraction(1), Fraction(fees, gross)) if gross > 0 else Fraction(1)


def _reasons(
    whole: Bridge,
    months: Sequence[Period],
    by_month: Sequence[Sequence[Departed]],
    rates: MonthlyRates,
) -> list[Why]:
    """What was lost for which reason, month by month: together exactly the bridge's churn."""
    lost: dict[tuple[MoveKind, str], Fraction] = {}
    ended: dict[tuple[MoveKind, str], int] = {}
    for month, rows in zip(months, by_month, strict=True):
        for row in rows:
            key = (row.kind, family(row.reason))
            rate = rates.of(month.first).get(row.currency, Fraction())
            lost[key] = lost.get(key, Fraction()) + row.yearly_minor * rate
            ended[key] = ended.get(key, 0) + row.moves
    found: list[Why] = []
    for kind in CHURN:
        keys = sorted((key for key in lost if key[0] is kind), key=lambda key: (lost[key], key[1]))
        shares = apportion([lost[key] for key in keys], whole.moves[kind])
        found += [
            Why(kind=kind, reason=key[1], ended=ended[key], twelfths=twelfths)
            for key, twelfths in zip(keys, shares, strict=True)
            if ended[key] or twelfths
        ]
    return found


def _annual(session: Session, asked: Asked, departed: Sequence[Departed]) -> Annual:
    """Due are those asked for, and those who cancelled before they could be. One query."""
    [rows] = renewals_by_try(session, asked.cells, [asked.filters.period])
    ended = count(each for each in departed if each.cadence == Cadence.ANNUAL)
    asked_for = sum(each.renewals for each in rows if each.cadence == Cadence.ANNUAL)
    return Annual(
        asked_for=asked_for,
        cancelled=ended[MoveKind.CHURN_VOLUNTARY],
        lost=ended[MoveKind.CHURN_INVOLUNTARY],
    )


def _lifetime(session: Session, asked: Asked, months: Sequence[MonthOfChurn]) -> Lifetime:
    """From the months that are over, or from the one that is not where there is no other."""
    over = [each for each in months if each.complete] or list(months)
    starts = [each.period.first - timedelta(days=1) for each in over]
    *standing, at_the_end = figures.supporters(
        session, asked.cells, [*starts, over[-1].period.last]
    )
    [money] = figures.money(session, asked.cells, [asked.filters.period])
    each_brings = arpu(over[-1].bridge.end, at_the_end)
    gone = [sum(each.ended.values()) for each in over]
    own = [
        row for row in money if row.settled_currency == asked.currency and row.cadence in PLEDGED
    ]
    net = None if each_brings is None else each_brings * net_share(own)
    return Lifetime(
        value=lifetime_value(net, gone, standing),
        departures=sum(gone),
        supporter_months=sum(standing),
    )
