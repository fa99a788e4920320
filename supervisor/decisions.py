"""A worker's answer to a tick: the owner's counts once, everybody else's is a shadow, what may not count is named."""

from __future__ import annotations

from collections import deque

import msgspec

from shared import entries as e
from shared import messages as m
from shared import wire
from shared.clock import NS
from shared.exposure import judge_successor
from shared.risk import INTENTS_MAX, Denied
from supervisor import admission, slotstate
from supervisor.board import Board
from supervisor.dispatch import Dispatch
from supervisor.effects import CancelOrder, Moment, Submit
from supervisor.turns import Turns


class Decisions:
    """The fencing point. `taken`: decisions of owners that counted, in this reign."""

    def __init__(self, board: Board, turns: Turns, dispatch: Dispatch, signer: admission.Signer) -> None:
        self.board, self.turns, self.dispatch, self.signer = board, turns, dispatch, signer
        self.taken = 0
        self._sent: deque[tuple[int, str]] = deque()
        self._cancelled: deque[tuple[int, str]] = deque()
        """Orders and cancels of the last minute of market time: when, and which worker wished them."""

    def on_decided(self, now: Moment, uid: str, decided: m.Decided) -> None:
        """A worker answered a tick."""
        board = self.board
        board.now(now)
        if uid not in board.crew.members:
            self._refuse(uid, decided, "no_such_worker")
            return
        board.crew.hear(uid, board.mono_ns, decided.read_seq, decided.parameters)
        state = self.turns.slots.get(decided.slot)
        if state is None:
            self._refuse(uid, decided, "unknown_slot")
        elif uid != state.owner and decided.epoch == state.epoch:
            self._shadow(uid, decided)
        else:
            refusal = slotstate.admits(state, uid, decided.epoch, decided.tick) or self._unsound(uid, decided)
            if refusal:
                self._refuse(uid, decided, refusal)
            else:
                self._admit(uid, decided)

    def _unsound(self, uid: str, decided: m.Decided) -> str:
        """Why the owner's answer to what it was asked may not count all the same; empty when it may."""
        if not self.board.crew.members[uid].whole:
            return "hole_in_stream"
        same = decided.parameters == self.turns.shown_with(decided.slot, decided.tick)
        return "" if same else "other_parameters"

    def _refuse(self, uid: str, decided: m.Decided, reason: str) -> None:
        self.board.count(f"refused:{reason}")
        self.board.write(e.Refused(decided.slot, decided.tick, uid, decided.epoch, reason))

    def _shadow(self, uid: str, decided: m.Decided) -> None:
        raw = msgspec.Raw(wire.encode(decided.decision))
        by = self.board.by(uid, decided.epoch, decided.parameters)
        if self.turns.was_shown(decided.slot, decided.tick):  # an answer to nothing shows nothing
            self.board.crew.update(uid, shadowed=self.board.crew.members[uid].shadowed + 1)
        self.board.write(e.Shadow(decided.slot, decided.tick, by, decided.read_seq, decided.took_us, raw))
        self.turns.moved(decided.slot)

    def _admit(self, uid: str, decided: m.Decided) -> None:
        """The one place where a decision becomes orders: judged, durable, then sent. Indivisible."""
        by = self.board.by(uid, decided.epoch, decided.parameters)
        self.board.crew.update(uid, answered=self.board.crew.members[uid].answered + 1)
        entries: list[e.Entry] = []
        requests: list[Submit | CancelOrder] = []
        denied: list[str] = []
        stay: list[str] = []
        for leg, wish in enumerate(decided.decision.intents):
            ruling = self._doubles(wish, stay) or self._shared(self._rule_on(decided, leg, wish, by), uid)
            if isinstance(ruling, Denied):
                stay += [wish.order_id] if isinstance(wish, m.Cancel) else []
                denied.append(f"{leg} {ruling}")
                self.board.count(f"denied:{ruling.reason}")
            else:
                entries.append(ruling.entry)
                requests.append(ruling.request)
                self._note(ruling, uid)
        self._conclude(by, decided, entries, requests, denied)

    def _conclude(
        self,
        by: e.By,
        decided: m.Decided,
        entries: list[e.Entry],
        requests: list[Submit | CancelOrder],
        denied: list[str],
    ) -> None:
        """Write the tick's one outcome, with the intents before it, and send only what is on the disk."""
        outcome = e.OutcomeOf(
            slot=decided.slot,
            tick=decided.tick,
            kind="ORDER" if requests else "HOLD",
            reason="",
            by=by,
            read_seq=decided.read_seq,
            took_us=decided.took_us,
            decision=msgspec.Raw(wire.encode(decided.decision)),
            denied=tuple(denied),
        )
        self.taken += 1
        if requests:
            self.board.apply(outcome)
            self.board.write_first((*entries, outcome), self.dispatch.send(requests))
        else:
            self.board.write(outcome)
        self.dispatch.refresh(decided.slot)
        self.turns.step(decided.slot, slotstate.Done())

    def _rule_on(self, decided: m.Decided, leg: int, wish: m.Intent, by: e.By) -> admission.Admitted | Denied:
        board = self.board
        window = board.lanes.window(board.lane_of[decided.slot])
        asked_start_s = self.turns.shown_start_s.get(decided.slot)
        if window is None or window.start_s != asked_start_s or board.at_ns >= window.end_s * NS:
            return Denied("no_window", "the window closed meanwhile")
        if leg >= INTENTS_MAX:
            return Denied("too_many_intents", f"a decision may hold {INTENTS_MAX}")
        conditions = admission.Conditions(
            window=window,
            limits=board.limits,
            entries=board.entries_closed(window.slot),
            sent_last_minute=self._last_minute(self._sent),
            cancelling=frozenset(self.dispatch.cancelling),
            cancelled_last_minute=self._last_minute(self._cancelled),
            halted=board.halted(window.slot.name),
        )
        if isinstance(wish, m.Cancel):
            return self.dispatch.why_no_cancel() or admission.cancel(decided, wish, by, board.accounts, conditions)
        too_fast = self.dispatch.why_no_order(post_only=wish.post_only)
        return too_fast or admission.place(decided, leg, wish, by, board.accounts, conditions, self.signer)

    def _shared(self, ruling: admission.Admitted | Denied, uid: str) -> admission.Admitted | Denied:
        """A wish that is too many only together with those of other workers is denied under another name.

        Around a flip two releases share a minute: none is to be put back for what the other one has sent.
        """
        limits = self.board.limits
        rates = {
            "order_rate": (self._sent, limits.orders_per_minute),
            "cancel_rate": (self._cancelled, limits.cancels_per_minute),
        }
        if isinstance(ruling, Denied) and ruling.reason in rates:
            recent, most = rates[ruling.reason]
            own = sum(whose == uid for _, whose in recent)
            if own < most:
                return Denied(f"{ruling.reason}_shared", f"{ruling.detail}; {own} were its own")
        return ruling

    def _doubles(self, wish: m.Intent, stay: list[str]) -> Denied | None:
        """Judged with the orders that this decision could not take back."""
        orders = self.board.accounts.orders
        return None if isinstance(wish, m.Cancel) else judge_successor(wish, {each: orders.get(each) for each in stay})

    def _note(self, admitted: admission.Admitted, uid: str) -> None:
        """From here on it counts as sent, so that the next leg of the same decision is judged with it."""
        self.board.apply(admitted.entry)
        self.dispatch.admit(admitted.request)
        recent = self._cancelled if isinstance(admitted.request, CancelOrder) else self._sent
        recent.append((self.board.at_ns, uid))

    def _last_minute(self, recent: deque[tuple[int, str]]) -> int:
        """How many of these lie in the last minute of market time; older ones are forgotten."""
        while recent and recent[0][0] <= self.board.at_ns - 60 * NS:
            recent.popleft()
        return len(recent)
