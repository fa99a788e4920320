"""Real books beside a real venue's: what agrees is quiet, what somebody else did with our key is told, and left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest
from kit.desks import PATIENCE_S, TWO_ASSETS, UNHURRIED, Desk, a_desk, eventually
from kit.misbehaving import steer

from deploy.analysis.verify import verify
from shared import entries as e
from shared.amounts import order_amounts
from shared.clock import NS, SystemClock
from shared.config import Venue, read_credentials
from shared.messages import OrderKind, Outcome, Place
from shared.slots import parse_slot
from supervisor.accounts import OUTCOMES
from supervisor.admission import Draft
from supervisor.gateway import Gateway
from supervisor.signatory import Signatory
from supervisor.signing import ClientSigner
from supervisor.venue.discovery import Market

pytestmark = pytest.mark.system
T = TypeVar("T")
OFTEN = f"{TWO_ASSETS}{UNHURRIED}reconcile_s = 0.5\n"
ANSWER_S = 30.0
ROUNDS_S = 3 * PATIENCE_S
"""How long some comparisons may take: each asks the venue for all there is, one thing after the other."""
LEFT_S = 300
"""Market seconds that a window has at least when somebody trades in it by hand: its end is not to come between."""
FEW_MICRO, MANY_MICRO = 10 * 10**6, 200 * 10**6
"""Shares: what rests harms nobody; and what costs more than anything of ours that may be under way meanwhile."""
ADDRESSES = ("clob", "gamma", "market_ws", "user_ws", "price_ws")


def test_books_that_agree_stay_quiet_through_ghosts_and_a_lost_supervisor() -> None:
    """Trades fail and are taken back, the supervisor is killed and begins again: compared all the while, no alarm."""
    with a_desk(settings=OFTEN) as desk:
        steer(desk.where, "POST", body={"kind": "ghost_fill", "count": 4})
        compared(desk)
        eventually(lambda: len(desk.venue_lines("fault")) >= 3, "ghosts", ROUNDS_S)
        desk.supervisor.kill()
        desk.until_dead()
        desk.until_open()
        compared(desk)
        desk.judged(lapsed=True)
        assert [reconciled.differences for reconciled in desk.said_by(e.Reconciled) if reconciled.differences] == []
        assert {line.term for line in desk.lines(e.Reconciled)} == {1, 2}


def test_an_order_of_somebody_else_is_told_once_and_left_alone() -> None:
    """It rests under our key: named in status and journal, never cancelled, and the desk trades on."""
    with a_desk(settings=OFTEN) as desk:
        foreign = somebody(desk, "GTC", 10_000, FEW_MICRO)
        status = desk.until(lambda s: s["reconciled"]["foreign"], "word of the foreign order", ROUNDS_S)
        assert (status["reconciled"]["foreign"], status["reconciled"]["differs"]) == ([foreign], [])
        compared(desk)
        desk.until_decided()
        alarms = [alarm.detail for alarm in desk.said_by(e.Alarm) if alarm.name == "foreign_order"]
        assert alarms == [f"this key has orders that are not ours: {foreign}"]
        assert foreign not in {cancel.order_id for cancel in desk.said_by(e.Cancelling)}
        ends = [line["cause"] for line in desk.venue_lines("cancel") if line["order_id"] == foreign]
        assert ends in ([], ["market_closed"])


def test_money_that_moved_without_us_closes_every_entry_until_a_person_looks() -> None:
    """Somebody bought under our key: cash and shares are named, the alarm is raised once, no order enters any more."""
    with a_desk(settings=OFTEN) as desk:
        compared(desk)
        somebody(desk, "FAK", 990_000, MANY_MICRO)
        desk.until(cash_differs, "word of the money", ROUNDS_S)
        placed = len(desk.said_by(e.Placing))
        compared(desk)
        desk.until_decided(40)
        assert [p for p in desk.said_by(e.Placing)[placed:] if p.side == "BUY"] == []
        assert any(alarm.name == "books_differ" for alarm in desk.said_by(e.Alarm))
        assert desk.ctl("status")[0] == 0


def test_a_deposit_and_a_withdrawal_are_taken_over_by_a_person() -> None:
    """Entries are closed for the money, then open; a wrong sum is refused; the cash is the venue's to the millionth."""
    with a_desk(settings=OFTEN) as desk:
        for usd in (50, -20.5):
            steer(desk.where, "POST", body={"kind": "transfer", "usd": usd})
            desk.until(lambda s: s["reconciled"]["missing_micro"], "word of the money", ROUNDS_S)
            code, refused = desk.ctl("transfer", "--amount", "+1234", "--reason", "a guess")
            assert (code, refused["changed"]) == (16, False)
            code, reply = desk.ctl("transfer", "--amount", str(usd), "--reason", "by hand")
            assert (code, reply["changed"]) == (0, True), reply
            desk.until(lambda s: s["state"] == "TRADING" and not s["reconciled"]["differs"], "open entries", ROUNDS_S)
        placed = len(desk.said_by(e.Placing))
        eventually(lambda: any(p.side == "BUY" for p in desk.said_by(e.Placing)[placed:]), "an entry", ROUNDS_S)
        transfers = desk.said_by(e.Transfer)
        assert [(t.amount_micro, t.reason) for t in transfers] == [(50 * 10**6, "by hand"), (-20_500_000, "by hand")]
        assert all(t.actor.startswith("uid:") for t in transfers)
        stopped_and_judged(desk)


