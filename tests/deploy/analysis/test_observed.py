"""Recordings as observations."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.market_data import a_ladder, write_market_data
from kit.shared_data import DATA

from deploy.analysis.measures import LEFT_S, Joined
from deploy.analysis.observed import DataUnreadable, lateness, middles, observe


def test_every_source_gives_its_own(tmp_path: Path) -> None:
    """Books of both tokens at their true times, small orders that joined, the tapes, the dollars."""
    seen, notes = observe(write_market_data(tmp_path))
    assert sorted({look.left_s for look in seen.looks}) == sorted(LEFT_S)
    assert len(seen.looks) == 3 * 2 * len(LEFT_S)
    assert seen.joined == [Joined(0.49, 120.0, True)] * 3
    assert [(each.up, each.buys, each.for_up) for each in seen.sized[0].prints] == [
        (0.6, True, True),
        (0.7, False, True),
    ]
    assert [len(tape.prints) for tape in seen.flows] == [1_000]
    assert seen.turnovers == [50_000, 50_001, 50_002]
    assert notes["endgame books"].startswith("3 windows; the samples labelled 20 s before the end")


def test_the_clock_is_judged_by_the_spot_that_opened_the_next_window() -> None:
    """The label whose spot it is, and how often."""
    assert lateness([a_ladder(0, 64_000, 64_005), a_ladder(1, 64_005, 64_010), a_ladder(2, 64_010, 1)]) == (20, 1.0)
    assert lateness([]) == (0, 0.0)


def test_middles_are_those_with_a_moment(tmp_path: Path) -> None:
    """Window start, seconds to the end, middle."""
    assert [row[1:] for row in middles(write_market_data(tmp_path))] == [(53, 0.6)] * 3


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """All of it in one line."""
    write_market_data(tmp_path)
    for path in (tmp_path / "D").iterdir():
        path.unlink()
    with pytest.raises(DataUnreadable, match=r"no file named \*/trades_btc-updown-5m-\*"):
        observe(tmp_path)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    """As is one that holds no JSON."""
    path = write_market_data(tmp_path) / "C" / "ladder_x.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataUnreadable, match="ladder_x"):
        observe(tmp_path)


if DATA:

    def test_the_recordings_are_as_many_as_they_are_said_to_be() -> None:
        """And their clock is 20 s late."""
        assert DATA is not None
        seen, notes = observe(DATA)
        assert (len(seen.joined), len(seen.flows), len(seen.turnovers)) == (159, 92, 406)
        assert "labelled 20 s before the end have the next window's opening spot in 94%" in notes["endgame books"]
