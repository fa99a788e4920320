"""deploy.analysis.replay.engine: one job, played through a release's own process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kit.lived import raising
from kit.releases import ROOT
from kit.tapes import START_S, Market, Stream

from deploy.analysis.replay import Fills, Job, Result, engine, replayed
from deploy.analysis.replay.footage import NoTape
from deploy.analysis.replay.hands import ReleaseFailed
from deploy.analysis.replay.holdings import Fill
from shared.messages import Decision, FeedGap, Filled, ParametersSet, Streamed, Tick, WindowResolved
from worker.replay import replay


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Stream]]:
    """Forty minutes of one lane, whose windows were resolved."""
    folder = tmp_path_factory.mktemp("engine") / "tape"
    stream = Stream(folder)
    market = Market(stream, slots=("BTC/5m",), parameters=ParametersSet("p1", {"stake_usd": 6}))
    market.run(2_400)
    for _, start_s in sorted(market.strikes):
        stream.say(stream.at_ns, WindowResolved("BTC/5m", start_s, "Up"))
    stream.say(stream.at_ns, Filled("t", "o", "BTC/5m", START_S, "Up", "BUY", 400_000, 10_000_000, 0, "MATCHED"))
    stream.flush()
    yield folder, stream


@pytest.fixture(scope="module")
def on_paper(tape: tuple[Path, Stream]) -> tuple[Result, Audience]:
    """The tape with the release's own orders, and what was seen of it."""
    seen = Audience()
    return replayed(Job(release=str(ROOT), tape=str(tape[0]), fills="rehearsal"), audience=seen), seen


class Audience:
    """Notes everything."""

    def __init__(self) -> None:
        self.decisions = list[tuple[Streamed, Tick, Decision]]()
        self.fills = list[tuple[int, Fill]]()
        self.earned_micro = 0

    def decided(self, frame: Streamed, tick: Tick, decision: Decision) -> None:
        self.decisions.append((frame, tick, decision))

    def filled(self, at_ns: int, fill: Fill) -> None:
        self.fills.append((at_ns, fill))

    def ended(self, at_ns: int, net_micro: int) -> None:
        self.earned_micro += net_micro


def test_recorded_accounts_give_the_decisions_that_the_release_itself_prints(tape: tuple[Path, Stream]) -> None:
    """Through a process, from the middle of the tape: the same count, the same state, the same answers."""
    from_seq, seen = tape[1].seq // 2, Audience()
    result = replayed(Job(release=str(ROOT), tape=str(tape[0]), from_seq=from_seq), audience=seen)
    lines: list[str] = []
    replay(tape[0], from_seq, None, None, lines.append)
    *_, summary = [msgspec.json.decode(line) for line in lines]
    assert (result.ticks, result.state) == (summary["ticks"], summary["state"])
    assert result.ticks == len(seen.decisions) > 100
    assert all(frame.seq >= from_seq for frame, _, _ in seen.decisions)
    assert result.windows == 8
    assert result.brier_count > 0


def test_on_paper_the_account_is_what_the_releases_own_orders_made_it(on_paper: tuple[Result, Audience]) -> None:
    """It trades; each tick after a fill shows the shares; the sums are those of the fills."""
    result, seen = on_paper
    assert result.fills == len(seen.fills) > 0
    at_ns, first = seen.fills[0]
    after = next(t for f, t, _ in seen.decisions if f.at_ns > at_ns and (t.slot, t.start_s) == first.window)
    assert sum(held.size_micro for held in after.account.positions) >= first.size_micro
    paid_micro = sum(fill.worth_micro + fill.fee_micro for _, fill in seen.fills)
    won_micro = sum(fill.size_micro for _, fill in seen.fills if fill.outcome == "Up")
    assert result.net_micro == won_micro - paid_micro == seen.earned_micro
    assert result.fees_micro == sum(fill.fee_micro for _, fill in seen.fills)
    assert (result.unresolved, result.windows) == (0, 8)


