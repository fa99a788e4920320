"""Orders, fills and entries to count with."""

from typing import Any

from shared import entries as e
from shared.messages import Terms
from supervisor.orders import Order

BY = e.By("9f31c7e00000", "77ab00000000", 118, "w1-1")


def an_order(**changes: Any) -> Order:
    """Ten shares of Up at 0.50, just sent."""
    fields: dict[str, Any] = {
        "order_id": f"0x{'a' * 64}",
        "slot": "BTC/5m",
        "start_s": 300,
        "token_id": "1",
        "outcome": "Up",
        "side": "BUY",
        "price_micro": 500_000,
        "size_micro": 10_000_000,
        "kind": "GTC",
        "by": BY,
    }
    return Order(**{**fields, **changes})


def a_placing(**changes: Any) -> e.Placing:
    """The entry such an order begins with."""
    order = an_order()
    fields: dict[str, Any] = {
        "order_id": order.order_id,
        "slot": order.slot,
        "tick": 305_000,
        "leg": 0,
        "start_s": order.start_s,
        "token_id": order.token_id,
        "outcome": order.outcome,
        "side": order.side,
        "price_micro": order.price_micro,
        "size_micro": order.size_micro,
        "kind": order.kind,
        "post_only": False,
        "by": BY,
    }
    return e.Placing(**{**fields, **changes})


def a_fill(**changes: Any) -> e.Fill:
    """Four shares of it traded, as maker."""
    fields: dict[str, Any] = {
        "trade_id": "t1",
        "order_id": an_order().order_id,
        "slot": "BTC/5m",
        "start_s": 300,
        "outcome": "Up",
        "side": "BUY",
        "price_micro": 500_000,
        "size_micro": 4_000_000,
        "fee_micro": 0,
        "maker": True,
        "status": "MATCHED",
        "by": BY,
    }
    return e.Fill(**{**fields, **changes})


def an_answer(state: str, *, request: Any = "place", trades: tuple[str, ...] = (), order_id: str = "") -> e.Answered:
    """The venue's answer to it."""
    return e.Answered(order_id or an_order().order_id, request, state, "said so", 900, trades)


def an_opening(start_s: int = 300) -> e.Opened:
    """The window it trades in."""
    terms = Terms("0xc", 10_000, 5_000_000, 70_000, 1, 150, "spot")
    return e.Opened("BTC/5m", start_s, ("1", "2"), "v1", False, terms)
