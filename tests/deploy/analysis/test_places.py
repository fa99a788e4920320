"""deploy.analysis.places: places of a tape, as people write them."""

from __future__ import annotations

from typing import Any

import click
import pytest
from kit.tapes import NS, START_S

from deploy.analysis.places import Place, PlaceType


def read(text: Any) -> Place:
    """What the command line makes of it."""
    return PlaceType().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("4711", Place(seq=4711)),
        ("#4711", Place(seq=4711)),
        ("-2h", Place(before_s=7_200)),
        ("-1.5m", Place(before_s=90)),
        ("14:30", Place(of_day_s=52_200)),
        ("14:30:05", Place(of_day_s=52_205)),
        ("2027-01-15T08:00", Place(at_ns=START_S * NS)),
        ("2027-01-15 08:00:00.5", Place(at_ns=START_S * NS + NS // 2)),
        ("2027-01-15T08:00:00Z", Place(at_ns=START_S * NS)),
        ("2027-01-15T10:00:00+02:00", Place(at_ns=START_S * NS)),
        (Place(seq=1), Place(seq=1)),
    ],
)
def test_a_place_is_read(text: Any, place: Place) -> None:
    """A frame, a time before the end, a time of day, a moment."""
    assert read(text) == place


@pytest.mark.parametrize("text", ["", "-2x", "25:00", "14:61", "2027-13-01T00:00", "yesterday", "-h", "1e9", "T12"])
def test_what_is_no_place_is_refused_with_examples(text: str) -> None:
    """As a fault of the command line."""
    with pytest.raises(click.BadParameter, match="write it like"):
        read(text)


def test_a_time_of_day_is_the_last_such_one() -> None:
    """Of the day the tape ends on, or of the day before it when that is still to come."""
    noon_ns = (START_S - START_S % 86_400 + 43_200) * NS
    assert read("11:00").moment(noon_ns) == noon_ns - 3_600 * NS
    assert read("13:00").moment(noon_ns) == noon_ns - 23 * 3_600 * NS


def test_a_place_that_floats_is_fixed_by_where_the_tape_ends() -> None:
    """A frame and a moment are where they are."""
    assert read("-60s").fixed(START_S * NS) == Place(at_ns=(START_S - 60) * NS)
    assert [read(text).floats for text in ("-60s", "14:00", "4711", "2027-01-15T08:00")] == [True, True, False, False]
    assert read("4711").fixed(START_S * NS) == Place(seq=4711)


def test_a_frame_is_before_a_place_at_it_or_further_on() -> None:
    """By its number, or by its time; a place that floats must have been fixed."""
    for place, frames in ((Place(seq=5), ((4, 9), (5, 9), (6, 9))), (Place(at_ns=5), ((9, 4), (9, 5), (9, 6)))):
        assert [place.reached(*frame) for frame in frames] == [False, True, True]
        assert [place.passed(*frame) for frame in frames] == [False, False, True]
    with pytest.raises(AssertionError, match="where a tape ends"):
        read("-60s").reached(1, 1)
