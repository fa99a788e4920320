"""Clients at the venue: from request to settlement."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kit.days import START_S, WINDOW_S, a_day
from kit.venue import Trader, an_exchange, lines_of, said

from deploy.rehearsal import refusals
from deploy.rehearsal.exchange import Exchange, Reply, Waiting
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.matching import CROWD, Wish
from deploy.rehearsal.outbox import Answer, Effect, Line
from deploy.rehearsal.refusals import Refused

SECOND_NS = 10**9
NOW_MS = (START_S + 20) * 1_000
LEFT_MS = (WINDOW_S - 20) * 1_000
"""Until the current window ends; it resolves 20 s later."""
SLUG = f"btc-updown-5m-{START_S}"
QUIET = f"btc-updown-5m-{START_S + 8 * WINDOW_S}"
DAY = a_day()


def a_venue(**rules: Any) -> Exchange:
    return an_exchange(DAY, NOW_MS, Rules(**rules))


@dataclass
class Scene:
    """The current market with its crowd, a quiet one that nobody quotes yet, and traders. salt: each order its own."""

    exchange: Exchange = field(default_factory=a_venue)
    keys: dict[int, Key] = field(default_factory=dict)
    effects: list[Effect] = field(default_factory=list)
    salt: int = 0

    @property
    def market(self) -> Market:
        return self.exchange.floor.by_slug[SLUG]

    @property
    def up(self) -> str:
        return self.market.listing.up_token

    @property
    def down(self) -> str:
        return self.market.listing.down_token

    @property
    def quiet(self) -> Market:
        return self.exchange.floor.by_slug[QUIET]

    def key(self, trader: int = 1) -> Key:
        if trader not in self.keys:
            self.keys[trader] = Trader(trader).join(self.exchange)
        return self.keys[trader]

    def limit(self, token: str, side: str, price: int, shares: int, trader: int = 1, **more: Any) -> dict[str, Any]:
        """A signed limit order at a price in cents."""
        self.salt += 1
        return Trader(trader).limit(self.key(trader), token, side, price * 10_000, shares, salt=self.salt, **more)

    def place(self, body: dict[str, Any], trader: int = 1) -> Reply:
        """Place an order and sit out its taker delay."""
        outcome = self.exchange.place(body, self.key(trader))
        if isinstance(outcome, Reply):
            return outcome
        self.advance(self.exchange.rules.taker_delay_ms)
        (answer,) = [each for each in self.effects if isinstance(each, Answer) and each.ticket == outcome.ticket]
        return Reply(answer.status, answer.body)

    def buy(self, dollars: int, trader: int = 1, limit: int = 99, kind: str = "FAK") -> Reply:
        """Buy Up for dollars, at 0.99 or better."""
        self.salt += 1
        shares = dollars * 10**6 * 100 // limit // 100 * 100
        key = self.key(trader)
        return self.place(Trader(trader).order(key, self.up, "BUY", dollars * 10**6, shares, kind, self.salt), trader)

    def advance(self, milliseconds: int) -> None:
        self.exchange.advance(self.exchange.now_ms + milliseconds)
        self.look()

    def look(self) -> None:
        self.effects += self.exchange.out.take()

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """Everything on the record of a kind."""
        self.look()
        found = [each for each in self.effects if isinstance(each, Line) and each.kind == kind]
        return [line.fields | {"t_ms": line.at_ms} for line in found]

    def said(self, kind: str) -> list[dict[str, Any]]:
        """Every user and market message of a kind."""
        self.look()
        return said(self.effects, kind)

    def rest(self, price: int = 5, shares: int = 10, trader: int = 1) -> str:
        """Rest a bid for Up far from everybody; its id."""
        return str(self.place(self.limit(self.up, "BUY", price, shares, trader), trader).body["orderID"])

    def cash(self, trader: int = 1) -> int:
        return self.exchange.accounts.get(Trader(trader).address).cash_micro

    def shares(self, token: str, trader: int = 1) -> int:
        return self.exchange.accounts.get(Trader(trader).address).positions.get(token, 0)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def refusal(scene: Scene, body: dict[str, Any], trader: int = 1) -> str:
    with pytest.raises(Refused) as refused:
        scene.exchange.place(body, scene.key(trader))
    return refused.value.reason


# Keys and money.


def test_a_new_owner_is_granted_play_money_once(scene: Scene) -> None:
    """A second key shares the first one's."""
    key = scene.key()
    scene.exchange.create_key(key.owner, 1, lambda count: b"7" * count)
    assert scene.cash() == 1_000 * 10**6
    assert [line["grant_micro"] for line in scene.lines("key")] == [10**9, 0]


