"""Trades as the user channel and the lists tell them, against an oracle that knows nothing of our code.

All four ways in which two orders match, several orders of ours in one trade, words repeated and in any order: position,
cash and fees are the oracle's to the millionth.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from kit.recordings import API_KEY
from kit.still_desk import BTC, CASH, START_S, StillDesk, a_trading_desk, tokens

from shared import entries as e
from supervisor.venue.user import TradeLeg, legs_of, parse_user_frame

STRANGER: Final = "00000000-0000-4000-8000-00000000c0de"
UP, DOWN = tokens(BTC)
OUTCOMES: Final = {UP: "Up", DOWN: "Down"}
STATUSES: Final = ("MATCHED", "MINED", "CONFIRMED", "RETRYING", "FAILED")
RATE: Final = Fraction(7, 100)


@dataclass(frozen=True)
class Party:
    """One order in a trade, in the terms of its own token; `order` is empty for a stranger's."""

    order: str
    token: str
    side: str
    price: int
    size: int


@dataclass(frozen=True)
class Match:
    """One trade: who took, who made. A maker is on the other side of the same token, or mints or merges a pair."""

    trade: str
    taker: Party
    makers: tuple[Party, ...]


def order_of(number: int, token: str, side: str) -> str:
    """The id of one of our orders."""
    return f"0x{number:062x}{'01'[token == DOWN]}{'01'[side == 'SELL']}"


@st.composite
def matches(draw: st.DrawFn) -> list[Match]:
    """A few trades, of every kind; in each at least one order is ours."""
    return [draw(_match(f"t{number}")) for number in range(draw(st.integers(1, 4)))]


@st.composite
def _match(draw: st.DrawFn, trade: str) -> Match:
    token, side = draw(st.sampled_from([UP, DOWN])), draw(st.sampled_from(["BUY", "SELL"]))
    price = draw(st.integers(1, 999)) * 1_000
    kinds = draw(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 9_999_999)), min_size=1, max_size=4))
    makers = tuple(
        _maker(number, token, side, price, same, ours, size) for number, (same, ours, size) in enumerate(kinds)
    )
    ours = draw(st.booleans()) or not any(maker.order for maker in makers)
    taker = order_of(9, token, side) if ours else ""
    return Match(trade, Party(taker, token, side, price, sum(maker.size for maker in makers)), makers)


def _maker(number: int, token: str, side: str, price: int, same: bool, ours: bool, size: int) -> Party:
    """On the taker's token it is on the other side; on the other token on the same side, at one minus the price."""
    if same:
        mine, facing = token, "SELL" if side == "BUY" else "BUY"
    else:
        mine, facing, price = (DOWN if token == UP else UP), side, 1_000_000 - price
    return Party(order_of(number, mine, facing) if ours else "", mine, facing, price, size)


# --- what the venue tells of it ---


def decimal(micro: int) -> str:
    return f"{micro // 1_000_000}.{micro % 1_000_000:06d}"


def told(match: Match, status: str, names_sides: bool, listed: bool) -> list[TradeLeg]:
    """What our readers make of the venue's word on a trade, over the channel or from a list."""
    taker = match.taker
    frame: dict[str, Any] = {
        "event_type": "trade",
        "id": match.trade,
        "taker_order_id": taker.order or "0xstranger",
        "asset_id": taker.token,
        "side": taker.side,
        "price": decimal(taker.price),
        "size": decimal(taker.size),
        "status": f"TRADE_STATUS_{status}" if listed else status,
        "fee_rate_bps": "",
        "trader_side": "TAKER" if taker.order else "MAKER",
        "maker_orders": [
            {
                "order_id": maker.order or "0xstranger",
                "owner": API_KEY if maker.order else STRANGER,
                "asset_id": maker.token,
                "matched_amount": decimal(maker.size),
                "price": decimal(maker.price),
                "side": maker.side if names_sides else "",
            }
            for maker in match.makers
        ],
    }
    text = json.dumps(frame).encode()
    events = legs_of(text, API_KEY) if listed else parse_user_frame(text, API_KEY)
    return [event for event in events if isinstance(event, TradeLeg)]


# --- the oracle ---


def fee_of(party: Party) -> int:
    """Shares x rate x p (1 - p), to five decimals, a half upwards; only who took pays."""
    price = Fraction(party.price, 10**6)
    exact = Fraction(party.size, 10**6) * RATE * price * (1 - price)
    steps = exact * 10**5
    return 0 if steps < 1 else int(steps + Fraction(1, 2)) * 10


