"""What of an admitted decision may leave, order by order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.signer import NamingSigner
from kit.still_desk import BTC, CASH, START_S, a_market, buy, tokens
from kit.trading import BY, a_fill, a_placing, an_answer, an_opening

from shared import entries as e
from shared.exposure import exposure, opposite
from shared.messages import Cancel, Decided, Decision, Level, OrderKind, Outcome, Place
from shared.risk import Denied, Limits
from shared.slots import parse_slot
from supervisor.accounts import Accounts
from supervisor.admission import Admitted, Conditions, Draft, Signed, cancel, place, quote
from supervisor.effects import CancelOrder, Submit
from supervisor.lanes import Window

LIMITS = Limits(25_000_000, 50_000_000, 100_000_000, 250_000_000, 100_000_000, 120, 64, 200_000, 200_000_000, 240)
DECIDED = Decided(BTC, START_S * 1_000 + 5_000, 118, 9, 0, "77ab", 50, Decision((), {}))
ORDER = f"0x{'a' * 64}"


class NotingSigner:
    """Signs nothing, and keeps what it was asked to sign."""

    def __init__(self) -> None:
        self.drafts: list[Draft] = []

    def sign(self, draft: Draft) -> Signed:
        """The order's name is its identity."""
        self.drafts.append(draft)
        return NamingSigner().sign(draft)


def a_window(**terms: Any) -> Window:
    """A window whose books are 0.48 / 0.50 and 0.50 / 0.52."""
    window = Window(parse_slot(BTC), START_S, market=a_market(**terms), opened=True)
    for outcome, bid in (("Up", 480_000), ("Down", 500_000)):
        side = window.books[outcome]  # type: ignore[index]
        side.replace([Level(bid, 10**8)], [Level(bid + 20_000, 10**8)])
    return window


def a_bench(window: Window | None = None, **changes: Any) -> Conditions:
    """Nothing in the way."""
    fields: dict[str, Any] = {"limits": LIMITS, "entries": "", "sent_last_minute": 0, "cancelling": frozenset()}
    return Conditions(window or a_window(), **{**fields, **changes})


def told(*entries: e.Entry) -> Accounts:
    """Accounts with money after entries; slots and windows are those of this page."""
    accounts = Accounts()
    for entry in (e.Balance(CASH, True), *entries):
        accounts.apply(entry, START_S * 10**9)
    return accounts


def ours(**changes: Any) -> e.Placing:
    """An order of ours in this window."""
    return a_placing(start_s=START_S, **changes)


def placed(wish: Place, accounts: Accounts | None = None, bench: Conditions | None = None) -> Admitted | Denied:
    """What becomes of a wish."""
    return place(DECIDED, 0, wish, BY, accounts or told(), bench or a_bench(), NamingSigner())


def reason(verdict: Admitted | Denied) -> str:
    """Why not; empty when it may leave."""
    return verdict.reason if isinstance(verdict, Denied) else ""


def test_an_admitted_order_is_its_entry_and_its_request_under_one_name() -> None:
    """The order's own hash, computed before anything leaves."""
    admitted = placed(buy())
    assert isinstance(admitted, Admitted)
    assert isinstance(admitted.entry, e.Placing)
    assert admitted.request == Submit(admitted.entry.order_id, b"5000000")
    assert (admitted.entry.token_id, admitted.entry.by, admitted.entry.tick) == (tokens(BTC)[0], BY, DECIDED.tick)


def test_what_is_signed_names_the_leg_and_carries_the_ticks_time() -> None:
    """The same leg of the same tick can be signed again and is the same order."""
    signer = NotingSigner()
    for leg in (0, 0, 1):
        place(DECIDED, leg, buy(outcome="Down"), BY, told(), a_bench(), signer)
    identity = f"{BTC}|0x{START_S:x}|{DECIDED.tick}"
    assert [draft.identity for draft in signer.drafts] == [f"{identity}|0", f"{identity}|0", f"{identity}|1"]
    draft = signer.drafts[0]
    assert (draft.timestamp_ms, draft.token_id) == (DECIDED.tick, tokens(BTC)[1])
    assert (draft.maker_amount, draft.taker_amount) == (5_000_000, 10_000_000)


def test_sizes_are_rounded_as_the_venue_rounds_before_they_are_judged() -> None:
    """An immediate buy is in whole cents: what risk counts and the journal says is what leaves."""
    admitted = placed(Place("Up", "BUY", 470_000, 10_009_900, "FAK"))
    assert isinstance(admitted, Admitted)
    assert isinstance(admitted.entry, e.Placing)
    assert admitted.entry.size_micro == 10_000_000
    assert admitted.request == Submit(admitted.entry.order_id, b"4700000")


