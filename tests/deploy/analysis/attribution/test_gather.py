"""What is read from the index is what happened: held against histories that kept every number as it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean

import msgspec
import pytest
from kit.histories import BEGIN_S, Made, a_desk_that_did

from deploy.analysis.attribution.calibration import brier, together
from deploy.analysis.attribution.gather import Asked, gather
from deploy.analysis.attribution.history import GroupBy, History
from deploy.analysis.attribution.mids import attach
from deploy.analysis.index import open_index
from shared import entries as e
from shared.paths import State

NS = 10**9
NIL = msgspec.Raw(msgspec.msgpack.encode(None))


def _renumbered(made: Made) -> Made:
    made.lines = [e.Line(n, line.at_ns, line.wall_ns, 1, line.entry) for n, line in enumerate(made.lines, start=1)]
    return made


@contextmanager
def _told(state: State, asked: Asked) -> Iterator[History]:
    connection = open_index(state)
    attach(connection, state)
    yield gather(state, connection, asked)
    connection.close()


def _history(folder: Path, made: Made, asked: Asked | None = None) -> History:
    with _told(a_desk_that_did(folder, made), asked or Asked()) as history:
        return history


@pytest.fixture(scope="module")
def made() -> Made:
    """Two hours of three releases, with sales, failures, claims and transfers."""
    return Made(11, quarters=8, rough=True)


@pytest.fixture(scope="module")
def history(made: Made, tmp_path_factory: pytest.TempPathFactory) -> History:
    """What is told of it."""
    return _history(tmp_path_factory.mktemp("desk"), made)


def test_results_belong_to_the_release_that_entered(made: Made, history: History) -> None:
    """Net and fees of each are the books' own, also where another release sold."""
    assert {lot.release: sum(trade.net_micro for trade in lot.trades) for lot in history.lots} == dict(
        made.books.net_micro
    )
    fees = {lot.release: sum(trade.fee_micro for trade in lot.trades) for lot in history.lots}
    assert fees == dict(made.books.fee_micro)
    assert history.crossings and {crossing.entered for crossing in history.crossings} <= {"r1", "r2"}


def test_every_decision_of_a_resolved_window_is_scored(made: Made, history: History) -> None:
    """Ours and the market's Brier score, from every single error."""
    for lot in history.lots:
        errors = made.errors[lot.release]
        assert brier(together(lot.ours.values())) == pytest.approx(fmean(ours for ours, _ in errors), abs=1e-9)
        assert brier(together(lot.market.values())) == pytest.approx(fmean(market for _, market in errors), abs=1e-9)


def test_decisions_windows_and_orders_are_counted(made: Made, history: History) -> None:
    """Against the journal's own lines."""
    decided = [line.entry for line in made.lines if isinstance(line.entry, e.OutcomeOf)]
    for lot in history.lots:
        mine = [entry for entry in decided if entry.by.release == lot.release]
        assert lot.decisions == len(mine) == len(lot.took_us)
        assert lot.took_us == sorted(entry.took_us for entry in mine)
        assert lot.orders == sum(entry.kind == "ORDER" for entry in mine) == len(lot.answered_us)
    resolved = {(line.entry.slot, line.entry.start_s) for line in made.lines if isinstance(line.entry, e.Resolved)}
    assert set.union(*(lot.windows for lot in history.lots)) == resolved


def test_a_buyer_at_the_ask_slips_by_half_the_spread(history: History) -> None:
    """All books here are two cents wide, and every order takes."""
    for lot in history.lots:
        assert lot.slipped_micro / lot.slipped_shares_micro == pytest.approx(0.01, abs=1e-4)


def test_slots_that_passed_together_are_one_boundary_with_what_they_held(made: Made, history: History) -> None:
    """Two deploys; the journal has a line a slot and a position a line."""
    lines = [line.entry for line in made.lines if isinstance(line.entry, e.Boundary)]
    assert [(b.kind, b.was, b.now, b.slots) for b in history.boundaries] == [
        ("CODE", "r1", "r2", len(made.slots)),
        ("CODE", "r2", "r3", len(made.slots)),
    ]
    for boundary in history.boundaries:
        held = [holding for entry in lines if entry.op == boundary.op for holding in entry.positions]
        assert sum(each.size_micro for each in boundary.holdings) == sum(holding.size_micro for holding in held)


def test_a_change_of_parameters_is_a_boundary_between_two_sets(tmp_path: Path) -> None:
    """Named by their digests, with who changed them and why."""
    made = Made(12, quarters=1, releases=1)
    changed = {"stake_usd": (5, 4)}
    made.write(e.Retuned("op", 2, "77abc0de", "88cdef01", 1, changed, (), (), (), 0, "uid:0", "smaller"))
    (boundary,) = _history(tmp_path, made).boundaries
    assert (boundary.kind, boundary.was, boundary.now) == ("PARAMS", "p:77ab", "p:88cd")
    assert (boundary.actor, boundary.reason, boundary.slots) == ("uid:0", "smaller", 0)


def test_pairs_are_the_same_ticks_of_two_releases(made: Made, history: History) -> None:
    """The sum of differences of squared errors is that of the single ones."""
    assert {(pairs.first, pairs.second) for pairs in history.pairs} == {
        tuple(sorted(made.releases[n : n + 2])) for n in (0, 1)
    }
    shadows = sum(isinstance(line.entry, e.Shadow) for line in made.lines)
    assert sum(pairs.pairs for pairs in history.pairs) == shadows


