"""worker.reading: frames in order, holes explained or fatal, answers only with the parameters a tick names."""

from __future__ import annotations

import msgspec
import pytest
from kit.tapes import NO_ACCOUNT, NS, START_S, Market, Stream, a_price

from shared.messages import FeedGap, Keyframe, ParametersSet, Pulse, Streamed, TermBegan, Tick
from worker.parameters import Parameters
from worker.reading import Reading, Unexplained

TAPE_GAP = FeedGap("tape", START_S * NS, START_S * NS, "disk full")


def frames_of(*events: object, seq: int = 1) -> list[Streamed]:
    return [Streamed(seq + n, START_S * NS, event) for n, event in enumerate(events)]  # type: ignore[arg-type]


def read(*frames: Streamed) -> Reading:
    reading = Reading()
    for frame in frames:
        reading.fold(frame)
    return reading


def a_tick(parameters: str = "p") -> Tick:
    return Tick("BTC/5m", START_S * 1_000, START_S, "w1", 1, parameters, "", NO_ACCOUNT)


def verdict(reading: Reading, tick: Tick) -> object:
    return reading.answer(tick).reasons["verdict"]


def test_a_fold_begins_with_the_first_keyframe() -> None:
    """What comes before it - the beginning of a term - tells nothing that could be built on."""
    term, keyframe = TermBegan(1, "rehearsal", "x"), Keyframe((ParametersSet("p", {}),))
    reading = read(*frames_of(term))
    assert not reading.whole
    assert verdict(reading, a_tick()) == "hold: no keyframe was read yet"
    reading = read(*frames_of(term, a_price(START_S, 1), keyframe))
    assert reading.whole
    assert reading.view.prices == {}
    assert (reading.read_seq, reading.events, reading.view.digest) == (3, 3, "p")


def test_a_hole_that_a_gap_explains_begins_the_fold_anew() -> None:
    """Nothing of before is kept, and nothing is built on until the next keyframe."""
    before = frames_of(Keyframe((ParametersSet("p", {}),)), a_price(START_S, 60_000))
    reading = read(*before, *frames_of(TAPE_GAP, Pulse(), seq=9))
    assert (reading.whole, reading.view.prices, reading.hole) == (False, {}, None)
    reading.fold(Streamed(11, START_S * NS, Keyframe((ParametersSet("q", {}),))))
    assert (reading.whole, reading.view.digest) == (True, "q")


def test_a_keyframe_may_itself_tell_of_the_gap() -> None:
    """Where the tape came back with a new segment, its keyframe is the first to say so."""
    reading = read(*frames_of(Keyframe(())), *frames_of(Keyframe((TAPE_GAP,)), seq=9))
    assert reading.whole


@pytest.mark.parametrize("said", [Pulse(), FeedGap("spot", 1, 2, "reconnect")])
def test_a_hole_that_nobody_explains_is_fatal(said: object) -> None:
    """Frames are missing and the tape does not know: what the state would be, nobody can say."""
    with pytest.raises(Unexplained, match="frames 2 to 8 are missing"):
        read(*frames_of(Keyframe(())), *frames_of(said, Keyframe(()), seq=9))


def test_fixed_parameters_survive_a_hole() -> None:
    """A "what if" stays one."""
    reading = Reading(Parameters(stake_usd=9.0))
    for frame in (*frames_of(Keyframe(())), *frames_of(TAPE_GAP, Keyframe((ParametersSet("q", {}),)), seq=9)):
        reading.fold(frame)
    assert reading.view.parameters.stake_usd == 9.0
    assert verdict(reading, a_tick("another")) == "hold: no market known for this window"


def test_a_tick_that_names_other_parameters_is_held() -> None:
    """A decision is attributed to a set; it must have been made with that one."""
    reading = read(*frames_of(Keyframe((ParametersSet("p", {}),))))
    assert verdict(reading, a_tick("p")) == "hold: no market known for this window"
    assert verdict(reading, a_tick("q")) == "hold: the tick names parameters 'q', the stream has set 'p'"


def test_parameters_that_cannot_be_used_hold_and_say_which() -> None:
    """Operators set parameters for one release; another beside it must not die of them."""
    reading = read(*frames_of(Keyframe((ParametersSet("p", {"speed": 3}),))))
    told = str(verdict(reading, a_tick("p")))
    assert told.startswith("hold: parameters p cannot be used: speed: this release has no such parameter")


def test_folds_begun_at_different_keyframes_decide_alike() -> None:
    """Same past, same decisions: every tick of the last ten minutes, byte for byte."""
    frames = Market(Stream(), parameters=ParametersSet("p1", {})).run(2_100).frames
    from_ns = frames[-1].at_ns - 600 * NS
    begins = [n for n, f in enumerate(frames) if isinstance(f.event, Keyframe) and f.at_ns <= START_S * NS + 180 * NS]
    decided = [decisions(frames[begin:], from_ns) for begin in begins]
    assert len(decided) == 4
    assert len(decided[0]) > 200
    assert all(decisions_there == decided[0] for decisions_there in decided)


def decisions(frames: list[Streamed], from_ns: int) -> list[bytes]:
    reading, answers = Reading(), []
    for frame in frames:
        reading.fold(frame)
        if isinstance(frame.event, Tick) and frame.at_ns >= from_ns:
            answers.append(msgspec.msgpack.encode(reading.answer(frame.event)))
    return answers
