"""worker.replay: what it prints for a tick is, byte for byte, what a live worker answered."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.tapes import NO_ACCOUNT, NS, START_S, Market, Stream
from kit.workers import LiveWorker

from shared.messages import Decided, FeedGap, Keyframe, ParametersSet, Pulse, Ready, Tick
from shared.wire import encode
from worker.parameters import Parameters
from worker.reading import WARM_UP_S, Unexplained
from worker.replay import follow, replay
from worker.tape import Unreadable


def replayed(
    folder: Path, from_seq: int = 1, to_seq: int | None = None, fixed: Parameters | None = None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lines of the ticks, and the summary."""
    written: list[str] = []
    replay(folder, from_seq, to_seq, fixed, written.append)
    lines = [msgspec.json.decode(line) for line in written]
    return lines[:-1], lines[-1]


@pytest.mark.system
def test_replay_equals_live_byte_for_byte(release: Path, tmp_path: Path) -> None:
    """A worker follows ten minutes of trading live; the same release replays the tape it left behind."""
    stream, live_answers = Stream(tmp_path / "tape"), dict[int, str]()
    parameters = ParametersSet("p1", {"stake_usd": 7})
    with LiveWorker(release, stream) as live:
        live.greet()
        live.subscribed()
        market = Market(stream, slots=("BTC/5m",), parameters=parameters, seen=lambda f: live.publisher.send(encode(f)))
        market.run(600)
        live.hear(Ready)
        ticks = [frame.seq for frame in stream.frames if isinstance(frame.event, Tick)]
        for seq in ticks:
            decided = live.hear(Decided)
            live_answers[seq] = encode(decided.decision).hex()
    lines, summary = replayed(tmp_path / "tape")
    assert {line["seq"]: line["decision"] for line in lines} == live_answers
    assert any("take" in bytes.fromhex(answer).decode("latin-1") for answer in live_answers.values())
    assert (summary["ticks"], summary["last_seq"], summary["holes"]) == (len(ticks), stream.seq, [])


def test_a_part_of_the_tape_decides_as_the_whole_does(tape: tuple[Path, Stream]) -> None:
    """From a late frame on, warmed up from before it: the same lines as when everything is read."""
    folder, stream = tape
    from_seq = next(frame.seq for frame in stream.frames if frame.at_ns >= (START_S + 2_000) * NS)
    whole, part = replayed(folder), replayed(folder, from_seq)
    assert part[0] == [line for line in whole[0] if line["seq"] >= from_seq]
    assert len(part[0]) > 100
    assert part[1]["frames"] < whole[1]["frames"]
    assert part[1]["state"] == whole[1]["state"]


def test_a_line_names_its_tick(tape: tuple[Path, Stream]) -> None:
    """Slot, tick, epoch and frame, so that it can be laid beside the journal."""
    folder, stream = tape
    first = next(frame for frame in stream.frames if isinstance(frame.event, Tick))
    lines, summary = replayed(folder, to_seq=first.seq)
    assert isinstance(first.event, Tick)
    assert len(lines) == 1
    named = {key: lines[0][key] for key in ("slot", "tick", "epoch", "seq")}
    assert named == {"slot": first.event.slot, "tick": first.event.tick, "epoch": 7, "seq": first.seq}
    assert summary["last_seq"] == first.seq


def test_other_parameters_ask_what_if(tape: tuple[Path, Stream]) -> None:
    """In place of the recorded ones, to the end; nothing is held for being named otherwise."""
    answers = [bytes.fromhex(line["decision"]) for line in replayed(tape[0], fixed=Parameters(mode="off"))[0]]
    assert answers
    assert all(b"mode is off" in answer for answer in answers)


def test_a_hole_is_named_and_its_ticks_are_not_guessed(tmp_path: Path) -> None:
    """What a live worker knew there is not on the tape."""
    stream = Stream(tmp_path)
    tick = Tick("BTC/5m", START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT)
    stream.keyframe(START_S * NS)
    stream.say(START_S * NS, tick)
    stream.seq += 3
    stream.say(START_S * NS, FeedGap("tape", START_S * NS, START_S * NS, "disk full"))
    stream.say(START_S * NS, tick)
    stream.say(START_S * NS, Keyframe(()))
    stream.say(START_S * NS, tick)
    stream.flush()
    lines, summary = replayed(tmp_path)
    assert [line["seq"] for line in lines] == [2, 9]
    assert summary["holes"] == [[3, 5]]


def test_what_cannot_be_replayed_is_refused(tmp_path: Path) -> None:
    """No tape; or a hole that nobody explains."""
    with pytest.raises(Unreadable):
        replayed(tmp_path / "nowhere")
    stream = Stream(tmp_path)
    stream.keyframe(START_S * NS)
    stream.seq += 3
    stream.say(START_S * NS, Pulse())
    stream.keyframe(START_S * NS)
    stream.flush()
    with pytest.raises(Unexplained):
        replayed(tmp_path)


@pytest.mark.system
def test_the_command_prints_the_same_lines_and_reads_no_clock(release: Path, tape: tuple[Path, Stream]) -> None:
    """As a process: with every clock taken away, the output is that of the function."""
    folder, stream = tape
    from_seq = stream.seq - 500
    code = (
        "import runpy, sys, shared.clock as c\n"
        "def no(self): raise AssertionError('a clock was read')\n"
        "import worker.imports, worker.replay\n"
        "worker.imports.watch = lambda: None\n"
        "c.SystemClock.unix_ns = c.SystemClock.monotonic_ns = c.SystemClock.wall_ns = no\n"
        f"sys.argv = ['worker', '--replay', {str(folder)!r}, '--from', '{from_seq}']\n"
        "runpy.run_module('worker', run_name='__main__')\n"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=release, capture_output=True, text=True, check=True).stdout
    lines, summary = replayed(folder, from_seq)
    assert [msgspec.json.decode(line) for line in out.splitlines()] == [*lines, summary]


def handed(stream: Stream, from_seq: int = 1, fixed: Parameters | None = None) -> list[dict[str, Any]]:
    """What a release says that is handed every frame of a stream, each behind its length."""
    frames = [encode(frame) for frame in stream.frames]
    source = io.BytesIO(b"".join(len(frame).to_bytes(4, "little") + frame for frame in frames))
    written: list[str] = []
    follow(source, from_seq, fixed, written.append, lambda: None)
    return [msgspec.json.decode(line) for line in written]


def test_frames_that_are_handed_over_are_answered_as_the_tape_is(tape: tuple[Path, Stream]) -> None:
    """After a word on how much of the past is wanted: the same lines, the same state."""
    wants, *lines = handed(tape[1])
    assert wants == {"warm_up_s": WARM_UP_S}
    answers, summary = replayed(tape[0])
    assert lines == [*answers, summary]


def test_a_tick_that_cannot_be_answered_has_a_line_of_its_own_when_somebody_waits(tmp_path: Path) -> None:
    """Who handed the tick over would wait for ever."""
    stream = Stream()
    stream.say(START_S * NS, Tick("BTC/5m", START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT))
    assert handed(stream)[1] == {"seq": 1, "decision": ""}
