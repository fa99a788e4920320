"""deploy.ranges: what no clock can run at and no wait can last is refused on the command line."""

from __future__ import annotations

import click
import pytest

from deploy.ranges import FiniteRange


@pytest.mark.parametrize("said", ["nan", "inf", "-inf", "1e999", "0", "11", "fast"])
def test_what_is_no_number_of_the_range_is_refused(said: str) -> None:
    """Not a number passes every comparison, and no end passes a range without one."""
    with pytest.raises(click.BadParameter):
        FiniteRange(1, 10).convert(said, None, None)


def test_a_range_without_an_upper_bound_ends_all_the_same() -> None:
    """Infinity is above 0 and still no number to count with."""
    with pytest.raises(click.BadParameter, match="'inf' is not a finite number"):
        FiniteRange(min=0, min_open=True).convert("inf", None, None)


def test_a_number_of_the_range_is_read() -> None:
    """With its bounds."""
    assert [FiniteRange(1, 10).convert(said, None, None) for said in ("1", "2.5", "10")] == [1.0, 2.5, 10.0]
