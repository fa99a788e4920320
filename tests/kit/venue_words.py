"""A still desk whose orders are with the venue, and what the venue says of them: answers, trades, look-ups."""

from __future__ import annotations

from typing import Any, Literal

from kit.still_desk import BTC, StillDesk, a_trading_desk, buy, tokens

from shared import messages as m
from supervisor import effects as fx
from supervisor.venue.requests import Answer, VenueOrder
from supervisor.venue.user import TradeLeg

Status = Literal["MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED"]


def a_desk_with_an_order(kind: m.OrderKind = "GTC", price_micro: int = 470_000) -> tuple[StillDesk, str]:
    """Ten shares of Up were sent and nothing was heard of them."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(buy(price_micro, kind=kind))
    return still, still.wanted(fx.Submit)[-1].order_id


def a_desk_with_orders(*prices_micro: int) -> tuple[StillDesk, list[str]]:
    """Orders of one decision rest at these prices."""
    still = a_trading_desk()
    still.jump(5)
    still.answer(*(buy(price_micro) for price_micro in prices_micro))
    orders = [submit.order_id for submit in still.wanted(fx.Submit)]
    for order in orders:
        answered(still, order, "accepted", "live")
    still.jump(5)
    return still, orders


def a_desk_with_a_cancel() -> tuple[StillDesk, str]:
    """An order rests, and its cancel was sent."""
    still, order = a_desk_with_an_order()
    answered(still, order, "accepted", "live")
    still.jump(5)
    still.answer(m.Cancel(order))
    return still, order


def answered(still: StillDesk, order: str, verdict: Any, status: str = "", *trades: str) -> None:
    """The venue's answer to the order."""
    said = Answer(verdict, status, order, trades, "" if status else "said so")
    still.do(still.desk.executions.on_answer, order, said, 900)


def cancelled(still: StillDesk, order: str, verdict: Any) -> None:
    """The venue's answer to the cancel."""
    reason = "" if verdict == "accepted" else "already canceled or matched"
    still.do(still.desk.executions.on_cancel_answer, order, Answer(verdict, reason=reason), 700)


def cancels_answered(still: StillDesk, **verdicts: Any) -> None:
    """The venue's answer to several cancels."""
    answers = {
        order: Answer(verdict, reason="" if verdict == "accepted" else "no") for order, verdict in verdicts.items()
    }
    still.do(still.desk.executions.on_cancel_answers, answers, 700)


def leg(
    order: str, trade: str = "t1", *, size: int = 10_000_000, status: Status = "MATCHED", maker: bool = True
) -> TradeLeg:
    """A trade of the order."""
    return TradeLeg(trade, order, tokens(BTC)[0], "BUY", 470_000, size, maker, status)


def filled(still: StillDesk, *legs: TradeLeg) -> None:
    """The user channel tells of trades."""
    for one in legs:
        still.do(still.desk.executions.on_leg, one)


def looked_up(still: StillDesk, order: str, state: str, *legs: TradeLeg) -> None:
    """The venue's answer to a look-up: open, closed, or absent."""
    found = VenueOrder(order, tokens(BTC)[0], "BUY", 470_000, 10_000_000, 0, state == "open")
    still.do(still.desk.executions.on_lookup, order, None if state == "absent" else found, list(legs))


def state(still: StillDesk, order: str) -> str:
    """What we believe of the order."""
    return still.accounts.orders[order].state


def submitted(still: StillDesk) -> list[str]:
    """Orders that left."""
    return [effect.order_id for effect in still.wanted(fx.Submit)]


def cancels_sent(still: StillDesk) -> list[str]:
    """Orders whose cancels left, in order."""
    return [effect.order_id for effect in still.wanted(fx.CancelOrder)]
