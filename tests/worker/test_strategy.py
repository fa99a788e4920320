"""worker.strategy: what it wishes, when it does not, and that it always says why."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.paper import Paper, broken_rules
from kit.tapes import EXACT, NS, START_S, TERMS, Market, Stream, a_book, a_price

from shared.messages import (
    Account,
    Cancel,
    Decision,
    OrderView,
    ParametersSet,
    Place,
    PositionView,
    StrikeSet,
    Tick,
    TradeSeen,
    WindowOpened,
)
from shared.wire import encode
from worker.candles import Closed
from worker.parameters import Parameters
from worker.reading import Reading
from worker.strategy import decide
from worker.view import View

SLOT = "BTC/5m"
FREE = Account(1, 100_000_000, 0, (), ())


def a_view(
    parameters: Parameters | None = None, *, left_s: int = 30, fall: bool = False, ask: int = 61, bid: int = 60
) -> View:
    """A price that has climbed (or fallen) all along and stands beyond its strike, and a book that does not know it."""
    view, way = View(parameters or Parameters()), -1 if fall else 1
    for second in range(-300, 300 - left_s):
        at_s = START_S + second
        view.apply(at_s * NS, a_price(at_s, 60_000 + way * (second // 3 + 6 * (second // 5 % 3))))
    at_ns = (START_S + 300 - left_s) * NS
    view.apply(at_ns, WindowOpened(SLOT, START_S, TERMS))
    view.apply(at_ns, StrikeSet(SLOT, START_S, str(60_000_000_000 * EXACT)))
    winner, loser = ("Down", "Up") if fall else ("Up", "Down")
    view.apply(at_ns, a_book(SLOT, START_S, winner, bid, ask))
    view.apply(at_ns, a_book(SLOT, START_S, loser, 100 - ask, 100 - bid))
    return view


def answer(view: View, account: Account = FREE, entries: str = "") -> Decision:
    return decide(view, Tick(SLOT, view.at_ns // 1_000_000, START_S, "w1", 1, "", entries, account))


def a_bid(price: int = 600_000, outcome: str = "Up", state: str = "open", size: int = 6_000_000) -> OrderView:
    return OrderView("0x" + "11" * 32, outcome, "BUY", price, size, state)  # type: ignore[arg-type]


def with_orders(*orders: OrderView) -> Account:
    return msgspec.structs.replace(FREE, orders=orders)


def verdict(decision: Decision) -> str:
    return str(decision.reasons["verdict"])


# --- entering -------------------------------------------------------------------------------------------------------


def test_an_ask_below_fair_value_is_taken_for_the_stake() -> None:
    """Five dollars with the fee, at the ask, immediately."""
    assert answer(a_view()).intents == (Place("Up", "BUY", 610_000, 7_970_000, "FAK"),)


def test_a_falling_market_is_the_mirror_image() -> None:
    """Down is bought as Up would have been."""
    assert answer(a_view(fall=True)).intents == (Place("Down", "BUY", 610_000, 7_970_000, "FAK"),)


def test_the_fee_is_part_of_the_price() -> None:
    """The edge is what is left of fair value after the ask and the market's fee on it."""
    dear = msgspec.structs.replace(TERMS, fee_rate_micro=700_000)
    view = a_view()
    cheap_edge = answer(view).reasons["edge_bp"]
    view.apply(view.at_ns, WindowOpened(SLOT, START_S, dear))
    dear_edge = answer(view).reasons["edge_bp"]
    assert isinstance(cheap_edge, int)
    assert isinstance(dear_edge, int)
    assert cheap_edge - dear_edge == pytest.approx(0.63 * 0.61 * 0.39 * 10_000, abs=1)


def test_an_edge_too_small_to_take_rests_a_bid() -> None:
    """Post-only, a tick above the best, no fee to pay: all of the stake is shares."""
    decision = answer(a_view(Parameters(min_edge_bp=4_900, max_price=0.99), ask=70, bid=66))
    assert decision.intents == (Place("Up", "BUY", 670_000, 7_460_000, "GTC", post_only=True),)
    assert verdict(decision) == "rest"


def test_a_bid_that_rests_is_enough() -> None:
    """One at a time, kept while it is worth keeping."""
    decision = answer(a_view(Parameters(min_edge_bp=4_900), ask=70, bid=66), with_orders(a_bid(670_000)))
    assert (decision.intents, verdict(decision)) == ((), "hold: a bid rests")


