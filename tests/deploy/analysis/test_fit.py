"""The fit, as a command and as a promise."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from kit.days import a_day, write_day
from kit.market_data import write_market_data
from kit.shared_data import DATA

from deploy.analysis.fit import behind, fit, following, watch_btc
from deploy.analysis.measures import measure
from deploy.analysis.observed import observe
from deploy.rehearsal import crowd_shape as shape


def test_the_command_shows_both_columns(tmp_path: Path) -> None:
    """Recorded and crowd, each with how many observations it rests on."""
    result = CliRunner().invoke(fit, [str(write_market_data(tmp_path)), "--windows", "1", "--json"])
    assert result.exit_code == 0, result.exception
    found = {row["name"]: row for row in json.loads(result.output)["numbers"]}
    assert found["size at 0.5"]["recorded"] == {"name": "size at 0.5", "value": 25.0, "count": 2}
    assert found["dollars a window"]["crowd"]["count"] == 1


def test_without_windows_only_the_recordings_are_shown(tmp_path: Path) -> None:
    """For a person, a line a number, and what cannot be measured."""
    result = CliRunner().invoke(fit, [str(write_market_data(tmp_path)), "--windows", "0"])
    assert result.exit_code == 0
    assert "size at 0.5" in result.output and "not measurable" in result.output


def test_a_folder_without_recordings_is_one_line(tmp_path: Path) -> None:
    """And exit code 66."""
    result = CliRunner().invoke(fit, [str(tmp_path)])
    assert result.exit_code == 66
    assert len(result.output.splitlines()) == 1 and "no file named */ladder_" in result.output


def test_middles_are_held_against_the_odds_of_their_own_moment(tmp_path: Path) -> None:
    """A day that stands still knows no difference between now and a few seconds ago."""
    day = a_day(3, price=lambda second: 64_000.0)
    distances = behind(day, [(listing.start_s, 53, 0.6) for listing in day.listings(0, 2**40)])
    assert len({round(distance, 9) for distance, _ in distances.values()}) == 1
    assert {count for _, count in distances.values()} == {3}
    assert following(tmp_path).startswith("no recorded middle")
    write_day(tmp_path / "A", windows=3)
    assert following(write_market_data(tmp_path)).startswith("3 recorded middles are 0.")


@pytest.mark.parametrize("name", ["DEPTH_SHARES", "DEPTH_EXPONENT", "TAKER_MEDIAN", "TAKER_BUYS", "TAKERS_PER_S"])
def test_every_fitted_number_is_above_nothing(name: str) -> None:
    """A zero would empty the market without a word."""
    assert getattr(shape, name) > 0


BOUNDS = {
    "one-sided at 100 s": 0.1,
    "one-sided at 40 s": 0.15,
    "one-sided at 10 s": 0.2,
    "a tick wide until 25 s": 0.2,
    "a tick wide at 10 s": 0.3,
    "depth exponent": 0.2,
    "depth at 100 s": 0.15,
    "depth at 40 s": 0.2,
    "depth at 10 s": 0.25,
    "50 shares at the best price, 100 s": 0.2,
    "50 shares at the best price, 40 s": 0.25,
    "its spread (log)": 0.35,
    "small orders at the best bid, passed": 0.2,
    "rate at a distance of 0.48": 0.2,
    "trades on the side of the next 5 s": 0.08,
    "takers who buy": 0.02,
}
"""How far the crowd of sixteen windows may be from the recordings: shares, ratios, and logarithms, so differences."""
FACTORS = {
    "depth shares at 1": 1.3,
    "best level over the curve": 1.6,
    "size at 0.5": 1.2,
    "size at 0.9": 1.3,
    "size at 0.99": 2.0,
    "dollars a window": 1.35,
}
"""The same for what has a unit: by which factor at most."""

if DATA:

    def test_the_crowd_is_measured_to_be_like_the_recordings() -> None:
        """Books, thinning, flow, sizes and the fate of small orders, on the recorded settlement day."""
        assert DATA is not None
        recorded = {number.name: number.value for number in measure(observe(DATA)[0])}
        crowd = {number.name: number.value for number in measure(watch_btc(DATA, 16, seed=1))}
        far = {
            name: (recorded[name], crowd[name]) for name in BOUNDS if abs(recorded[name] - crowd[name]) > BOUNDS[name]
        }
        odd = {
            name: (recorded[name], crowd[name])
            for name, factor in FACTORS.items()
            if not 1 / factor < crowd[name] / recorded[name] < factor
        }
        assert (far, odd) == ({}, {})

    def test_recorded_middles_are_near_the_odds_and_a_few_seconds_behind() -> None:
        """So many windows 53 s before their end."""
        assert DATA is not None
        found = following(DATA)
        assert found.startswith("136 recorded middles are 0.09")
        assert found.endswith(("of 2 s before", "of 3 s before", "of 4 s before"))
