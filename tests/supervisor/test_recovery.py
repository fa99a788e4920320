"""Our books beside the venue's: what may be in flight is no difference, what cannot be is one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kit.trading import a_fill, a_placing, an_answer, an_opening, an_order

from shared import entries as e
from shared.clock import NS
from supervisor import recovery
from supervisor.accounts import Accounts
from supervisor.recovery import View
from supervisor.venue.requests import Token, VenueOrder
from supervisor.venue.user import TradeLeg

INSIDE_NS, OVER_NS = 400 * NS, 700 * NS
"""In the window that begins at 300 s, and after it."""
ORDER = an_order().order_id
STRANGER = f"0x{'b' * 64}"
CONFIRMED = e.FillStatus("t1", ORDER, "CONFIRMED")
OPENING = (e.Balance(100_000_000, True), an_opening(), a_placing())


def books(*entries: e.Entry) -> Accounts:
    """A hundred dollars, a window, an order, and what became of it."""
    accounts = Accounts()
    for entry in (*OPENING, *entries):
        accounts.apply(entry, INSIDE_NS)
    return accounts


def a_view(*, rests: bool = True, traded: bool = True, **changes: Any) -> View:
    """The venue's books after four shares at 0.50, of an order that rests."""
    order = VenueOrder(ORDER, "1", "BUY", 500_000, 10_000_000, 4_000_000, True)
    leg = TradeLeg("t1", ORDER, "1", "BUY", 500_000, 4_000_000, True, "CONFIRMED")
    view = View((order,) if rests else (), (leg,) if traded else (), 98_000_000, {"1": 4_000_000})
    return replace(view, **changes)


def differs(accounts: Accounts, view: View, at_ns: int = INSIDE_NS) -> list[str]:
    """The keys of what differs."""
    return [difference.key for difference in recovery.compare(accounts, view, at_ns)]


FIRM = (an_answer("open"), a_fill(), CONFIRMED)
SHARES = "shares BTC/5m 300 Up"


def test_books_that_agree_do_not_differ() -> None:
    """Four shares for two dollars, the rest of the order open."""
    assert differs(books(*FIRM), a_view()) == []


def test_the_least_difference_in_firm_money_is_seen() -> None:
    """A millionth of a dollar concerns all slots, a millionth of a share its own; both sums are named."""
    found = recovery.compare(books(*FIRM), a_view(cash_micro=98_010_000, shares={"1": 3_500_000}), INSIDE_NS)
    assert [(difference.key, difference.slot) for difference in found] == [("cash", ""), (SHARES, "BTC/5m")]
    assert found[0].text == "cash: 98.00 by our books, 98.01 at the venue"
    assert found[1].text == "BTC/5m 300 Up: 4 shares by our books, 3.5 at the venue"
    for off in (-1, 1):
        view = a_view(cash_micro=98_000_000 + off, shares={"1": 4_000_000 + off})
        assert differs(books(*FIRM), view) == ["cash", SHARES]


@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_a_fill_that_is_not_settled_may_be_in_the_balance_or_not(side: Any) -> None:
    """Nothing between the two, and nothing beyond."""
    fill = a_fill(side=side, trade_id="t2", size_micro=2_000_000)
    accounts = books(*FIRM, fill)
    sign = 1 if side == "BUY" else -1
    legs = (*a_view().legs, TradeLeg("t2", ORDER, "1", side, 500_000, 2_000_000, True, "MATCHED"))
    for counted in (0, sign):
        view = a_view(
            legs=legs, cash_micro=98_000_000 - counted * 1_000_000, shares={"1": 4_000_000 + counted * 2_000_000}
        )
        assert differs(accounts, view) == []
    beyond = a_view(legs=legs, cash_micro=98_000_000 + sign, shares={"1": 4_000_000 - sign})
    assert differs(accounts, beyond) == ["cash", SHARES]


