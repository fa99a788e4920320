"""What the desk does by itself because a person said so: cancel what rests, and close what is held, slot by slot.

A halt cancels every order. A flatten takes slots from their releases until somebody resumes, cancels their orders,
and sells what they hold with immediate orders that reach no further than the price band. Each request names the
operation it belongs to, and is durable before it leaves, as any other. What cannot be done now is said, and done when
it can be: a book that is stale, an order that is unknown, a channel that would not tell of the fill. Leaves the wishes
of releases to `decisions`. What always holds: a slot is called flat only when nothing of it can fill any more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from shared import entries as e
from shared.amounts import MIN_IMMEDIATE_MICRO
from shared.clock import NS
from shared.messages import Place
from shared.risk import Denied
from shared.units import MICRO, cost_of, show_micro
from supervisor import admission
from supervisor.board import Board
from supervisor.catching_up import CatchingUp
from supervisor.dispatch import Dispatch
from supervisor.effects import CancelOrder, Submit
from supervisor.lanes import Window
from supervisor.orders import Order
from supervisor.positions import Position

AGAIN_S: Final = 1.0
"""Real seconds between two tries to cancel the same order, or to sell in the same slot."""
STEP_MICRO: Final = 10_000
"""Shares of an immediate SELL have two decimals."""


class Unwind:
    """`waits`: for each slot that is being flattened and is not flat, what it waits for now."""

    def __init__(self, board: Board, dispatch: Dispatch, catching_up: CatchingUp, signer: admission.Signer) -> None:
        self.board, self.dispatch, self.catching_up, self.signer = board, dispatch, catching_up, signer
        self.waits: dict[str, str] = {}
        self._tried_ns: dict[str, int] = {}

    def flatten(self, op: str, slots: tuple[str, ...], actor: str, reason: str) -> bool:
        """Take slots from their releases and close them; return whether any was not taken already."""
        new = tuple(slot for slot in slots if slot not in self.board.accounts.flattening)
        if new:
            self.board.write(e.Flatten(op, new, actor, reason))
        return bool(new)

    def pass_time(self) -> None:
        """Do what can be done now."""
        accounts = self.board.accounts
        for order in accounts.open_orders():
            cause, op = self._unwanted(order)
            if cause and order.state == "open" and order.order_id not in self.dispatch.cancelling:
                self._cancel(order, cause, op)
        self.waits = {slot: why for slot in accounts.flattening if (why := self._why_not_flat(slot))}
        for slot, op in list(accounts.flattening.items()):
            self._tell(slot, op)
        self._forget_tries()

    def _unwanted(self, order: Order) -> tuple[str, str]:
        """Why an order may not rest any longer, and under which operation; empty when it may."""
        accounts = self.board.accounts
        if order.slot in accounts.flattening:
            return "flatten", accounts.flattening[order.slot]
        if accounts.halted:
            return "halt", accounts.halted
        standing = accounts.standing
        barred = standing is not None and (standing.blocked or (standing.closed_only and order.side == "BUY"))
        return ("standing" if barred else ""), ""

    def _cancel(self, order: Order, cause: str, op: str) -> None:
        if not self._again(order.order_id):
            return
        self._send(
            e.Cancelling(order.order_id, order.slot, self._now_ms, cause, e.NOBODY, op), CancelOrder(order.order_id)
        )

    def _why_not_flat(self, slot: str) -> str:
        """Do the next thing for a slot, if there is one; what it waits for, empty when it is flat."""
        orders = self.board.accounts.open_orders(slot)
        unknown = next((order for order in orders if order.state == "unknown"), None)
        if unknown is not None:
            return f"order {unknown.order_id[:10]} is unknown, and being looked up"
        if orders:
            return f"{len(orders)} orders wait for their end"
        window, held = self._sellable(slot)
        if window is None or held is None:
            return ""
        return self._hindered(window, held) or self._sell(window, held)

    def _sellable(self, slot: str) -> tuple[Window | None, Position | None]:
        """A position that an order can reduce now, and the window it is in."""
        lane = self.board.lane_of.get(slot)
        window = self.board.lanes.window(lane) if lane is not None else None
        if window is None or self.board.at_ns >= window.end_s * NS:
            return None, None
        held = (p for p in self._held(slot) if p.start_s == window.start_s and not self._too_little(window, p))
        return window, next(held, None)

    def _held(self, slot: str) -> Iterator[Position]:
        return (p for p in self.board.accounts.positions.values() if p.slot == slot and p.size_micro > 0)

    def _too_little(self, window: Window, held: Position) -> str:
        """Why the venue takes no order for a position of this size; what it is worth counts where anybody bids."""
        assert window.market is not None
        bid, least = window.books[held.outcome].best("BUY"), max(window.market.terms.min_size_micro, STEP_MICRO)
        if _whole(held) < least:
            return f"under the {show_micro(least)} shares that an order has to have"
        if bid and cost_of(_whole(held), bid) < MIN_IMMEDIATE_MICRO:
            return "worth less than the dollar that an immediate order has to be"
        return ""

    def _hindered(self, window: Window, held: Position) -> str:
        """Why nothing can be sold at this moment."""
        board, book = self.board, window.books[held.outcome]
        standing = board.accounts.standing
        if standing is not None and standing.blocked:
            return f"no order may be sent from {standing.place or 'here'}"
        if board.feeds["user"]:
            return f"the user channel would not tell of the fill: {board.feeds['user']}"
        if not self.catching_up.knows(board.at_ns):
            return "trades that nobody may have heard of are being asked for"
        if board.venue_fault:
            return f"the venue takes no orders: {board.venue_fault}"
        refused = self.dispatch.why_no_order()
        if refused is not None:
            return str(refused)
        if book.stale:
            return f"the book of {held.outcome} is stale: {book.stale}"
        return "" if book.best("BUY") else f"nobody bids for {held.outcome}"

    def _sell(self, window: Window, held: Position) -> str:
        """Send one order for all of a position, as bounded as any other; what comes of it is seen at the next look."""
        name = window.slot.name
        if not self._again(name):
            return f"{show_micro(held.size_micro)} {held.outcome} are left; the next try is a moment away"
        wish = self._wish(window, held)
        accounts = self.board.accounts
        origin = admission.Origin(name, self._now_ms, accounts.own_orders, e.NOBODY, accounts.flattening[name])
        ruling = admission.admit(origin, wish, accounts, self._conditions(window), self.signer)
        if isinstance(ruling, Denied):
            return str(ruling)
        self._send(ruling.entry, ruling.request)
        return (
            f"{show_micro(wish.size_micro)} {wish.outcome} are being sold at {show_micro(wish.price_micro)} or better"
        )

    def _wish(self, window: Window, held: Position) -> Place:
        """All of it, down to the end of the price band, and never for less than the venue takes."""
        assert window.market is not None
        tick, size = window.market.terms.tick_micro, _whole(held)
        bid = window.books[held.outcome].best("BUY")
        least = max(bid - self.board.limits.price_band_micro, -(-MIN_IMMEDIATE_MICRO * MICRO // size), tick)
        return Place(held.outcome, "SELL", min(-(-least // tick) * tick, bid - bid % tick), size, "FAK")

    def _conditions(self, window: Window) -> admission.Conditions:
        """How many orders there may be, and how often, bounds releases; these come one at a time and seldom."""
        limits = replace(self.board.limits, open_orders=len(self.board.accounts.open_orders()) + 1)
        return admission.Conditions(window, limits, "", 0, frozenset(self.dispatch.cancelling))

    def _send(self, entry: e.Placing | e.Cancelling, request: Submit | CancelOrder) -> None:
        """As a decision's: it counts from now on, and leaves in its turn when it is on the disk."""
        self.dispatch.admit(request)
        self.board.apply(entry)
        self.board.write_first((entry,), self.dispatch.send((request,)))
        self.dispatch.refresh(entry.slot)

    def _tell(self, slot: str, op: str) -> None:
        """Say that a slot is flat, or that it is not any more: a fill may be told late."""
        told = self.board.accounts.flat
        if slot not in self.waits and slot not in told:
            self.board.write(e.Flattened(op, slot, self._left(slot)))
        elif slot in self.waits and slot in told:
            self.board.write(e.Flatten(op, (slot,), "supervisor", f"it holds something again: {self.waits[slot]}"))

    def _left(self, slot: str) -> str:
        """What a flat slot holds all the same."""
        lane = self.board.lane_of.get(slot)
        window = self.board.lanes.window(lane) if lane is not None else None
        words = []
        for held in self._held(slot):
            runs = window is not None and held.start_s == window.start_s and self.board.at_ns < window.end_s * NS
            why = self._too_little(window, held) if runs and window is not None else "paid when its window is resolved"
            words.append(f"{show_micro(held.size_micro)} {held.outcome}: {why}")
        return "; ".join(words)

    def _again(self, what: str) -> bool:
        """Whether enough time has passed since the last try; then this is one."""
        if self.board.since_s(self._tried_ns.get(what, -(10**18))) < AGAIN_S:
            return False
        self._tried_ns[what] = self.board.mono_ns
        return True

    def _forget_tries(self) -> None:
        recent = self.board.mono_ns - int(AGAIN_S * NS)
        self._tried_ns = {what: at_ns for what, at_ns in self._tried_ns.items() if at_ns > recent}

    @property
    def _now_ms(self) -> int:
        return self.board.at_ns // 1_000_000


def _whole(held: Position) -> int:
    """As much of a position as an immediate order can sell."""
    return held.size_micro - held.size_micro % STEP_MICRO