class Oracle:
    """Adds up what is ours: a trade counts when it is first heard of, and is gone when its first end is a failure."""

    def __init__(self) -> None:
        self.end: dict[str, str] = {}
        self.heard: dict[str, Match] = {}

    def hear(self, match: Match, status: str) -> None:
        self.heard[match.trade] = match
        if status in {"CONFIRMED", "FAILED"}:
            self.end.setdefault(match.trade, status)

    def sums(self) -> tuple[int, int, dict[str, int], dict[str, int]]:
        """Cash that moved, fees paid, shares by token, and how many bought or sold are not firm yet."""
        cash, fees = 0, 0
        held, loose = {UP: 0, DOWN: 0}, {UP: 0, DOWN: 0}
        for trade, match in self.heard.items():
            if self.end.get(trade) == "FAILED":
                continue
            for party in (match.taker, *match.makers):
                if party.order:
                    fee = fee_of(party) if party is match.taker else 0
                    sign = 1 if party.side == "BUY" else -1
                    cash -= sign * (party.price * party.size // 10**6) + fee
                    fees += fee
                    held[party.token] += sign * party.size
                    loose[party.token] += 0 if trade in self.end else party.size
        return cash, fees, held, loose


# --- the desk ---


def a_desk_with(matched: list[Match]) -> StillDesk:
    """A trading desk at which all our orders of these trades rest, large enough for all of them."""
    still = a_trading_desk()
    board = still.desk.board
    parties = {party.order: party for match in matched for party in (match.taker, *match.makers) if party.order}
    for order, party in parties.items():
        placing = e.Placing(
            order_id=order,
            slot=BTC,
            tick=1,
            leg=0,
            start_s=START_S,
            token_id=party.token,
            outcome=OUTCOMES[party.token],  # type: ignore[arg-type]
            side=party.side,  # type: ignore[arg-type]
            price_micro=party.price,
            size_micro=10**9,
            kind="GTC",
            post_only=False,
            by=e.By("r1", "p", 1, "w1"),
        )
        board.write(placing)
        board.write(e.Answered(order, "place", "open", "live", 900))
    still.settle()
    return still


WORDS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from(STATUSES), st.booleans(), st.booleans()), min_size=1, max_size=14
)


def hear_all(still: StillDesk, oracle: Oracle, matched: list[Match], words: list[tuple[int, str, bool, bool]]) -> None:
    """Tell desk and oracle the same words."""
    for number, status, names_sides, listed in words:
        match = matched[number % len(matched)]
        oracle.hear(match, status)
        for leg in told(match, status, names_sides, listed):
            still.do(still.desk.executions.on_leg, leg)


def assert_equal(still: StillDesk, oracle: Oracle) -> None:
    """Ours and the oracle's."""
    accounts = still.accounts
    cash, fees, held, loose = oracle.sums()
    positions = {token: accounts.positions.get((BTC, START_S, OUTCOMES[token])) for token in OUTCOMES}  # type: ignore[arg-type]
    assert accounts.cash_micro - CASH == cash
    assert sum(fill.fee_micro for fill in accounts.fills.values() if fill.status != "FAILED") == fees
    assert {token: found.size_micro if found else 0 for token, found in positions.items()} == held
    costs = sum(found.cost_micro for found in positions.values() if found)
    assert cash + costs == accounts.day_realized_micro, "what left the cash is held or was realised"
    unsettled = {token: found.provisional_micro if found else 0 for token, found in positions.items()}
    assert unsettled == {token: loose[token] for token in OUTCOMES}


@settings(max_examples=200)
@given(matches(), WORDS)
def test_trades_told_in_any_order_add_up_to_the_oracles_books(
    matched: list[Match], words: list[tuple[int, str, bool, bool]]
) -> None:
    """Maker and taker legs, mints and merges, several orders in one trade: each (trade, order) once, a failure back."""
    still, oracle = a_desk_with(matched), Oracle()
    hear_all(still, oracle, matched, words)
    assert_equal(still, oracle)
    before = len(still.journal), still.accounts.version
    hear_all(still, oracle, matched, [word for word in words if word[1] in {"MATCHED", "CONFIRMED", "FAILED"}])
    assert_equal(still, oracle)
    assert (len(still.journal), still.accounts.version) == before, "a word that is told again is no news"


@given(matches(), WORDS)
def test_books_rebuilt_after_a_kill_are_the_oracles_too(
    matched: list[Match], words: list[tuple[int, str, bool, bool]]
) -> None:
    """And what is told again after it is no news."""
    still, oracle = a_desk_with(matched), Oracle()
    hear_all(still, oracle, matched, words)
    still.restart()
    assert_equal(still, oracle)
    hear_all(still, oracle, matched, words)
    assert_equal(still, oracle)


def test_the_oracle_tells_a_wrong_book_from_a_right_one() -> None:
    """Each thing it looks at is looked at: a book that is off by a millionth in any of them is found."""
    match = Match(
        "t",
        Party(order_of(9, UP, "BUY"), UP, "BUY", 470_000, 10_000_000),
        (Party("", UP, "SELL", 470_000, 10_000_000),),
    )
    still, oracle = a_desk_with([match]), Oracle()
    hear_all(still, oracle, [match], [(0, "MATCHED", True, False)])
    assert oracle.sums() == (-4_700_000 - 174_370, 174_370, {UP: 10_000_000, DOWN: 0}, {UP: 10_000_000, DOWN: 0})
    assert_equal(still, oracle)
    key = (BTC, START_S, "Up")
    held = still.accounts.positions[key]  # type: ignore[index]
    for wrong in ({"size_micro": 1}, {"cost_micro": 1}, {"provisional_micro": 1}):
        still.accounts.positions[key] = replace(held, **{name: getattr(held, name) + by for name, by in wrong.items()})  # type: ignore[index]
        assert differs(still, oracle)
    still.accounts.positions[key] = held  # type: ignore[index]
    still.accounts.cash_micro += 1
    assert differs(still, oracle)


def differs(still: StillDesk, oracle: Oracle) -> bool:
    try:
        assert_equal(still, oracle)
    except AssertionError:
        return True
    return False