@pytest.mark.parametrize("state", ["pending", "unknown", "matched"])
def test_an_order_that_owes_its_word_may_have_taken_all_it_wished_for(state: str) -> None:
    """A buy its limit and the dearest fee; it neither has to rest nor must not."""
    entries = {"pending": (), "unknown": (an_answer("unknown"),), "matched": (an_answer("matched", trades=("t9",)),)}
    accounts = books(*entries[state], *((a_fill(size_micro=0, trade_id="t0"),) if state != "pending" else ()))
    accounts.fills.clear()
    fee = 175_500  # ten shares at 0.50 by the market's own rate, and what rounding may add
    for cash, shares in ((100_000_000, 0), (95_000_000 - fee, 10_000_000)):
        assert differs(accounts, a_view(rests=False, traded=False, cash_micro=cash, shares={"1": shares})) == []
    beyond = a_view(rests=False, traded=False, cash_micro=95_000_000 - fee - 1, shares={"1": 10_000_001})
    assert differs(accounts, beyond) == (["cash"] if state == "pending" else ["cash", SHARES])


def test_a_sell_that_owes_its_word_may_have_brought_a_unit_for_each_share() -> None:
    """And no cent more."""
    order_id = f"0x{'c' * 64}"
    sell = a_placing(order_id=order_id, side="SELL", size_micro=4_000_000)
    accounts = books(*FIRM, sell)
    assert differs(accounts, a_view(cash_micro=102_000_000, shares={"1": 0})) == []
    assert differs(accounts, a_view(cash_micro=102_000_001)) == ["cash"]


def test_a_resolved_winner_may_wait_to_be_claimed() -> None:
    """As many shares as are left of it are dollars that are not there yet; a claimed one must be."""
    accounts = books(*FIRM, e.Resolved("BTC/5m", 300, "Up", 4_000_000))
    assert recovery.asked(accounts) == [Token("1", "v1")]
    after = {"rests": False, "traded": True}
    assert differs(accounts, a_view(**after, cash_micro=98_000_000, shares={"1": 4_000_000}), OVER_NS) == []
    assert differs(accounts, a_view(**after, cash_micro=102_000_000, shares={"1": 0}), OVER_NS) == []
    assert differs(accounts, a_view(**after, cash_micro=98_000_000, shares={"1": 0}), OVER_NS) == ["cash"]
    for unasked in (98_000_000, 102_000_000):
        assert differs(accounts, a_view(**after, cash_micro=unasked, shares={}), OVER_NS) == []


def test_a_window_that_is_over_may_have_been_paid_before_we_heard_who_won() -> None:
    """Its shares are gone, and as many dollars came, or none."""
    accounts = books(*FIRM)
    for cash in (98_000_000, 102_000_000):
        assert differs(accounts, a_view(cash_micro=cash, shares={"1": 0}), OVER_NS) == []
    assert differs(accounts, a_view(cash_micro=102_000_000, shares={"1": 0})) == ["cash", SHARES]


def test_an_order_that_only_one_side_has_differs() -> None:
    """Ours that the venue lost, and one that it kept although its life is over: that is the one to take back."""
    lost = recovery.compare(books(*FIRM), a_view(rests=False), INSIDE_NS)
    assert [(difference.key, difference.slot, difference.order_id) for difference in lost] == [
        (f"order {ORDER}", "BTC/5m", "")
    ]
    ended = books(*FIRM, an_answer("closed", request="cancel"))
    kept = recovery.compare(ended, a_view(), INSIDE_NS)
    assert [(difference.key, difference.order_id) for difference in kept] == [(f"order {ORDER}", ORDER)]


def test_a_fill_that_the_venue_does_not_list_differs() -> None:
    """Unless it was taken back: of a failed trade nothing is expected."""
    assert differs(books(*FIRM), a_view(traded=False)) == [f"fill t1 {ORDER}"]
    failed = books(an_answer("open"), a_fill(), e.FillStatus("t1", ORDER, "FAILED"))
    assert differs(failed, a_view(traded=False, cash_micro=100_000_000, shares={"1": 0})) == []


