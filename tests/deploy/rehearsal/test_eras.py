"""What the venue's rules were when."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.shared_data import SETTLEMENT_DAY

from deploy.rehearsal.eras import AVERAGED_S, LATER, MINUTE_S, RECORDED, delay_ms, lookback_s


@pytest.mark.parametrize(
    ("at_s", "five", "fifteen"),
    [(AVERAGED_S - 1, 0, 0), (AVERAGED_S, 30, 60), (MINUTE_S - 1, 30, 60), (MINUTE_S, 60, 60), (MINUTE_S * 2, 60, 60)],
)
def test_what_settles_a_window_changed_twice(at_s: int, five: int, fifteen: int) -> None:
    """The instant, then averages, then the same average for both lengths."""
    assert (lookback_s(300, at_s), lookback_s(900, at_s)) == (five, fifteen)


@given(st.floats(0, 1), st.sampled_from([AVERAGED_S - 1, AVERAGED_S]))
def test_a_delay_stays_within_its_era(share: float, end_s: int) -> None:
    """And grows with its draw."""
    least, most = (RECORDED if end_s < AVERAGED_S else LATER)[:: len(RECORDED if end_s < AVERAGED_S else LATER) - 1]
    assert least[1] * 1_000 <= delay_ms(end_s, share) <= most[1] * 1_000
    assert delay_ms(end_s, share / 2) <= delay_ms(end_s, share)


def test_half_of_all_windows_are_resolved_by_the_known_median() -> None:
    """21 s in July, 55 s in October."""
    assert (delay_ms(AVERAGED_S - 1, 0.5), delay_ms(MINUTE_S, 0.5)) == (21_000, 55_000)


if SETTLEMENT_DAY:
    MARKETS = next(SETTLEMENT_DAY.glob("*-markets-*.jsonl.gz"))

    def test_the_recorded_delays_are_those_of_the_table() -> None:
        """Within a second at its quantiles."""
        delays = []
        with gzip.open(MARKETS, "rt") as file:
            for row in map(json.loads, file):
                closed = datetime.fromisoformat(row["raw"]["closedTime"]).astimezone(UTC)
                delays.append(closed.timestamp() - row["end_sec"])
        delays.sort()
        assert median(delays) == 21
        for share, seconds in RECORDED:
            assert abs(delays[int(share * (len(delays) - 1))] - seconds) <= 1
