"""What viewers are not shown, and can't work out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import pytest
from hypothesis import given, strategies as st

from billing.staff.suppression import SMALLEST, hidden, suppress, suppress_row

COUNTS = st.lists(st.one_of(st.integers(0, 6), st.integers(0, 10_000)), max_size=12)


@pytest.mark.parametrize(
    ("count", "shown"), [(0, 0), (1, None), (4, None), (5, 5), (6, 6), (10_000, 10_000)]
)
def test_a_count_under_five_is_left_out(count: int, shown: int | None) -> None:
    assert suppress(count) == shown


@pytest.mark.parametrize(
    ("counts", "cells", "total"),
    [
        ([], (), 0),
        ([0, 0], (0, 0), 0),
        ([7, 9, 0], (7, 9, 0), 16),
        ([3, 9, 7], (None, 9, None), 19),
        ([3, 0, 9], (None, 0, None), 12),
        ([4, 4, 30], (None, None, 30), 38),
        ([1] * 5, (None,) * 5, None),
        ([1, 1, 30, 8], (None, None, 30, None), 40),
        ([3, 0], (None, 0), None),
        ([1, 2, 0], (None, None, 0), None),
        ([2, 3], (None, None), 5),
    ],
)
def test_a_total_gives_no_small_count_away(
    counts: list[int], cells: tuple[int | None, ...], total: int | None
) -> None:
    row = suppress_row(counts)
    assert (row.cells, row.total) == (cells, total)


@given(COUNTS)
def test_no_small_count_is_shown_or_can_be_worked_out(counts: list[int]) -> None:
    row = suppress_row(counts)
    assert not any(cell is not None and 0 < cell < SMALLEST for cell in (*row.cells, row.total))
    unknown = [count for count, cell in zip(counts, row.cells, strict=True) if cell is None]
    if unknown and row.total is not None:
        left = row.total - sum(cell for cell in row.cells if cell is not None)
        assert len(unknown) > 1
        assert left >= SMALLEST


@pytest.mark.parametrize(("values", "length"), [(range(8), 3), ((0, 1, 5), 5)])
def test_each_count_left_out_has_several_values(values: Sequence[int], length: int) -> None:
    """Tried out: every way to fill the gaps with people that comes to the total."""
    for row in {suppress_row(counts) for counts in product(values, repeat=length)}:
        gaps = row.cells.count(None)
        if not gaps or row.total is None:
            continue
        left = row.total - sum(cell for cell in row.cells if cell is not None)
        fillings = {
            filling for filling in product(range(1, left), repeat=gaps) if sum(filling) == left
        }
        assert all(len(set(values)) > 1 for values in zip(*fillings, strict=True)), row


@given(COUNTS)
def test_nothing_is_left_out_where_nothing_is_small(counts: list[int]) -> None:
    assert bool(hidden(counts)) == any(0 < count < SMALLEST for count in counts)
    assert all(counts[place] for place in hidden(counts))


@given(COUNTS)
def test_what_is_shown_is_what_there_is(counts: list[int]) -> None:
    row = suppress_row(counts)
    assert all(cell in {None, count} for cell, count in zip(row.cells, counts, strict=True))
    assert row.total in {None, sum(counts)}