def stopped_and_judged(desk: Desk) -> None:
    """The judge finds nothing wrong, and both books have the same cash; that money differed meanwhile was told."""
    desk.settle()
    assert not desk.stop()
    verdict = verify(desk.state)
    assert verdict.verified, verdict.faults
    assert verdict.cash_difference_micro == 0


def compared(desk: Desk, more: int = 4) -> None:
    """Wait for so many more comparisons."""
    before = desk.ask("status").data["reconciled"]["rounds"]
    desk.until(lambda s: s["reconciled"]["rounds"] >= before + more, f"{more} more comparisons", ROUNDS_S)


def cash_differs(status: dict[str, Any]) -> bool:
    """Whether the venue has more or less than we think."""
    return any(text.startswith("cash: ") for text in status["reconciled"]["differs"])


def somebody(desk: Desk, kind: OrderKind, price_micro: int, size_micro: int) -> str:
    """Somebody who has our key buys by hand, in a window that runs for a while yet; the order's id.

    Up, or Down where the venue refuses that: near a window's end one of the two is worth nothing, and a cent buys it.
    """
    opened = eventually(lambda: with_time_left(desk), f"a window of {LEFT_S} s", ROUNDS_S)

    async def place(gateway: Gateway) -> str:
        signer = signer_of(desk)
        assert gateway.key is not None
        signer.own(gateway.key.key)
        for outcome in OUTCOMES:
            signed = signer.sign(by_hand(opened, outcome, kind, price_micro, size_micro))
            answer = await gateway.place(signed.body)
            if answer.verdict == "accepted":
                return signed.order_id
        raise AssertionError(answer)

    return with_gateway(desk, place)


def with_time_left(desk: Desk) -> e.Opened | None:
    """The window that ends last, if there is time left in it."""
    last = max(desk.said_by(e.Opened), key=_ends_s)
    return last if _ends_s(last) - desk.ask("status").data["at_ns"] / NS >= LEFT_S else None


def _ends_s(opened: e.Opened) -> int:
    return opened.start_s + parse_slot(opened.slot).window_s


def by_hand(opened: e.Opened, outcome: Outcome, kind: OrderKind, price_micro: int, size_micro: int) -> Draft:
    """Shares of an outcome, for a bid."""
    slot, token = parse_slot(opened.slot), opened.tokens[OUTCOMES.index(outcome)]
    market = Market(slot, opened.start_s, opened.tokens, opened.version, opened.neg_risk, opened.terms)
    wish = Place(outcome, "BUY", price_micro, size_micro, kind)
    amounts = order_amounts("BUY", kind, price_micro, wish.size_micro, opened.terms.tick_micro)
    at_ms = SystemClock().wall_ns() // 10**6
    return Draft(market, token, wish, *amounts, f"by hand {outcome} {at_ms}", at_ms)


def signer_of(desk: Desk) -> ClientSigner:
    """Whoever holds the desk's key."""
    return ClientSigner(Signatory(read_credentials(desk.state.credentials)))


def with_gateway(desk: Desk, act: Callable[[Gateway], Awaitable[T]]) -> T:
    """Act at the venue under the desk's own key, beside the desk."""

    async def run() -> T:
        where: dict[str, Any] = {name: desk.where[name] for name in ADDRESSES}
        owner, gateway = signer_of(desk).signatory, Gateway(Venue(**where, answer_s=ANSWER_S), SystemClock())
        try:
            await gateway.open(owner.address, owner.signature_type, owner.key_headers)
            return await act(gateway)
        finally:
            await gateway.close()

    return asyncio.run(run())