# Resting.


def test_an_order_that_crosses_nothing_rests_at_once(scene: Scene) -> None:
    """It is on the record, in the book, told to its owner, and holds its dollars back."""
    reply = scene.place(scene.limit(scene.up, "BUY", 5, 10))
    assert (reply.status, reply.body["status"]) == (200, "live")
    (line,), (event,) = scene.lines("order"), scene.said("order")
    assert (line["status"], line["slug"], line["price_micro"], line["outcome"]) == ("live", SLUG, 50_000, "Up")
    assert (event["type"], event["status"], event["size_matched"]) == ("PLACEMENT", "LIVE", "0")
    assert scene.market.book.size_at(True, 50_000) >= 10 * 10**6
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == 999_500_000


def test_a_cancelled_order_is_gone_and_frees_its_dollars(scene: Scene) -> None:
    """Told and recorded with who asked; a second cancel is refused in the map, not by the status."""
    order_id = scene.rest()
    assert scene.exchange.cancel([order_id], scene.key()) == {"canceled": [order_id], "not_canceled": {}}
    again = scene.exchange.cancel([order_id, "0xunknown"], scene.key())
    assert again["not_canceled"] == {
        order_id: refusals.ALREADY_DONE,
        "0xunknown": refusals.NOT_FOUND_OR_CANCELED,
    }
    (line,) = scene.lines("cancel")
    assert (line["cause"], line["open_micro"], line["api_key"]) == ("client", 10**7, scene.key().api_key)
    assert scene.said("order")[-1]["status"] == "CANCELED"
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == 10**9


def test_nobody_cancels_somebody_elses_order(scene: Scene) -> None:
    """It is not found."""
    order_id = scene.rest()
    assert scene.exchange.cancel([order_id], scene.key(2))["not_canceled"] == {order_id: refusals.NOT_FOUND_OR_CANCELED}
    assert scene.exchange.orders[order_id].open


def test_a_gtd_order_expires_a_minute_early(scene: Scene) -> None:
    """Expiry is a cancel by the venue."""
    expiry_s = NOW_MS // 1_000 + 180
    scene.place(scene.limit(scene.up, "BUY", 5, 10, order_type="GTD", expiration=expiry_s))
    scene.advance(119_999)
    assert scene.lines("cancel") == []
    scene.advance(1)
    assert scene.lines("cancel")[0]["cause"] == "expired"
    assert scene.said("order")[-1]["status"] == "CANCELED_EXPIRED_ORDER"


# Taking.


def test_a_marketable_order_waits_before_it_matches(scene: Scene) -> None:
    """150 ms of market time: no event, no order to see or cancel; then the answer."""
    body = scene.limit(scene.up, "BUY", 99, 10)
    outcome = scene.exchange.place(body, scene.key())
    assert isinstance(outcome, Waiting)
    scene.advance(149)
    assert (scene.lines("order"), scene.said("order"), scene.exchange.orders) == ([], [], {})
    scene.advance(1)
    (answer,) = [each for each in scene.effects if isinstance(each, Answer)]
    assert (answer.status, answer.body["status"], answer.body["transactionsHashes"]) == (200, "matched", [])
    assert answer.body["tradeIDs"]


