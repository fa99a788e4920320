"""One operation as people and the journal see it: where it stands, what took how long, what its gates said.

Holds and tells; decides nothing. Each transition is one Step in the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from shared import entries as e
from supervisor.accounts import Operated
from supervisor.board import Board
from supervisor.gates import Gate
from supervisor.plan import Plan


class Told(NamedTuple):
    """What a gate said, and in which phase of which ring, from 1."""

    phase: str
    ring: int
    gate: Gate


class Passage(NamedTuple):
    """A phase that was entered: when, market time, and how long it took, milliseconds; -1 while it lasts."""

    phase: str
    at_ns: int
    took_ms: int


@dataclass
class Operation:
    """A deploy or rollback. `steps_ms`: what took how long; `result` is empty while it runs.

    `rings`: the slots that move together, in order; `ring`: the one it is about, from 0. `held_for`: why it waits for a
    person, and `after` the phase it would go on with. `loaded`: each module of green's with its digest and load time.
    `retuned_from`: the version of the parameters that was in force before a rollback took them back as well; 0 if none.
    """

    op: str
    verb: str
    green: str
    blue: str
    actor: str
    reason: str
    began_ns: int
    plan: Plan = field(default_factory=Plan)
    rings: tuple[tuple[str, ...], ...] = ()
    ring: int = 0
    phase: str = "idle"
    phase_ns: int = 0
    held_for: str = ""
    after: str = ""
    steps_ms: dict[str, int] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, tuple[str, int]] = field(default_factory=dict)
    told: list[Told] = field(default_factory=list)
    history: list[Passage] = field(default_factory=list)
    flips: int = 0
    retuned_from: int = 0
    result: str = ""
    fault: str = ""

    @property
    def evidence(self) -> tuple[str, ...]:
        """What its gates have said, each in a line."""
        return tuple(f"{told.phase} {told.gate.name} {told.gate.verdict}: {told.gate.words}" for told in self.told)

    def enter(self, board: Board, phase: str, gates: tuple[Gate, ...]) -> None:
        """Go from one phase to the next, and write it down with what the gates of the one that ends say."""
        before, took_ms = self.phase, (board.mono_ns - self.phase_ns) // 1_000_000
        if before != "idle":
            self.steps_ms[before] = self.steps_ms.get(before, 0) + took_ms
            self.history[-1] = self.history[-1]._replace(took_ms=took_ms)
        self.told += [Told(before, self.ring + 1, gate) for gate in gates]
        self.phase, self.phase_ns, self.waiting = phase, board.mono_ns, {}
        self.history.append(Passage(phase, board.at_ns, -1))
        detail: dict[str, Any] = {"from": before, **self._sides(), "ring": self.ring + 1}
        if before == "idle":
            detail |= {"plan": self.plan.values(), "rings": [list(ring) for ring in self.rings]}
        if gates:
            detail["gates"] = [msgspec.to_builtins(gate) for gate in gates]
        if phase == "held":
            detail["held_for"] = self.held_for
        if before == "spawning":
            detail["loaded"] = {name: list(loaded) for name, loaded in self.loaded.items()}
        self._write(board, phase, 0 if before == "idle" else took_ms, detail)

    def end(self, board: Board, result: str, fault: str, flips: int) -> None:
        """The operation is over."""
        self.result, self.fault, self.flips = result, fault, flips
        total_ms = (board.mono_ns - self.began_ns) // 1_000_000
        ended = {"result": result, "fault": fault, "flips": flips}
        self._write(board, "done", total_ms, {**self._sides(), **ended})

    def _sides(self) -> dict[str, Any]:
        return {"green": self.green, "blue": self.blue}

    def _write(self, board: Board, phase: str, took_ms: int, detail: dict[str, Any]) -> None:
        board.write(e.Step(self.op, self.verb, phase, took_ms, self.actor, self.reason, detail))


def from_journal(op: str, operated: Operated) -> Operation:
    """What the journal says of an operation of a reign before this one."""
    step = operated.step
    told = Operation(op, step.verb, operated.green, operated.blue, step.actor, step.reason, 0, phase=step.phase)
    told.flips, told.result, told.fault = operated.flips, operated.result, operated.fault
    return told


def close_left_open(board: Board) -> None:
    """After a restart, say how the operations ended that the last reign did not end itself.

    Every slot comes back on the active release, so an operation either got that far or was put back; of a first release
    that did not get there none comes back, and nobody trades as before.
    """
    accounts = board.accounts
    active = accounts.active.release if accounts.active is not None else ""
    for op, operated in list(accounts.operations.items()):
        if operated.result:
            continue
        failed = "ROLLED_BACK" if operated.flips and operated.blue else "GATE_FAILED"
        result = "OK" if operated.green == active else failed
        fault = "" if result == "OK" else "the supervisor was restarted while it ran"
        sides = {"green": operated.green, "blue": operated.blue}
        step, detail = operated.step, {**sides, "result": result, "fault": fault, "flips": operated.flips}
        board.write(e.Step(op, step.verb, "done", 0, step.actor, step.reason, detail))
