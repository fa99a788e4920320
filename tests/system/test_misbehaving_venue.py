"""A real desk on a venue that misbehaves: whatever the venue does wrong, the books balance and the desk trades on.

Each run plays some faults one after the other, each until it hit something or for a while, and is then judged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kit.desks import PATIENCE_S, TWO_ASSETS, UNHURRIED, Desk, a_desk, eventually
from kit.misbehaving import steer
from kit.releases import BUSY

from shared import entries as e
from shared.clock import NS

pytestmark = pytest.mark.system
Case = tuple[str, dict[str, Any]]
ANSWERS: list[Case] = [
    ("drop_answer", {"count": 2}),
    ("refuse", {"route": "orders", "status": 500, "count": 2, "carried_out": True, "for_s": 0}),
    ("refuse", {"route": "orders", "status": 503, "count": 2, "for_s": 0}),
    ("refuse", {"route": "orders", "status": 429, "count": 2, "retry_after_s": 1, "for_s": 0}),
    ("refuse", {"route": "orders", "status": 425, "count": 2, "for_s": 0}),
    ("delay_answer", {"route": "orders", "delay_ms": 800, "count": 2, "for_s": 0}),
]
EVENTS: list[Case] = [
    ("repeat_events", {"times": 2, "count": 6, "for_s": 0}),
    ("reorder_events", {"depth": 4, "hold_ms": 5_000, "for_s": 0}),
    ("ghost_fill", {"count": 2}),
]
MARKET_DATA: list[Case] = [
    ("stale_book", {"for_s": 0}),
    ("crossed_book", {}),
    ("crossed_book", {"shape": "book"}),
    ("silence", {"channel": "market", "for_s": 20}),
    ("silence", {"channel": "prices", "for_s": 20}),
    ("feed_gap", {"for_s": 20}),
    ("clock_skew", {"skew_ms": 20_000, "for_s": 20}),
]
CONNECTIONS: list[Case] = [
    ("close", {"channel": "all", "code": 0}),
    ("close", {"channel": "user", "code": 1012}),
    ("restart", {"down_s": 20, "post_only_s": 20}),
    ("mode", {"mode": "cancel-only", "for_s": 20}),
    ("mode", {"mode": "failing", "for_s": 20}),
    ("refuse_connections", {"channel": "all", "for_s": 20}),
]
CATALOGUE: list[Case] = [
    ("refuse", {"route": "gamma", "status": 500, "count": 3, "for_s": 0}),
    ("market_missing", {"market": "ETH", "for_s": 60}),
    ("gamma_late", {"late_s": 20, "for_s": 330}),
    ("gamma_late", {"what": "outcome", "late_s": 60, "for_s": 330}),
]
CLAIMS: list[Case] = [
    ("refuse", {"route": "claims", "status": 429, "count": 1, "for_s": 0}),
    ("drop_answer", {"route": "claims"}),
    ("bad_transaction", {"how": "reverted"}),
    ("refuse", {"route": "chain", "status": 503, "count": 3, "for_s": 0}),
]
SETTINGS = f"{TWO_ASSETS}{UNHURRIED}"
HIT_S = 90.0
"""Real seconds until a fault hit as often as it should: some wait for orders, and those for a market to trade in."""
CLAIMED_S = 240.0
"""Real seconds until each of them hit a claim and all is paid: windows resolve every fifteen."""
WINDOW_S = 300
"""No winner is named later than 152 seconds after its window: the next one's comes before what is 400 s late."""
RUNS = {
    "answers": ANSWERS,
    "events": EVENTS,
    "market data": MARKET_DATA,
    "connections": CONNECTIONS,
    "catalogue": CATALOGUE,
}


@pytest.mark.parametrize("run", RUNS)
def test_whatever_the_venue_does_wrong_the_books_balance(run: str) -> None:
    """Every tick has its outcome, every fill is booked once, dollars and shares are the venue's to the millionth."""
    with a_desk(settings=SETTINGS) as desk:
        for kind, arguments in RUNS[run]:
            play(desk, kind, arguments)
        verdict = desk.judged()
    assert verdict.fills and verdict.orders