def test_dollars_shares_and_fee_of_a_buy_add_up(scene: Scene) -> None:
    """Cash falls by what the legs cost and their fees; shares rise by what they bought."""
    scene.buy(20)
    legs = [leg for line in scene.lines("trade") for leg in line["legs"]]
    cost = sum(leg["size_micro"] * leg["price_micro"] // 10**6 for leg in legs)
    assert 20 * 10**6 - len(legs) <= cost <= 20 * 10**6
    assert scene.cash() == 10**9 - cost - sum(leg["fee_micro"] for leg in legs)
    assert scene.shares(scene.up) == sum(leg["size_micro"] for leg in legs)
    assert all(leg["fee_micro"] > 0 and not leg["maker"] for leg in legs)


def test_every_price_level_is_a_trade_of_its_own(scene: Scene) -> None:
    """Swept levels have distinct prices and ids, all of them in the answer."""
    reply = scene.buy(200)
    lines = scene.lines("trade")
    assert len({line["legs"][0]["price_micro"] for line in lines}) == len(lines) > 1
    assert reply.body["tradeIDs"] == [line["trade_id"] for line in lines]


def test_what_was_bought_can_be_sold(scene: Scene) -> None:
    """A sale pays its fee out of its proceeds; more than one has is refused."""
    scene.buy(20)
    owned = scene.shares(scene.up)
    shares = owned // 10**6
    before = scene.cash()
    assert scene.place(scene.limit(scene.up, "SELL", 1, shares, order_type="FOK")).body["status"] == "matched"
    assert scene.shares(scene.up) == owned - shares * 10**6
    assert scene.cash() > before
    assert refusal(scene, scene.limit(scene.up, "SELL", 90, shares)) == refusals.NO_BALANCE


def test_a_fok_that_cannot_fill_is_killed(scene: Scene) -> None:
    """400 in the facts' words, an event with blank fields, and on the record as an order and its cancel."""
    scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 50, 40, trader=2), trader=2)
    killed = scene.place(scene.limit(scene.quiet.listing.up_token, "BUY", 50, 41, order_type="FOK"))
    assert (killed.status, killed.body) == (400, {"error": refusals.FOK_KILLED})
    event = scene.said("order")[-1]
    assert (event["status"], event["size_matched"]) == (f"CANCELED_{refusals.FOK_KILLED}", "")
    assert (scene.lines("cancel")[-1]["cause"], scene.lines("order")[-1]["status"]) == ("fok", "unmatched")
    assert (scene.lines("reject"), scene.cash()) == ([], 10**9)
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == 10**9


def test_a_fak_takes_what_there_is_and_the_rest_is_killed(scene: Scene) -> None:
    """Forty shares of a hundred; killed wholly when there is nothing."""
    token = scene.quiet.listing.up_token
    scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 50, 40, trader=2), trader=2)
    assert scene.place(scene.limit(token, "BUY", 50, 100, order_type="FAK")).body["status"] == "matched"
    assert (scene.lines("cancel")[-1]["cause"], scene.lines("cancel")[-1]["open_micro"]) == ("fak", 60 * 10**6)
    nothing = scene.place(scene.limit(token, "BUY", 50, 100, order_type="FAK"))
    assert (nothing.status, nothing.body) == (400, {"error": refusals.FAK_KILLED})
    assert scene.lines("cancel")[-1]["open_micro"] == 100 * 10**6


def test_an_order_whose_counterpart_left_during_the_delay_is_unmatched(scene: Scene) -> None:
    """It rests, and the answer says so; the placement event too."""
    other = scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 40, 10, trader=2), trader=2).body["orderID"]
    outcome = scene.exchange.place(scene.limit(scene.quiet.listing.up_token, "BUY", 60, 10), scene.key())
    assert isinstance(outcome, Waiting)
    scene.exchange.cancel([other], scene.key(2))
    scene.advance(150)
    (answer,) = [each for each in scene.effects if isinstance(each, Answer)]
    assert answer.body["status"] == "unmatched"
    assert scene.said("order")[-1]["status"] == "UNMATCHED"
    assert scene.exchange.orders[answer.body["orderID"]].open


