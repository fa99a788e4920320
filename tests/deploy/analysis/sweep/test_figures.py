"""Figures add up, whatever the order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.sweeps import a_result

from deploy.analysis.sweep.figures import Figures, figures

_COUNTS = st.integers(-(10**15), 10**15)


@given(st.lists(st.builds(a_result, _COUNTS, fees_micro=_COUNTS, seconds=st.floats(0, 1e5)), max_size=5), st.randoms())
def test_the_order_changes_nothing(results: list, random: object) -> None:
    """Not even the last digit."""
    mixed = random.sample(results, len(results))
    assert figures(results) == figures(mixed)
    assert figures(results).net_micro == sum(result.net_micro for result in results)


def test_holes_are_counted_in_frames() -> None:
    """Both ends of a hole are missing."""
    assert figures([a_result(holes=((5, 5), (9, 12))), a_result()]).holes == 5


def test_what_was_never_judged_has_no_score() -> None:
    """A zero would be perfection."""
    assert (Figures().brier, Figures().skill) == (None, None)
    judged = figures([a_result(brier_count=4, brier_e8=50_000_000, brier_market_e8=100_000_000)])
    assert (judged.brier, judged.skill) == (pytest.approx(0.125), pytest.approx(0.5))


def test_reasons_add_up() -> None:
    """Those of the desk, and those of the venue."""
    did = figures([a_result(denied={"cash": 1, "order_cap": 2}), a_result(denied={"cash": 3}, rejected={"no book": 1})])
    assert (did.denied, did.rejected) == ({"cash": 4, "order_cap": 2}, {"no book": 1})
