"""A person stops a real desk: what rests is cancelled at the venue, what is held is sold there, and both are theirs."""

from __future__ import annotations

from typing import Any, Final

import pytest
from kit.desks import TWO_ASSETS, UNHURRIED, Desk, a_desk, eventually
from kit.misbehaving import steer

from shared import entries as e

pytestmark = pytest.mark.system
AGAIN_S: Final = 90.0
"""Real seconds for a supervisor that asks about each order of the one before; it waits for answers meanwhile."""
TRIES: Final = 10
"""An order that rests now may have traded in a moment, and a position may have been paid out."""


def orders_at_the_venue(desk: Desk) -> int:
    """How many it has been sent."""
    return len(desk.venue_lines("order"))


def halted_while_orders_rest(desk: Desk) -> int:
    """Halt it again and again until it had an order to cancel; how many the venue was sent by then."""
    for _ in range(TRIES):
        desk.ask("resume")
        desk.until(lambda status: status["orders"], "an order that rests")
        assert desk.ask("halt", reason="news").changed
        desk.until(lambda status: not status["orders"], "the end of every order")
        if any(cancel.cause == "halt" and cancel.op.startswith("halt-") for cancel in desk.said_by(e.Cancelling)):
            return orders_at_the_venue(desk)
    raise AssertionError(f"{TRIES} halts found nothing to cancel")


def flattened_while_something_is_held(desk: Desk) -> dict[str, Any]:
    """Flatten it again and again until it had something to sell, or held what cannot be sold; the reply."""
    for _ in range(TRIES):
        desk.until_open()
        code, reply = desk.ctl("flatten", "--yes", "--reason", "enough")
        assert code == 0, reply
        if sales(desk) or any(found["words"] for found in reply["data"].values()):
            return reply
        assert desk.ask("resume").ok
    raise AssertionError(f"{TRIES} flattens found nothing to sell")


def sales(desk: Desk) -> list[e.Placing]:
    """Orders that a person's operation placed."""
    return [placing for placing in desk.said_by(e.Placing) if placing.op]


def test_a_halted_desk_sends_nothing_until_it_is_resumed() -> None:
    """Its orders are cancelled for the person; the next supervisor is halted as well; decisions go on all the time."""
    with a_desk(settings=f"{TWO_ASSETS}{UNHURRIED}") as desk:
        assert desk.ctl("halt", "--reason", "news")[1]["trading"]["state"] == "HALTED"
        desk.until(lambda status: not status["orders"], "the end of every order")
        sent = halted_while_orders_rest(desk)
        desk.supervisor.kill()
        desk.until_dead()
        desk.start_again()
        desk.until(
            lambda status: status["state"] == "HALTED" and status["decided"] > 20, "decisions under a halt", AGAIN_S
        )
        assert desk.ctl("halt", "--reason", "again")[1]["changed"] is False
        assert orders_at_the_venue(desk) == sent
        assert desk.ctl("resume", "--reason", "over")[1]["trading"]["state"] != "HALTED"
        eventually(lambda: orders_at_the_venue(desk) > sent, "an order after the halt")
        desk.judged(lapsed=True)


def test_a_flattened_desk_holds_nothing_that_can_be_sold() -> None:
    """Sold by orders that name the operation, which the judge leads back to the person; exit 0 when all is flat."""
    with a_desk(settings=f"{TWO_ASSETS}{UNHURRIED}") as desk:
        reply = flattened_while_something_is_held(desk)
        assert {found["state"] for found in reply["data"].values()} == {"flat"}
        assert all((sale.side, sale.kind, sale.by.release) == ("SELL", "FAK", "") for sale in sales(desk))
        assert desk.ask("status").data["state"] == "HALTED"
        assert not desk.ask("status").data["orders"]
        code, again = desk.ctl("flatten", "--yes")
        assert (code, set(again["data"])) == (0, set(reply["data"]))
        assert desk.ctl("resume")[0] == 0
        assert not desk.ask("status").data["flattening"]
        desk.judged()


def test_a_flatten_that_nobody_confirms_does_nothing() -> None:
    """17, with what to type; the desk trades on."""
    with a_desk(settings=f"{TWO_ASSETS}{UNHURRIED}") as desk:
        code, reply = desk.ctl("flatten")
        assert (code, reply["code"], reply["hint"][0][:32]) == (17, "DECLINED", "foresightctl flatten all --yes -"[:32])
        assert not desk.said_by(e.Flatten)
        desk.judged()


def test_a_dead_desk_is_halted_past_its_supervisor() -> None:
    """Killed while orders rest: all are cancelled at the venue by the person; the next supervisor begins halted."""
    with a_desk(settings=f"{TWO_ASSETS}{UNHURRIED}") as desk:
        code, refused = desk.ctl("halt", "--direct", "--reason", "too early")
        assert (code, refused["changed"]) == (16, False), refused
        assert f"supervisor {desk.supervisor.pid} holds" in refused["message"]
        desk.until(lambda status: status["orders"], "an order that rests")
        desk.supervisor.kill()
        desk.until_dead()
        heard_out(desk)
        resting = {line["order_id"] for line in desk.venue_lines("order")} - over(desk)
        before = len(desk.venue_lines("cancel"))
        code, answer = desk.ctl("halt", "--direct", "--reason", "it died")
        assert (code, answer["changed"], answer["data"]["left"]) == (0, True, 0), answer
        assert resting <= over(desk)
        cancels = desk.venue_lines("cancel")[before:]
        assert answer["data"]["cancelled"] == sum(cancel["cause"] == "client" for cancel in cancels)
        sent = orders_at_the_venue(desk)
        desk.start_again()
        desk.until(
            lambda status: status["state"] == "HALTED" and not status["orders"], "a desk that begins halted", AGAIN_S
        )
        assert desk.said_by(e.Control)[-1].reason == "it died"
        desk.until_decided(20)
        assert orders_at_the_venue(desk) == sent
        assert desk.ctl("resume", "--reason", "over")[0] == 0
        desk.judged(lapsed=True)


def heard_out(desk: Desk) -> None:
    """Let the venue take what a dead supervisor had sent by then: it hears whoever asks later, later."""
    for _ in range(2):
        steer(desk.where, "GET")


def over(desk: Desk) -> set[str]:
    """Orders that the venue has ended, one way or another, or that traded."""
    ended = {line["order_id"] for line in desk.venue_lines("cancel")}
    return ended | {leg["order_id"] for trade in desk.venue_lines("trade") for leg in trade["legs"]}