def test_taking_first_frees_the_stake_that_rests() -> None:
    """Never both: the bid goes at this tick, the ask is taken at the next."""
    decision = answer(a_view(), with_orders(a_bid()))
    assert decision.intents == (Cancel("0x" + "11" * 32),)


def test_a_window_never_costs_more_than_the_stake() -> None:
    """Three dollars are spent: what is left buys less than the market's minimum."""
    spent = msgspec.structs.replace(FREE, positions=(PositionView("Up", 5_000_000, 3_000_000),))
    decision = answer(a_view(), spent)
    assert (decision.intents, verdict(decision)) == ((), "hold: 2 left buys nothing at 0.61")


def test_a_fraction_of_kelly_bets_less_where_less_is_to_be_won() -> None:
    """Four per cent of what Kelly would bet of a hundred free dollars; the stake is still the most."""
    taken = answer(a_view(Parameters(kelly=0.04)))
    assert taken.reasons["budget_micro"] == pytest.approx(
        0.04 * 100_000_000 * (0.995 - 0.6266) / (1 - 0.6266), abs=2_000
    )
    assert 0 < taken.intents[0].size_micro < 7_970_000  # type: ignore[union-attr]
    assert answer(a_view(Parameters(kelly=1.0))).intents == answer(a_view()).intents


def test_a_bet_beyond_the_free_cash_is_not_wished_for() -> None:
    """The venue would take it and the chain would not."""
    poor = msgspec.structs.replace(FREE, cash_micro=4_000_000)
    assert answer(a_view(), poor).reasons["budget_micro"] == 4_000_000


# --- ideas ----------------------------------------------------------------------------------------------------------


