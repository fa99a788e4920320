"""Values of a history know how people call them."""

from __future__ import annotations

from deploy.analysis.attribution.calibration import BINS, Bin, count, tally
from deploy.analysis.attribution.history import Release, bins


def test_a_release_is_called_by_its_number_and_the_beginning_of_its_digest() -> None:
    """One that the desk never numbered by its digest alone."""
    assert (Release("9f31c7e0aa", 42).name, Release("9f31c7e0aa", 42).short) == ("r42 9f31", "r42")
    assert Release("9f31c7e0aa", 0).name == Release("9f31c7e0aa", 0).short == "9f31c7e0"


def test_sums_of_a_database_are_the_tally_of_its_forecasts() -> None:
    """Bins without a row are empty."""
    told = [(1_200, True), (1_300, False), (9_900, True)]
    rows = [(1, 2, 2_500, 1_200**2 + 1_300**2, 1, 1_200), (9, 1, 9_900, 9_900**2, 1, 9_900)]
    assert bins(rows, BINS) == tally(told)
    assert bins([], BINS) == (Bin(),) * BINS and count(bins([], BINS)) == 0