def test_a_sale_offers_shares() -> None:
    """Rounded down to the venue's hundredths."""
    held = told(ours(), a_fill(start_s=START_S, size_micro=20_000_000))
    admitted = placed(Place("Up", "SELL", 520_000, 10_009_999, "GTC"), held)
    assert isinstance(admitted, Admitted)
    assert isinstance(admitted.entry, e.Placing)
    assert admitted.entry.size_micro == 10_000_000


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (buy(505_000), "bad_price"),
        (buy(0), "bad_size"),
        (Place("Up", "BUY", 500_000, -5_000_000, "GTC"), "bad_size"),
        (Place("Up", "BUY", 500_000, 9_999, "GTC"), "bad_size"),
        (buy(shares=4), "bad_size"),
        (Place("Up", "BUY", 500_000, 10_000_000, "FAK", post_only=True), "bad_kind"),
        (buy(50_000, kind="FAK"), "too_little"),
        (Place("Up", "SELL", 500_000, 10_000_000, "GTC"), "uncovered_sell"),
        (buy(shares=60), "order_cap"),
        (buy(710_000), "price_far"),
    ],
)
def test_each_refusal_has_its_name(wish: Place, why: str) -> None:
    """Nothing is signed for it."""
    signer = NotingSigner()
    assert reason(place(DECIDED, 0, wish, BY, told(), a_bench(), signer)) == why
    assert signer.drafts == []


def test_a_book_that_is_not_believed_is_not_traded_on() -> None:
    """Of the token that is wished for; the other one's does not matter."""
    window = a_window()
    window.books["Up"].distrust("a frame of its channel could not be read")
    assert reason(placed(buy(), bench=a_bench(window))) == "book_stale"
    assert reason(placed(buy(outcome="Down"), bench=a_bench(window))) == ""


def test_entries_that_are_closed_let_exits_out() -> None:
    """A sale of what is held reduces what can be lost."""
    held = told(ours(), an_answer("open"), a_fill(start_s=START_S, size_micro=10_000_000))
    assert reason(placed(buy(), held, a_bench(entries="paused"))) == "entries_closed"
    sale = Place("Up", "SELL", 480_000, 10_000_000, "FAK")
    assert reason(placed(sale, held, a_bench(entries="paused"))) == ""


def test_what_is_offered_already_cannot_be_sold_again() -> None:
    """Held shares less those of open sales in this window."""
    filled = (ours(), an_answer("open"), a_fill(start_s=START_S, size_micro=10_000_000))
    offer = ours(order_id="0xb", side="SELL", price_micro=600_000, size_micro=6_000_000)
    other = ours(order_id="0xc", side="SELL", price_micro=600_000, size_micro=9_000_000, outcome="Down")
    accounts = told(*filled, offer, other)
    wish = Place("Up", "SELL", 600_000, 5_000_000, "GTC")
    assert exposure(wish, parse_slot(BTC), START_S, accounts, 0).held_micro == 4_000_000
    assert reason(placed(wish, accounts)) == "uncovered_sell"


def test_exposure_counts_each_ring_of_the_caps() -> None:
    """This slot, this asset, everything; open buys take their money out of the cash."""
    elsewhere = [("BTC/15m", "0x1"), ("ETH/5m", "0x2")]
    accounts = told(ours(), *[ours(order_id=order, slot=slot) for slot, order in elsewhere])
    found = exposure(buy(), parse_slot(BTC), START_S, accounts, 7)
    assert (found.slot_micro, found.asset_micro, found.total_micro) == (5_000_000, 10_000_000, 15_000_000)
    assert (found.cash_micro, found.open_orders, found.orders_last_minute) == (CASH - 15_000_000, 3, 7)


def test_what_orders_on_their_way_may_be_charged_is_as_good_as_spent() -> None:
    """Until the fee is told, or the order is over: else two at once would pass a cap by the fee of one of them."""
    taking = ours(kind="FAK")
    entries = (an_opening(start_s=START_S), taking)
    wish, lane = buy(), parse_slot(BTC)
    for told_of, spent in (
        (entries, 5_350_500),
        ((*entries, a_fill(start_s=START_S, size_micro=10_000_000, fee_micro=175_000)), 5_350_500),
        ((*entries, an_answer("closed")), 0),
    ):
        found = exposure(wish, lane, START_S, told(*told_of), 0)
        assert (found.slot_micro, found.total_micro, found.side_micro) == (spent, spent, spent)
        assert found.cash_micro == CASH - spent


@pytest.mark.parametrize(
    ("resting", "wish", "meets"),
    [
        ([("Up", "SELL", 520_000), ("Up", "SELL", 510_000)], ("Up", "BUY"), 510_000),
        ([("Up", "BUY", 470_000), ("Up", "BUY", 480_000)], ("Up", "SELL"), 480_000),
        ([("Down", "BUY", 470_000)], ("Up", "BUY"), 530_000),
        ([("Down", "SELL", 470_000)], ("Up", "SELL"), 530_000),
        ([("Down", "SELL", 470_000)], ("Up", "BUY"), 0),
        ([("Up", "BUY", 470_000)], ("Up", "BUY"), 0),
    ],
)
def test_our_own_orders_are_seen_across_both_tokens(
    resting: list[tuple[Outcome, Any, int]], wish: tuple[Outcome, Any], meets: int
) -> None:
    """To buy Down at a price is to sell Up at one minus it."""
    orders = [
        ours(order_id=f"0x{n}", outcome=outcome, side=side, price_micro=price)
        for n, (outcome, side, price) in enumerate(resting)
    ]
    assert opposite(Place(*wish, 500_000, 5_000_000, "GTC"), told(*orders).open_orders()) == meets


