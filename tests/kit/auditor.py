"""The auditor of a simulated desk: it is told everything that happens, and lets `invariants` look at it.

It knows three things: the journal, which it folds on its own, the stream, and the truth of the toys - who really
answered what, which worker runs what, what really arrived at the venue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from kit.invariants import CHECKS_OF
from kit.record import Arrived, Record, Restarted, Shown, Starts, TickKey, request_name

from shared import entries as e
from shared import messages as m
from supervisor.accounts import Accounts

if TYPE_CHECKING:
    from kit.sim import Sim


class Broken(AssertionError):
    """A promise did not hold. `promise`: its name; the text says in which run, when, and what was seen."""

    def __init__(self, promise: str, where: str, what: str) -> None:
        super().__init__(f"{promise}: {where}: {what}")
        self.promise = promise


class Auditor:
    """Looks at everything that happens in one run; `see` raises Broken. All times are monotonic.

    `holds`: each slot's newest durable grant. `durable`: orders and cancels that survive the machine. `shown`: ticks on
    the stream. `answers`: what workers really said, by slot, tick, epoch and worker. `unknown`: orders by slot, and
    since when. `told`: the parameters that the stream told last. `starts`: workers as they come and go. `outcome_ns`,
    `quiescing_ns`: when a slot last got an outcome, and began to wait for its boundary. `stopped_ns`: since when an
    order rests that was stopped, by reign. `ticks`, `flips`, `grants`, `refused`: what the run went through.
    """

    def __init__(self, sim: Sim) -> None:
        self.sim = sim
        self.record = Record()
        self.holds: dict[str, e.Grant] = {}
        self.durable: set[str] = set()
        self.sent: set[str] = set()
        self.shown: dict[TickKey, Shown] = {}
        self.last_shown: dict[str, int] = {}
        self.answers: dict[tuple[str, int, int, str], m.Decided] = {}
        self.unknown: dict[str, dict[str, int]] = {}
        self.doubtful: set[str] = set()
        self.outcome_ns: dict[str, int] = {}
        self.quiescing_ns: dict[str, int] = {}
        self.stopped_ns: dict[tuple[int, str], int] = {}
        self.starts = Starts()
        self.seq = 0
        self.at_ns = 0
        self.told = ""
        self.ticks = self.flips = self.grants = self.refused = 0

    # --- being told ---

    def see(self, subject: object) -> None:
        """Look at something that happened. Raises: Broken."""
        for promise, fault_of in CHECKS_OF.get(type(subject), ()):
            fault = fault_of(self, subject)
            if fault:
                self.check(promise, False, fault)

    def check(self, promise: str, holds: bool, what: str) -> None:
        """A promise, looked at by somebody else. Raises: Broken."""
        if not holds:
            raise Broken(promise, self.sim.where(), what)

    def written(self, line: e.Line) -> None:
        """A line was appended to the journal."""
        entry = line.entry
        self.see(line)
        self.see(entry)
        self.record.take(line)
        if isinstance(entry, e.OutcomeOf):
            self.outcome_ns[entry.slot] = self.sim.mono
        elif isinstance(entry, e.Grant):
            self.grants += 1
            self.flips += self.record.boundaries[entry.slot].was.release not in {"", entry.release}
        elif isinstance(entry, e.Answered | e.OrderReported | e.Fill | e.FillStatus):
            self._follow(entry.order_id)
        elif isinstance(entry, e.Resolved):
            for order_id in list(self.unknown.get(entry.slot, ())):
                self._follow(order_id)
        elif isinstance(entry, e.Worker):
            self.starts.take(entry, self.sim.mono)
        elif isinstance(entry, e.Refused):
            self.refused += 1

    def synced(self, entries: Iterable[e.Entry]) -> None:
        """These entries survive the machine now."""
        for entry in entries:
            if isinstance(entry, e.Grant):
                self.holds[entry.slot] = entry
            elif isinstance(entry, e.Placing | e.Cancelling):
                self.durable.add(request_name(entry))

    def published(self, frame: m.Streamed) -> None:
        """A frame was put on the stream."""
        self.see(frame)
        self.seq, self.at_ns = frame.seq, frame.at_ns
        tick = frame.event
        if isinstance(tick, m.ParametersSet):
            self.told = tick.digest
        if isinstance(tick, m.Tick):
            self.see(tick)
            self.ticks += 1
            key = (tick.slot, tick.tick)
            before = self.shown.get(key)
            self.shown[key] = Shown(tick, frame.seq, self.sim.mono, before.times + 1 if before else 1)
            self.last_shown[tick.slot] = tick.tick

    def answered(self, uid: str, decided: m.Decided) -> None:
        """A worker truly answers so."""
        self.answers[decided.slot, decided.tick, decided.epoch, uid] = decided

    def arrived(self, placing: e.Placing) -> None:
        """An order reached the venue."""
        self.see(Arrived(placing))

    def _follow(self, order_id: str) -> None:
        """Keep count of the orders that are unknown, by slot, and since when."""
        order = self.sim.desk.board.accounts.orders.get(order_id)
        if order is None:
            return
        mine = self.unknown.setdefault(order.slot, {})
        if order.state == "unknown":
            mine.setdefault(order_id, self.sim.mono)
            self.doubtful.add(order.slot)
        elif mine.pop(order_id, None) is not None:
            self.doubtful.add(order.slot)

    def relearn(self, lines: Iterable[e.Line]) -> None:
        """The journal's end was lost: what was written there has not been."""
        self.record = Record()
        for line in lines:
            self.record.take(line)

    def restarted(self, rebuilt: Accounts, before: Accounts | None) -> None:
        """A new reign begins with what the journal says."""
        self.see(Restarted(rebuilt, before))
        self.unknown, self.doubtful = {}, set()
        for order in rebuilt.open_orders():
            if order.state == "unknown":
                self.unknown.setdefault(order.slot, {})[order.order_id] = self.sim.mono
        self.outcome_ns, self.quiescing_ns, self.starts = {}, {}, Starts()
        self.holds = dict(self.record.grants)
        self._forget_what_was_not_taped()

    def _forget_what_was_not_taped(self) -> None:
        """A tick that is not on the tape was shown to nobody who still lives."""
        disk = self.sim.disk
        taped = {(slot, tick) for _, slot, tick in disk.ticks}
        self.shown = {key: s for key, s in self.shown.items() if key in taped}
        self.seq, self.at_ns, self.last_shown = disk.seq, disk.at_ns, {}
        for slot, tick in self.shown:
            self.last_shown[slot] = max(tick, self.last_shown.get(slot, 0))
