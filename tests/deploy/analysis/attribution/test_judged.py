"""A result stands with how sure it is, and what is not sure is said not to be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from kit.histories import Made, judged_history

from deploy.analysis.attribution.calibration import tally
from deploy.analysis.attribution.history import Cadence, History, Lot, Money, Pairs, Release
from deploy.analysis.attribution.judged import Report, Row, blend, judge, reconcile
from deploy.analysis.attribution.trades import QUARTER_S, Trade

MICRO = 1_000_000
NOBODY_ASKED = Money(0, 0, 0, 0, 0, 0, None, "empty account", "")


def _trades(won: int, lost: int, price: float = 0.88, quarters: int = 1_000) -> list[Trade]:
    results = [True] * won + [False] * lost
    Random(1).shuffle(results)
    cost = round(5 * MICRO * price)
    return [
        Trade("BTC/5m", (n % quarters) * QUARTER_S, n, "Up", 5 * MICRO, cost, 0, 5 * MICRO if hit else 0)
        for n, hit in enumerate(results)
    ]


def _lot(name: str, trades: list[Trade], **more: object) -> Lot:
    lot = Lot(name, name, release=name, trades=trades, active_min=60, decisions=100)
    for field, value in more.items():
        setattr(lot, field, value)
    return lot


def _judged(*lots: Lot, pairs: tuple[Pairs, ...] = (), compare: tuple[str, str] | None = None) -> Report:
    releases = {name: Release(name, n) for n, name in enumerate(("aaaa", "bbbb", "cccc"), start=1)}
    cadence = Cadence(0, 0, 0, {}, 0, 0, ())
    history = History("rehearsal", 0, 1, "regime", list(lots), releases, [], [], cadence, list(pairs), [], NOBODY_ASKED)
    return judge(history, compare)


def _row(lot: Lot) -> Row:
    return _judged(lot).rows[0]


def test_a_row_adds_up_its_trades() -> None:
    """91 of 100 at 88 cents: the rate, its interval, the edge, the money."""
    row = _row(_lot("aaaa", _trades(91, 9)))
    assert (row.won, row.trades, row.observations) == (91, 100, 100)
    assert row.win_rate == pytest.approx(0.91) and row.win_interval.low == pytest.approx(0.838, abs=5e-4)
    assert row.edge == pytest.approx(0.03) and row.breakeven == pytest.approx(0.88)
    assert row.net_micro == 91 * 600_000 - 9 * 4_400_000 == row.gross_micro - row.fee_micro
    assert row.edge_interval is not None and row.edge_interval.low < 0 < 0.03 < row.edge_interval.high


@pytest.mark.parametrize(
    ("trades", "badges"),
    [
        (_trades(10, 1), {"TOO FEW", "BELOW BREAKEVEN?"}),
        (_trades(91, 9), {"BELOW BREAKEVEN?"}),
        (_trades(950, 50), set()),
        (_trades(950, 50, quarters=20), {"TOO FEW"}),
        ([], set()),
    ],
)
def test_badges_say_what_is_not_sure(trades: list[Trade], badges: set[str]) -> None:
    """A thousand trades in twenty quarter hours are twenty observations."""
    assert set(_row(_lot("aaaa", trades)).badges) == badges


def test_a_row_over_more_than_one_regime_is_mixed() -> None:
    """And so is the sum of all rows."""
    assert "MIXED" in _row(_lot("aaaa", _trades(3, 1), regimes=2)).badges
    blended = _judged(_lot("aaaa", _trades(3, 1)), _lot("bbbb", _trades(2, 1))).blended
    assert blended is not None and "MIXED" in blended.badges and (blended.won, blended.trades) == (5, 7)


def test_ten_wins_of_ten_are_not_certainty() -> None:
    """A bootstrap of equal results would claim it; what Wilson leaves open is told instead."""
    row = _row(_lot("aaaa", _trades(10, 0)))
    assert row.edge_interval is not None
    assert row.edge_interval.low == pytest.approx(0.7225 - 0.88, abs=1e-3)
    assert row.edge_interval.high == pytest.approx(0.12)


def test_three_quarter_hours_are_no_narrow_interval() -> None:
    """Whatever number of trades they hold: what three observations leave open is nearly everything."""
    row = _row(_lot("aaaa", _trades(88, 12, quarters=3)))
    assert row.observations == 3 and row.edge_interval is not None
    assert row.edge_interval.high - row.edge_interval.low > 0.4


def test_slots_are_no_versions(tmp_path: Path) -> None:
    """They are laid side by side, and nobody asks which of them is luck."""
    report = judged_history(tmp_path, Made(11, quarters=4, assets=("BTC", "ETH")))
    by_slot = judge(replace(report.history, by="slot"))
    assert not by_slot.versus and not any("MANY VERSIONS" in row.badges for row in by_slot.rows)


def test_trades_still_needed_count_down() -> None:
    """91 of 100 at 88 cents need some 451 trades in all; at 91 cents no number of them is enough."""
    row = _row(_lot("aaaa", _trades(91, 9)))
    assert row.still_needed == 351
    assert _row(_lot("aaaa", _trades(91, 9, price=0.91))).still_needed is None
    assert _row(_lot("aaaa", _trades(990, 10))).still_needed == 0


def test_versions_that_differ_by_chance_are_not_separable() -> None:
    """91.1 and 92.5 % of some forty trades each; how many it would take is said."""
    (versus,) = _judged(_lot("aaaa", _trades(41, 4)), _lot("bbbb", _trades(37, 3))).versus
    assert (versus.first, versus.second, versus.badges) == ("bbbb", "aaaa", ("NOT SEPARABLE",))
    assert versus.trades_needed is not None and versus.trades_needed > 1_000
    (apart,) = _judged(_lot("aaaa", _trades(400, 600)), _lot("bbbb", _trades(950, 50))).versus
    assert apart.badges == () and apart.probability < 1e-6


def test_many_versions_are_told_what_luck_would_show() -> None:
    """From three on; the best one is held against the best of three by luck."""
    report = _judged(*(_lot(name, _trades(80 + n, 10)) for n, name in enumerate(("aaaa", "bbbb", "cccc"))))
    for row in report.rows:
        assert "MANY VERSIONS" in row.badges
        assert row.odds is not None and row.odds.deflated is not None
        assert row.odds.deflated < row.odds.probability
    (one,) = _judged(_lot("aaaa", _trades(80, 10))).rows
    assert one.odds is not None and one.odds.deflated is None


def test_two_releases_can_be_held_against_each_other() -> None:
    """Those that were named, and no others."""
    lots = [_lot(name, _trades(80, 10)) for name in ("aaaa", "bbbb", "cccc")]
    (versus,) = _judged(*lots, compare=("cccc", "aaaa")).versus
    assert {versus.first, versus.second} == {"aaaa", "cccc"}


def _scored(bias: int) -> Lot:
    chance = Random(4)
    ours, market = {}, {}
    for quarter in range(40):
        told = [(chance.choice((2_000, 8_000)), n) for n in range(20)]
        truth = [(p, chance.random() < p / 10_000) for p, _ in told]
        ours[quarter] = tally(truth)
        market[quarter] = tally((min(10_000, p + bias), up) for p, up in truth)
    return _lot("aaaa", [], ours=ours, market=market)


def test_skill_against_the_market_has_an_interval() -> None:
    """Above zero where the market is wrong on purpose, exactly zero where it says what we say."""
    row = _row(_scored(1_500))
    score = row.score
    assert row.badges == ()
    assert score is not None and score.skill is not None and score.skill_interval is not None
    assert 0 < score.skill_interval.low < score.skill < score.skill_interval.high
    same = _row(_scored(0)).score
    assert same is not None and same.skill == 0.0 and same.skill_interval is not None
    assert same.skill_interval.low == same.skill_interval.high == 0.0


def test_scores_of_few_quarter_hours_are_too_few() -> None:
    """Whatever number of decisions was made in them."""
    lot = _lot("aaaa", [], ours={1: tally([(5_000, True)] * 10_000)}, market={1: tally([(5_000, True)] * 10_000)})
    assert _row(lot).badges == ("TOO FEW",)


def test_what_was_not_scored_has_no_score() -> None:
    """No data is no number."""
    row = _row(_lot("aaaa", []))
    assert row.score is None and row.win_rate is None and row.odds is None and row.fill_rate is None
    assert (row.win_interval.low, row.win_interval.high) == (0.0, 1.0)


@pytest.mark.parametrize(("sign", "better"), [(1, "r1 better calibrated"), (-1, "r2 better calibrated")])
def test_pairs_say_which_is_better_calibrated(sign: int, better: str) -> None:
    """The newer release is named first; below zero is better for it."""
    errors = {quarter: (50, -sign * (1.0 + 0.01 * quarter)) for quarter in range(20)}
    (paired,) = _judged(pairs=(Pairs("aaaa", "bbbb", 1_000, 900, 60, errors),)).paired
    assert (paired.first, paired.second, paired.verdict) == ("r2", "r1", better)
    assert paired.difference is not None and paired.difference * sign > 0
    assert paired.agreement == 0.9


def test_pairs_of_one_quarter_hour_are_too_few() -> None:
    """However many there are."""
    (paired,) = _judged(pairs=(Pairs("aaaa", "bbbb", 1_000, 1_000, 12, {1: (1_000, -3.0)}),)).paired
    assert paired.verdict == "TOO FEW"


def test_nothing_is_lost_in_a_blend() -> None:
    """Sums, scores and results of all."""
    lots = [_scored(500), _lot("bbbb", _trades(5, 1), took_us=[3, 9], orders=4)]
    blended = blend(lots)
    assert (blended.orders, blended.decisions, blended.took_us) == (4, 200, [3, 9])
    assert blended.ours == lots[0].ours and len(blended.trades) == 6


def test_the_sum_of_everything_is_the_change_of_equity() -> None:
    """What is owed is ours, what is open stands at its outlay, what people moved is told apart."""
    told = reconcile(Money(1_000, 50, 30, -20, 10, 1_050, 1_050, "opening balance", "ledger"))
    assert told.holds and (told.net_micro, told.transfers_micro, told.equity_change_micro) == (30, 50, 80)
    assert (told.outlay_micro, told.opening_equity_micro, told.closing_equity_micro) == (20, 1_000, 1_080)


@pytest.mark.parametrize(("told_micro", "holds"), [(1_050, True), (1_051, False), (None, None)])
def test_only_the_desks_own_word_makes_a_sum_right(told_micro: int | None, holds: bool | None) -> None:
    """Without it a sum that agrees with itself is not known to be right."""
    assert reconcile(Money(1_000, 50, 30, -20, 10, 1_050, told_micro, "opening balance", "ledger")).holds is holds


def test_sums_that_contradict_each_other_are_wrong_whoever_says_nothing() -> None:
    """What trades earned is not what fills and payouts left."""
    told = reconcile(Money(1_000, 50, 31, -20, 10, 1_050, None, "opening balance", ""))
    assert (told.holds, told.difference_micro) == (False, -1)
