"""worker.app: a real process on a real channel, a real stream and a real tape."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from kit.releases import ROOT, stage
from kit.tapes import NO_ACCOUNT, NS, START_S, Market, Stream
from kit.workers import LiveWorker

from shared import fingerprint
from shared.ledger import Ledger, Writer
from shared.messages import (
    PROTOCOLS,
    Account,
    Attest,
    Attested,
    Beating,
    Decided,
    Differs,
    FeedGap,
    Hello,
    Hole,
    Keyframe,
    LastWords,
    ParametersSet,
    Pulse,
    Ready,
    Retire,
    Streamed,
    Tick,
    Welcome,
)
from shared.wire import encode
from worker.reading import Reading
from worker.view import LOOKBACK_S

pytestmark = pytest.mark.system

PARAMETERS = ParametersSet("p1", {"stake_usd": 6})


@pytest.fixture
def desk(tmp_path: Path) -> Stream:
    """Five minutes of one lane on tape."""
    return Market(Stream(tmp_path / "tape"), slots=("BTC/5m",), parameters=PARAMETERS).run(290)


@pytest.fixture
def worker(release: Path, desk: Stream) -> Iterator[LiveWorker]:
    """A worker of this checkout on that desk, just started."""
    with LiveWorker(release, desk) as live:
        yield live


def a_tick(stream: Stream, number: int = 0, account: Account = NO_ACCOUNT) -> Tick:
    at_ms = (START_S + 290) * 1_000 + number
    return Tick("BTC/5m", at_ms, START_S, "w1", 7, "p1", "", account)


def by_hand(frames: list[Streamed]) -> Reading:
    """The same frames, folded in this process."""
    reading = Reading()
    for frame in frames:
        reading.fold(frame)
    return reading


def state_of(reading: Reading) -> str:
    return reading.view.state_digest()


# --- beginning ------------------------------------------------------------------------------------------------------


def test_the_greeting_names_the_release_and_every_module(worker: LiveWorker, release: Path) -> None:
    """First word, before anything is asked: protocols, hash, lookback, and what was loaded in what time."""
    hello = worker.hear(Hello)
    files = fingerprint.modules(release)
    assert (hello.protocols, hello.uid, hello.pid) == (PROTOCOLS, "w1", worker.process.pid)
    assert (hello.release, hello.lookback_s) == (fingerprint.release_hash(files), LOOKBACK_S)
    loaded = {module.module: module for module in hello.modules}
    assert loaded["worker.strategy"].digest == files["worker/strategy.py"]
    assert loaded["worker.__main__"].digest == files["worker/__main__.py"]
    assert loaded["worker.strategy"].load_us > 0


def test_warm_up_reads_the_tape_up_to_the_first_live_frame(worker: LiveWorker, desk: Stream) -> None:
    """And ends in the state that any other fold of those frames has."""
    before = desk.seq
    ready = worker.ready(Pulse())
    assert (ready.read_seq, ready.events) == (before, before)
    assert ready.state == state_of(by_hand(desk.frames[:before]))
    assert ready.took_us > 0


def test_warm_up_begins_no_earlier_than_it_must(release: Path, tape: tuple[Path, Stream], tmp_path: Path) -> None:
    """On a longer tape it skips the segments that no state depends on, and ends in the same state."""
    with LiveWorker(release, recorded(tape, tmp_path / "tape")) as live:
        ready = live.ready(Pulse())
    frames = tape[1].frames
    assert ready.read_seq == len(frames)
    assert ready.events < len(frames)
    assert ready.state == state_of(by_hand(frames))


def recorded(tape: tuple[Path, Stream], folder: Path) -> Stream:
    """A copy of the session's tape, to be written on."""
    shutil.copytree(tape[0], folder)
    stream = Stream(folder)
    stream.seq, stream.at_ns = tape[1].seq, tape[1].at_ns
    return stream


def test_warm_up_waits_for_what_is_not_written_yet(worker: LiveWorker, desk: Stream) -> None:
    """The stream is ahead of the tape by a turn; frames that arrive meanwhile are folded after."""
    worker.greet()
    worker.subscribed()
    missing = worker.publish(Pulse(), sent=False, written=False)
    worker.publish(Pulse(), written=False)
    worker.hear(Beating)
    worker.hear(Beating)
    assert not any(isinstance(message, Ready) for message in worker.heard)
    desk.flush()
    assert worker.hear(Ready).read_seq == missing.seq


def test_a_desk_at_its_very_beginning_needs_no_tape(release: Path, tmp_path: Path) -> None:
    """The first frame there is: ready with the keyframe, whichever it is."""
    with LiveWorker(release, Stream(tmp_path / "tape")) as live:
        live.greet()
        live.subscribed()
        live.publish(Pulse())
        live.publish(Keyframe((PARAMETERS,)))
        assert live.hear(Ready).read_seq == 2


