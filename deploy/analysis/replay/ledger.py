"""What an account on paper has open: its orders from the wish on, and the books that risk judges the next one by.

Leaves what is held and earned to `holdings`, and every bound to `shared.risk`. What always holds: an order is here from
the moment it was let through until nothing of it can fill any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from deploy.analysis.replay.holdings import Holdings, Position, Window
from shared import messages as m
from shared.exposure import Sized, at_cost, buys, may_charge, may_cost
from shared.units import cost_of


@dataclass(slots=True)
class Order:
    """One order on paper. `state` as a worker is shown it; `spend_micro`: what an immediate buy is for, in dollars.

    paid_micro, charged_micro: what its fills have cost so far, and their fees; charge_micro: the most these can be.
    """

    order_id: str
    window: Window
    wish: m.Place
    spend_micro: int | None = None
    charge_micro: int = 0
    state: m.OrderState = "pending"
    filled_micro: int = 0
    paid_micro: int = 0
    charged_micro: int = 0

    @property
    def slot(self) -> str:
        """Of which slot it is."""
        return self.window[0]

    @property
    def start_s(self) -> int:
        """The second its window starts at."""
        return self.window[1]

    @property
    def outcome(self) -> m.Outcome:
        """Which token it is for."""
        return self.wish.outcome

    @property
    def side(self) -> m.Side:
        """Whether it buys or sells."""
        return self.wish.side

    @property
    def price_micro(self) -> int:
        """Its limit."""
        return self.wish.price_micro

    @property
    def open_micro(self) -> int:
        """Shares that may still fill."""
        return max(0, self.wish.size_micro - self.filled_micro)

    def fill(self, price_micro: int, size_micro: int, fee_micro: int) -> None:
        """A part of it traded."""
        self.filled_micro += size_micro
        self.paid_micro += cost_of(size_micro, price_micro)
        self.charged_micro += fee_micro


def sent(order_id: str, window: Window, sized: Sized, terms: m.Terms) -> Order:
    """An order as it leaves."""
    spends = sized.place.side == "BUY" and sized.place.kind != "GTC"
    charge_micro = may_charge(sized.place, terms)
    return Order(order_id, window, sized.place, sized.maker_amount if spends else None, charge_micro)


@dataclass(slots=True)
class Ledger:
    """The account as `shared.exposure` asks for it. Args: holdings: cash, and what is held."""

    holdings: Holdings
    orders: dict[str, Order] = field(default_factory=dict)

    @property
    def positions(self) -> dict[tuple[str, int, m.Outcome], Position]:
        """What is held of every token that is not resolved."""
        return self.holdings.positions

    @property
    def cash_micro(self) -> int:
        """What there is, with what is reserved."""
        return self.holdings.cash_micro

    @property
    def day_realized_micro(self) -> int:
        """Earned since midnight UTC, by sales and resolved windows."""
        return self.holdings.day_realized_micro

    def open_orders(self, slot: str | None = None) -> Sequence[Order]:
        """Orders that are not over, oldest first; of one slot or of all."""
        return [order for order in self.orders.values() if slot in {None, order.slot}]

    def exposure(self, slot: str = "", outcome: str = "") -> int:
        """Positions at cost and open buys at their price; of a slot, an asset written "BTC/", an outcome or all."""
        return at_cost(self.positions, slot, outcome) + self.reserved(slot, outcome)

    def reserved(self, slot: str = "", outcome: str = "") -> int:
        """What open buys would take out of the cash at their price."""
        return sum(map(self.may_cost, buys(self.orders.values(), slot, outcome)))

    def charges(self, slot: str = "", outcome: str = "") -> int:
        """The most that open buys may still be charged in fees."""
        return sum(max(0, o.charge_micro - o.charged_micro) for o in buys(self.orders.values(), slot, outcome))

    def may_cost(self, order: Order) -> int:
        """What an open buy can still take out of the cash, fees apart."""
        wish = order.wish
        return may_cost(wish.kind, wish.price_micro, wish.size_micro, order.open_micro, order.paid_micro)
