"""The rules of what viewers are shown: added and subtracted, it leads to nobody."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import accumulate, combinations_with_replacement, product
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from billing.money import Money
from billing.revenue.bridge import SUPPORTERS, Bridge
from billing.revenue.cohorts import Cohort
from billing.revenue.counts import Counts, counts_for
from billing.revenue.domain import Takings
from billing.revenue.filters import Filters, read_filters
from billing.revenue.gifts import WINDOWS, Givers, hidden_givers
from billing.revenue.periods import Period
from billing.revenue.reminded import OUTCOMES, Reminded, hidden_reminders, reminded_for_viewers
from billing.revenue.tables import MoveKind
from billing.revenue.today import People
from billing.revenue.viewers import (
    PAID,
    NotForViewersError,
    coarse_bridge,
    coarse_cohorts,
    coarse_takings,
    hidden_in,
    hidden_in_any,
    hidden_money,
    hidden_renewals,
    narrowed,
    parts_shown,
    round_to,
    rounding_step,
)
from billing.staff.domain import Role
from billing.staff.formats import RoundedFormats
from billing.staff.suppression import is_small

TODAY = date(2026, 11, 23)
COUNTS = st.one_of(st.integers(0, 6), st.integers(0, 400))
PRIME = 2**31 - 1


def asked(query: str, today: date = TODAY) -> Filters:
    given_ = [
        (name, value) for name, _, value in (p.partition("=") for p in query.split("&")) if name
    ]
    return narrowed(read_filters(given_, today), today, {name for name, _ in given_})


@pytest.mark.parametrize(
    "query",
    [
        "country=LV",
        "campaign=spring",
        "appeal=banner",
        "article=/articles/harbour",
        "currency=eur",
        "cadence=annual",
        "by=day",
        "by=week",
        "period=this-month",
        "period=last-30-days",
        "period=last-90-days",
        "from=2026-10-01&to=2026-10-30",
        "from=2026-10-02&to=2026-10-31",
        "from=2026-10-01&to=2026-11-23",
        "from=2026-11-01&to=2026-11-30",
        "from=2026-10-05&to=2026-10-05",
        "period=last-month&cadence=annual",
    ],
)
def test_what_narrows_down_to_few_is_refused(query: str) -> None:
    with pytest.raises(NotForViewersError):
        asked(query)


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", date(2026, 10, 1), date(2026, 10, 31)),
        ("period=last-month", date(2026, 10, 1), date(2026, 10, 31)),
        ("period=last-12-months", date(2025, 11, 1), date(2026, 10, 31)),
        ("period=this-year", date(2026, 1, 1), date(2026, 10, 31)),
        ("period=last-year", date(2025, 1, 1), date(2025, 12, 31)),
        ("from=2026-02-01&to=2026-03-31", date(2026, 2, 1), date(2026, 3, 31)),
    ],
)
def test_periods_are_whole_months_that_are_over(query: str, first: date, last: date) -> None:
    assert asked(query).period == Period(first, last)


def test_in_january_no_month_of_the_year_is_over() -> None:
    with pytest.raises(NotForViewersError, match="No month of this year"):
        asked("period=this-year", date(2026, 1, 31))
    assert asked("", date(2026, 1, 1)).period == Period(date(2025, 12, 1), date(2025, 12, 31))


@given(st.integers(1, 10**9))
def test_sums_are_rounded_to_about_a_hundredth_of_the_goal(goal: int) -> None:
    step = rounding_step(Money(goal, "usd"))
    assert str(step).rstrip("0") in {"1", "2", "5"}
    assert step <= max(1, goal // 100) < step * 5 / 2


@given(st.integers(-(10**9), 10**9), st.sampled_from([1, 200, 10_000]))
def test_rounding_moves_a_sum_by_half_a_step_at_most(minor: int, step: int) -> None:
    assert round_to(minor, step) % step == 0
    assert abs(round_to(minor, step) - minor) <= step / 2


def test_sums_are_written_without_minor_units() -> None:
    formats = RoundedFormats(ZoneInfo("Europe/Riga"), step=Decimal(100))
    assert formats.money(Money(341_828, "usd")) == "$3,400"
    assert formats.money(Money(1_234, "jpy")) == "¥1,200"
    assert [formats.signed(Money(each, "usd")) for each in (5_100, -26_000, 400)] == [
        "+$100",
        "−$300",
        "$0",
    ]


class Attack:
    """Whoever adds and subtracts all that is shown: linear algebra over a field."""

    def __init__(self) -> None:
        self._rows: dict[int, list[int]] = {}

    def learn(self, row: list[int]) -> None:
        """That the sum of some cells, given by their coefficients, is known."""
        row = self._reduced(row)
        if any(row):
            lead = next(place for place, value in enumerate(row) if value)
            inverse = pow(row[lead], -1, PRIME)
            self._rows[lead] = [value * inverse % PRIME for value in row]

    def knows(self, row: list[int]) -> bool:
        """Whether a sum of cells follows from what is known."""
        return not any(self._reduced(row))

    def _reduced(self, row: list[int]) -> list[int]:
        row = [value % PRIME for value in row]
        for lead in sorted(self._rows):
            if factor := row[lead]:
                row = [(a - factor * b) % PRIME for a, b in zip(row, self._rows[lead], strict=True)]
        return row


def test_the_attack_succeeds_where_nothing_is_hidden() -> None:
    attack = Attack()
    attack.learn([1, 1, 1])
    attack.learn([1, 1, 0])
    assert attack.knows([0, 0, 1])
    assert not attack.knows([1, 0, 0])


@given(st.lists(st.lists(COUNTS, min_size=4, max_size=4), min_size=1, max_size=4))
def test_no_small_count_follows_from_all_periods_together(months: list[list[int]]) -> None:
    """Every run of months is asked for; what is shown of each is a sum that is known."""
    names = ("a", "b", "c", "d")
    hidden = [hidden_in(dict(zip(names, month, strict=True)), "all") for month in months]
    cells = list(product(range(len(months)), names))
    attack = Attack()
    for first, last in combinations_with_replacement(range(len(months)), 2):
        run = range(first, last + 1)
        left_out = hidden_in_any(hidden[month] for month in run)
        for name in {*names, "all"} - left_out:
            attack.learn([int(m in run and name in (each, "all")) for m, each in cells])
    for place, (month, name) in enumerate(cells):
        if is_small(months[month][names.index(name)]):
            assert not attack.knows([int(place == other) for other in range(len(cells))])


@given(st.lists(st.lists(COUNTS, min_size=4, max_size=4), min_size=1, max_size=4))
def test_no_part_of_few_follows_from_what_is_told_of_reasons(months: list[list[int]]) -> None:
    """A count of many is told with its parts, over every run of months; a count of few is not."""
    names = ("a", "b", "c", "d")
    parts = [dict(zip(names, month, strict=True)) for month in months]
    cells = list(product(range(len(months)), names))
    attack = Attack()
    for first, last in combinations_with_replacement(range(len(months)), 2):
        run = range(first, last + 1)
        if any(is_small(sum(months[month])) for month in run):
            continue
        for told in ({*names}, *({name} for name in parts_shown(parts[first : last + 1]))):
            attack.learn([int(m in run and name in told) for m, name in cells])
    for place, (month, name) in enumerate(cells):
        if is_small(parts[month][name]):
            assert not attack.knows([int(place == other) for other in range(len(cells))])


@given(
    st.lists(st.tuples(*[COUNTS] * 6, st.integers(0, 3)), min_size=1, max_size=3),
)
def test_no_giver_is_in_a_difference(lived: list[tuple[int, ...]]) -> None:
    """Of each month: further gifts, and givers by what they did; how many windows are closed."""
    months = []
    for further, had, *pledged, rest, closed in lived:
        within = dict(zip(WINDOWS, accumulate(pledged), strict=True))
        givers = had + sum(pledged) + rest
        exact = Givers(givers=givers, again=0, had_pledged=had, within=within)
        hidden = hidden_givers(exact, givers + further, WINDOWS[:closed])
        assert {"again", *map(str, WINDOWS[closed:])} <= hidden
        months.append((exact, [further, had, *pledged, rest], hidden, closed))
    attack = Attack()
    size = 6 * len(months)
    for first, last in combinations_with_replacement(range(len(months)), 2):
        run = range(first, last + 1)
        left_out = hidden_in_any(months[month][2] for month in run)
        parts = {"givers": {1, 2, 3, 4, 5}, "had_pledged": {1}, "30": {2}, "90": {2, 3},
                 "365": {2, 3, 4}, "gifts": set(range(6))}  # fmt: skip
        for name, of in parts.items():
            if name not in left_out:
                attack.learn([int(p // 6 in run and p % 6 in of) for p in range(size)])
    for place, (_, counts, _, closed) in enumerate(months):
        known = [0, 1, *range(2, 2 + closed)]
        for each in known:
            if is_small(counts[each]):
                assert not attack.knows([int(p == place * 6 + each) for p in range(size)])


@given(st.lists(st.lists(COUNTS, min_size=3, max_size=3), min_size=3, max_size=3))
def test_who_leaves_a_cohort_is_in_no_difference(kept: list[list[int]]) -> None:
    """Not even with the count of all supporters, which is told beside it."""
    firsts = [date(2026, month, 1) for month in (1, 2, 3)]
    exact = [
        Cohort(first, counts[0], tuple(counts[: 3 - place]))
        for place, (first, counts) in enumerate(zip(firsts, kept, strict=True))
    ]
    seen = coarse_cohorts(exact)
    for each in seen:
        assert each.began % 5 == 0
        assert all(count % 5 == 0 for count in each.kept)
        for part in each.shares()[1:]:
            assert part is None or part.denominator <= each.began / 5, "as of the rounded counts"
    for month in range(3):
        own = [(exact[place], seen[place], month - place) for place in range(month + 1)]
        left_out = [whole.kept[later] for whole, told, later in own if later in told.hidden]
        assert sum(left_out) == 0 or sum(left_out) >= 5 or len(left_out) == len(own)
        assert len(left_out) != 1 or len(own) == 1
        for whole, told, later in own:
            assert later in told.hidden or not is_small(whole.kept[later])


@pytest.mark.parametrize(
    ("people", "seen"),
    [
        ((363, 241, 122), (365, 240, 120)),
        ((362, 241, 121), (360, 240, 120)),
        ((252, 241, 13), (250, None, None)),  # two have both
        ((244, 241, 3), (245, None, None)),
        ((7, 7, 0), (5, 5, 0)),
        ((4, 4, 0), (None, None, 0)),
    ],
)
def test_viewers_have_todays_supporters_to_the_nearest_five(
    people: tuple[int, int, int], seen: tuple[int | None, int | None, int | None]
) -> None:
    exact = People(all=people[0], monthly=people[1], annual=people[2])
    told = Counts(supporters=seen[0], monthly=seen[1], annual=seen[2])
    assert counts_for(Role.VIEWER, exact) == told
    by_desk = counts_for(Role.DESK, exact)
    assert (by_desk.supporters, by_desk.monthly, by_desk.annual) == people


@pytest.mark.parametrize(
    ("gifts", "pledges", "hidden"),
    [
        (0, 0, {"gifts", "pledges", PAID}),  # something was given back, and nobody paid
        (1, 0, {"gifts", "pledges", PAID}),
        (2, 2, {"gifts", "pledges", PAID}),
        (3, 20, {"gifts", "pledges"}),
        (0, 20, set()),
        (6, 20, set()),
    ],
)
def test_payments_of_few(gifts: int, pledges: int, hidden: set[str]) -> None:
    assert hidden_money(gifts, pledges, moved=True) == hidden


def test_a_month_without_anything_hides_nothing() -> None:
    assert hidden_money(0, 0, moved=False) == frozenset()


@pytest.mark.parametrize(
    ("due", "failed", "recovered", "hidden"),
    [
        (100, 0, 0, set()),
        (100, 2, 1, {"failed", "recovered"}),
        (100, 98, 49, {"failed"}),
        (100, 10, 2, {"recovered"}),
        (100, 10, 8, {"recovered"}),
        (100, 20, 10, set()),
        (4, 0, 0, {"due", "failed"}),
    ],
)
def test_rates_of_few(due: int, failed: int, recovered: int, hidden: set[str]) -> None:
    assert hidden_renewals(due, failed, recovered) == hidden


@pytest.mark.parametrize(
    ("counts", "hidden"),
    [
        ({"asked": 3, "sent": 3}, OUTCOMES | {"asked"}),
        ({"asked": 40, "sent": 40, "gave": 10}, set()),
        ({"asked": 40, "sent": 40, "gave": 4}, OUTCOMES),
        ({"asked": 40, "sent": 40, "gave": 38}, OUTCOMES),
        ({"asked": 40, "sent": 38, "gave": 10, "not_wanted": 2}, OUTCOMES),
        ({"asked": 40, "sent": 30, "gave": 10, "under_way": 10}, OUTCOMES),
        ({"asked": 40, "sent": 40, "gave": 10, "still_open": 30}, OUTCOMES),
    ],
)
def test_what_became_of_reminders_is_told_once_it_is_over(
    counts: dict[str, int], hidden: set[str]
) -> None:
    seen = Reminded(**{**dict.fromkeys(OUTCOMES, 0), **counts})  # type: ignore[arg-type]
    assert hidden_reminders(seen) == hidden
    told = reminded_for_viewers(seen, hidden_reminders(seen))
    assert all(getattr(told, name) == 0 for name in hidden)


def test_what_is_recovered_of_a_month_is_told_once_it_is_final() -> None:
    assert hidden_renewals(100, 20, 10, final=False) == {"recovered"}


@given(st.lists(st.integers(0, 10**7), min_size=5, max_size=5), st.sampled_from([1, 5_000]))
def test_rounded_takings_add_up_and_tell_no_refund(sums: list[int], step: int) -> None:
    gifts, pledges, refunds, disputes, fees = sums
    exact = Takings(
        currency="usd", gifts=gifts, pledges=pledges, refunds=refunds, disputes=disputes, fees=fees
    )
    seen = coarse_takings(exact, step, frozenset())
    assert (seen.refunds, seen.disputes, seen.other) == (0, 0, 0)
    assert seen.net == seen.gifts + seen.pledges - seen.fees
    assert abs(seen.net - exact.net) <= step * 3 / 2
    blurred = coarse_takings(exact, step, frozenset({"gifts", "pledges"}))
    assert (blurred.gifts, blurred.pledges) == (0, round_to(gifts + pledges, step))
    assert coarse_takings(exact, step, frozenset({PAID})).is_empty


@given(st.dictionaries(st.sampled_from(list(MoveKind)), st.integers(-(10**7), 10**7)))
def test_a_rounded_bridge_still_leads_from_start_to_end(changes: dict[MoveKind, int]) -> None:
    moves = dict.fromkeys(MoveKind, 0) | changes
    exact = Bridge(
        currency="usd",
        start=5 * 10**7,
        moves=moves,
        currency_effect=7,
        end=5 * 10**7 + sum(moves.values()) + 7,
        unvalued={"eur": 1},
    )
    seen = coarse_bridge(exact, 5_000, frozenset({MoveKind.NEW}))
    assert seen.start + sum(seen.moves.values()) + seen.currency_effect == seen.end
    assert seen.moves[MoveKind.NEW] == 0
    assert not seen.unvalued
    nothing = coarse_bridge(exact, 5_000, frozenset({SUPPORTERS}))
    assert not any((nothing.start, nothing.end, nothing.currency_effect, *nothing.moves.values()))