def test_without_a_tape_it_says_so_and_ends(release: Path, tmp_path: Path) -> None:
    """Exit code 3, and the folder in its last words."""
    stream = Stream(tmp_path / "tape")
    with LiveWorker(release, stream) as live:
        live.greet()
        live.subscribed()
        (tmp_path / "tape" / f"{1:016d}.seg").unlink()
        stream.seq = 100
        live.publish(Pulse(), written=False)
        words = live.hear(LastWords)
        assert (words.reason, "holds no segment" in words.detail) == ("tape", True)
        assert live.ended() == 3


def test_a_tape_with_an_unexplained_hole_is_unreadable(release: Path, tmp_path: Path) -> None:
    """Exit code 3: better no worker than one in a state that nobody knows."""
    stream = Stream(tmp_path / "tape")
    stream.keyframe(START_S * NS)
    stream.seq += 5
    stream.keyframe(START_S * NS)
    stream.flush()
    with LiveWorker(release, stream) as live:
        live.greet()
        live.subscribed()
        live.publish(Pulse())
        assert live.hear(LastWords).detail.startswith("frames 2 to 6 are missing")
        assert live.ended() == 3


def test_a_tape_that_was_not_written_for_a_while_delays_ready(release: Path, tmp_path: Path) -> None:
    """The hole reaches the present: what came live is whole again with the next keyframe, ticks until then hold."""
    stream = Stream(tmp_path / "tape")
    stream.keyframe(START_S * NS)
    stream.flush()
    stream.seq += 5
    with LiveWorker(release, stream) as live:
        live.greet()
        live.subscribed()
        stream.seq += 1  # the last of the hole
        live.publish(FeedGap("tape", START_S * NS, START_S * NS, "disk full"))
        live.publish(a_tick(stream))
        decided = live.hear(Decided)
        assert decided.decision.reasons == {"verdict": "hold: no keyframe was read yet"}
        keyframe = live.publish(Keyframe((PARAMETERS,)))
        assert live.hear(Ready).read_seq == keyframe.seq


@pytest.mark.parametrize(
    ("bound", "words", "code"),
    [
        ("WELCOME_S", LastWords("no_welcome", "no welcome within 0 s of the greeting"), 4),
        ("STREAM_S", LastWords("no_stream", "nothing was published within 0 s of the welcome"), 4),
        ("TAPE_S", None, 3),
    ],
)
def test_every_wait_has_an_end(desk: Stream, tmp_path: Path, bound: str, words: LastWords | None, code: int) -> None:
    """With the bound cut to a fifth of a second: no welcome, no stream, a tape that stays short."""
    impatient = stage(tmp_path / "impatient")
    app = impatient / "worker" / "app.py"
    app.write_text(re.sub(rf"^{bound}: Final = [0-9.]+", f"{bound}: Final = 0.2", app.read_text(), flags=re.MULTILINE))
    with LiveWorker(impatient, desk) as live:
        if bound == "WELCOME_S":
            live.hear(Hello)
        else:
            live.greet()
        if bound == "TAPE_S":
            live.subscribed()
            missing = live.publish(Pulse(), sent=False, written=False)
            live.publish(Pulse(), written=False)
            words = LastWords(
                "tape", f"{tmp_path}/tape ends at frame {missing.seq - 1}, the stream is beyond {missing.seq}"
            )
        assert live.hear(LastWords) == words
        assert live.ended() == code


# --- deciding -------------------------------------------------------------------------------------------------------


def test_ticks_are_answered_in_order_with_what_was_read(worker: LiveWorker, desk: Stream) -> None:
    """Exactly one answer each, the same that this process gives to the same frames."""
    worker.ready(Pulse())
    reading = by_hand(desk.frames)
    for number in range(20):
        frame = worker.publish(a_tick(desk, number))
        reading.fold(frame)
        decided = worker.hear(Decided)
        assert isinstance(frame.event, Tick)
        assert decided.decision == reading.answer(frame.event)
        assert (decided.slot, decided.tick, decided.epoch) == ("BTC/5m", frame.event.tick, 7)
        assert (decided.read_seq, decided.ledger_version, decided.parameters) == (frame.seq, 1, "p1")


def test_a_burst_of_ticks_is_answered_one_by_one(worker: LiveWorker, desk: Stream) -> None:
    """More than fit into a turn, while the heartbeat goes on."""
    worker.ready(Pulse())
    sent = [worker.publish(a_tick(desk, number), written=False).seq for number in range(600)]
    assert [worker.hear(Decided).read_seq for _ in sent] == sent