def test_a_fee_that_grew_beyond_ones_means_during_the_delay_is_refused(scene: Scene) -> None:
    """The same dollars buy more shares at a lower price, and each of them costs its fee."""
    scene.exchange.accounts.grant(scene.key().owner, 110_000 - 990 * 10**6)
    scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 10, 20, trader=2), trader=2)
    scene.salt += 1
    order = Trader().order(scene.key(), scene.quiet.listing.up_token, "BUY", 10**7, 11_111_100, "FAK", scene.salt)
    outcome = scene.exchange.place(order, scene.key())
    assert isinstance(outcome, Waiting)
    scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 50, 40, trader=2), trader=2)
    scene.advance(150)
    (answer,) = [each for each in scene.effects if isinstance(each, Answer) and each.ticket == outcome.ticket]
    assert (answer.status, answer.body) == (400, {"error": refusals.NO_BALANCE})
    assert scene.lines("cancel")[-1]["cause"] == "no_balance"
    assert scene.cash() == scene.exchange.accounts.get(scene.key().owner).free_cash() == 10_110_000


# Making.


def test_a_resting_order_fills_when_the_crowd_comes_to_it(scene: Scene) -> None:
    """At its own price, without a fee; the trade is shown from the taker's side, the order is updated."""
    token = scene.quiet.listing.up_token
    order_id = scene.place(scene.limit(token, "BUY", 40, 10)).body["orderID"]
    scene.exchange.floor.execute(scene.quiet, Wish("0xtaker", CROWD, "Up", "SELL", 390_000, 4 * 10**6, "FAK"))
    (line,), (trade,) = scene.lines("trade"), scene.said("trade")
    (leg,) = line["legs"]
    assert (leg["order_id"], leg["price_micro"], leg["fee_micro"], leg["maker"]) == (order_id, 400_000, 0, True)
    assert (trade["trader_side"], trade["side"], trade["maker_orders"][0]["order_id"]) == ("MAKER", "SELL", order_id)
    update = scene.said("order")[-1]
    assert (update["type"], update["status"], update["size_matched"]) == ("UPDATE", "LIVE", "4")
    assert scene.cash() == 10**9 - 1_600_000
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == 10**9 - 4_000_000


def test_two_clients_mint_a_pair_and_both_are_told(scene: Scene) -> None:
    """One trade line with both legs; each pays for its own token, and together they paid a dollar a pair."""
    up, down = scene.quiet.listing.up_token, scene.quiet.listing.down_token
    scene.place(scene.limit(down, "BUY", 40, 10, trader=2), trader=2)
    scene.place(scene.limit(up, "BUY", 60, 10))
    (line,) = scene.lines("trade")
    assert {(leg["outcome"], leg["price_micro"]) for leg in line["legs"]} == {("Up", 600_000), ("Down", 400_000)}
    assert (scene.shares(up, 1), scene.shares(down, 2)) == (10**7, 10**7)
    fees = sum(leg["fee_micro"] for leg in line["legs"])
    assert fees == 168_000
    assert scene.cash(1) + scene.cash(2) == 2 * 10**9 - 10**7 - fees
    assert len(scene.said("trade")) == 2
    assert [event["type"] for event in scene.said("order")] == ["PLACEMENT", "PLACEMENT", "UPDATE"]


def test_an_account_never_trades_with_itself(scene: Scene) -> None:
    """Its two orders rest across each other."""
    scene.place(scene.limit(scene.quiet.listing.down_token, "BUY", 40, 10))
    assert scene.place(scene.limit(scene.quiet.listing.up_token, "BUY", 60, 10)).body["status"] == "live"


# Refusals.


def test_refusals_change_nothing_and_are_on_the_record(scene: Scene) -> None:
    """With the hash the order would have had."""
    before = scene.exchange.accounts.get(scene.key().owner).free_cash()
    assert "lower than the minimum" in refusal(scene, scene.limit(scene.up, "BUY", 5, 3))
    (line,) = scene.lines("reject")
    assert (line["http"], line["owner"]) == (400, scene.key().owner)
    assert line["order_id"].startswith("0x") and scene.lines("order") == []
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == before