def test_a_skip_has_a_reason_and_a_tick_without_an_outcome_is_a_gap(tmp_path: Path) -> None:
    """The tape shows the tick, the journal has nothing of it."""
    made = Made(3, quarters=1)
    number = next(n for n, line in enumerate(made.lines) if isinstance(line.entry, e.OutcomeOf))
    gone = made.lines.pop(number).entry
    assert isinstance(gone, e.OutcomeOf)
    skipped = next(line for line in made.lines if isinstance(line.entry, e.OutcomeOf))
    assert isinstance(skipped.entry, e.OutcomeOf)
    skip = e.OutcomeOf(skipped.entry.slot, skipped.entry.tick, "SKIP", "owner_lost", skipped.entry.by, 0, 0, NIL)
    made.lines[made.lines.index(skipped)] = e.Line(skipped.n, skipped.at_ns, skipped.wall_ns, 1, skip)
    cadence = _history(tmp_path, _renumbered(made)).cadence
    assert (cadence.missing, cadence.skips) == (1, {"owner_lost": 1})
    (hole,) = [stretch for stretch in cadence.stretches if stretch.reason == "missing"]
    assert (hole.slot, hole.from_ns) == (gone.slot, gone.tick * 10**6)


def test_without_a_tape_gaps_are_not_known_and_the_market_is_not_scored(tmp_path: Path, made: Made) -> None:
    """Not known is not none."""
    state = a_desk_that_did(tmp_path, made)
    for segment in state.tape.iterdir():
        segment.unlink()
    with _told(state, Asked()) as history:
        assert history.cadence.missing is None
        assert not any(lot.ours or lot.market for lot in history.lots)


@pytest.mark.parametrize("by", ["regime", "release", "parameters", "slot", "hour"])
def test_every_grouping_adds_up_to_the_same(tmp_path: Path, made: Made, by: GroupBy) -> None:
    """Money, decisions and scores do not depend on how they are laid out."""
    history = _history(tmp_path, made, Asked(by=by))
    assert sum(t.net_micro for lot in history.lots for t in lot.trades) == sum(made.books.net_micro.values())
    errors = [ours for release in made.errors.values() for ours, _ in release]
    assert sum(lot.decisions for lot in history.lots) >= len(errors)
    tallies = [tally for lot in history.lots for tally in lot.ours.values()]
    assert brier(together(tallies)) == pytest.approx(fmean(errors), abs=1e-9)
    assert sum(lot.orders for lot in history.lots) == made.trades
    assert sum(lot.slipped_shares_micro for lot in history.lots) == sum(
        line.entry.size_micro for line in _fills(made) if isinstance(line.entry, e.Fill)
    )


def _fills(made: Made) -> list[e.Line]:
    """Fills that did not fail."""
    failed = {line.entry.trade_id for line in made.lines if getattr(line.entry, "status", "") == "FAILED"}
    return [line for line in made.lines if isinstance(line.entry, e.Fill) and line.entry.trade_id not in failed]


def test_an_hour_has_what_lies_in_it_on_every_day(tmp_path: Path) -> None:
    """Hours of the day by name and in order, a second day's among the first's; held against the journal's own lines."""
    made = Made(14, quarters=104, releases=2, assets=("BTC",), tick_s=60)
    history = _history(tmp_path, made, Asked(by="hour"))
    assert [lot.name for lot in history.lots] == [f"{hour:02}:00" for hour in range(24)]
    decided = Counter(line.entry.tick // 3_600_000 % 24 for line in made.lines if isinstance(line.entry, e.OutcomeOf))
    assert {int(lot.key): lot.decisions for lot in history.lots} == dict(decided)
    assert decided[0] > 1.5 * decided[12], "the second day has hours of its own"
    bought = Counter(line.entry.start_s // 3_600 % 24 for line in _fills(made) if isinstance(line.entry, e.Fill))
    assert {int(lot.key): len(lot.trades) for lot in history.lots if lot.trades} == dict(bought)


def test_periods_that_follow_one_another_add_up(tmp_path: Path, made: Made) -> None:
    """Each decision, and each trade, is in one of them."""
    state, middle = a_desk_that_did(tmp_path, made), (BEGIN_S + 3_000) * NS
    with _told(state, Asked(until_ns=middle)) as early, _told(state, Asked(since_ns=middle)) as late:
        both = [lot for history in (early, late) for lot in history.lots]
        assert sum(t.net_micro for lot in both for t in lot.trades) == sum(made.books.net_micro.values())
        assert early.cadence.outcomes and late.cadence.outcomes
        told = sum(isinstance(line.entry, e.OutcomeOf) for line in made.lines)
        assert early.cadence.outcomes + late.cadence.outcomes == told


def test_a_period_in_which_nothing_happened_is_empty(tmp_path: Path, made: Made) -> None:
    """And no fault."""
    history = _history(tmp_path, made, Asked(since_ns=2 * BEGIN_S * NS))
    assert not history.lots and history.until_ns == 0 and history.cadence.outcomes == 0
