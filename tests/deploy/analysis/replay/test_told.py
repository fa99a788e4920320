"""deploy.analysis.replay.told: our own fills as the tape tells them, and how windows end."""

from __future__ import annotations

from typing import Any

import pytest
from kit.tapes import NS, TERMS, a_price
from msgspec import structs

from deploy.analysis.replay.holdings import Fill, Holdings
from deploy.analysis.replay.told import Ends, Real
from shared import messages as m

START_S = 1_800_000_000
FILLED = m.Filled("t", "o", "BTC/5m", START_S, "Up", "BUY", 400_000, 10_000_000, 0, "MATCHED")


def test_a_fill_counts_once_and_is_taken_back_once() -> None:
    """However often its settlement is told."""
    told = list[Fill]()
    holdings = Holdings()
    real = Real(holdings, lambda at_ns, fill: told.append(fill))
    for status in ("MATCHED", "MINED", "CONFIRMED"):
        real.filled(1, structs.replace(FILLED, status=status))
    assert (holdings.fills, len(told)) == (1, 1)
    for _ in range(2):
        real.filled(1, structs.replace(FILLED, status="FAILED"))
    assert (holdings.fills, holdings.cash_micro) == (0, 0)


def test_the_venues_word_ends_a_window() -> None:
    """Once, and nothing is left for the rule to say."""
    ends = Ends()
    ends.see(m.WindowOpened("BTC/5m", START_S, TERMS))
    assert ends.see(m.WindowResolved("BTC/5m", START_S, "Down")) == [(("BTC/5m", START_S), "Down")]
    assert ends.by_rule((START_S + 900) * NS) == []


@pytest.mark.parametrize(("close", "winner"), [(100.0, "Up"), (99.0, "Down"), (101.0, "Up")])
@pytest.mark.parametrize(("rule", "feed"), [("spot", "spot"), ("twap60", "twap")])
def test_without_a_word_strike_and_close_decide(close: float, winner: str, rule: Any, feed: str) -> None:
    """By the market's own feed; a tie is Up."""
    ends = Ends()
    opened = m.WindowOpened("BTC/5m", START_S, structs.replace(TERMS, rule=rule))
    ends.see(m.Keyframe((opened, m.StrikeSet("BTC/5m", START_S, str(100 * 10**18)))))
    ends.see(a_price(START_S + 300, close, feed=feed))
    assert ends.by_rule((START_S + 299) * NS) == []
    assert ends.by_rule((START_S + 300) * NS) == [(("BTC/5m", START_S), winner)]


def test_a_window_whose_close_nobody_saw_has_no_end() -> None:
    """No data decides nothing."""
    ends = Ends()
    ends.see(m.WindowOpened("BTC/5m", START_S, TERMS))
    ends.see(m.StrikeSet("BTC/5m", START_S, str(10**20)))
    assert ends.by_rule((START_S + 900) * NS) == []