def test_a_post_only_order_that_would_cross_is_refused(scene: Scene) -> None:
    """And one that would not, rests."""
    assert refusal(scene, scene.limit(scene.up, "BUY", 99, 10, post_only=True)) == refusals.POST_ONLY_CROSSES
    assert scene.place(scene.limit(scene.up, "BUY", 5, 10, post_only=True)).body["status"] == "live"


def test_the_same_order_twice_is_refused(scene: Scene) -> None:
    """Resting, waiting or done: an id is good once."""
    resting, taking = scene.limit(scene.up, "BUY", 5, 10), scene.limit(scene.up, "BUY", 99, 10)
    scene.place(resting)
    assert "Duplicated" in refusal(scene, resting)
    scene.exchange.place(taking, scene.key())
    assert "Duplicated" in refusal(scene, taking)
    scene.advance(150)
    assert "Duplicated" in refusal(scene, taking)


def test_more_than_one_has_is_refused(scene: Scene) -> None:
    """Open orders count, and so does the fee of a marketable order."""
    scene.rest(price=5, shares=10_000)
    assert refusal(scene, scene.limit(scene.up, "BUY", 5, 10_001)) == refusals.NO_BALANCE
    scene.salt += 1
    all_in = Trader().order(
        scene.key(), scene.up, "BUY", 500 * 10**6, 500 * 10**6 * 100 // 99 // 100 * 100, "FAK", scene.salt
    )
    assert refusal(scene, all_in) == refusals.NO_BALANCE
    assert refusal(scene, scene.limit(scene.up, "SELL", 90, 5)) == refusals.NO_BALANCE


def test_a_marketable_order_below_a_dollar_is_refused(scene: Scene) -> None:
    """A dollar is enough."""
    scene.salt += 1
    cents = Trader().order(scene.key(), scene.up, "BUY", 990_000, 1_000_000, "FAK", scene.salt)
    assert "min size: $1" in refusal(scene, cents)
    assert scene.buy(1).status == 200


def test_somebody_elses_wallet_is_not_allowed(scene: Scene) -> None:
    """The first owner who named it keeps it, and has no second one."""
    safe = "0x" + "5a" * 20
    assert scene.place(scene.limit(scene.up, "BUY", 5, 10, maker=safe)).status == 200
    assert (
        refusal(scene, scene.limit(scene.up, "BUY", 5, 10, trader=2, maker=safe), trader=2)
        == refusals.MAKER_NOT_ALLOWED
    )
    assert refusal(scene, scene.limit(scene.up, "BUY", 5, 10)) == refusals.MAKER_NOT_ALLOWED
    (line,) = scene.lines("wallet")
    assert (line["owner"], line["wallet"], line["signature_type"]) == (scene.key().owner, safe, 2)


def test_another_keys_name_on_the_order_is_refused(scene: Scene) -> None:
    """The body's owner has to be the key that sent it."""
    body = scene.limit(scene.up, "BUY", 5, 10)
    assert refusal(scene, body, trader=2) == refusals.OWNER_IS_NOT_KEY


def test_unknown_and_finished_markets_take_no_orders(scene: Scene) -> None:
    """Not ready, in either case."""
    assert refusal(scene, Trader().limit(scene.key(), "5", "BUY", 50_000, 10)) == refusals.NOT_READY
    body = scene.limit(scene.up, "BUY", 5, 10)
    scene.advance(LEFT_MS)
    assert refusal(scene, body) == refusals.NOT_READY


# The end.


def test_open_orders_end_with_their_window() -> None:
    """Cancelled by the venue, which dates them in milliseconds."""
    scene = Scene(an_exchange(a_day(price=lambda second: 64_010.0), NOW_MS))
    order_id = scene.rest()
    scene.advance(LEFT_MS)
    (line,) = scene.lines("cancel")
    assert (line["order_id"], line["cause"]) == (order_id, "market_closed")
    event = scene.said("order")[-1]
    assert (event["status"], len(event["created_at"])) == ("CANCELED_MARKET_RESOLVED", 13)