def test_the_same_job_gives_the_same_result(tape: tuple[Path, Stream], on_paper: tuple[Result, Audience]) -> None:
    """But for how long it took."""
    again = replayed(Job(release=str(ROOT), tape=str(tape[0]), fills="rehearsal"))
    assert msgspec.structs.replace(again, took_ms=0) == msgspec.structs.replace(on_paper[0], took_ms=0)


def test_other_parameters_decide_otherwise(tape: tuple[Path, Stream]) -> None:
    """The release's own names and bounds; what it cannot use, it names."""
    off = replayed(Job(release=str(ROOT), tape=str(tape[0]), parameters={"mode": "off"}, fills="rehearsal"))
    assert (off.orders, off.fills) == (0, 0)
    assert off.ticks > 100
    with pytest.raises(ReleaseFailed, match="no_such"):
        replayed(Job(release=str(ROOT), tape=str(tape[0]), parameters={"no_such": 1}))


def test_a_tape_that_grows_is_played_to_where_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk that trades on writes on, also before the release has begun to read."""
    stream = Stream(tmp_path / "tape")
    Market(stream, slots=("BTC/5m",)).run(60)
    ticks = [frame.event for frame in stream.frames if isinstance(frame.event, Tick)]

    class Late(engine.Hands):
        def __init__(self, release: Path, arguments: list[str]) -> None:
            stream.say(stream.at_ns, ticks[-1])
            stream.flush()
            super().__init__(release, arguments)

    monkeypatch.setattr(engine, "Hands", Late)
    ways: tuple[Fills, Fills] = ("recorded", "rehearsal")
    for way in ways:
        played = len([frame for frame in stream.frames if isinstance(frame.event, Tick)])
        assert replayed(Job(release=str(ROOT), tape=str(tmp_path / "tape"), fills=way)).ticks == played
    assert played == len(ticks) + 1


def test_winners_behind_the_last_frame_that_is_looked_at_are_not_known(tape: tuple[Path, Stream]) -> None:
    """So a stretch gives the same result however far its tape has grown since."""
    folder, stream = tape
    half = stream.frames[len(stream.frames) // 2].seq
    part = Job(release=str(ROOT), tape=str(folder), to_seq=half)
    blind = replayed(msgspec.structs.replace(part, until_seq=half))
    assert replayed(part).windows > blind.windows > 0


def test_progress_comes_to_its_end(tape: tuple[Path, Stream]) -> None:
    """Shares of the whole that only grow."""
    told = list[float]()
    replayed(Job(release=str(ROOT), tape=str(tape[0])), lambda done, of: told.append(done / of))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 2


def test_holes_are_named_and_end_nothing(tmp_path: Path) -> None:
    """Ticks between the hole and the next keyframe are not decided, in either way."""
    stream = Stream(tmp_path / "tape")
    Market(stream, slots=("BTC/5m",)).run(60)
    hole = (stream.seq + 1, stream.seq + 3)
    stream.seq += 3
    stream.say(stream.at_ns, FeedGap("tape", stream.at_ns, stream.at_ns, "disk full"))
    Market(stream, slots=("BTC/5m",)).run(30, START_S + 300)
    ways: tuple[Fills, Fills] = ("recorded", "rehearsal")
    recorded, paper = (replayed(Job(release=str(ROOT), tape=str(tmp_path / "tape"), fills=way)) for way in ways)
    assert recorded.holes == paper.holes == (hole,)
    assert recorded.decisions == paper.decisions
    assert recorded.ticks == 18


def test_a_release_that_raises_is_told_with_its_place(tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """In the middle of a replay, in either way."""
    broken = raising(tmp_path / "broken", "KeyError('oops')")
    ways: tuple[Fills, Fills] = ("recorded", "rehearsal")
    for fills in ways:
        with pytest.raises(ReleaseFailed, match=r"KeyError.*worker/strategy.py"):
            replayed(Job(release=str(broken), tape=str(tape[0]), fills=fills))


def test_no_tape_is_no_result(tmp_path: Path) -> None:
    """Nothing is played, nothing is claimed."""
    with pytest.raises(NoTape):
        replayed(Job(release=str(ROOT), tape=str(tmp_path)))