def test_a_hole_is_said_read_from_the_tape_and_closed(worker: LiveWorker, desk: Stream) -> None:
    """Hole, the missed ticks' answers, Ready, and then the frame that showed it."""
    worker.ready(Pulse())
    missed = worker.publish(a_tick(desk, 1), sent=False)
    worker.publish(Pulse(), sent=False)
    shown = worker.publish(a_tick(desk, 2))
    assert worker.hear(Hole) == Hole(missed.seq, shown.seq)
    assert worker.hear(Decided).read_seq == missed.seq
    ready = worker.hear(Ready)
    assert (ready.read_seq, ready.events) == (shown.seq - 1, 2)
    assert ready.state == state_of(by_hand(desk.frames[: shown.seq - 1]))
    assert worker.hear(Decided).read_seq == shown.seq


def test_the_heartbeat_comes_from_the_deciding_loop(worker: LiveWorker, desk: Stream) -> None:
    """It counts what was read and decided, and what memory it took."""
    worker.ready(Pulse())
    tick = worker.publish(a_tick(desk))
    worker.hear(Decided)
    beat = worker.hear(Beating)
    while beat.read_seq < tick.seq:
        beat = worker.hear(Beating)
    assert (beat.read_seq, beat.decided) == (tick.seq, 1)
    assert 5_000 < beat.rss_kib < 500_000


def test_an_account_that_differs_from_the_ledger_is_an_alarm(release: Path, desk: Stream) -> None:
    """Only when both speak of the same version; the decision is made all the same."""
    writer = Writer(f"foresight-test-{os.getpid()}")
    try:
        writer.write(Ledger(1, 0, 0, 1, NO_ACCOUNT.cash_micro - 5, 0, 1, (), (), ()))
        with LiveWorker(release, desk, ledger=writer.name) as live:
            live.ready(Pulse())
            live.publish(a_tick(desk, 1))
            live.hear(Decided)
            differs = live.hear(Differs)
            assert differs.detail == "cash: tick 100000000, ledger 99999995"
            writer.write(Ledger(1, 0, 0, 1, NO_ACCOUNT.cash_micro, 0, 1, (), (), ()))
            live.publish(a_tick(desk, 2))
            live.publish(a_tick(desk, 3))
            live.hear(Decided)
            live.hear(Decided)
    finally:
        writer.close(unlink=True)


# --- answering for itself, and ending -------------------------------------------------------------------------------


def test_attest_digests_again_what_was_loaded(release: Path, desk: Stream, tmp_path: Path) -> None:
    """The same as in the greeting; and if a file has changed under it since, not the same."""
    copy = stage(tmp_path / "copy")
    with LiveWorker(copy, desk) as live:
        hello = live.greet()
        live.say(Attest())
        attested = live.hear(Attested)
        assert (attested.release, attested.modules) == (hello.release, hello.modules)
        (copy / "worker" / "gates.py").write_text("# edited in place\n")
        live.say(Attest())
        edited = live.hear(Attested)
        assert edited.release != hello.release
        assert set(hello.modules) - set(edited.modules) == {m for m in hello.modules if m.module == "worker.gates"}


def test_retire_ends_the_turn_and_then_the_process(worker: LiveWorker, desk: Stream) -> None:
    """What was read is answered; the reason comes back as the last words."""
    worker.ready(Pulse())
    worker.say(Retire("replaced"))
    assert worker.hear(LastWords) == LastWords("retired", "replaced")
    assert worker.ended() == 0
    assert worker.stderr() == ""


def test_a_retiring_worker_answers_the_ticks_it_has_read(worker: LiveWorker, desk: Stream) -> None:
    """However Retire and ticks cross: every answer is whole, in order, and before the last words."""
    worker.ready(Pulse())
    sent = [worker.publish(a_tick(desk, number), written=False).seq for number in range(50)]
    worker.say(Retire("replaced"))
    answered, message = [], worker.hear(object)
    while not isinstance(message, LastWords):
        answered += [message.read_seq] if isinstance(message, Decided) else []
        message = worker.hear(object)
    assert answered == sent[: len(answered)]
    assert worker.ended() == 0


def test_a_worker_without_a_supervisor_ends_at_once(worker: LiveWorker) -> None:
    """End of file: nobody is there to work for."""
    worker.ready(Pulse())
    worker.channel.close()
    assert worker.ended() == 0
    assert worker.stderr() == ""


def test_before_the_welcome_too(worker: LiveWorker) -> None:
    """The supervisor died between greeting and answer."""
    worker.hear(Hello)
    worker.channel.close()
    assert worker.ended() == 0