def test_orders_of_others_under_our_key_are_foreign_and_nothing_else() -> None:
    """Those that rest, and those that traded in a window of ours; trades of windows long past are no news."""
    stranger = VenueOrder(STRANGER, "1", "BUY", 500_000, 1_000_000, 0, True)
    ours = a_view()
    trader, past = f"0x{'d' * 64}", f"0x{'e' * 64}"
    legs = (
        *ours.legs,
        TradeLeg("t5", trader, "2", "BUY", 500_000, 1_000_000, True, "CONFIRMED"),
        TradeLeg("t6", past, "99", "BUY", 500_000, 1_000_000, True, "CONFIRMED"),
    )
    view = replace(ours, resting=(*ours.resting, stranger), legs=legs)
    assert recovery.foreign(books(*FIRM), view) == [STRANGER, trader]
    assert differs(books(*FIRM), view) == []
    assert recovery.foreign(books(*FIRM), ours) == []


def test_an_order_of_ours_that_was_forgotten_is_foreign_only_if_it_rests() -> None:
    """The next window is resolved already, and its own winner is not named yet: the order's trades are told all on."""
    accounts = books(an_answer("closed"), a_fill(), CONFIRMED, e.Resolved("BTC/5m", 600, "Up", 0, True))
    assert not accounts.orders
    assert recovery.foreign(accounts, a_view(rests=False)) == []
    assert recovery.foreign(accounts, a_view()) == [ORDER]


def test_trades_are_asked_for_since_the_oldest_window_we_still_tell_apart() -> None:
    """Without any, since now."""
    assert recovery.since_s(books(*FIRM), OVER_NS) == 300
    assert recovery.since_s(books(), OVER_NS) == 700


def test_tokens_are_asked_for_where_they_tell_something() -> None:
    """What was traded in a window that is not resolved; by its protocol's kind."""
    assert recovery.asked(books()) == []
    assert recovery.asked(books(*FIRM)) == [Token("1", "v1")]
    assert recovery.asked(books(*FIRM, e.Resolved("BTC/5m", 300, "Down", 0))) == []


# --- what is owed on the chain ---


def owed(*entries: e.Entry) -> Accounts:
    """The window was resolved, and its winners are to be redeemed by us."""
    return books(*FIRM, e.Resolved("BTC/5m", 300, "Up", 4_000_000, owed=True), *entries)


def test_winners_that_we_redeem_are_no_cash_until_then_and_may_be_it_at_the_venue() -> None:
    """Whoever sent the transaction; once it is paid in our books it has to be there."""
    gone = {"rests": False, "shares": {}}
    for cash in (98_000_000, 102_000_000):
        assert differs(owed(), a_view(**gone, cash_micro=cash), OVER_NS) == []
    paid = owed(e.ClaimMoved("BTC/5m 300 redeem", "paid", "the balance is empty"))
    assert differs(paid, a_view(**gone, cash_micro=102_000_000), OVER_NS) == []
    assert differs(paid, a_view(**gone, cash_micro=98_000_000), OVER_NS) == ["cash"]


def test_pairs_that_are_being_merged_may_be_shares_or_cash() -> None:
    """Both tokens or as many dollars; never more than what left."""
    down = f"0x{'d' * 64}"
    other = TradeLeg("t2", down, "2", "BUY", 400_000, 4_000_000, True, "CONFIRMED")
    bought = (
        *(a_placing(order_id=down, outcome="Down", token_id="2", price_micro=400_000, size_micro=4_000_000),),
        *(an_answer("open", order_id=down), a_fill(order_id=down, trade_id="t2", outcome="Down", price_micro=400_000)),
        *(e.FillStatus("t2", down, "CONFIRMED"), an_answer("closed", order_id=down, request="lookup")),
    )
    accounts = books(*FIRM, *bought, e.Claiming("BTC/5m 300 merge 1", "merge", "BTC/5m", 300, 3_000_000, 0, "rpc"))
    cash = 100_000_000 - 2_000_000 - 1_600_000
    legs = (*a_view().legs, other)
    for happened in (0, 1):
        left = 4_000_000 - 3_000_000 * happened
        view = a_view(legs=legs, cash_micro=cash + 3_000_000 * happened, shares={"1": left, "2": left})
        assert differs(accounts, view) == []
    beyond = a_view(legs=legs, cash_micro=cash + 3_000_001, shares={"1": 999_999, "2": 4_000_001})
    assert differs(accounts, beyond) == ["cash", SHARES, "shares BTC/5m 300 Down"]
