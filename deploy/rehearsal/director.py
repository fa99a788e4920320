"""Carries a scenario out: plans its moments on the agenda, begins faults, and does what a fault does at once.

Faults begun by command come the same way. Leaves what a fault in force does to `mischief.py`. What always holds: a
fault begins at its market time or at the turn after its orders, however late the process runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from deploy.rehearsal import protocol
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.faults import Fault
from deploy.rehearsal.floor import Floor
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.mischief import Active
from deploy.rehearsal.modes import Mode
from deploy.rehearsal.outbox import Shut, ToMarket
from deploy.rehearsal.protocol import BookView, LevelChange
from deploy.rehearsal.quantities import MICRO
from deploy.rehearsal.scenario import AfterOrders, InWindows, Planned

SCENARIO, COMMAND = "scenario", "command"
GHOST_SIZE_MICRO: Final = 50 * MICRO
"""The size of a bid that is shown and is not there."""
CLOSE_RESTART: Final = 1012


@dataclass(slots=True)
class Director:
    """One venue's faults. Use `plan` once the exchange stands. planned: whether a scenario is played."""

    exchange: Exchange
    planned: bool = False
    _waiting: list[Planned] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.exchange.floor.mischief.over = self._over

    def plan(self, scenario: Iterable[Planned]) -> None:
        """Plan everything of a scenario; its beginning is now."""
        for planned in scenario:
            self.planned = True
            if isinstance(planned.when, AfterOrders):
                self._waiting.append(planned)
            else:
                self._plan(planned, self.exchange.now_ms, 1)

    def begin(self, fault: Fault, source: str) -> Active:
        """Begin a fault now."""
        mischief = self.exchange.floor.mischief
        active = mischief.begin(fault, source)
        at_once = AT_ONCE.get(fault.kind)
        if at_once is not None:
            at_once(self.exchange, active)
        if fault.kind in _OVER_AT_ONCE:
            mischief.end(active.number)
        return active

    def _over(self, active: Active) -> None:
        """A fault that restricted the exchange is over: it takes everything again."""
        if active.fault.kind in _RESTRICTING:
            self.exchange.modes.switch(Mode.OPEN, self.exchange.now_ms)
        elif active.fault.kind == "closed_only":
            self.exchange.modes.all_closed_only = False

    def ordered(self) -> None:
        """Begin what waits for as many orders as the venue has taken by now."""
        if not self._waiting:
            return
        due = [planned for planned in self._waiting if self.exchange.taken >= _orders(planned)]
        for planned in due:
            self._waiting.remove(planned)
            self.begin(planned.fault, SCENARIO)

    def _plan(self, planned: Planned, from_ms: int, count: int) -> None:
        assert not isinstance(planned.when, AfterOrders), "orders have no time"
        due_ms = planned.when.due_ms(from_ms)
        self.exchange.agenda.add(due_ms, partial(self._come, planned, due_ms, count))

    def _come(self, planned: Planned, due_ms: int, count: int) -> None:
        self.begin(planned.fault, SCENARIO)
        when = planned.when
        if isinstance(when, InWindows) and (not when.windows or count < when.windows):
            self._plan(planned, due_ms + 1, count + 1)


def _orders(planned: Planned) -> int:
    return planned.when.orders if isinstance(planned.when, AfterOrders) else 0


def _close(exchange: Exchange, active: Active) -> None:
    fault = active.fault
    exchange.out.put(Shut(fault.text("channel"), fault.number("code"), f"fault {active.number}"))
    exchange.floor.mischief.count(active, f"{fault.text('channel')} sockets")


def _restrict(exchange: Exchange, active: Active) -> None:
    fault = active.fault
    exchange.modes.switch(Mode(fault.text("mode")), exchange.now_ms, fault.number("for_s") or None)


def _restart(exchange: Exchange, active: Active) -> None:
    exchange.modes.restart(exchange.now_ms, active.fault.number("down_s"), active.fault.number("post_only_s"))
    for channel in ("market", "user"):
        exchange.out.put(Shut(channel, CLOSE_RESTART, f"fault {active.number}"))


def _close_accounts(exchange: Exchange, active: Active) -> None:
    exchange.modes.all_closed_only = True


def _transfer(exchange: Exchange, active: Active) -> None:
    exchange.transfer(round(float(active.fault.values["usd"]) * MICRO))
    exchange.floor.mischief.count(active, "accounts")


def _cross(exchange: Exchange, active: Active) -> None:
    """Show a bid at the best ask in every book somebody listens to; nothing of it is in the book."""
    floor = exchange.floor
    for market in list(floor.by_condition.values()):
        if floor.watched(market) and active.fault.selects(market.listing) and not market.over:
            for outcome in OUTCOMES:
                _show_crossed(floor, active, market, market.view(outcome, floor.stamp_ms))


def _show_crossed(floor: Floor, active: Active, market: Market, view: BookView) -> None:
    if view.asks:
        message = _CROSSED[active.fault.text("shape")](view)
        floor.out.put(ToMarket(market.listing.condition_id, message))
        floor.mischief.count(active, f"{market.listing.slug} {market.outcome_of(view.token_id)}")


def _crossing_change(view: BookView) -> protocol.Json:
    change = LevelChange(view.token_id, "BUY", view.asks[-1][0], GHOST_SIZE_MICRO)
    return protocol.price_change({view.token_id: _crossed(view)}, [change])


def _crossed(view: BookView) -> BookView:
    bids = [*view.bids, (view.asks[-1][0], GHOST_SIZE_MICRO)]
    return replace(view, bids=bids)


AT_ONCE: Final[dict[str, Callable[[Exchange, Active], None]]] = {
    "close": _close,
    "mode": _restrict,
    "restart": _restart,
    "crossed_book": _cross,
    "closed_only": _close_accounts,
    "transfer": _transfer,
}
"""What kinds of faults do when they begin."""
_OVER_AT_ONCE: Final = {"close", "crossed_book", "transfer"}
_RESTRICTING: Final = {"mode", "restart"}
"""Kinds of which one is in force at a time: the last one that began says what the exchange takes."""
_CROSSED: Final[dict[str, Callable[[BookView], protocol.Json]]] = {
    "change": _crossing_change,
    "book": lambda view: protocol.book_event(_crossed(view)),
}
"""How a crossed book is told."""
