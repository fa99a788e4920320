"""worker.intents: sizes, prices and budgets the venue takes."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from kit.tapes import START_S, TERMS, a_book

from shared.amounts import order_amounts
from shared.messages import Account, Cancel, OrderView, PositionView
from shared.units import cost_of, taker_fee
from worker import intents

FREE = msgspec.structs.replace(TERMS, fee_rate_micro=0)


def an_order(name: str, side: str = "BUY", price: int = 500_000, state: str = "open", outcome: str = "Up") -> OrderView:
    return OrderView(name, outcome, side, price, 6_000_000, state)  # type: ignore[arg-type]


def an_account(*orders: OrderView, positions: tuple[PositionView, ...] = ()) -> Account:
    return Account(1, 100_000_000, 0, positions, orders)


def test_a_stake_buys_whole_hundredths_of_shares() -> None:
    """Five dollars at 61 cents without a fee: 8.19 shares; with it, 7.97."""
    assert intents.shares(5_000_000, 610_000, TERMS, taking=False) == 8_190_000
    assert intents.shares(5_000_000, 610_000, TERMS, taking=True) == 7_970_000


def test_what_is_below_the_minimum_is_nothing() -> None:
    """Under five shares, or an immediate order under one dollar, the venue takes none."""
    assert intents.shares(2_000_000, 610_000, TERMS, taking=False) == 0
    assert intents.shares(900_000, 100_000, FREE, taking=False) == 9_000_000
    assert intents.shares(900_000, 100_000, FREE, taking=True) == 0
    assert intents.shares(0, 610_000, TERMS, taking=True) == 0
    assert intents.shares(-5, 610_000, TERMS, taking=True) == 0


@given(st.integers(0, 100_000_000), st.integers(1, 99), st.booleans())
def test_a_budget_is_never_passed(budget_micro: int, cents: int, taking: bool) -> None:
    """Purchase and fee together stay within it, in whole hundredths."""
    price = cents * 10_000
    size = intents.shares(budget_micro, price, TERMS, taking=taking)
    fee = taker_fee(size, price, TERMS.fee_rate_micro, TERMS.fee_exponent) if taking else 0
    assert cost_of(size, price) + fee <= budget_micro
    assert size % intents.SHARE_STEP_MICRO == 0
    assert size == 0 or size >= TERMS.min_size_micro


@given(st.integers(0, 20_000_000), st.integers(10, 990).map(lambda mills: mills * 1_000))
def test_an_immediate_purchase_is_no_smaller_than_the_minimum_once_it_is_rounded(budget: int, price: int) -> None:
    """Its value is rounded down to cents and its shares with it, as orders are made of it; what falls short is none."""
    fine = msgspec.structs.replace(FREE, tick_micro=1_000)
    size = intents.shares(budget, price, fine, taking=True)
    if size:
        _, bought = order_amounts("BUY", "FAK", price, size, fine.tick_micro)
        assert bought >= fine.min_size_micro


def test_a_price_between_cents_takes_more_than_the_minimum() -> None:
    """Five shares at 0.991 are worth 4.955: of 4.95 the venue makes 4.9949."""
    assert not intents.takeable(5_000_000, 991_000, FREE)
    assert intents.takeable(5_000_000, 992_000, FREE)
    assert intents.takeable(5_010_000, 991_000, FREE)


def test_a_bid_betters_the_best_by_a_tick_but_never_crosses() -> None:
    """Below the ceiling, below the ask, on the grid."""
    wide, tight = a_book("BTC/5m", START_S, "Up", 50, 53), a_book("BTC/5m", START_S, "Up", 50, 51)
    assert intents.bid_price(600_000, wide, 10_000) == 510_000
    assert intents.bid_price(600_000, tight, 10_000) == 500_000
    assert intents.bid_price(437_000, wide, 10_000) == 430_000
    assert intents.bid_price(4_000, wide, 10_000) is None


def test_a_one_sided_book_has_no_place_to_bid() -> None:
    """Without an ask there is no telling what crosses."""
    book = msgspec.structs.replace(a_book("BTC/5m", START_S, "Up", 50, 53), asks=())
    assert intents.bid_price(600_000, book, 10_000) is None


def test_only_what_is_surely_open_is_cancelled() -> None:
    """An order whose answer is on the way may not be there, or may be gone."""
    orders = [an_order("a"), an_order("b", state="pending"), an_order("c", state="unknown"), an_order("d")]
    assert intents.cancels(orders) == (Cancel("a"), Cancel("d"))


def test_an_unanswered_order_unsettles_a_window() -> None:
    """Pending and unknown; open and matched are answers."""
    assert intents.unsettled(an_account(an_order("a", state="pending")))
    assert intents.unsettled(an_account(an_order("a", state="unknown")))
    assert not intents.unsettled(an_account(an_order("a"), an_order("b", state="matched")))


def test_resting_orders_come_best_first_for_their_side() -> None:
    """The highest bid, the lowest ask; of equal ones the smaller id, so that the order is always the same."""
    bids = an_order("b"), an_order("a"), an_order("c", price=510_000), an_order("p", state="pending")
    account = an_account(*bids, an_order("x", "SELL"), an_order("w", "SELL", 400_000))
    assert [order.order_id for order in intents.resting(account, "BUY")] == ["c", "a", "b"]
    assert [order.order_id for order in intents.resting(account, "SELL", "Up")] == ["w", "x"]
    assert intents.resting(account, "BUY", "Down") == []


def test_committed_is_what_is_held_and_what_may_still_be_bought() -> None:
    """Cost of positions, and every bid that is not closed: also one whose answer is missing."""
    held = (PositionView("Up", 5_000_000, 2_600_000), PositionView("Down", 0, -100_000))
    account = an_account(an_order("a", state="unknown"), an_order("b", side="SELL"), positions=held)
    assert intents.committed(account) == 2_600_000 + 3_000_000
    assert intents.held(account, "Up") == 5_000_000


def test_an_offer_is_above_the_best_bid_and_rounded_up() -> None:
    """Never below its floor, never crossing; None where the grid ends."""
    book = a_book("BTC/5m", START_S, "Up", 50, 53)
    assert intents.offer_price(551_000, book, 10_000) == 560_000
    assert intents.offer_price(300_000, book, 10_000) == 510_000
    assert intents.offer_price(995_000, book, 10_000) is None


def test_a_share_costs_what_was_paid_with_its_fee() -> None:
    """2.60 for five shares is 52 cents; nothing held has cost nothing."""
    account = an_account(positions=(PositionView("Up", 5_000_000, 2_600_000),))
    assert intents.cost_per_share(account, "Up") == 520_000
    assert intents.cost_per_share(account, "Down") == 0


def a_quote(price: int = 500_000, side: str = "BUY", outcome: str = "Up") -> intents.Quote:
    return intents.Quote(outcome, side, price, 5_000_000)  # type: ignore[arg-type]


def towards(
    wanted: list[intents.Quote], account: Account, budget: int = 10_000_000, *, entries: bool = True
) -> list[object]:
    return list(intents.towards(wanted, account, drift_micro=20_000, budget_micro=budget, entries=entries))


def test_what_should_rest_and_does_not_is_placed() -> None:
    """Post-only, for as long as the budget lasts."""
    placed = intents.rest("Up", "BUY", 500_000, 5_000_000)
    assert towards([a_quote(), a_quote(400_000), a_quote(300_000)], an_account(), 4_600_000) == [
        placed,
        intents.rest("Up", "BUY", 400_000, 5_000_000),
    ]


def test_an_order_near_enough_keeps_its_place() -> None:
    """Within the drift nothing is done; beyond it the order goes, and the new one waits for the next tick."""
    assert towards([a_quote(520_000)], an_account(an_order("a"))) == []
    assert towards([a_quote(530_000)], an_account(an_order("a"))) == [Cancel("a")]
    assert towards([], an_account(an_order("a"), an_order("s", "SELL"))) == [Cancel("a"), Cancel("s")]


def test_one_order_serves_one_quote() -> None:
    """Two equal quotes need two orders."""
    wanted = [a_quote(), a_quote()]
    assert towards(wanted, an_account(an_order("a")), 20_000_000) == [intents.rest("Up", "BUY", 500_000, 5_000_000)]


def test_an_unanswered_order_stops_its_own_token_and_side() -> None:
    """The other token, and the other side, are not concerned."""
    account = an_account(an_order("a", state="unknown"))
    wanted = [a_quote(), a_quote(outcome="Down"), a_quote(600_000, "SELL")]
    assert towards(wanted, account) == [
        intents.rest("Down", "BUY", 500_000, 5_000_000),
        intents.rest("Up", "SELL", 600_000, 5_000_000),
    ]


def test_closed_entries_stop_bids_and_not_offers_or_cancels() -> None:
    """Exits go on."""
    account = an_account(an_order("a", price=100_000))
    wanted = [a_quote(outcome="Down"), a_quote(600_000, "SELL")]
    assert towards(wanted, account, entries=False) == [Cancel("a"), intents.rest("Up", "SELL", 600_000, 5_000_000)]


@given(st.lists(st.builds(a_quote, st.integers(1, 99).map(lambda c: c * 10_000), st.just("BUY")), max_size=12))
def test_never_more_orders_or_money_than_allowed(wanted: list[intents.Quote]) -> None:
    """Whatever is wanted."""
    account = an_account(an_order("a"), an_order("b", outcome="Down", state="pending"))
    made = towards(wanted, account, 15_000_000)
    gone = sum(isinstance(intent, Cancel) for intent in made)
    places = [intent for intent in made if not isinstance(intent, Cancel)]
    assert 2 + len(places) <= intents.ORDERS_MAX
    assert gone <= 1
    cost = sum(cost_of(place.size_micro, place.price_micro) for place in places)  # type: ignore[attr-defined]
    assert intents.committed(account) + cost <= 15_000_000
