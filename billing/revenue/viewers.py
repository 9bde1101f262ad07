"""What viewers see of the revenue pages (ADR 0072). Pure.

Whole months that are over, no filters, no list of people; sums rounded to about a hundredth of the
monthly goal; and in each month no figure behind which fewer than 5 payments, movements or people
stand, nor what would tell it. A period's figure is left out if it is in any of its months: so no
two periods differ by a month that is not shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from billing.money import Money, exponent
from billing.revenue.bridge import SUPPORTERS, TWELFTHS, Bridge
from billing.revenue.cohorts import Cohort
from billing.revenue.domain import Takings
from billing.revenue.filters import FilterError, Filters
from billing.revenue.periods import Period, Preset, Step, period_of
from billing.settings import NewsroomSettings
from billing.staff.formats import Formats, RoundedFormats
from billing.staff.suppression import SMALLEST, is_small, suppress_row

PAID, MOVES, DUE, FAILED, RECOVERED = "money", "moves", "due", "failed", "recovered"
"""Names of what is left out beside those of the cells themselves: the first two are totals."""
PRESETS = (Preset.LAST_MONTH, Preset.LAST_12_MONTHS, Preset.THIS_YEAR, Preset.LAST_YEAR)
"""The named periods of viewers: as many of their months as are over."""
_PARTS_OF_GOAL = 100

Hidden = frozenset[str]
"""Names of the cells of a line that are not shown, and of its total where that is not either."""


class NotForViewersError(FilterError):
    """An address that asks for more than viewers see; the message is a sentence for its reader."""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What whoever looks may see. By itself it is a viewer's."""

    sees_people: bool = False
    step: int = 1
    """To whole multiples of this, in minor units of the reporting currency, are sums rounded."""

    def rounded(self, minor: int) -> int:
        """A sum as it is shown."""
        return minor if self.sees_people else round_to(minor, self.step)


