"""Cells replayed on this machine: so many processes, each given a cell at a time.

Leaves to `hand` what a process does. What always holds: there are never more processes than were asked for; one that
dies, hangs or talks nonsense costs its own cell another attempt, and after the last one its name, and no other cell
anything; when the caller stops asking, however that comes about, every process ends.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.sweep.tasks import Answer, Task
from deploy.release import ends_within
from shared.clock import NS, Clock, SystemClock

ROOT: Final = Path(__file__).resolve().parents[3]
HAND: Final = (sys.executable, "-m", "deploy.analysis.sweep.hand")
PROCESSES_MAX: Final = 256
ATTEMPTS_MAX: Final = 2
"""How often a cell is tried whose process dies: chance may kill one once, code kills it each time."""
CELL_S: Final = 3_600.0
"""How long one cell may take, real seconds."""
END_S: Final = 3.0
"""How long a process may take to end what it has started before it is killed."""
_LAST_WORDS: Final = 400


class Pool:
    """Args: processes: how many at once. command: what each runs; cell_s: how long one cell may take."""

    def __init__(
        self, processes: int, command: Sequence[str] = HAND, cell_s: float = CELL_S, clock: Clock | None = None
    ) -> None:
        assert 1 <= processes <= PROCESSES_MAX
        self._most, self._command, self._cell_s = processes, command, cell_s
        self._clock = clock or SystemClock()
        self._selector = selectors.DefaultSelector()
        self._hands: set[_Hand] = set()
        self._waiting: deque[Task] = deque()
        self._attempts: Counter[str] = Counter()

    def run(self, tasks: Iterable[Task]) -> Iterator[Answer]:
        """An answer for every task, as they come. Raises: OSError: a process cannot be started."""
        self._waiting.extend(tasks)
        try:
            while self._give():
                yield from self._heard()
        finally:
            self._end(self._hands)

    def _give(self) -> bool:
        """Let every process that is free, or that may be started, have a task; whether any has one."""
        while self._waiting:
            hand = next((hand for hand in self._hands if hand.task is None), None)
            if hand is None:
                if len(self._hands) == self._most:
                    break
                hand = self._start()
            hand.take(self._waiting.popleft(), self._clock.monotonic_ns())
        return any(hand.task is not None for hand in self._hands)

    def _start(self) -> _Hand:
        hand = _Hand(self._command)
        self._hands.add(hand)
        self._selector.register(hand.answers, selectors.EVENT_READ, hand)
        return hand

    def _heard(self) -> Iterator[Answer]:
        """Wait until some process says something, dies or has had its time."""
        for key, _ in self._selector.select(self._patience_s()):
            hand: _Hand = key.data
            answer = hand.answer()
            if answer is not None:
                yield answer
            else:
                yield from self._lost(hand)
        for hand in [hand for hand in self._hands if hand.task is not None and self._left_s(hand) <= 0]:
            yield from self._lost(hand, f"it was not done after {self._cell_s:g} s")

    def _patience_s(self) -> float:
        return max(0.0, min(self._left_s(hand) for hand in self._hands if hand.task is not None))

    def _left_s(self, hand: _Hand) -> float:
        return self._cell_s - (self._clock.monotonic_ns() - hand.since_ns) / NS

    def _lost(self, hand: _Hand, why: str = "") -> Iterator[Answer]:
        """A process is of no use any more: its cell has another attempt, or is answered for."""
        task = hand.task
        self._end({hand})
        if task is None:
            return
        self._attempts[task.cell] += 1
        if self._attempts[task.cell] < ATTEMPTS_MAX:
            self._waiting.append(task)
        else:
            yield Answer(task.cell, fault=f"{why or hand.last_words} ({ATTEMPTS_MAX} attempts)")

    def _end(self, hands: set[_Hand]) -> None:
        ending = list(hands)
        for hand in ending:
            self._hands.discard(hand)
            self._selector.unregister(hand.answers)
            hand.ask_to_end()
        for hand in ending:
            hand.end()


class _Hand:
    """One process, and the task it has."""

    def __init__(self, command: Sequence[str]) -> None:
        self.task: Task | None = None
        self.since_ns, self.last_words = 0, ""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process lives
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C is ours alone: what is done is kept first
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._tasks, self.answers = self._process.stdin, self._process.stdout

    def take(self, task: Task, now_ns: int) -> None:
        """Be given a task. A process that is gone already is noticed when it should answer."""
        self.task, self.since_ns = task, now_ns
        with contextlib.suppress(BrokenPipeError):
            self._tasks.write(msgspec.json.encode(task) + b"\n")
            self._tasks.flush()

    def answer(self) -> Answer | None:
        """What it says of its task, None when it says something else, or is gone."""
        line = self.answers.readline()
        try:
            answer = msgspec.json.decode(line, type=Answer)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.last_words = f"it said {line[:_LAST_WORDS]!r}" if line else ""
            return None
        if self.task is None or answer.cell != self.task.cell:
            self.last_words = "it answered for another cell"
            return None
        self.task = None
        return answer

    def ask_to_end(self) -> None:
        """Tell it that nobody waits for it any more."""
        with contextlib.suppress(BrokenPipeError):
            self._tasks.close()
        os.kill(self._process.pid, signal.SIGTERM)  # not terminate(), which may give its number away

    def end(self) -> None:
        """Wait until it is gone, for a while; then it is killed. Whatever it has started in its group goes with it."""
        ends_within(self._process.pid, END_S)
        os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self.last_words = self.last_words or self._told(code)
        self.answers.close()
        self._log.close()

    def _told(self, code: int) -> str:
        """How it ended, and the last line it printed."""
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LAST_WORDS))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
        return f"its process {how}" + (f": {lines[-1]}" if lines else "")
