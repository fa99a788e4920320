"""The process: greet, warm up from the tape, then frame by frame - fold it, and answer when it is a tick.

One loop, one thread: the heartbeat comes from the same turns that decide, so it stops when deciding stops. Holds the
order of things; leaves the fold and the decision to `reading`, bytes to `channel` and `subscription`, files to `tape`,
the testimony to `manifest`. What always holds: a tick that was read is answered before the process ends, unless it is
killed; whatever goes wrong, the last word on the channel names it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from shared.clock import NS, Clock
from shared.ledger import LedgerMissing, LedgerUnreadable, Reader
from shared.messages import (
    PROTOCOLS,
    Attest,
    Attested,
    Beating,
    Decided,
    Differs,
    Hello,
    Hole,
    LastWords,
    Ready,
    Retire,
    Streamed,
    Tick,
    ToWorker,
    Welcome,
)
from shared.wire import BadFrame
from worker import manifest, process
from worker.agreement import difference
from worker.channel import Channel, Gone
from worker.failure import summary
from worker.reading import WARM_UP_S, Reading, Unexplained
from worker.subscription import Subscription
from worker.tape import Tape, Unreadable, begin_at, begin_with
from worker.view import LOOKBACK_S

OK: Final = 0
NO_TAPE: Final = 3
NO_SENSE: Final = 4
"""Exit codes: asked to go, or left alone; nothing to warm up from; words that make no sense. 1 is an exception."""

WELCOME_S: Final = 10.0
STREAM_S: Final = 10.0
"""How long the first live frame may take; there is one at least every quarter of a second."""
TAPE_S: Final = 5.0
"""How long the tape may take to hold a frame that was published; it is written within a turn of the loop."""
TAPE_POLL_MS: Final = 2
BEAT_MS: Final = 200
TURN_FRAMES: Final = 256
"""Frames between two looks at the channel: a few milliseconds of folding, at worst tens of them deciding."""
WORDS_MAX: Final = 500


class Leaving(Exception):
    """The process ends, with these last words."""

    def __init__(self, code: int, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.code, self.reason, self.detail = code, reason, detail


class Worker:
    """One worker, from greeting to last words. Args: root: the release folder."""

    def __init__(self, uid: str, root: Path, channel: Channel, clock: Clock) -> None:
        self.uid, self.root, self.channel, self.clock = uid, root, channel, clock
        self.reading = Reading()
        self.decided = 0
        self._welcome: Welcome | None = None
        self._asked: Leaving | None = None
        self._ledger: Reader | None = None
        self._catching_up: tuple[int, int] | None = None
        self._beat_ns = 0
        self._resident = process.Resident()

    def run(self) -> int:
        """Live until there is a reason not to; the exit code. Raises: whatever the release's own code raised."""
        try:
            self._live(self._greet())
        except Gone:
            return OK
        except Leaving as leaving:
            self._last_words(leaving.reason, leaving.detail)
            return leaving.code
        except (Unreadable, Unexplained) as error:
            self._last_words("tape", str(error))
            return NO_TAPE
        except BadFrame as error:
            self._last_words("undecodable", str(error))
            return NO_SENSE
        except Exception as error:
            self._last_words("raised", summary(error, self.root))
            raise

    # --- from greeting to ready -------------------------------------------------------------------------------------

    def _greet(self) -> Welcome:
        release, modules = manifest.testimony(self.root)
        self.channel.say(Hello(PROTOCOLS, self.uid, os.getpid(), release, LOOKBACK_S, modules))
        deadline_ns = self.clock.monotonic_ns() + int(WELCOME_S * NS)
        while self._welcome is None:
            if self.clock.monotonic_ns() >= deadline_ns:
                raise Leaving(NO_SENSE, "no_welcome", f"no welcome within {WELCOME_S:.0f} s of the greeting")
            self.channel.wait(BEAT_MS)
            self._attend()
            self._go_if_asked()
        protocol = self._welcome.protocol
        if not PROTOCOLS[0] <= protocol <= PROTOCOLS[1]:
            raise Leaving(NO_SENSE, "protocol", f"welcomed in protocol {protocol}, this speaks {PROTOCOLS}")
        return self._welcome

    def _live(self, welcome: Welcome) -> NoReturn:
        self._open_ledger(welcome.ledger)
        stream = Subscription(welcome.stream, self.channel.fileno())
        first = self._first_frame(stream)
        process.warm_up_memory()
        self._warm_up(first)
        process.settle_memory()
        self._take(first)
        while True:
            stream.wait(self._ms_to_beat())
            self._attend()
            for frame in stream.frames(TURN_FRAMES):
                if frame.seq != self.reading.read_seq + 1:
                    self._mend(frame)
                self._take(frame)
            self._go_if_asked()

    def _open_ledger(self, name: str) -> None:
        """No ledger, or one of another layout, means no comparison: the tick itself carries what is decided on."""
        with suppress(LedgerMissing, LedgerUnreadable):
            self._ledger = Reader(name) if name else None

    def _first_frame(self, stream: Subscription) -> Streamed:
        deadline_ns = self.clock.monotonic_ns() + int(STREAM_S * NS)
        while self.clock.monotonic_ns() < deadline_ns:
            stream.wait(self._ms_to_beat())
            self._attend()
            self._go_if_asked()
            for frame in stream.frames(1):
                return frame
        raise Leaving(NO_SENSE, "no_stream", f"nothing was published within {STREAM_S:.0f} s of the welcome")

    def _warm_up(self, first: Streamed) -> None:
        self._begin_catching_up()
        if first.seq > 1:
            begin_ns = first.at_ns - WARM_UP_S * NS
            self._catch_up(Tape(begin_at(self._tape, begin_ns)), first.seq - 1, answering=False)
        self._ready_if_whole()

    # --- a turn -----------------------------------------------------------------------------------------------------

    def _take(self, frame: Streamed) -> None:
        self.reading.fold(frame)
        if isinstance(frame.event, Tick):
            self._answer(frame.event)
        if self._catching_up is not None:
            self._ready_if_whole()

    def _answer(self, tick: Tick) -> None:
        began_ns = self.clock.monotonic_ns()
        decision = self.reading.answer(tick)
        took_us = (self.clock.monotonic_ns() - began_ns) // 1_000
        version, parameters = tick.account.ledger_version, self.reading.view.digest
        named = (tick.slot, tick.tick, tick.epoch, self.reading.read_seq, version, parameters)
        self.channel.say(Decided(*named, took_us, decision))
        self.decided += 1
        self._compare(tick)

    def _compare(self, tick: Tick) -> None:
        """Hold the tick's account against the shared memory, when both speak of the same version."""
        if self._ledger is None:
            return
        with suppress(LedgerUnreadable):
            detail = difference(tick, self._ledger.read())
            if detail:
                self.channel.say(Differs(tick.slot, tick.tick, tick.account.ledger_version, detail[:WORDS_MAX]))

    def _attend(self) -> None:
        """Between two frames: hear the channel, see a SIGTERM, beat when it is time."""
        for message in self.channel.heard():
            self._obey(message)
        if process.asked_to_end():
            self._asked = Leaving(OK, "retired", "SIGTERM")
        if self.clock.monotonic_ns() >= self._beat_ns and self._welcome is not None:
            self._beat_ns = self.clock.monotonic_ns() + BEAT_MS * 1_000_000
            told = (self.reading.read_seq, self.decided, self._resident.kib())
            self.channel.beat(Beating(*told, *self._parameters()))

    def _obey(self, message: ToWorker) -> None:
        if isinstance(message, Attest):
            self.channel.say(Attested(*manifest.testimony(self.root)))
        elif isinstance(message, Retire):
            self._asked = Leaving(OK, "retired", message.reason)
        elif self._welcome is None:
            self._welcome = message
        elif message != self._welcome:
            raise Leaving(NO_SENSE, "welcomed_twice", f"welcomed to {self._welcome.stream}, now to {message.stream}")

    def _go_if_asked(self) -> None:
        if self._asked is not None:
            raise self._asked

    # --- holes ------------------------------------------------------------------------------------------------------

    def _mend(self, frame: Streamed) -> None:
        """Read from the tape what the stream has skipped, ticks answered as they come; then this frame is the next."""
        expected = self.reading.read_seq + 1
        if frame.seq < expected:
            raise Leaving(NO_SENSE, "stream", f"frame {frame.seq} came after frame {expected - 1}")
        self.channel.say(Hole(expected, frame.seq))
        self._begin_catching_up()
        self._catch_up(Tape(begin_with(self._tape, expected)), frame.seq - 1, answering=True)
        self._ready_if_whole()

    def _catch_up(self, tape: Tape, until_seq: int, *, answering: bool) -> None:
        """Read a tape on until it has given a frame that was published, waiting for what is not written yet."""
        progress_ns = self.clock.monotonic_ns()
        while self.reading.read_seq < until_seq:
            before_seq = self.reading.read_seq
            self._read_on(tape.more(), until_seq, answering)
            now_ns = self.clock.monotonic_ns()
            if self.reading.read_seq > before_seq:
                progress_ns = now_ns
            elif now_ns - progress_ns > TAPE_S * NS:
                raise Unreadable(f"{self._tape} ends at frame {before_seq}, the stream is beyond {until_seq}")
            else:
                self.channel.wait(TAPE_POLL_MS)
            self._attend()
            self._go_if_asked()

    def _read_on(self, frames: Iterable[Streamed], until_seq: int, answering: bool) -> None:
        for count, frame in enumerate(frames, 1):
            if count % TURN_FRAMES == 0:
                self._attend()
                self._go_if_asked()
            if frame.seq > until_seq:
                if self.reading.read_seq < until_seq:  # the tape was not written for a while, up to now
                    self.reading.lose(until_seq)
                return
            if frame.seq > self.reading.read_seq:
                self.reading.fold(frame)
                if answering and isinstance(frame.event, Tick):
                    self._answer(frame.event)

    def _begin_catching_up(self) -> None:
        self._catching_up = (self.clock.monotonic_ns(), self.reading.events)

    def _ready_if_whole(self) -> None:
        if self._catching_up is None or not self.reading.whole:
            return
        began_ns, had = self._catching_up
        self._catching_up = None
        took_us = (self.clock.monotonic_ns() - began_ns) // 1_000
        state = self.reading.view.state_digest()
        self.channel.say(Ready(self.reading.read_seq, self.reading.events - had, took_us, state, *self._parameters()))

    # --- small things -----------------------------------------------------------------------------------------------

    @property
    def _tape(self) -> Path:
        assert self._welcome is not None, "nothing is read before the welcome"
        return Path(self._welcome.tape)

    def _parameters(self) -> tuple[str, str]:
        """The set it decides with, and why it cannot; nobody has to wait for a tick to learn that."""
        return self.reading.view.digest, self.reading.view.fault[:WORDS_MAX]

    def _last_words(self, reason: str, detail: str) -> None:
        with suppress(Gone):
            self.channel.say(LastWords(reason, detail[:WORDS_MAX]))

    def _ms_to_beat(self) -> int:
        return max(0, -(-(self._beat_ns - self.clock.monotonic_ns()) // 1_000_000))
