"""The favourite is bought late, once, for the stake - and for nothing else."""

from __future__ import annotations

import msgspec

from shared.messages import Account, Cancel, OrderView, Outcome, Place, PositionView, Tick
from worker.parameters import Parameters
from worker.selfcheck import market
from worker.strategy import decide
from worker.view import View

OURS = Parameters()


def test_it_buys_the_favourite_for_the_stake() -> None:
    """Whichever way the price went, at the ask, at once."""
    assert decide(*market(OURS)).intents == (Place("Up", "BUY", 610_000, 7_970_000, "FAK"),)
    assert decide(*market(OURS, falls=True)).intents == (Place("Down", "BUY", 610_000, 7_970_000, "FAK"),)


def test_it_holds_and_says_why() -> None:
    """Early, dear, paused, switched off: each in words."""
    said = [
        decide(*market(OURS, left_s=50)).reasons["verdict"],
        decide(*market(OURS, ask_micro=990_000)).reasons["verdict"],
        decide(*market(OURS, entries="paused")).reasons["verdict"],
        decide(*market(Parameters(mode="off"))).reasons["verdict"],
    ]
    assert said == [
        "hold: it is early",
        "hold: edge 4310 < 10000",
        "hold: entries are closed: paused",
        "hold: mode is off",
    ]


def test_it_bets_once_a_window() -> None:
    """What is held is counted, and nothing is added."""
    assert decide(*with_account(PositionView("Up", 7_970_000, 5_000_000))).reasons["verdict"] == (
        "hold: the stake is spent"
    )


def test_it_takes_back_what_it_did_not_place() -> None:
    """A release takes over what rests with the window."""
    view, tick = with_account(an_order("Down"))
    assert decide(view, tick).intents == (Cancel("0x11"),)


def an_order(outcome: Outcome) -> OrderView:
    return OrderView("0x11", outcome, "BUY", 300_000, 5_000_000, "open")


def with_account(held: PositionView | OrderView) -> tuple[View, Tick]:
    view, tick = market(OURS)
    positions = (held,) if isinstance(held, PositionView) else ()
    orders = (held,) if isinstance(held, OrderView) else ()
    return view, msgspec.structs.replace(tick, account=Account(1, 100_000_000, 0, positions, orders))