def test_a_sigterm_is_a_retire(worker: LiveWorker) -> None:
    """From the service manager, when the supervisor cannot."""
    worker.ready(Pulse())
    worker.process.send_signal(signal.SIGTERM)
    assert worker.hear(LastWords) == LastWords("retired", "SIGTERM")
    assert worker.ended() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGALRM])
def test_no_other_signal_stops_deciding(worker: LiveWorker, desk: Stream, number: signal.Signals) -> None:
    """A Ctrl-C in the operator's terminal reaches the whole group; the next tick is answered all the same."""
    worker.ready(Pulse())
    worker.process.send_signal(number)
    tick = worker.publish(a_tick(desk))
    assert worker.hear(Decided).read_seq == tick.seq


@pytest.mark.parametrize("garbage", [b"\xc1\xc1", encode(Retire("x"))[:-1], encode(Welcome(1, "ipc://x", "", ""))])
def test_senseless_words_on_the_channel_end_it(worker: LiveWorker, garbage: bytes) -> None:
    """Exit code 4: whoever says such things cannot be obeyed. A second, different welcome is one of them."""
    worker.ready(Pulse())
    worker.channel.send(garbage)
    assert worker.hear(LastWords).reason in {"undecodable", "welcomed_twice"}
    assert worker.ended() == 4


def test_the_same_welcome_again_changes_nothing(worker: LiveWorker, desk: Stream) -> None:
    """A successor supervisor may greet whom it has taken over."""
    worker.ready(Pulse())
    assert desk.tape is not None
    worker.say(Welcome(1, worker.address, str(desk.tape.folder), ""))
    tick = worker.publish(a_tick(desk))
    assert worker.hear(Decided).read_seq == tick.seq


def test_a_welcome_in_an_unknown_protocol_ends_it(worker: LiveWorker) -> None:
    """Exit code 4, with both protocols named."""
    worker.hear(Hello)
    worker.say(Welcome(99, worker.address, "", ""))
    assert worker.hear(LastWords) == LastWords("protocol", "welcomed in protocol 99, this speaks (1, 1)")
    assert worker.ended() == 4


@pytest.mark.parametrize("frame", [b"\xc1", msgspec.msgpack.encode([1, 2])])
def test_a_senseless_stream_ends_it(worker: LiveWorker, frame: bytes) -> None:
    """Exit code 4: what it cannot read it cannot fold."""
    worker.ready(Pulse())
    worker.publisher.send(frame)
    assert worker.hear(LastWords).reason == "undecodable"
    assert worker.ended() == 4


def test_a_number_that_comes_again_ends_it(worker: LiveWorker, desk: Stream) -> None:
    """Exit code 4: two streams under one name cannot be one past."""
    worker.ready(Pulse())
    worker.publisher.send(encode(desk.frames[-1]))
    assert worker.hear(LastWords) == LastWords("stream", f"frame {desk.seq} came after frame {desk.seq}")
    assert worker.ended() == 4


RAISES = (
    (ROOT / "worker" / "strategy.py").read_text()
    + '''

def decide(view: View, tick: Tick) -> Decision:
    """Wrong."""
    return Decision((), {"left": 1 // (tick.tick % 2)})
'''
)


def test_a_decide_that_raises_ends_the_worker_with_its_place(desk: Stream, tmp_path: Path) -> None:
    """Exit code 1, one line in the last words, the traceback for people; answers before it stand."""
    bad = tmp_path / "strategy.py"
    bad.write_text(RAISES)
    with LiveWorker(stage(tmp_path / "bad", bad), desk) as live:
        live.ready(Pulse())
        live.publish(a_tick(desk, 1))
        assert live.hear(Decided).decision.reasons == {"left": 1}
        live.publish(a_tick(desk, 2))
        words, line = live.hear(LastWords), RAISES.count("\n")
        expected = f"ZeroDivisionError: integer division or modulo by zero at worker/strategy.py:{line}"
        assert (words.reason, words.detail) == ("raised", expected)
        assert live.ended() == 1
        assert "Traceback" in live.stderr()
        assert live.stderr().splitlines()[-1] == f"worker: this release raised {expected}"


def test_a_fatal_fault_leaves_its_trace_in_the_scratch_folder(release: Path, desk: Stream, tmp_path: Path) -> None:
    """What no last words can tell: where the interpreter itself died."""
    with LiveWorker(release, desk, "--scratch", str(tmp_path)) as live:
        live.ready(Pulse())
        live.process.send_signal(signal.SIGSEGV)
        assert live.at_end_of_file()
        assert live.ended() == -signal.SIGSEGV
    assert "Segmentation fault" in (tmp_path / "fault.txt").read_text()