def test_an_order_that_our_own_would_meet_is_denied() -> None:
    """It would trade nothing and cost a fee; orders of the window before are no part of this market."""
    accounts = told(ours(outcome="Down", price_micro=510_000))
    assert reason(placed(buy(490_000), accounts)) == "own_order"
    assert reason(placed(buy(480_000), accounts)) == ""
    before = told(a_placing(start_s=START_S - 300, outcome="Down", price_micro=510_000))
    assert reason(placed(buy(490_000), before)) == ""


def test_risk_sees_the_markets_own_terms() -> None:
    """Grid, smallest size and fee as the venue listed them, not as they usually are."""
    window = a_window(tick_micro=1_000, min_size_micro=15_000_000, fee_rate_micro=1, fee_exponent=2)
    seen = quote(window, buy())
    assert (seen.bid_micro, seen.ask_micro, seen.stale) == (480_000, 500_000, "")
    assert (seen.tick_micro, seen.min_size_micro, seen.fee_rate_micro, seen.fee_exponent) == (1_000, 15_000_000, 1, 2)
    assert reason(placed(buy(), bench=a_bench(window))) == "bad_size"


# --- cancels ---


def test_a_cancel_of_an_open_order_is_admitted() -> None:
    """Under the order's own id."""
    admitted = cancel(DECIDED, Cancel(ORDER), BY, told(ours(), an_answer("open")), a_bench())
    assert isinstance(admitted, Admitted)
    assert admitted == Admitted(e.Cancelling(ORDER, BTC, DECIDED.tick, "decision", BY), CancelOrder(ORDER))


@pytest.mark.parametrize(
    ("entries", "cancelling", "why"),
    [
        ((), frozenset(), "not_open: order 0xaaaaaaaa is unknown here"),
        ((ours(),), frozenset(), "not_open: order 0xaaaaaaaa is pending in BTC/5m"),
        ((ours(), an_answer("unknown")), frozenset(), "not_open: order 0xaaaaaaaa is unknown in BTC/5m"),
        ((ours(), an_answer("closed")), frozenset(), "not_open: order 0xaaaaaaaa is closed in BTC/5m"),
        ((ours(slot="ETH/5m"), an_answer("open")), frozenset(), "not_open: order 0xaaaaaaaa is open in ETH/5m"),
        ((ours(), an_answer("open")), frozenset({ORDER}), "cancelling: order 0xaaaaaaaa is being cancelled"),
    ],
)
def test_only_an_order_of_the_own_slot_that_rests_is_cancelled_once(
    entries: tuple[e.Entry, ...], cancelling: frozenset[str], why: str
) -> None:
    """Anything else is refused with what is known of it."""
    verdict = cancel(DECIDED, Cancel(ORDER), BY, told(*entries), a_bench(cancelling=cancelling))
    assert str(verdict) == why


# --- whatever is wished for ---

WISHES = st.builds(
    Place,
    st.sampled_from(["Up", "Down"]),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(-10_000, 1_100_000) | st.integers(1, 99).map(lambda cents: cents * 10_000),
    st.integers(-1, 400_000_000),
    st.sampled_from(["GTC", "FAK", "FOK"]),
    st.booleans(),
)


@given(st.lists(WISHES, max_size=8), st.integers(0, 60_000_000))
def test_no_list_of_wishes_costs_more_than_the_caps(wishes: list[Place], cash_micro: int) -> None:
    """Each leg judged with those before it: the slot's cap and the cash hold for all of them together."""
    accounts = Accounts()
    accounts.apply(e.Balance(cash_micro, True), START_S * 10**9)
    for leg, wish in enumerate(wishes):
        verdict = place(DECIDED, leg, wish, BY, accounts, a_bench(), NamingSigner())
        if isinstance(verdict, Admitted):
            accounts.apply(verdict.entry, START_S * 10**9)
    spent = accounts.reserved()
    assert spent <= min(LIMITS.slot_micro, cash_micro)
    assert all(order.side == "BUY" for order in accounts.orders.values())


KINDS: tuple[OrderKind, ...] = ("GTC", "FAK", "FOK")


@given(WISHES)
def test_what_leaves_is_what_was_judged(wish: Place) -> None:
    """The size in the entry times its price is, to the rounding of the venue, the amount that was signed."""
    signer = NotingSigner()
    verdict = place(DECIDED, 0, wish, BY, told(), a_bench(), signer)
    if isinstance(verdict, Admitted):
        draft = signer.drafts[0]
        assert draft.place.size_micro == draft.taker_amount <= wish.size_micro
        assert draft.maker_amount <= wish.size_micro * wish.price_micro // 1_000_000
        assert draft.place.kind in KINDS