def test_claims_come_through_whatever_relayer_and_chain_do() -> None:
    """Refused, taken without an answer, reverted, and nobody to ask: each is paid once, to the millionth."""
    with a_desk(settings=SETTINGS) as desk:
        numbers = [begin(desk, kind, arguments) for kind, arguments in CLAIMS]
        desk.until(lambda _: all(fault(desk, number)["over"] for number in numbers), "a claim for each", CLAIMED_S)
        desk.settle()
        desk.until(lambda status: status["claimed_micro"] and not status["owed_micro"], "all paid", CLAIMED_S)
        verdict = desk.judged()
    assert verdict.claims_paid and not verdict.merge_mismatches


def test_winners_that_are_named_in_the_wrong_order_are_claimed() -> None:
    """The channel kept a window's result back, and the catalogue has it only after the next one's: it is paid too."""
    with a_desk(settings=SETTINGS) as desk:
        desk.until(lambda s: 200 <= s["at_ns"] // NS % WINDOW_S < 240, "a window that is soon over", PATIENCE_S)
        begin(desk, "silence", {"channel": "market", "for_s": 310})
        begin(desk, "gamma_late", {"what": "outcome", "late_s": 400, "for_s": 900})
        eventually(lambda: swapped(desk.said_by(e.Resolved)), "a winner named after the next", 3 * PATIENCE_S)
        desk.judged()


def swapped(told: list[e.Resolved]) -> bool:
    """Whether a slot's window was resolved after the one that follows it."""
    pairs = ((after, before) for n, after in enumerate(told) for before in told[:n] if before.slot == after.slot)
    return any(before.start_s > after.start_s for after, before in pairs)


def test_a_fill_that_a_silent_channel_kept_back_is_found(tmp_path: Path) -> None:
    """The user channel answers pings and says nothing else: a resting order fills, and the desk finds out."""
    patient = tmp_path / "patient.py"
    patient.write_text(BUSY.read_text().replace("DRIFT_MICRO: Final = 30_000", "DRIFT_MICRO: Final = 1_000_000"))
    with a_desk(strategy=patient) as desk:
        desk.until_decided(60)  # what it asked when it began is answered by then
        number = begin(desk, "silence", {"channel": "user", "for_s": 0})
        untold = eventually(lambda: unheard(desk), "a fill nobody told us of", 3 * PATIENCE_S)
        eventually(lambda: not untold & unheard(desk), "the fill in the journal")
        assert not fault(desk, number)["over"], "the channel was silent until then"
        steer(desk.where, "DELETE")
        desk.judged()


def unheard(desk: Desk) -> set[str]:
    """Trades in which somebody came to an order of ours that rested, and which the journal does not have."""
    booked = {fill.trade_id for fill in desk.said_by(e.Fill)}
    trades = desk.venue_lines("trade")
    return {trade["trade_id"] for trade in trades if any(leg["maker"] for leg in trade["legs"])} - booked


def play(desk: Desk, kind: str, arguments: dict[str, Any]) -> None:
    """Begin a fault, see what it does to the desk, and see it end; the desk decides all the while."""
    number = begin(desk, kind, arguments)
    if not arguments.get("for_s") and kind not in {"close", "crossed_book", "restart"}:
        eventually(lambda: fault(desk, number)["hits"] >= arguments.get("count", 1), f"a hit of {kind}", HIT_S)
        steer(desk.where, "DELETE")
    desk.until_decided(10)
    eventually(lambda: fault(desk, number)["over"], f"the end of {kind}")
    desk.until(lambda status: not any(status["feeds"].values()), f"every channel after {kind}")
    eventually(lambda: ghosts(desk) <= taken_back(desk), "every ghost to be taken back")


def ghosts(desk: Desk) -> set[str]:
    """Trades that a fault made fail."""
    return {line["trade_id"] for line in desk.venue_lines("fault") if "trade_id" in line}


def taken_back(desk: Desk) -> set[str]:
    """Trades that the desk knows to have failed."""
    told = desk.said_by(e.Fill, e.FillStatus)
    return {entry.trade_id for entry in told if entry.status == "FAILED"}


def begin(desk: Desk, kind: str, arguments: dict[str, Any]) -> int:
    """Begin a fault of the desk's venue; its number."""
    return int(steer(desk.where, "POST", body={"kind": kind, **arguments})["fault"]["number"])


def fault(desk: Desk, number: int) -> dict[str, Any]:
    """How a fault stands."""
    faults = steer(desk.where, "GET")["faults"]
    return dict(next(each for each in faults if each["number"] == number))
