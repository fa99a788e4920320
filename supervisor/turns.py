"""The turns of every slot: ticks come due, are shown, wait, expire; each gets its one outcome.

Holds the slot states and is the only room that advances them. Who shall own a slot is not decided here: a grant that
the table asks for, and a boundary that may have become clean, are passed on through `grant` and `moved`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from msgspec import structs

from shared import entries as e
from shared import messages as m
from shared.clock import DAY_NS, NS
from shared.messages import OUTCOMES
from shared.slots import Slot, in_snipe_window, next_tick, schedule
from supervisor import slotstate
from supervisor.accounts import NOBODY
from supervisor.board import NO_DECISION, Board
from supervisor.lanes import Window
from supervisor.slotstate import SlotState

OUTAGE_MAX_NS: Final = DAY_NS
"""Ticks of an outage longer than this are not written one by one."""
SHOWN_MAX: Final = 256
"""Ticks of a slot that are known to have been shown in this reign, the newest; a minute of them at the fastest beat."""


class Turns:
    """Every slot's state, and since when (monotonic) what was shown or is held waits.

    `tick_seq`, `shown_start_s`: the frame of the newest tick a slot was shown, and the start of the window shown in it.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.slots: dict[str, SlotState] = {}
        self.tick_seq: dict[str, int] = {}
        self.shown_start_s: dict[str, int] = {}
        self.grant: Callable[[str, slotstate.WriteGrant], None] = _nobody
        self.moved: Callable[[str], None] = _nobody_moves
        self._shown: dict[str, dict[int, str]] = {}
        self._after_ms: dict[str, int] = {}
        self._shown_ns: dict[str, int] = {}
        self._ownerless_ns: dict[str, int] = {}
        self._closed = False

    def begin(self, shown: dict[str, list[int]]) -> None:
        """Take up every slot where the journal left it, and own up to the ticks of the time without a supervisor.

        Args: shown: ticks that are on the tape, by slot, in order; some may have no outcome.
        """
        accounts = self.board.accounts
        for slot in self.board.lanes.slots:
            self._after_ms[slot.name] = self.board.at_ns // 1_000_000
            self.slots[slot.name] = SlotState(epoch=accounts.owners.get(slot.name, NOBODY).epoch)
            on_tape = shown.get(slot.name, [])
            granted = accounts.granted_ms.get(slot.name, 0)
            last = accounts.last_ticks.get(slot.name, 0) or min((granted, *(tick - 1 for tick in on_tape)))
            if last:
                for tick in self._owed(slot, last, on_tape):
                    self._skip(slot.name, tick, "outage")
            last = accounts.last_ticks.get(slot.name, 0)
            self.slots[slot.name] = replace(self.slots[slot.name], last_tick=last)

    def _owed(self, slot: Slot, last: int, shown: list[int]) -> list[int]:
        """Scheduled ticks of windows that were open, and whatever else was shown, since the last outcome."""
        board = self.board
        since_ms = max(last, (board.at_ns - OUTAGE_MAX_NS) // 1_000_000)
        missed = schedule(slot, board.settings.beat(slot), since_ms, board.at_ns // 1_000_000)
        opened = {start_s for name, start_s in board.accounts.windows if name == slot.name}
        owed = {tick for tick in missed if slot.window_start(tick // 1_000) in opened}
        return sorted(owed.union(tick for tick in shown if tick > last))

    def close(self) -> None:
        """No tick comes due any more, of whatever kind: the reign ends, and the next one owns up to what is owed."""
        self._closed = True

    def own_up(self) -> None:
        """The reign is over: what was shown and has no answer by now has none; who follows would say the same of it.

        What waits was never shown, and is for the next reign to own up to; no answer counts any more.
        """
        for name, state in list(self.slots.items()):
            shown = state.outstanding or (state.again if state.again in state.held else 0)
            self.slots[name] = replace(state, outstanding=0, held=())
            if shown:
                self._skip(name, shown, "outage")

    def step(self, name: str, event: slotstate.SlotEvent) -> None:
        """Advance a slot and do what its table says."""
        if self._closed and isinstance(event, slotstate.Due):
            return
        self.slots[name], commands = slotstate.step(self.slots[name], event)
        for command in commands:
            if isinstance(command, slotstate.Show):
                self._show(name, command.tick)
            elif isinstance(command, slotstate.Skip):
                self._skip(name, command.tick, command.reason)
            else:
                self.grant(name, command)
        self._keep_time(name)
        self.moved(name)

    def pass_time(self, slot: Slot, until_ns: int) -> None:
        """Owe every scheduled tick of the lane's window up to a moment, if it can be evaluated and has begun to be.

        It begins when its first grant is written: what comes due until that is on the disk waits for it. Whoever raises
        a tick of another kind calls this first: numbers only grow, and a scheduled one is never passed by. A tick
        belongs to the window its number falls in: those of the next one are owed when the lane has rolled on to it.
        """
        window = self.board.lanes.current[slot]
        after_ms = max(self._after_ms[slot.name], window.start_s * 1_000 - 1)
        until_ms = min(until_ns // 1_000_000, window.end_s * 1_000 - 1)
        self._after_ms[slot.name] = max(after_ms, until_ms)
        state = self.slots[slot.name]
        begun = state.epoch or state.phase == "granting"
        if not window.opened or not begun:
            return
        for tick in schedule(slot, self.board.settings.beat(slot), after_ms, until_ms):
            self.step(slot.name, slotstate.Due(tick))

    def next_due_ns(self) -> int:
        """When, in market time, the next scheduled tick of any lane comes due; within a second at the latest."""
        soon_ms = self.board.at_ns // 1_000_000 + 1_000
        for slot in self.board.lanes.slots:
            if self.board.lanes.window(slot) is not None:
                soon_ms = min(soon_ms, next_tick(slot, self.board.settings.beat(slot), self._after_ms[slot.name]))
        return soon_ms * 1_000_000

    def raise_tick(self, window: Window) -> None:
        """In the snipe window a market event is a reason to decide, if the owner is free and has not just decided."""
        slot, at_ms = window.slot, self.board.at_ns // 1_000_000
        self.pass_time(slot, self.board.at_ns)
        state = self.slots[slot.name]
        free = state.phase == "owned" and not state.outstanding and not state.held and not state.in_flight
        spaced = at_ms - state.last_tick >= self.board.settings.ticks.event_spacing_ms
        running = at_ms < window.end_s * 1_000
        if free and spaced and running and in_snipe_window(slot, self.board.settings.beat(slot), at_ms):
            self.step(slot.name, slotstate.Due(at_ms))

    def first_tick(self, slot: Slot) -> None:
        """A lane that can be evaluated for the first time in this reign is, at once; the cadence follows."""
        self.pass_time(slot, self.board.at_ns)
        window = self.board.lanes.window(slot)
        running = window is not None and self.board.at_ns < window.end_s * NS
        if running and self.slots[slot.name].phase == "owned" and slot.name not in self.tick_seq:
            self.step(slot.name, slotstate.Due(self.board.at_ns // 1_000_000))

    def expire(self) -> list[tuple[str, str]]:
        """Give up what waited too long; return owners to be fenced for it, with the reason.

        The tick that costs an owner its slots is not skipped: fencing it leaves the tick to the next owner.
        """
        ticks, to_fence = self.board.settings.ticks, []
        for name, state in list(self.slots.items()):
            since = self._shown_ns.get(name) if state.outstanding else self._ownerless_ns.get(name)
            if since is None or self.board.since_s(since) <= ticks.deadline_s:
                continue
            if state.outstanding and state.strikes + 1 >= ticks.strikes:
                to_fence.append((state.owner, f"missed {ticks.strikes} deadlines in a row on {name}"))
            else:
                self.step(name, slotstate.Expired())
        return to_fence

    def refresh(self, name: str, cancelling: set[str]) -> None:
        """Tell a slot what of it is in flight, counted from the orders themselves and from the cancels on their way.

        A slot that is not configured any more may still have orders from before; it has no turns.
        """
        mine = self.board.accounts.open_orders(name)
        cancels = sum(order.order_id in cancelling for order in mine)
        in_flight = cancels + sum(order.in_flight for order in mine)
        unknown = any(order.state == "unknown" for order in mine)
        state = self.slots.get(name)
        if state is not None and (state.in_flight, state.blocked) != (in_flight, unknown):
            self.step(name, slotstate.Flight(in_flight, unknown))

    def was_shown(self, name: str, tick: int) -> bool:
        """Whether a slot's tick is one of the newest that were put on the stream."""
        return tick in self._shown.get(name, ())

    def shown_with(self, name: str, tick: int) -> str:
        """The parameters that such a tick named when it was shown last; those in force for one that never was."""
        return self._shown.get(name, {}).get(tick, self.board.parameters)

    def owned_by(self, name: str) -> e.By:
        """Whoever owns a slot now, with the parameters in force; nobody between two owners."""
        owner, state = self.board.accounts.owners.get(name, NOBODY), self.slots[name]
        return owner.by() if state.owner and state.owner == owner.uid else NOBODY.by()

    def _keep_time(self, name: str) -> None:
        state = self.slots[name]
        if not state.outstanding:
            self._shown_ns.pop(name, None)
        if state.held and not state.owner:
            self._ownerless_ns.setdefault(name, self.board.mono_ns)
        else:
            self._ownerless_ns.pop(name, None)

    def _show(self, name: str, tick: int) -> None:
        """Publish a tick: from here on its owner owes an answer.

        One that was held until its window was over still asks about that window, and its answer is a hold.
        """
        board, state = self.board, self.slots[name]
        slot = board.lane_of[name]
        if board.lanes.window(slot) is None:
            self._skip(name, tick, "no_market")
            self.step(name, slotstate.Done())
            return
        start_s = slot.window_start(tick // 1_000)
        self._shown_ns[name] = board.mono_ns
        self._remember(name, tick)
        self.shown_start_s[name] = start_s
        self.tick_seq[name] = board.publish(
            m.Tick(
                slot=name,
                tick=tick,
                start_s=start_s,
                owner=state.owner,
                epoch=state.epoch,
                parameters=board.parameters,
                entries=board.entries_closed(slot),
                account=_account_view(board, name, start_s),
            )
        )

    def _remember(self, name: str, tick: int) -> None:
        shown = self._shown.setdefault(name, {})
        shown.pop(tick, None)
        shown[tick] = self.board.parameters
        if len(shown) > SHOWN_MAX:
            del shown[next(iter(shown))]

    def _skip(self, name: str, tick: int, reason: str) -> None:
        self.board.count(f"skip:{reason}")
        by = self.board.accounts.owners.get(name, NOBODY).by()
        if by.uid:
            by = structs.replace(by, parameters=self.shown_with(name, tick))
        self.board.write(e.OutcomeOf(name, tick, "SKIP", reason, by, 0, 0, NO_DECISION))


def _account_view(board: Board, name: str, start_s: int) -> m.Account:
    """What a decision in this window may know of the ledger."""
    accounts = board.accounts
    held = [accounts.positions.get((name, start_s, outcome)) for outcome in OUTCOMES]
    return m.Account(
        ledger_version=accounts.version,
        cash_micro=accounts.cash_micro,
        exposure_micro=accounts.exposure(),
        positions=tuple(m.PositionView(p.outcome, p.size_micro, p.cost_micro) for p in held if p and p.size_micro),
        orders=tuple(
            m.OrderView(o.order_id, o.outcome, o.side, o.price_micro, o.open_micro, o.state)
            for o in accounts.open_orders(name)
            if o.start_s == start_s
        ),
    )


def _nobody(name: str, command: slotstate.WriteGrant) -> None:
    raise AssertionError("a slot asked for a grant before anybody hands slots over")


def _nobody_moves(name: str) -> None:
    return