def test_an_order_that_waits_past_the_end_is_too_late(scene: Scene) -> None:
    """Taken at the last moment, cancelled at the end."""
    scene.advance(LEFT_MS - 100)
    ask = Wish("0xmaker", CROWD, "Up", "SELL", 900_000, 10**8)
    scene.exchange.floor.execute(scene.market, ask)
    reply = scene.place(scene.limit(scene.up, "BUY", 99, 10))
    assert (reply.status, reply.body) == (400, {"error": refusals.NOT_READY})
    assert scene.lines("cancel")[-1]["cause"] == "market_closed"
    assert scene.exchange.accounts.get(scene.key().owner).free_cash() == 10**9


def test_a_resolved_market_pays_its_winners(scene: Scene) -> None:
    """A dollar a share, nothing for the others, and every position is gone; cash adds up to the end."""
    scene.buy(20)
    scene.place(scene.limit(scene.down, "BUY", 99, 10, order_type="FAK"))
    spent, owned, lost = scene.cash(), scene.shares(scene.up), scene.shares(scene.down)
    scene.advance(LEFT_MS + 20_000)
    (resolve,) = scene.lines("resolve")
    assert (resolve["slug"], resolve["winner"]) == (SLUG, "Up")
    paid = {line["outcome"]: (line["size_micro"], line["payout_micro"]) for line in scene.lines("payout")}
    assert paid == {"Up": (owned, owned), "Down": (lost, 0)}
    assert scene.cash() == spent + owned
    assert (scene.shares(scene.up), scene.shares(scene.down)) == (0, 0)


def test_every_trade_is_mined_and_confirmed(scene: Scene) -> None:
    """On the record and on the user channel, in this order, within fifty seconds."""
    scene.buy(20)
    scene.advance(50_000)
    for line in scene.lines("trade"):
        steps = [step for step in scene.lines("settlement") if step["trade_id"] == line["trade_id"]]
        assert [step["status"] for step in steps] == ["MINED", "CONFIRMED"]
        assert 2_000 <= steps[0]["t_ms"] - line["t_ms"] <= 5_000
        events = [event["status"] for event in scene.said("trade") if event["id"] == line["trade_id"]]
        assert events == ["MATCHED", "MINED", "CONFIRMED"]


def test_a_failed_trade_is_undone() -> None:
    """Cash and shares are what they were; the events say RETRYING, then FAILED."""
    scene = Scene(a_venue(failing=1.0))
    scene.buy(20)
    assert scene.cash() < 10**9
    scene.advance(50_000)
    assert (scene.cash(), scene.shares(scene.up)) == (10**9, 0)
    assert {event["status"] for event in scene.said("trade")} == {"MATCHED", "RETRYING", "FAILED"}


def test_trades_in_flight_are_settled_before_a_market_pays(scene: Scene) -> None:
    """However late the last trade was."""
    scene.advance(LEFT_MS - 2_000)
    scene.place(scene.limit(scene.up, "BUY", 50, 10))
    scene.exchange.floor.execute(scene.market, Wish("0xtaker", CROWD, "Up", "SELL", 10_000, 10**10, "FAK"))
    scene.advance(22_000)
    settled = {line["trade_id"] for line in scene.lines("settlement") if line["status"] == "CONFIRMED"}
    assert settled == {line["trade_id"] for line in scene.lines("trade")} != set()
    assert len(scene.lines("settlement")) == 2 * len(scene.lines("trade"))


# The switch.


def test_a_missed_heartbeat_cancels_every_order_of_its_key(scene: Scene) -> None:
    """Of that key only, and only once armed."""
    mine, other = scene.rest(), scene.rest(trader=2)
    scene.exchange.sweep(100 * SECOND_NS)
    assert scene.exchange.orders[mine].open
    scene.exchange.switches.beat(scene.key().api_key, "", 100 * SECOND_NS)
    scene.exchange.sweep(110 * SECOND_NS)
    assert not scene.exchange.orders[mine].open and scene.exchange.orders[other].open
    (line,) = scene.lines("heartbeat_expired")
    assert (line["owner"], line["cancelled"]) == (scene.key().owner, 1)
    assert scene.lines("cancel")[0]["cause"] == "heartbeat"


