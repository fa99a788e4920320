"""One job, played: the tape goes by, the release answers, its wishes and the tape's fills are added up.

Leaves the release's process to `hands`, the tape to `footage`, orders to `paper`, sums to `holdings` and `odds`. What
always holds: a tick is answered with the account that every earlier answer has led to; the same job on the same tape
gives the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol

import msgspec

from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.hands import Hands, Line, ReleaseFailed, Summary, Wants
from deploy.analysis.replay.holdings import Fill, Holdings, Window
from deploy.analysis.replay.job import Job, Result
from deploy.analysis.replay.odds import Odds, middle_bp
from deploy.analysis.replay.paper import Paper
from deploy.analysis.replay.told import Ends, Real
from shared import messages as m
from shared import wire
from shared.clock import NS, Clock, SystemClock

Progress = Callable[[int, int], object]
"""Told now and then how many frames are done, and of how many."""
TOLD_EVERY: Final = 2_000
"""Frames between two words of progress."""
AFTER_NS: Final = 1_200 * NS
"""How much tape behind the end is looked at for the winners of windows that were decided in."""
_PIECE: Final = 32 << 10
"""Frames are handed over in pieces of about so many bytes, so that they are folded while others are read."""


class Audience(Protocol):
    """Who wants to see more than the sums."""

    def decided(self, frame: m.Streamed, tick: m.Tick, decision: m.Decision) -> None:
        """A tick was answered."""

    def filled(self, at_ns: int, fill: Fill) -> None:
        """A part of an order traded."""

    def ended(self, at_ns: int, net_micro: int) -> None:
        """A window in which something had filled was resolved: what it earned, fees off."""


class Nobody:
    """An audience that looks away."""

    def decided(self, frame: m.Streamed, tick: m.Tick, decision: m.Decision) -> None:
        pass

    def filled(self, at_ns: int, fill: Fill) -> None:
        pass

    def ended(self, at_ns: int, net_micro: int) -> None:
        pass


def replayed(
    job: Job,
    progress: Progress = lambda done, of: None,
    audience: Audience | None = None,
    clock: Clock | None = None,
) -> Result:
    """Play a job to its end. Raises: NoTape, ReleaseFailed."""
    clock = clock or SystemClock()
    began_ns = clock.monotonic_ns()
    footage = Footage(Path(job.tape))
    job = _bounded(job, footage.last.seq)
    playing = _Playing(job, footage, audience or Nobody())
    with _begun(job) as hands:
        result = playing.through(hands, progress)
    return msgspec.structs.replace(result, took_ms=(clock.monotonic_ns() - began_ns) // 1_000_000)


def _bounded(job: Job, last_seq: int) -> Job:
    """The job with both ends as the tape has them now: it may grow while it is played."""
    to_seq = last_seq if job.to_seq is None else job.to_seq
    until_seq = max(last_seq, to_seq) if job.until_seq is None else job.until_seq
    return msgspec.structs.replace(job, to_seq=to_seq, until_seq=until_seq)


def _begun(job: Job) -> Hands:
    tape = "-" if job.fills == "rehearsal" else str(Path(job.tape).absolute())
    arguments = ["--replay", tape, "--from", str(job.from_seq)]
    if job.fills == "recorded":
        arguments += ["--to", str(job.to_seq)]
    if job.parameters is not None:
        arguments += ["--parameters", msgspec.json.encode(job.parameters).decode()]
    return Hands(Path(job.release).absolute(), arguments)


@dataclass
class _Playing:
    """One job on its way through the tape."""

    job: Job
    footage: Footage
    audience: Audience
    ticks: int = 0
    span_ns: tuple[int, int] = (0, 0)
    _digest: blake2b = field(default_factory=lambda: blake2b(digest_size=16))
    _odds: Odds = field(default_factory=Odds)
    _books: dict[Window, m.BookSeen] = field(default_factory=dict)
    _end_ns: int = 0
    _piece: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        self.on_paper = self.job.fills == "rehearsal"
        self.holdings = Holdings(self.job.cash_micro if self.on_paper else 0)
        self.paper = Paper(self.holdings, f"paper-{self.job.seed}", self.audience.filled, self.job.caps)
        self.real = Real(self.holdings, self.audience.filled)
        self.ends = Ends()

    def through(self, hands: Hands, progress: Progress) -> Result:
        """Play everything; what came of it."""
        begin_seq, to_seq, until_seq, line = self._begin(hands), self.job.to_seq, self.job.until_seq, b""
        assert to_seq is not None and until_seq is not None, "every job that is played has its ends"
        for payload, frame in self.footage.frames(begin_seq):
            if frame.seq > to_seq:
                if frame.seq > until_seq or not self._still_settles(frame):
                    break
                continue
            self._end_ns = frame.at_ns + AFTER_NS
            if frame.seq % TOLD_EVERY == 0:
                progress(max(0, frame.seq - begin_seq), to_seq - begin_seq)
            self.paper.pass_time(frame.at_ns)
            if isinstance(frame.event, m.Tick):
                line = self._tick(hands, frame, frame.event, payload, line)
            else:
                self._see(frame)
                if self.on_paper:
                    self._hand(hands, payload)
        progress(1, 1)
        return self._result(self._end(hands, line))

    def _begin(self, hands: Hands) -> int:
        """The frame to begin with: where no frames are handed over, no earlier one than those that count matters."""
        if not self.on_paper:
            return self.job.from_seq
        wants = hands.understood(hands.line(), Wants)
        return self.footage.seq_at(self.footage.at(self.job.from_seq) - wants.warm_up_s * NS)

    # --- frames -----------------------------------------------------------------------------------------------------

    def _see(self, frame: m.Streamed) -> None:
        """Something that is no tick: it moves the market, or what we hold."""
        event = frame.event
        if isinstance(event, m.BookSeen):
            self._books[event.slot, event.start_s] = event
        if self.on_paper:
            self.paper.see(frame.at_ns, event)
        elif frame.seq >= self.job.from_seq and isinstance(event, m.Filled):
            self.real.filled(frame.at_ns, event)
        for window, winner in self.ends.see(event):
            self._books.pop(window, None)
            if frame.seq >= self.job.from_seq:
                self._ended(window, winner, frame.at_ns)

    def _ended(self, window: Window, winner: m.Outcome, at_ns: int) -> None:
        self._odds.resolved(window, winner)
        earned = self.holdings.resolve(window, winner)
        if earned is not None:
            self.audience.ended(at_ns, earned.moved_micro - earned.fees_micro)

    def _tick(self, hands: Hands, frame: m.Streamed, tick: m.Tick, payload: bytes, line: bytes) -> bytes:
        """Show a tick, take its answer; a line that was read and belongs to a later tick is given back."""
        counts = frame.seq >= self.job.from_seq
        if self.on_paper:
            tick = self.paper.shown(tick)
            self._hand(hands, wire.encode(m.Streamed(frame.seq, frame.at_ns, tick)), now=counts)
        if not counts:
            return line
        line = line or hands.line()
        answer = hands.understood(line, Line)
        if answer.seq != frame.seq:
            return line
        if answer.decision:
            self._decided(frame, tick, bytes.fromhex(answer.decision))
        return b""

    def _decided(self, frame: m.Streamed, tick: m.Tick, encoded: bytes) -> None:
        self.ticks += 1
        self.span_ns = (self.span_ns[0] or frame.at_ns, frame.at_ns)
        self._digest.update(encoded)
        try:
            decision = wire.decode_decision(encoded)
        except wire.BadFrame as error:
            raise ReleaseFailed(f"its decision on {tick.slot} tick {tick.tick} cannot be read: {error}") from error
        window = tick.slot, tick.start_s
        self._odds.decided(window, decision, middle_bp(self._books.get(window)))
        if self.on_paper:
            self.paper.decided(frame.at_ns, frame.seq, tick, decision)
        else:
            self.real.wished(decision)
        self.audience.decided(frame, tick, decision)

    def _hand(self, hands: Hands, payload: bytes, now: bool = False) -> None:
        self._piece += len(payload).to_bytes(4, "little") + payload
        if now or len(self._piece) > _PIECE:
            hands.hand(bytes(self._piece))
            self._piece.clear()

    def _still_settles(self, frame: m.Streamed) -> bool:
        """Behind the end only this matters: who won the windows that were decided in. Whether that is still open."""
        for window, winner in self.ends.see(frame.event):
            if window in self._unsettled():
                self._ended(window, winner, frame.at_ns)
        return bool(self._unsettled()) and frame.at_ns <= self._end_ns

    def _unsettled(self) -> set[Window]:
        return self._odds.open | self.holdings.held

    # --- the end ----------------------------------------------------------------------------------------------------

    def _end(self, hands: Hands, line: bytes) -> Summary:
        hands.hand(bytes(self._piece))
        hands.finish()
        return hands.understood(line or hands.line(), Summary)

    def _result(self, summary: Summary) -> Result:
        for window, winner in self.ends.by_rule(self.footage.last.at_ns):
            self._ended(window, winner, self.footage.last.at_ns)
        ended = self.holdings.ended
        gross_micro = sum(earned.moved_micro for earned in ended)
        fees_micro = sum(earned.fees_micro for earned in ended)
        return Result(
            ticks=self.ticks,
            frames=summary.frames,
            decisions=self._digest.hexdigest(),
            state=summary.state,
            orders=self.paper.placed if self.on_paper else self.real.orders,
            refused=sum(self.paper.denied.values()) + sum(self.paper.rejected.values()),
            denied=dict(sorted(self.paper.denied.items())),
            rejected=dict(sorted(self.paper.rejected.items())),
            fills=self.holdings.fills,
            windows=self.holdings.windows,
            traded=len(ended),
            wins=sum(earned.moved_micro > earned.fees_micro for earned in ended),
            unresolved=len(self.holdings.held),
            gross_micro=gross_micro,
            fees_micro=fees_micro,
            net_micro=gross_micro - fees_micro,
            brier_count=self._odds.count,
            brier_e8=self._odds.ours_e8,
            brier_market_e8=self._odds.market_e8,
            seconds=(self.span_ns[1] - self.span_ns[0]) / NS,
            holes=summary.holes,
        )