def rounding_step(goal: Money) -> int:
    """1, 2 or 5 times a power of ten, at most a hundredth of the goal, in its minor units."""
    most = max(1, goal.minor // _PARTS_OF_GOAL)
    power: int = 10 ** (len(str(most)) - 1)
    return power * max(each for each in (1, 2, 5) if power * each <= most)


def formats_for(newsroom: NewsroomSettings, *, sees_people: bool) -> Formats:
    """How whoever looks reads sums."""
    if sees_people:
        return Formats(newsroom.timezone)
    currency = newsroom.goal.currency
    step = Decimal(rounding_step(newsroom.goal)).scaleb(-exponent(currency))
    return RoundedFormats(newsroom.timezone, step=step)


def round_to(minor: int, step: int) -> int:
    """To the nearest multiple of `step`, half to even."""
    return round(minor / step) * step if step > 1 else minor


def coarse_count(people: int) -> int:
    """How many people there are at some moment, as viewers are told: to the nearest 5.

    Two moments differ by those who came and left between them, often by one.
    """
    return round_to(people, SMALLEST)


def narrowed(filters: Filters, today: date, given: Collection[str]) -> Filters:
    """What a viewer is shown in place of what a page shows when it is asked for nothing.

    `given` are the names that the address itself has: what is asked for in so many words is refused
    rather than changed.

    Raises:
        NotForViewersError: for filters, parts of months, and what is not over yet.
    """
    if filters.is_filtered:
        raise NotForViewersError(
            "Filters narrow figures down to few people. They take a role that may see people."
        )
    if "by" in given and filters.step is not Step.MONTH:
        raise NotForViewersError("Days and weeks take a role that may see people.")
    preset = filters.preset
    if preset is None:
        _require_whole_months(filters.period, today)
        return replace(filters, step=Step.MONTH)
    if preset not in PRESETS:
        if "period" in given:
            raise NotForViewersError("Your role sees whole months that are over.")
        preset = Preset.LAST_MONTH
    return replace(filters, preset=preset, period=_over(preset, today), step=Step.MONTH)


def _require_whole_months(period: Period, today: date) -> None:
    if not period.is_whole_months or period.last >= today.replace(day=1):
        raise NotForViewersError(
            "Your role sees whole months that are over: from the first of a month to the last day "
            "of one before this month."
        )


def _over(preset: Preset, today: date) -> Period:
    """As many of a preset's months as are over."""
    before = today.replace(day=1) - timedelta(days=1)
    if preset is Preset.LAST_12_MONTHS:
        return Period(before.replace(day=1) - relativedelta(months=11), before)
    if preset is not Preset.THIS_YEAR:
        return period_of(preset, today)
    if before.year < today.year:
        raise NotForViewersError("No month of this year is over yet.")
    return Period(today.replace(month=1, day=1), before)


def hidden_in(counts: Mapping[str, int], total: str) -> Hidden:
    """What is left out of a line of counts, `total` among it where the total would tell."""
    row = suppress_row(list(counts.values()))
    names = {name for name, cell in zip(counts, row.cells, strict=True) if cell is None}
    return frozenset(names | ({total} if row.total is None else set()))


def hidden_money(gifts: int, pledges: int, *, moved: bool) -> Hidden:
    """The same for payments. What moved without five of them, such as a refund, tells too much."""
    if gifts + pledges < SMALLEST:
        return frozenset({"gifts", "pledges", PAID}) if moved else frozenset()
    return hidden_in({"gifts": gifts, "pledges": pledges}, PAID)


def hidden_renewals(due: int, failed: int, recovered: int, *, final: bool = True) -> Hidden:
    """The same for renewals: rates of few are counts of few.

    Until a month is `final`, what is recovered of it grows with each payment.
    """
    names = {DUE} if is_small(due) else set()
    if not final:
        names.add(RECOVERED)
    if hidden_in({FAILED: failed, "taken": due - failed}, FAILED):
        names.add(FAILED)
    if hidden_in({RECOVERED: recovered, "lost": failed - recovered}, RECOVERED):
        names.add(RECOVERED)
    return frozenset(names)


def hidden_in_any(months: Iterable[Hidden]) -> Hidden:
    """What is left out of the sum over some months: whatever is left out of any of them."""
    return frozenset().union(*months)


def parts_shown(months: Sequence[Mapping[str, int]]) -> Hidden:
    """Those parts of a count that are shown in its sum over some months, the count itself being so.

    What is left over is told by subtraction, and may be written as one line; where even that would
    tell, nothing is shown but the count. It must not be asked for a count that is left out.
    """
    whole = "the count itself"
    left_out = hidden_in_any(hidden_in(month, whole) for month in months)
    if whole in left_out:
        return frozenset()
    return frozenset(name for month in months for name in month) - left_out


def coarse_takings(exact: Takings, step: int, hidden: Hidden) -> Takings:
    """Takings as viewers see them: rounded, with refunds and disputes among the fees.

    They add up. Where gifts and pledges can't be told apart all stands with the pledges, and is not
    to be shown there; where nothing can be told there is nothing.
    """
    if PAID in hidden:
        return Takings(currency=exact.currency)
    apart = not hidden & {"gifts", "pledges"}
    return Takings(
        currency=exact.currency,
        gifts=round_to(exact.gifts, step) if apart else 0,
        pledges=round_to(exact.pledges if apart else exact.gross, step),
        fees=round_to(exact.fees + exact.refunds + exact.disputes, step),
    )


def coarse_bridge(exact: Bridge, step: int, hidden: Hidden) -> Bridge:
    """A bridge as viewers see it: rounded, and what is left out stands with the exchange rates."""
    if SUPPORTERS in hidden:
        nothing = dict.fromkeys(exact.moves, 0)
        return replace(
            exact, start=0, end=0, moves=nothing, currency_effect=0, unvalued={}, hidden=hidden
        )

    def rounded(twelfths: int) -> int:
        return round_to(twelfths, step * TWELFTHS)

    moves = {
        kind: 0 if kind in hidden else rounded(twelfths) for kind, twelfths in exact.moves.items()
    }
    start, end = rounded(exact.start), rounded(exact.end)
    effect = end - start - sum(moves.values())
    return replace(
        exact,
        start=start,
        moves=moves,
        end=end,
        currency_effect=effect,
        unvalued={},
        hidden=hidden,
    )


def coarse_cohorts(exact: Sequence[Cohort]) -> list[Cohort]:
    """Counts of people by cohort as viewers see them, of all cohorts that there are.

    To the nearest 5, so that one who leaves is in no difference of two months; and in each month of
    the calendar no count under 5, nor that which would tell it by what all cohorts come to.
    """
    months: dict[date, dict[str, int]] = {}
    for each in exact:
        for later, kept in enumerate(each.kept):
            on = each.month + relativedelta(months=later)
            months.setdefault(on, {})[f"{each.month}"] = kept
    whole = "all of them"
    left_out = {on: hidden_in(counts, whole) for on, counts in months.items()}
    return [
        replace(
            each,
            began=coarse_count(each.began),
            kept=tuple(map(coarse_count, each.kept)),
            hidden=frozenset(
                later
                for later in range(len(each.kept))
                if left_out[each.month + relativedelta(months=later)] & {f"{each.month}", whole}
            ),
        )
        for each in exact
    ]


def hidden_moves(months: Sequence[Mapping[str, int]]) -> Hidden:
    """What is left out of the movements over some months, each a count by kind."""
    return hidden_in_any(hidden_in(month, MOVES) for month in months)