# Lists.


def test_open_orders_and_trades_are_listed_to_their_owner(scene: Scene) -> None:
    """Filtered as asked."""
    order_id = scene.rest()
    scene.buy(20)
    owner = scene.key().owner
    assert [order.order_id for order in scene.exchange.open_orders(owner)] == [order_id]
    assert scene.exchange.open_orders(owner, token_id=scene.down) == []
    assert scene.exchange.open_orders(scene.key(2).owner) == []
    traded = scene.exchange.trades_of(owner, {})
    assert len(traded) == len(scene.lines("trade"))
    second = traded[0].match_ms // 1_000
    assert scene.exchange.trades_of(owner, {"before": str(second)}) == []
    assert len(scene.exchange.trades_of(owner, {"after": str(second)})) == len(traded)
    assert scene.exchange.trades_of(scene.key(2).owner, {}) == []


def test_a_forgotten_market_takes_its_orders_and_trades_along() -> None:
    """Nothing of it is kept for ever."""
    scene = Scene(a_venue(keep_s=60))
    scene.rest()
    scene.buy(20)
    scene.advance(LEFT_MS + 80_000)
    assert SLUG not in scene.exchange.floor.by_slug
    assert (scene.exchange.orders, scene.exchange.trades) == ({}, {})


# Starting again is tested with the memory.

acts = st.lists(
    st.tuples(
        st.sampled_from(["buy", "limit", "cancel", "wait"]),
        st.sampled_from(["Up", "Down"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 99),
        st.integers(5, 60),
        st.sampled_from([1, 2]),
    ),
    max_size=15,
)


@settings(max_examples=15)
@given(acts)
def test_whatever_clients_do_money_adds_up(plan: list[tuple[str, Any, str, int, int, int]]) -> None:
    """Cash is the grant and every leg and payout on the record; nobody holds back more than he has."""
    scene = Scene()
    for trader in (1, 2):
        scene.key(trader)
    for act, outcome, side, price, shares, trader in plan:
        do(scene, act, outcome, side, price, shares, trader)
        for account in scene.exchange.accounts.all():
            assert account.free_cash() >= 0
            assert all(account.free_shares(token) >= 0 for token in account.positions)
    scene.advance(LEFT_MS + 20_000)
    for trader in (1, 2):
        owner = Trader(trader).address
        assert scene.cash(trader) == 10**9 + booked(scene, owner)
        assert scene.exchange.accounts.get(owner).positions == {}


def do(scene: Scene, act: str, outcome: str, side: str, price: int, shares: int, trader: int) -> None:
    token = scene.up if outcome == "Up" else scene.down
    if act == "wait":
        scene.advance(price * 100)
    elif act == "cancel":
        mine = [order.order_id for order in scene.exchange.open_orders(scene.key(trader).owner)]
        scene.exchange.cancel(mine, scene.key(trader))
    else:
        try:
            scene.place(
                scene.limit(token, side, price, shares, trader, order_type="FAK" if act == "buy" else "GTC"), trader
            )
        except Refused:
            scene.look()


def booked(scene: Scene, owner: str) -> int:
    """What the record says happened to an owner's cash after the grant."""

    def moves() -> Iterator[int]:
        for line in scene.lines("trade"):
            for leg in line["legs"]:
                if leg["owner"] == owner:
                    collateral = leg["size_micro"] * leg["price_micro"] // 10**6
                    yield (collateral if leg["side"] == "SELL" else -collateral) - leg["fee_micro"]
        yield from (line["payout_micro"] for line in scene.lines("payout") if line["owner"] == owner)

    return sum(moves())


def test_lines_are_taken_once() -> None:
    """The kit's own promise: a look empties the outbox."""
    exchange = a_venue()
    Trader().join(exchange)
    assert len(lines_of(exchange, "key")) == 1
    assert lines_of(exchange, "key") == []