def a_leap(parameters: Parameters, dollars: int = 40) -> View:
    """A calm window near its strike, a leap in the last ten seconds, and a book that believes all of it."""
    view, sign = View(parameters), 1 if dollars > 0 else -1
    for second in range(-300, 270):
        at_s, leap = START_S + second, dollars if second >= 262 else 0
        view.apply(at_s * NS, a_price(at_s, 60_000 + 4 * (second // 5 % 2) + leap))
    view.apply(view.at_ns + NS, WindowOpened(SLOT, START_S, msgspec.structs.replace(TERMS, rule="spot")))
    view.apply(view.at_ns, StrikeSet(SLOT, START_S, str(60_000_000_000 * EXACT)))
    believed, other = ("Up", "Down") if sign > 0 else ("Down", "Up")
    view.apply(view.at_ns, a_book(SLOT, START_S, believed, 95, 96))
    view.apply(view.at_ns, a_book(SLOT, START_S, other, 2, 3))
    return view


FADE = Parameters(overreaction="trade", momentum="off", min_price=0.01, min_edge_bp=0)


@pytest.mark.parametrize(("dollars", "cheap"), [(40, "Down"), (-40, "Up")])
def test_a_leap_is_stayed_away_from_or_bet_against(dollars: int, cheap: str) -> None:
    """As guard it shuts the gate for both tokens; as trade it buys the one that the leap has made cheap."""
    guarded = answer(a_leap(Parameters(), dollars))
    assert (guarded.intents, verdict(guarded).split(" > ")[0][:10]) == ((), "hold: jump")
    faded = answer(a_leap(FADE, dollars))
    assert verdict(faded) == "take", faded.reasons
    assert (faded.reasons["bet"], faded.reasons["backers"]) == (cheap, "overreaction")
    assert [intent.outcome for intent in faded.intents if isinstance(intent, Place)] == [cheap]


def test_a_fade_does_not_buy_dearer_than_the_last_minutes_trades() -> None:
    """A token that the leap has not made cheaper was not oversold."""
    view = a_leap(FADE)
    view.apply(view.at_ns, TradeSeen(SLOT, START_S, "Down", "BUY", 20_000, 50_000_000))
    decision = answer(view)
    assert (decision.intents, decision.reasons["paid_micro"]) == ((), 20_000)
    assert verdict(decision) == "hold: ask 30000 > 20000 paid in the last minute"


def test_a_bid_that_has_come_to_follow_a_leap_is_taken_back() -> None:
    """However cheap it looks there: a leap is bet against or not at all."""
    view = a_leap(FADE)
    view.apply(view.at_ns, a_book(SLOT, START_S, "Up", 50, 60))
    view.apply(view.at_ns, a_book(SLOT, START_S, "Down", 40, 50))
    decision = answer(view, with_orders(a_bid(500_000)))
    assert decision.intents == (Cancel("0x" + "11" * 32),), decision.reasons


def test_a_shape_alone_can_make_a_bet() -> None:
    """Three rising minutes, with momentum asked for more than it has; as guard they only do not object."""
    assert verdict(answer(a_view(Parameters(min_momentum=9)))).startswith("hold: momentum")
    decision = answer(a_view(Parameters(min_momentum=9, patterns="trade")))
    assert (verdict(decision), decision.reasons["backers"]) == ("take", "patterns")
    assert decision.reasons["shapes"] == "three_in_a_row+1"


def test_modes_change_while_the_process_runs() -> None:
    """A set that comes with the stream holds from the next tick on: the same view, another answer, and back."""
    view = a_view()
    view.fixed = None
    said = []
    for values in ({"momentum": "off"}, {"momentum": "guard"}, {"momentum": "trade"}, {"mode": "off"}):
        view.apply(view.at_ns, ParametersSet("p", values))
        said.append(verdict(answer(view)))
    assert said == ["hold: no idea is set to trade", "hold: no idea is set to trade", "take", "hold: mode is off"]


# --- holding and taking back ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (View(), "no market known for this window"),
        (a_view(left_s=120), "120.0 s left > snipe window of 90 s"),
        (a_view(left_s=3), "3.0 s left < last 4 s"),
        (a_view(Parameters(min_volatility_bp=400, max_volatility_bp=500)), "volatility 4.86 bp < 400.00"),
        (a_view(Parameters(max_volatility_bp=0.1, min_volatility_bp=0)), "volatility 4.86 bp > 0.10"),
        (a_view(Parameters(min_momentum=9)), "momentum 0.45 does not confirm Up"),
        (a_view(ask=98, bid=97), "price 0.980 > 0.960"),
        (a_view(Parameters(mode="exit-only")), "mode is exit-only"),
        (a_view(Parameters(mode="off")), "mode is off"),
    ],
)
def test_a_hold_names_its_reason_in_numbers(view: View, why: str) -> None:
    """The verdict is the first gate that was shut."""
    decision = answer(view)
    assert (decision.intents, verdict(decision)) == ((), f"hold: {why}")


def test_closed_entries_let_nothing_in_but_cancels_out() -> None:
    """Paused: no new order; a bid that has lost its reason still goes."""
    paused = answer(a_view(), entries="paused")
    assert (paused.intents, verdict(paused)) == ((), "hold: entries are closed: paused")
    wrong_side = answer(a_view(), with_orders(a_bid(380_000, "Down")), entries="paused")
    assert wrong_side.intents == (Cancel("0x" + "11" * 32),)


def test_an_unanswered_order_is_left_alone_and_nothing_is_added() -> None:
    """Neither cancelled nor doubled."""
    for state in ("pending", "unknown"):
        decision = answer(a_view(), with_orders(a_bid(state=state)))
        assert (decision.intents, verdict(decision)) == ((), "hold: the venue has not answered for an order")


@pytest.mark.parametrize(
    ("view", "bid", "why"),
    [
        (a_view(left_s=3), a_bid(), "3.0 s left < last 4 s"),
        (a_view(Parameters(mode="off")), a_bid(), "mode is off"),
        (a_view(), a_bid(380_000, "Down"), "1 bids are not worth keeping"),
        (a_view(ask=92, bid=90), a_bid(600_000), "1 bids are not worth keeping"),
        (a_view(Parameters(keep_edge_bp=3_990)), a_bid(600_000), "1 bids are not worth keeping"),
    ],
)
def test_a_bid_without_its_reason_is_taken_back(view: View, bid: OrderView, why: str) -> None:
    """The end of the snipe window, a mode, the wrong token, a market that moved on, an edge that shrank."""
    decision = answer(view, with_orders(bid))
    assert (decision.intents, verdict(decision)) == ((Cancel(bid.order_id),), f"cancel: {why}")


def test_exit_only_keeps_what_rests() -> None:
    """Nothing is opened; a bid worth keeping keeps its place in the queue."""
    decision = answer(a_view(Parameters(mode="exit-only")), with_orders(a_bid()))
    assert decision.intents == ()


def test_blind_is_hold() -> None:
    """With a stale book nothing is known that could justify giving up a place in the queue."""
    view = a_view()
    view.apply(view.at_ns, a_book(SLOT, START_S, "Down", 39, 40, stale=True))
    decision = answer(view, with_orders(a_bid()))
    assert (decision.intents, verdict(decision)) == ((), "hold: stale book of Down")


# --- always ---------------------------------------------------------------------------------------------------------


def test_reasons_begin_with_the_verdict_and_carry_every_number() -> None:
    """Integers and text only, so that they are the same bytes everywhere."""
    reasons = answer(a_view()).reasons
    assert next(iter(reasons)) == "verdict"
    assert {
        "left_ms",
        "fair_up_bp",
        "mid_up_micro",
        "volatility_bp_e2",
        "momentum_e3",
        "edge_bp",
        "gate_timing",
    } <= reasons.keys()
    assert all(type(value) in (int, str) for value in reasons.values())


def test_deciding_changes_nothing_and_repeats_itself() -> None:
    """Pure: twice the same bytes, and the view is as before."""
    view = a_view()
    before = view.state()
    assert encode(answer(view)) == encode(answer(view))
    assert view.state() == before


def test_what_is_remembered_of_candles_shows_in_no_decision() -> None:
    """The same bytes at every tick whether what closed candles say was computed then or earlier in their bucket."""
    kept, anew, ticks = Reading(), Reading(), 0
    parameters = ParametersSet("", {"patterns": "trade", "overreaction": "trade", "max_jump": 2})
    for frame in Market(Stream(), slots=(SLOT, "BTC/15m"), seed=3, parameters=parameters).run(600).frames:
        for reading in (kept, anew):
            reading.fold(frame)
        if isinstance(frame.event, Tick):
            for candles in anew.view._candles.values():
                candles._closed = Closed(-1, (), {})
            assert encode(kept.answer(frame.event)) == encode(anew.answer(frame.event))
            ticks += 1
    assert ticks > 200


EAGER: dict[str, object] = {}
FADING: dict[str, object] = {"overreaction": "trade", "max_jump": 1.5, "momentum": "off", "min_edge_bp": 50}
SHAPED: dict[str, object] = {"patterns": "trade", "momentum": "guard", "kelly": 0.05, "rest_edge_bp": 20}
PATIENT: dict[str, object] = {"min_edge_bp": 3_000, "rest_edge_bp": 20, "keep_edge_bp": 0, "min_momentum": 0}


@settings(max_examples=12)
@given(
    st.integers(0, 10**6),
    st.sampled_from(["spot", "twap30", "twap60"]),
    st.sampled_from([EAGER, PATIENT, FADING, SHAPED]),
)
def test_on_any_market_the_rules_are_kept(seed: int, rule: str, values: dict[str, object]) -> None:
    """Against a toy venue: sizes, grid, stake, post-only, and nothing on top of an unanswered order."""
    assert broken_rules(traded(seed, rule, values)) == []


def test_it_trades() -> None:
    """The rules above are not kept by doing nothing: every idea bets, and with patience it rests and takes back."""
    eager, patient = [[traded(seed, "twap60", values) for seed in range(6)] for values in (EAGER, PATIENT)]
    others = [[traded(seed, "twap60", values) for seed in range(3)] for values in (FADING, SHAPED)]
    assert all(sum(paper.fills for paper in papers) >= 2 for papers in others)
    assert sum(paper.fills for paper in eager) >= 4
    assert sum(paper.rested_ticks for paper in patient) >= 20
    assert sum(paper.cancelled for paper in patient) >= 4


def traded(seed: int, rule: str, values: dict[str, object]) -> Paper:
    paper, reading = Paper(stake_micro=5_000_000, orders_max=1), Reading()
    market = Market(
        Stream(),
        seed=seed,
        slots=(SLOT,),
        terms=msgspec.structs.replace(TERMS, rule=rule),
        parameters=ParametersSet("p", values),
        account=paper.account,
        seen=lambda frame: paper.watch(reading, frame),
    )
    market.run(900)
    return paper
