"""Changes of the strategy's parameters while releases trade: asked of the releases first, then one frame of the stream.

    checking  the releases that trade, or are about to, are asked whether they can use the set; nothing has changed
    refused   one of them cannot, or could not be asked; nothing has changed
    valid     all of them can, and that was all that was wanted
    set       it is in force: the stream says so, every later tick names it; disk and workers have not all got it
    used      it is on the disk, and every worker that was ready then has read it, is gone, or was fenced

The parameters in force are those of the journal, over every restart and every release. The settings' set is the first
version, and another one when a supervisor finds that the operator has written other settings. What a release makes of a
set is its own business: this room knows names and values, never what they mean.

A rollback to a release that cannot use what is in force brings back the set that release last traded with, and if it
does not come about, the one it found.

What always holds: one change at a time; a refused one has changed nothing; the set in force changes between two frames,
for every worker at the same place; each version has its boundary in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

import msgspec

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import digest
from supervisor.board import Board
from supervisor.crew import Member
from supervisor.effects import AskRelease, Enacted, Moment
from supervisor.operation import Operation
from supervisor.operations import Operations
from supervisor.turns import Turns

State = Literal["checking", "refused", "valid", "set", "used"]
NAME_MAX: Final = 64
TEXT_MAX: Final = 500
VALUES_MAX: Final = 64
BYTES_MAX: Final = 16 << 10
"""Letters of a parameter's name, letters of a value that is text, parameters of a set, and its bytes: a frame has room
for it beside everything else a keyframe tells.
"""
WHOLE_MAX: Final = 2**53
"""A whole number beyond it would not survive a reader with floating point numbers."""
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=NAME_MAX)]
Whole = Annotated[int, msgspec.Meta(ge=-WHOLE_MAX, le=WHOLE_MAX)]
Value = Whole | float | bool | Annotated[str, msgspec.Meta(max_length=TEXT_MAX)]
Values = Annotated[dict[Name, Value], msgspec.Meta(max_length=VALUES_MAX)]
"""What differs from a release's defaults, as it is written in settings, in control.json and on the command line."""

CHECK_S: Final = 30.0
"""Real seconds in which every release that is asked has to answer."""
USE_S: Final = 5.0
"""Real seconds in which every worker has to read a set that came into force."""
REASON_MAX: Final = 500
"""Letters of a reason in the journal."""
KEPT: Final = 64
"""Changes that are remembered for people who ask."""
SETTINGS: Final = "settings"
"""Who changes the parameters when the settings have changed."""


