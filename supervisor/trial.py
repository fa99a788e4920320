"""The trial of a candidate: a stretch of the tape replayed through it twice, each time in a process of its own.

The second one hashes strings from another seed, so that what depends on the order of a set, on an address or on the
time of day shows. Leaves to `aside` what such a process may do, to `operations` which stretch it is, and to `gates`
what follows. What always holds: the output of the newest trial stays for people who look.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec

from shared.clock import Clock
from shared.config import Settings
from shared.paths import State
from shared.records import segments
from supervisor.aside import Aside, end_left_behind
from supervisor.death import Death
from supervisor.effects import Try
from supervisor.gates import Tried
from supervisor.workers import TRIAL, CannotStart, last_line

SEEDS: Final = ("0", "1")
"""Of the hash of strings, in the two replays; the first is every worker's."""
STOPPED: Final = "it was stopped: nobody waits for it"
_SUMMARY_MAX: Final = 64 << 10
_PIECE: Final = 1 << 20
_NAMED_MAX: Final = 80
_T = TypeVar("_T")


class _Summary(msgspec.Struct):
    """The last line of a replay, as far as it matters here."""

    ticks: Annotated[int, msgspec.Meta(ge=0)]
    state: Annotated[str, msgspec.Meta(min_length=1)]


class _Line(msgspec.Struct):
    """The line of a tick, as far as it names it."""

    slot: str
    tick: int


class Trial:
    """One trial at a time. Args: lock_of: the worker lock of a release."""

    def __init__(self, state: State, clock: Clock, settings: Settings, lock_of: Callable[[str], str]) -> None:
        self._state, self._clock, self._limits = state, clock, settings.gates
        self._trial_s, self._began_s = settings.deploy.trial_s, 0.0
        self._folder = state.workers / TRIAL
        self._loop = asyncio.get_running_loop()
        self._alone = asyncio.Lock()
        self._wanted: Try | None = None
        self._aside = Aside(state, settings.gates, self._trial_s, lock_of)
        end_left_behind(state)

    async def run(self, effect: Try) -> tuple[Tried, Tried]:
        """Replay twice; what came of each. One that begins while another runs ends that one first."""
        self._stop()
        self._wanted = effect
        async with self._alone:
            if not segments(self._state.tape):
                return Tried(), Tried()
            self._began_s = self._loop.time()
            first = await self._replay(effect, 0)
            if not first.state:
                return first, Tried()
            second = await self._replay(effect, 1)
            if second.state and second.digest != first.digest:
                second = replace(second, differs=await asyncio.to_thread(self._difference))
            return first, second

    def end(self, op: str) -> None:
        """End what runs for an operation, if anything does; whoever waits for it is told that it was stopped."""
        if self._wanted is not None and self._wanted.op == op:
            self._stop()

    def _stop(self) -> None:
        self._wanted = None
        self._aside.stop()

    async def _replay(self, effect: Try, number: int) -> Tried:
        """One of the two. What this machine refuses says nothing of the release."""
        if self._wanted is not effect:
            return Tried(unsure=STOPPED)
        began_ns = self._clock.monotonic_ns()
        try:
            status = await self._run(effect, number)
            took_ms = (self._clock.monotonic_ns() - began_ns) // 1_000_000
            if self._wanted is not effect:
                return Tried(unsure=STOPPED)
            fault = self._fault(number, status)
            tried = Tried(fault=fault) if fault else await asyncio.to_thread(self._read, number)
        except CannotStart as error:
            return Tried(fault=str(error))
        except OSError as error:
            return Tried(unsure=str(error))
        return replace(tried, took_ms=took_ms)

    async def _run(self, effect: Try, number: int) -> int | None:
        """Make a replay; its status, None when it is cut off. Raises: CannotStart, OSError."""
        stretch = ["--from", str(effect.from_seq), "--to", str(effect.to_seq)]
        arguments = ["--replay", str(self._state.tape), *stretch]
        files = self._output(number), self._log(number)
        until_s = self._began_s + self._trial_s
        return await self._aside.run(effect.release, arguments, *files, until_s=until_s, seed=SEEDS[number])

    def _fault(self, number: int, status: int | None) -> str:
        """Why a replay did not end well; empty when it did."""
        written = max(path.stat().st_size for path in (self._output(number), self._log(number)))
        if written >= self._limits.trial_output_mib << 20:
            return f"it wrote more than {self._limits.trial_output_mib} MiB"
        if status is None:
            return f"the trial was not done after {self._trial_s:g} s"
        return str(Death(status, output=last_line(self._log(number)))) if status else ""

    def _read(self, number: int) -> Tried:
        """What a replay that ended well has written: its decisions, and a summary in the last line."""
        path = self._output(number)
        with path.open("rb") as file:
            size = path.stat().st_size
            file.seek(max(0, size - _SUMMARY_MAX))
            tail = file.read()
        line = tail.rstrip(b"\n").rpartition(b"\n")[2]
        summary = _understood(line, _Summary)
        if summary is None:
            said = line[:_NAMED_MAX].decode(errors="replace")
            return Tried(fault=f"its last line is no summary: {said!r}")
        return Tried(summary.ticks, _digest(path, size - len(tail) + tail.rindex(line)), summary.state)

    def _difference(self) -> str:
        with contextlib.suppress(OSError):
            return first_difference(self._output(0), self._output(1))
        return ""

    def _output(self, number: int) -> Path:
        return self._folder / f"decisions-{number + 1}.jsonl"

    def _log(self, number: int) -> Path:
        return self._folder / f"output-{number + 1}.log"


def first_difference(one: Path, other: Path) -> str:
    """The first tick whose line differs in two files, as slot and number; the line itself where it names none."""
    with one.open("rb") as file, other.open("rb") as again:
        for line, differing in zip_longest(file, again, fillvalue=b""):
            if line != differing:
                return _named(line) or _named(differing) or f"{line[:_NAMED_MAX]!r}"
    return ""


def _named(line: bytes) -> str:
    found = _understood(line, _Line)
    return f"{found.slot} {found.tick}" if found is not None else ""


def _understood(line: bytes, kind: type[_T]) -> _T | None:
    """A line of a release's output, which may be anything."""
    try:
        return msgspec.json.decode(line, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _digest(path: Path, size: int) -> str:
    """The name of the first `size` bytes of a file."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while size > 0 and (piece := file.read(min(size, _PIECE))):
            digest.update(piece)
            size -= len(piece)
    return digest.hexdigest()
