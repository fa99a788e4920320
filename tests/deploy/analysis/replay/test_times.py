"""deploy.analysis.replay.times: places of a tape, as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from kit.tapes import NS, START_S, Market, Stream

from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.times import Place, PlaceType


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


def test_places_are_frames_of_the_tape(tmp_path: Path) -> None:
    """The first that is not before it, the last that is not behind it."""
    stream = Market(Stream(tmp_path), slots=("BTC/5m",)).run(400)
    footage, at_ns = Footage(tmp_path), (START_S + 200) * NS
    inside = [frame.seq for frame in stream.frames if frame.at_ns >= at_ns]
    assert read("08:03:20").first(footage) == inside[0]
    assert read("08:03:20").last(footage) == max(f.seq for f in stream.frames if f.at_ns <= at_ns)
    assert read("4711").first(footage) == read("4711").last(footage) == 4711
    end_ns = stream.at_ns - 60 * NS
    assert read("-60s").first(footage) == next(f.seq for f in stream.frames if f.at_ns >= end_ns)


def test_a_time_of_day_is_the_last_such_one() -> None:
    """Of the day the tape ends on, or of the day before it when that is still to come."""
    noon_ns = (START_S - START_S % 86_400 + 43_200) * NS
    assert read("11:00").moment(noon_ns) == noon_ns - 3_600 * NS
    assert read("13:00").moment(noon_ns) == noon_ns - 23 * 3_600 * NS