@dataclass
class Change:
    """A wish for other parameters, and what came of it.

    `only_ask`: nothing is to change. `generation`: of the control file that wishes it; 0 when none does. `asked`: what
    each release said: nothing when it can use the set, None while it has not answered. `words`: why it was refused.
    `number`, `seq`: the version it became, and the frame of the stream that said so. `waits`: workers that have not
    read that yet; `took_ms`: how long those that have took.
    """

    op: str
    values: dict[str, Value]
    actor: str
    reason: str
    since_ns: int
    only_ask: bool = False
    generation: int = 0
    state: State = "checking"
    asked: dict[str, str | None] = field(default_factory=dict)
    words: str = ""
    number: int = 0
    seq: int = 0
    durable: bool = False
    waits: set[str] = field(default_factory=set)
    took_ms: dict[str, int] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The name of the set."""
        return digest(self.values)


class Tuning:
    """`all`: the newest changes of this reign by their operation; `current`: the one that is not over."""

    def __init__(self, board: Board, turns: Turns, operations: Operations) -> None:
        self.board, self.turns, self.operations = board, turns, operations
        self.all: dict[str, Change] = {}
        self.current: Change | None = None
        self._next: Change | None = None
        operations.retune = self._bring_back

    def begin(self) -> None:
        """The reign begins: the settings' set is the first version, and a new one when the settings have changed.

        Before anybody trades there is nobody to ask; afterwards a set that cannot be used is refused like any other.
        """
        board, accounts = self.board, self.board.accounts
        wanted = dict(board.settings.strategy)
        if accounts.parameters is None:
            board.write(e.Parameters(digest(wanted), wanted, 1, SETTINGS))
        elif digest(wanted) not in {accounts.strategy, accounts.parameters.digest}:
            reason = "the settings say so, and have changed"
            self._take(Change(f"settings-{accounts.term}", wanted, SETTINGS, reason, board.mono_ns))

    def tell(self) -> None:
        """Say on the stream which set is in force: a fold that knows the one of the reign before skips the keyframe."""
        entry = self.board.accounts.parameters
        assert entry is not None, "a reign begins with its parameters"
        self.board.publish(m.ParametersSet(entry.digest, entry.values))

    def resume(self) -> None:
        """Workers and releases are known again: ask those who trade about what the settings want."""
        if self.current is not None:
            self._ask_or_enact(self.current)

    def propose(self, now: Moment, change: Change) -> None:
        """Ask the releases whether they can use a set, and let it be in force once they can.

        The caller has seen that no other change is on its way.
        """
        self.board.now(now)
        self._take(change)
        self._ask_or_enact(change)

    def known(self, op: str) -> Change | None:
        """A change of this reign, or one before it that the journal has: every worker began with it since."""
        versions = self.board.accounts.versions.values()
        entry = next((version.parameters for version in versions if op and version.parameters.op == op), None)
        if entry is None or op in self.all:
            return self.all.get(op)
        told = (entry.actor, entry.reason, 0)
        return Change(op, entry.values, *told, state="used", number=entry.number, durable=True)

    def voters(self) -> tuple[str, ...]:
        """The releases that have to be able to use a set: the one that trades, and the one that is about to."""
        active, running = self.board.accounts.active, self.operations.current
        wanted = (active.release if active is not None else "", running.green if running is not None else "")
        return tuple(dict.fromkeys(release for release in wanted if release))

    def on_asked(self, now: Moment, op: str, release: str, fault: str) -> None:
        """A release said why it cannot use a set; nothing when it can."""
        self.board.now(now)
        change = self.current
        if change is None or change.op != op or change.state != "checking":
            return
        change.asked[release] = fault
        self._ask_or_enact(change)

    def on_durable(self, now: Moment, op: str) -> None:
        """A change is on the disk."""
        self.board.now(now)
        change = self.all.get(op)
        if change is not None:
            change.durable = True
            self._see_used()

    def unfollowed(self) -> str:
        """Why the newest wish of the control file for other parameters was not followed; empty when it was."""
        newest = next((change for change in reversed(self.all.values()) if change.generation), None)
        stands = newest is not None and newest.generation == self.board.accounts.generation
        return newest.words if newest is not None and stands and newest.state == "refused" else ""

    def pass_time(self) -> list[tuple[str, str]]:
        """Give up what is late; return workers to be fenced, with the reason."""
        self._begin_next()
        change = self.current
        if change is None:
            return []
        if change.state == "checking":
            if self.board.since_s(change.since_ns) > CHECK_S:
                late = [release for release, said in change.asked.items() if said is None]
                self._refuse(change, f"{', '.join(late)} did not say in {CHECK_S:g} s whether it can use them")
            return []
        self._see_used()
        return [(uid, why) for uid in sorted(change.waits) if (why := self._late(change, uid))]

    # --- together with a release that comes back ------------------------------------------------------------------

    def _bring_back(self, operation: Operation, number: int, why: str) -> bool:
        """Let a version that has traded be in force again, as another one; whether it will be.

        No release is asked: an automatic take-back must not wait for one that is broken. What is being asked about is
        refused; what came into force a moment ago is read by everybody first.
        """
        version, self._next = self.board.accounts.versions.get(number), None
        if version is None or version.parameters.digest == self.board.parameters:
            return False
        if self.current is not None and self.current.state == "checking":
            self._refuse(self.current, f"{operation.op} takes the parameters back")
        op, values = f"{operation.op}:p{max(self.board.accounts.versions) + 1}", dict(version.parameters.values)
        self._next = Change(op, values, operation.actor, why[:REASON_MAX], self.board.mono_ns)
        self._begin_next()
        return True

    def _begin_next(self) -> None:
        if self._next is not None and self.current is None:
            change, self._next = self._next, None
            self._take(change)
            self._enact(change)

    # --- before it is in force ------------------------------------------------------------------------------------

    def _take(self, change: Change) -> None:
        self.all[change.op] = self.current = change
        for old in list(self.all)[:-KEPT]:
            del self.all[old]

    def _ask_or_enact(self, change: Change) -> None:
        """Ask whoever was not asked yet: who is about to trade may have changed while others were."""
        if _too_large(change.values):
            self._refuse(change, f"more than {VALUES_MAX} parameters, or more than {BYTES_MAX >> 10} KiB of them")
            return
        voters = self.voters()
        for release in voters:
            if release not in change.asked:
                change.asked[release] = None
                self.board.effects.append(AskRelease(change.op, release, change.values))
        said = {release: change.asked[release] for release in voters}
        named = self.board.accounts.release_name
        faults = [f"{named(release)} cannot use them: {fault}" for release, fault in said.items() if fault]
        if faults:
            self._refuse(change, "; ".join(faults))
        elif None not in said.values():
            self._accept(change)

    def _refuse(self, change: Change, why: str) -> None:
        change.state, change.words, self.current = "refused", why, None
        if change.generation or change.actor == SETTINGS:  # nobody waits for a reply
            self.board.alarm("parameters_refused", f"{change.actor}: {why}; nothing has changed")

    def _accept(self, change: Change) -> None:
        if change.only_ask:
            change.state, self.current = "valid", None
        else:
            self._enact(change)

    def _enact(self, change: Change) -> None:
        """Let a set be in force: in the journal, and from the stream's next frame on for everybody."""
        board, was = self.board, self.board.accounts.parameters
        assert was is not None, "a reign begins with its parameters"
        change.number, change.seq, change.state = was.number + 1, board.seq + 1, "set"
        change.since_ns = board.mono_ns
        change.waits = {uid for uid, member in board.crew.members.items() if member.stage == "ready"}
        generation = change.generation or board.accounts.generation + 1
        boundary = self._boundary(change, was)
        told = (change.actor, change.reason, change.op, generation)
        version = e.Parameters(change.digest, change.values, change.number, *told)
        board.apply(boundary)
        board.apply(version)
        board.write_first((boundary, version), (Enacted(change.op),))
        self.tell()

    def _boundary(self, change: Change, was: e.Parameters) -> e.Retuned:
        accounts = self.board.accounts
        return e.Retuned(
            op=change.op,
            number=change.number,
            was=was.digest,
            now=change.digest,
            seq=change.seq,
            changed=changed(was.values, change.values),
            slots=tuple(self._standpoint(name) for name in self.turns.slots),
            positions=accounts.holdings(),
            orders=accounts.resting(),
            cash_micro=accounts.cash_micro,
            actor=change.actor,
            reason=change.reason,
        )

    def _standpoint(self, name: str) -> e.Standpoint:
        board, state = self.board, self.turns.slots[name]
        slot = board.lane_of[name]
        return e.Standpoint(
            slot=name,
            phase=state.phase,
            owner=self.turns.owned_by(name),
            shown=state.outstanding,
            last_tick=state.last_tick,
            seconds_to_close=slot.seconds_left(board.at_ns // NS),
        )

    # --- once it is in force --------------------------------------------------------------------------------------

    def _see_used(self) -> None:
        """Strike off who has read it, and who will not any more; it is over when nobody is left."""
        change, members = self.current, self.board.crew.members
        if change is None or change.state != "set":
            return
        for uid in sorted(change.waits):
            member = members.get(uid)
            if member is None or member.stage == "retiring":
                change.waits.discard(uid)
            elif _uses(member, change):
                change.waits.discard(uid)
                self._note(change, member)
        if change.durable and not change.waits:
            change.state, self.current = "used", None

    def _note(self, change: Change, member: Member) -> None:
        took_ms = (self.board.mono_ns - change.since_ns) // 1_000_000
        change.took_ms[member.uid] = took_ms
        detail = f"p{change.number} {change.digest} from frame {change.seq}, after {took_ms} ms"
        self.board.write(e.Worker(member.uid, member.release, member.pid, "parameters", detail))

    def _late(self, change: Change, uid: str) -> str:
        """Why a worker may not go on; empty while it may. One that misses a part of the stream has its own deadline."""
        member = self.board.crew.members[uid]
        if member.read_seq >= change.seq and member.whole:
            return f"it has read frame {change.seq} and decides with {member.parameters}, not with p{change.number}"
        if member.whole and self.board.since_s(change.since_ns) > USE_S:
            return f"it has not read p{change.number}, frame {change.seq}, in {USE_S:g} s"
        return ""


def changed(was: Mapping[str, Value], now: Mapping[str, Value]) -> dict[str, tuple[Value | None, Value | None]]:
    """The values that differ, before and after; None where there is none."""
    names = sorted(was.keys() | now.keys())
    return {name: (was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name)}


def _too_large(values: Mapping[str, Value]) -> bool:
    return len(values) > VALUES_MAX or len(msgspec.msgpack.encode(values)) > BYTES_MAX


def _uses(member: Member, change: Change) -> bool:
    """Whether a worker has read the change; one of an older release does not say what it made of it."""
    return member.read_seq >= change.seq and member.parameters in {"", change.digest}
