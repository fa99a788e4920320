"""deploy.analysis.replay.parity: decided on the tape as live, byte for byte, or the first difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.lived import OUTCOME, SHADOW, decided, live, planted, raising, write_journal
from kit.releases import a_checkout, another_checkout
from kit.tapes import Market, Stream

from deploy.analysis.replay import Job, replayed
from deploy.analysis.replay import live as answers
from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.parity import Comparison, Parity, earliest
from shared.messages import Decision, Streamed, Tick
from shared.paths import State
from shared.records import segments
from shared.wire import encode

BLUE, GREEN = "blue", "green"
HANDED_OVER = 2_000
"""The frame from which green owns the slot; blue decides beside it from then on."""


@dataclass(frozen=True)
class Lived:
    """A desk on which two releases of the same decisions took turns, and the folders of both."""

    state: State
    stream: Stream
    releases: dict[str, Path]

    def compared(self, journal: Path | None = None, **folders: Path | None) -> Parity:
        """Every release, each in its own folder unless another one is named."""
        comparison = Comparison(Footage(self.state.tape), journal or self.state.journal)
        said = answers.gather(journal or self.state.journal)
        return comparison.every_release(said, 1, self.stream.seq, (self.releases | folders).get, lambda done, of: None)

    def tick(self, seq: int) -> Tick:
        """The tick of a frame."""
        event = self.stream.frames[seq - 1].event
        assert isinstance(event, Tick)
        return event


def who(seq: int, tick: Tick) -> Iterable[tuple[str, str]]:
    """Blue first, then green with blue in its shadow."""
    return [(BLUE, OUTCOME)] if seq < HANDED_OVER else [(BLUE, SHADOW), (GREEN, OUTCOME)]


class Seen:
    """An audience that notes each decision's bytes."""

    def __init__(self) -> None:
        self.decisions: dict[int, bytes] = {}

    def decided(self, frame: Streamed, tick: Tick, decision: Decision) -> None:
        self.decisions[frame.seq] = encode(decision)

    def filled(self, at_ns: int, fill: object) -> None:
        pass

    def ended(self, at_ns: int, net_micro: int) -> None:
        pass


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    """Twenty-five minutes of a desk."""
    folder = tmp_path_factory.mktemp("lived")
    state = State(folder / "state")
    releases = {BLUE: a_checkout(folder / BLUE), GREEN: another_checkout(folder / GREEN)}
    return Lived(state, live(state, who), releases)


@pytest.fixture(scope="module")
def mutant(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One line is not the same, and speaks in the last part of each window only."""
    return planted(tmp_path_factory.mktemp("mutant") / "r", "scene.left_s < 100")


def test_releases_that_decided_so_are_identical(lived: Lived) -> None:
    """Each on its own ticks, as the owner and beside one: all of them, to the byte."""
    parity = lived.compared()
    assert parity.identical
    assert parity.first is None
    blue, green = parity.releases
    assert (blue.release, green.release) == (BLUE, GREEN)
    assert blue.ticks == blue.identical > 50
    assert blue.shadows == blue.shadows_identical == green.ticks == green.identical > 50
    assert (blue.parameters, blue.not_compared, green.fault) == (["p1"], 0, "")


def test_a_planted_line_is_found_at_its_first_tick(lived: Lived, mutant: Path) -> None:
    """The first answer in which it shows: that field with both values, and the frames before it."""
    parity = lived.compared(green=mutant)
    assert not parity.identical
    first = parity.first
    assert first is not None
    mine, seen = decided(lived.state.tape), Seen()
    replayed(Job(release=str(mutant), tape=str(lived.state.tape)), audience=seen)
    differing = [seq for seq in sorted(mine) if seq >= HANDED_OVER and seen.decisions[seq] != mine[seq]]
    assert (first.seq, first.release, first.shadow) == (differing[0], GREEN, False)
    assert (first.slot, first.tick) == (lived.tick(first.seq).slot, lived.tick(first.seq).tick)
    assert [field.name for field in first.fields] == ["rsi_e2"]
    assert int(first.fields[0].replayed) == int(first.fields[0].live) + 1
    assert f"tick {first.tick}" in first.before[-1]
    green = parity.releases[1]
    assert green.ticks - green.identical == len(differing)
    assert parity.releases[0].whole


def test_one_release_is_held_against_every_owner(lived: Lived, mutant: Path) -> None:
    """Nobody's shadows; and the first tick at which this code decides otherwise."""
    comparison = Comparison(Footage(lived.state.tape), lived.state.journal)
    said = answers.gather(lived.state.journal)
    for folder, same in ((lived.releases[BLUE], True), (mutant, False)):
        parity = comparison.one_release(said, 1, lived.stream.seq, "x", folder, lambda done, of: None)
        (each,) = parity.releases
        assert (each.ticks, each.shadows) == (sum(not answer.shadow for answer in said.answers), 0)
        assert parity.identical is same
    assert parity.first is not None
    assert parity.first.release == BLUE


def test_a_release_that_is_gone_or_fails_is_no_agreement(lived: Lived, tmp_path: Path) -> None:
    """Each is named, and the others are compared all the same."""
    gone = lived.compared(green=None)
    assert not gone.identical
    assert (gone.releases[0].whole, gone.releases[1].fault) == (True, "the release is not there any more")
    assert gone.releases[1].not_compared > 50
    failed = lived.compared(green=raising(tmp_path / "r", "OSError"))
    assert not failed.identical
    assert "OSError" in failed.releases[1].fault


def test_an_answer_whose_frame_is_not_on_the_tape_is_no_agreement(lived: Lived, tmp_path: Path) -> None:
    """It is counted: a journal that speaks of what nobody recorded proves nothing."""
    mine = decided(lived.state.tape)
    last = max(mine)
    stream = Stream()
    stream.frames = [*lived.stream.frames, Streamed(lived.stream.seq + 9, 0, lived.tick(last))]
    odd = State(tmp_path)
    write_journal(odd, stream, mine | {lived.stream.seq + 9: mine[last]}, who)
    parity = lived.compared(odd.journal)
    assert not parity.identical
    assert parity.releases[1].not_compared == 1
    assert parity.releases[1].ticks == parity.releases[1].identical


def test_nothing_that_was_compared_is_nothing_that_was_proved(lived: Lived, tmp_path: Path) -> None:
    """A journal without a decision."""
    write_journal(State(tmp_path), Stream(), {}, who)
    assert not lived.compared(State(tmp_path).journal).identical


def test_where_the_tape_was_cut_the_first_decisions_are_left_out(tmp_path: Path) -> None:
    """They rest on what is not there any more; a whole tape is compared from its first frame."""
    stream = Market(Stream(tmp_path, segment_keyframes=2), slots=("BTC/5m",)).run(2_400)
    assert earliest(Footage(tmp_path)) == 1
    segments(tmp_path)[0].unlink()
    footage = Footage(tmp_path)
    assert stream.frames[earliest(footage) - 1].at_ns - footage.first.at_ns >= 1_380 * 10**9
