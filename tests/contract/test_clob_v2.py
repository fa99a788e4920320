"""`py-clob-client-v2`, unmodified, through its public calls, against the venue in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from kit.official_clients import POLYGON, PRIVATE, own_connections, private
from kit.venue_process import Found, Served, served, until
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    BookParams,
    BuilderTradeParams,
    MarketOrderArgs,
    OpenOrderParams,
    OrderArgs,
    OrderMarketCancelParams,
    OrderPayload,
    OrderScoringParams,
    OrdersScoringParams,
    OrderType,
    PostOrdersV2Args,
    PricesHistoryParams,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException
from py_clob_client_v2.http_helpers import helpers

from deploy.rehearsal import refusals

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("clob-v2")]
SILENCE_MAX_S = 60
BUILDER = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """CTF markets, and ETH's on Protocol V2 beside them."""
    folder = tmp_path_factory.mktemp("clob-v2")
    with own_connections(helpers), served(folder / "record", "--protocol-v2", "ETH") as running:
        yield running


@dataclass
class Trader:
    """A keyed client, the venue it trades at, and the market that was next when it came."""

    client: ClobClient
    venue: Served
    market: Found

    def limit(self, side: str = "BUY", price: float = 0.05, size: float = 10, **more: object) -> OrderArgs:
        """A limit order for the next market's Up; far from everybody unless told otherwise."""
        return OrderArgs(token_id=self.market.up, price=price, size=size, side=side, **more)

    def rest(self) -> str:
        """Rest a bid; its id."""
        answer = self.client.create_and_post_order(self.limit())
        assert answer["status"] == "live"
        return str(answer["orderID"])

    def now_s(self) -> int:
        """The market's time."""
        return int(self.client.get_server_time())


def a_client(venue: Served) -> ClobClient:
    """Another trader's, with a key of its own."""
    client = ClobClient(venue.host, POLYGON, key=private(next(numbers)))
    client.set_api_creds(client.create_or_derive_api_key())
    return client


@pytest.fixture
def trader(venue: Served) -> Iterator[Trader]:
    """A new trader for each test: nobody's orders are in another one's way."""
    client = a_client(venue)
    yield Trader(client, venue, venue.market())
    client.cancel_all()


numbers = iter(range(1_000, 2_000))


def refused(act: Callable[[], object]) -> tuple[int, str]:
    """The status and text a call is refused with."""
    with pytest.raises(PolyApiException) as caught:
        act()
    body = caught.value.error_msg
    return caught.value.status_code, body["error"] if isinstance(body, dict) else body


# Keys.


def test_keys_are_made_derived_listed_and_deleted(venue: Served) -> None:
    """One for each address and nonce; a deleted one proves nothing any more."""
    client = ClobClient(venue.host, POLYGON, key=PRIVATE)
    assert refused(client.derive_api_key) == (400, refusals.NO_SUCH_KEY)
    made = client.create_api_key()
    assert client.derive_api_key() == client.create_or_derive_api_key() == made
    other = client.create_api_key(nonce=5)
    client.set_api_creds(made)
    assert set(client.get_api_keys()["apiKeys"]) == {made.api_key, other.api_key}
    assert client.get_closed_only_mode() == {"closed_only": False}
    assert client.delete_api_key() == "OK"
    assert refused(client.get_api_keys) == (401, refusals.UNAUTHORIZED)


def test_readonly_and_builder_keys_come_and_go(trader: Trader) -> None:
    """Made, listed, revoked."""
    client = trader.client
    key = client.create_readonly_api_key()["apiKey"]
    assert client.get_readonly_api_keys() == [key]
    assert client.delete_readonly_api_key(key) is True
    assert client.get_readonly_api_keys() == []
    made = client.create_builder_api_key()
    assert made.keys() == {"key", "secret", "passphrase"}
    assert [each["key"] for each in client.get_builder_api_keys()] == [made["key"]]
    assert client.revoke_builder_api_key() == "OK"
    assert client.get_builder_api_keys() == []


def test_a_key_with_another_secret_is_refused(trader: Trader) -> None:
    """401, and nothing else is said."""
    other = ClobClient(trader.venue.host, POLYGON, key=private(999))
    creds = other.create_or_derive_api_key()
    creds.api_secret = trader.client.creds.api_secret
    other.set_api_creds(creds)
    assert refused(other.get_open_orders) == (401, refusals.UNAUTHORIZED)


# Orders.


def test_a_gtc_order_rests_is_listed_and_is_cancelled(trader: Trader) -> None:
    """Found in any status; a second cancel is told why not."""
    client, order_id = trader.client, trader.rest()
    token, condition = trader.market.up, trader.market.condition
    assert [row["id"] for row in client.get_open_orders()] == [order_id]
    assert [row["id"] for row in client.get_open_orders(OpenOrderParams(market=condition))] == [order_id]
    assert client.get_open_orders(OpenOrderParams(asset_id="5")) == []
    shown = client.get_order(order_id)
    assert (shown["status"], shown["asset_id"], shown["price"], shown["original_size"]) == ("LIVE", token, "0.05", "10")
    assert client.cancel_order(OrderPayload(orderID=order_id)) == {"canceled": [order_id], "not_canceled": {}}
    again = client.cancel_order(OrderPayload(orderID=order_id))
    assert again == {"canceled": [], "not_canceled": {order_id: refusals.ALREADY_DONE}}
    assert client.get_order(order_id)["status"] == "CANCELED"


def test_the_order_id_is_known_before_it_is_posted(trader: Trader) -> None:
    """The typed-data hash that the client itself computes."""
    from py_clob_client_v2.order_utils import ExchangeOrderBuilderV2

    order = trader.client.create_order(trader.limit())
    exchange = "0xE111180000d2663C0091e4f400237545B87B996B"
    builder = ExchangeOrderBuilderV2(exchange, POLYGON, trader.client.signer)
    expected = builder.build_order_hash(builder.build_order_typed_data(order))
    assert trader.client.post_order(order)["orderID"] == expected
    assert refused(lambda: trader.client.post_order(order)) == (400, f"order {expected} is invalid. Duplicated.")


def test_a_gtd_order_needs_three_minutes(trader: Trader) -> None:
    """Taken three minutes ahead and more, refused below; without a date it is none."""
    client, now_s = trader.client, trader.now_s()
    kept = client.create_and_post_order(trader.limit(expiration=now_s + 900), order_type=OrderType.GTD)
    assert client.get_order(kept["orderID"])["order_type"] == "GTD"
    for expiration in (now_s + 60, 0):
        late = trader.limit(expiration=expiration)
        said = refused(lambda late=late: client.create_and_post_order(late, order_type=OrderType.GTD))
        assert said == (400, refusals.INVALID_EXPIRATION)


def test_a_post_only_order_rests_or_is_refused(trader: Trader) -> None:
    """It never takes."""
    assert trader.client.create_and_post_order(trader.limit(), post_only=True)["status"] == "live"
    crossing = trader.limit(price=0.99)
    said = refused(lambda: trader.client.create_and_post_order(crossing, post_only=True))
    assert said == (400, refusals.POST_ONLY_CROSSES)


def test_a_market_order_fills_and_its_trades_settle(trader: Trader) -> None:
    """The client itself waits until every trade has its transaction; then the shares are there, and can be sold."""
    client, token = trader.client, trader.market.up
    args = MarketOrderArgs(token_id=token, amount=20, side="BUY", price=0.9, order_type=OrderType.FAK)
    bought = client.create_and_post_market_order(args, order_type=OrderType.FAK)
    assert (bought["success"], bought["status"]) == (True, "matched")
    trades = client.get_trades()
    assert {trade["id"] for trade in trades} == set(bought["tradeIDs"])
    assert set(bought["transactionsHashes"]) == {trade["transaction_hash"] for trade in trades}
    assert all(trade["transaction_hash"] and trade["trader_side"] == "TAKER" for trade in trades)
    one = trades[0]  # its status goes on meanwhile
    assert [trade["id"] for trade in client.get_trades(TradeParams(id=one["id"]))] == [one["id"]]
    assert client.get_trades_paginated(TradeParams(market=one["market"]))["count"] == len(trades)
    assert client.get_trades(TradeParams(before=int(one["match_time"]) - 60)) == []
    owned = client.get_balance_allowance(BalanceAllowanceParams(AssetType.CONDITIONAL, token))
    assert int(owned["balance"]) == int(bought["takingAmount"])
    whole = int(owned["balance"]) // 10**6
    sale = MarketOrderArgs(token_id=token, amount=whole, side="SELL", price=0.1, order_type=OrderType.FOK)
    assert client.create_and_post_market_order(sale)["status"] == "matched"


def test_a_market_order_finds_its_own_price(trader: Trader) -> None:
    """From the book, whose best level is last; nobody moves it before the order comes.

    Who buys Down at 0.60 and 0.55 offers Up at 0.40 and 0.45: six dollars need some of the dearer ones too.
    """
    quiet, other = trader.venue.unquoted(), a_client(trader.venue)
    for price in (0.6, 0.55):
        other.create_and_post_order(OrderArgs(token_id=quiet.down, price=price, size=10, side="BUY"))
    args = MarketOrderArgs(token_id=quiet.up, amount=6, side="BUY", order_type=OrderType.FOK)
    bought = trader.client.create_and_post_market_order(args)
    assert (bought["status"], len(bought["tradeIDs"])) == ("matched", 2)
    other.cancel_all()


def test_a_fok_that_cannot_fill_and_a_fak_that_finds_nothing_are_killed(trader: Trader) -> None:
    """400 in the venue's words; nothing was taken."""
    client, token = trader.client, trader.market.up
    for kind, text in ((OrderType.FOK, refusals.FOK_KILLED), (OrderType.FAK, refusals.FAK_KILLED)):
        args = MarketOrderArgs(token_id=token, amount=5, side="BUY", price=0.01, order_type=kind)
        said = refused(lambda args=args, kind=kind: client.create_and_post_market_order(args, order_type=kind))
        assert said == (400, text)
    assert client.get_balance_allowance(BalanceAllowanceParams(AssetType.COLLATERAL))["balance"] == "1000000000"


def test_a_deferred_order_is_delayed(trader: Trader) -> None:
    """Its answer comes at once; what became of it is read afterwards."""
    order = trader.client.create_order(trader.limit(price=0.99))
    answer = trader.client.post_order(order, defer_exec=True)
    assert (answer["status"], answer["tradeIDs"], answer["success"]) == ("delayed", [], True)
    seen: list[str | int] = []
    until(lambda: bool(seen.append(status_of(trader.client, answer["orderID"])) or seen[-1] == "MATCHED"))
    assert set(seen[:-1]) <= {404}


def status_of(client: ClobClient, order_id: str) -> str | int:
    """An order's status, 404 while nobody sees it."""
    try:
        return str(client.get_order(order_id)["status"])
    except PolyApiException as unseen:
        return unseen.status_code


def test_a_batch_is_answered_leg_by_leg(trader: Trader) -> None:
    """A resting, a refused and a matched one; the refused one says success all the same."""
    client = trader.client
    orders = [
        client.create_order(trader.limit()),
        client.create_order(trader.limit(size=5_000, price=0.5)),
        client.create_order(trader.limit(price=0.99)),
    ]
    legs = client.post_orders([PostOrdersV2Args(order) for order in orders])
    assert [leg["status"] for leg in legs] == ["live", "", "matched"]
    assert [leg["success"] for leg in legs] == [True, True, True]
    assert (legs[1]["errorMsg"], legs[1]["orderID"]) == (refusals.NO_BALANCE, "")
    sixteen = [PostOrdersV2Args(client.create_order(trader.limit())) for _ in range(16)]
    assert refused(lambda: client.post_orders(sixteen)) == (400, "Too many orders in payload: 16, max allowed: 15")


def test_many_orders_are_cancelled_at_once(trader: Trader) -> None:
    """By id, by market, all."""
    client = trader.client
    first, second, third = trader.rest(), trader.rest(), trader.rest()
    answer = client.cancel_orders([first, "0xunknown"])
    assert answer == {"canceled": [first], "not_canceled": {"0xunknown": refusals.NOT_FOUND_OR_CANCELED}}
    token, condition = trader.market.up, trader.market.condition
    elsewhere = OrderMarketCancelParams(market=condition, asset_id=trader.market.down)
    assert client.cancel_market_orders(elsewhere)["canceled"] == []
    here = OrderMarketCancelParams(market=condition, asset_id=token)
    assert set(client.cancel_market_orders(here)["canceled"]) == {second, third}
    fourth = trader.rest()
    assert client.cancel_all()["canceled"] == [fourth]


def test_what_breaks_a_rule_is_refused_in_the_venues_words(trader: Trader) -> None:
    """Size, dollars, money; the client itself keeps to the grid."""
    client = trader.client
    size = refused(lambda: client.create_and_post_order(trader.limit(size=4)))
    assert size[0] == 400 and "Size (4) lower than the minimum: 5" in size[1]
    args = MarketOrderArgs(token_id=trader.market.up, amount=0.5, side="BUY", price=0.9)
    said = refused(lambda: client.create_and_post_market_order(args))
    assert said == (400, "invalid amount for a marketable BUY order ($0.5), min size: $1")
    assert refused(lambda: client.create_and_post_order(trader.limit("SELL", 0.9))) == (400, refusals.NO_BALANCE)
    unknown = OrderArgs(token_id="5", price=0.5, size=5, side="BUY")
    assert refused(lambda: client.create_and_post_order(unknown)) == (404, refusals.NO_BOOK)


def test_heartbeats_chain(trader: Trader) -> None:
    """Each answer names the next id; a wrong one is told the right one."""
    first = trader.client.post_heartbeat()["heartbeat_id"]
    second = trader.client.post_heartbeat(first)["heartbeat_id"]
    with pytest.raises(PolyApiException) as caught:
        trader.client.post_heartbeat(first)
    assert caught.value.status_code == 400
    assert caught.value.error_msg == {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": second}


def test_a_silent_client_loses_its_orders(trader: Trader) -> None:
    """Ten real seconds after its last heartbeat, when the venue next looks; those of others stay."""
    other = a_client(trader.venue)
    mine, kept = trader.rest(), other.create_and_post_order(trader.limit())["orderID"]
    armed = time.monotonic()
    trader.client.post_heartbeat()
    while trader.client.get_order(mine)["status"] == "LIVE":
        assert time.monotonic() - armed < SILENCE_MAX_S
    assert time.monotonic() - armed > 9.9
    assert trader.client.get_order(mine)["status"] == "CANCELED"
    assert other.get_order(kept)["status"] == "LIVE"
    other.cancel_all()


def test_who_cancels_too_much_is_told_to_wait(trader: Trader) -> None:
    """429: a request takes all it costs of the signer's bucket or nothing, and there is never so much in it."""
    unknown = [f"0x{number:064x}" for number in range(1_000)]
    with pytest.raises(PolyApiException) as caught:
        trader.client.cancel_orders(unknown)
    assert (caught.value.status_code, caught.value.error_msg) == (429, {"error": "Too many requests"})


def test_a_new_account_may_be_held_to_its_deposit_wallet(tmp_path: Path) -> None:
    """An order of the address itself is refused, as production refuses it for new accounts."""
    with served(tmp_path / "record", "--deposit-wallets-only", "--tier", "gold") as strict:
        client = a_client(strict)
        args = OrderArgs(token_id=strict.market().up, price=0.05, size=10, side="BUY")
        said = refused(lambda: client.create_and_post_order(args))
        assert said == (400, "maker address not allowed, please use the deposit wallet flow")


# Protocol V2.


def test_a_position_is_bought_and_sold_under_domain_3(trader: Trader) -> None:
    """The same calls with a position id; its shares are an asset type of their own."""
    client, position = trader.client, trader.venue.market("eth").up
    rested = client.create_and_post_order(OrderArgs(position_id=position, price=0.05, size=10, side="BUY"))
    assert rested["status"] == "live"
    args = MarketOrderArgs(position_id=position, amount=10, side="BUY", price=0.9, order_type=OrderType.FAK)
    bought = client.create_and_post_market_order(args, order_type=OrderType.FAK)
    owned = client.get_balance_allowance(BalanceAllowanceParams("CONDITIONAL-V2", position))["balance"]
    assert owned == bought["takingAmount"]
    assert client.get_balance_allowance(BalanceAllowanceParams("CONDITIONAL", position))["balance"] == "0"
    book = client.get_order_book(position)
    assert book["version"] == "v2"
    assert client.get_clob_market_info(book["market"])["v"] == "v2"


def test_an_order_for_the_other_exchange_is_a_version_mismatch(trader: Trader) -> None:
    """A position signed as a token, and a token signed as a position."""
    up, position = trader.market.up, trader.venue.market("eth").up
    for wrong in (
        OrderArgs(token_id=position, price=0.05, size=10, side="BUY"),
        OrderArgs(position_id=up, price=0.05, size=10, side="BUY"),
    ):
        said = refused(lambda wrong=wrong: trader.client.create_and_post_order(wrong))
        assert said == (400, refusals.VERSION_MISMATCH)


# Reads.


def test_the_book_and_its_prices_agree(trader: Trader) -> None:
    """One by one and in bulk; the hash is the one the client computes."""
    client, doge = trader.client, trader.venue.market("doge")
    up, down = doge.up, doge.down
    assert (client.get_ok(), client.get_version()) == ("OK", 2)
    book = client.get_order_book(up)
    assert client.get_order_book_hash(book) == book["hash"]
    params = [BookParams(up), BookParams(down)]
    assert [each["asset_id"] for each in client.get_order_books(params)] == [up, down]
    assert set(client.get_midpoints(params)) == set(client.get_spreads(params)) == {up, down}
    sides = client.get_prices([BookParams(up, "BUY"), BookParams(up, "SELL")])
    assert sides[up].keys() == {"BUY", "SELL"} and float(sides[up]["BUY"]) < float(sides[up]["SELL"])
    assert 0 < float(client.get_midpoint(up)["mid"]) < 1
    assert float(client.get_spread(up)["spread"]) > 0
    assert 0 < float(client.get_price(up, "BUY")["price"]) < 1
    assert str(client.get_tick_size(up)) in ("0.01", "0.001")
    assert (client.get_neg_risk(up), client.get_fee_rate_bps(up), client.get_fee_exponent(up)) == (False, 1_000, 1)
    assert 0 < client.calculate_market_price(up, "BUY", 5, OrderType.FAK) < 1


def test_markets_are_listed_in_all_their_forms(trader: Trader) -> None:
    """Long, simplified, sampled; one of them by its condition."""
    client, condition = trader.client, trader.market.condition
    pages = [
        client.get_markets(),
        client.get_simplified_markets(),
        client.get_sampling_markets(),
        client.get_sampling_simplified_markets(),
    ]
    assert all(page.keys() == {"data", "next_cursor", "limit", "count"} for page in pages)
    assert len(pages[0]["data"]) == pages[0]["limit"]
    following = client.get_markets(pages[0]["next_cursor"])["data"]
    assert {row["condition_id"] for row in following}.isdisjoint(row["condition_id"] for row in pages[0]["data"])
    market = client.get_market(condition)
    assert (market["condition_id"], market["accepting_orders"]) == (condition, True)
    assert [token["token_id"] for token in market["tokens"]] == [trader.market.up, trader.market.down]
    assert client.get_clob_market_info(condition)["c"] == condition


def test_what_traded_is_shown(trader: Trader) -> None:
    """Last price, history and the market's live activity."""
    client, up, down = trader.client, trader.market.up, trader.market.down
    args = MarketOrderArgs(token_id=up, amount=5, side="BUY", price=0.9, order_type=OrderType.FAK)
    client.create_and_post_market_order(args, order_type=OrderType.FAK)
    last = client.get_last_trade_price(up)
    assert last["side"] in ("BUY", "SELL") and 0 < float(last["price"]) < 1
    assert {row["token_id"] for row in client.get_last_trades_prices([BookParams(up), BookParams(down)])} == {up, down}
    history = client.get_prices_history(PricesHistoryParams(market=up, interval="1h", fidelity=1))["history"]
    assert history and all(row.keys() == {"t", "p"} for row in history)
    now_s = trader.now_s()
    future = PricesHistoryParams(market=up, start_ts=now_s + 9_000, end_ts=now_s + 9_900)
    assert client.get_prices_history(future) == {"history": []}
    activity = client.get_market_trades_events(trader.market.condition)
    assert activity[0]["event_type"] == "trade"


def test_what_is_not_played_is_answered_as_for_who_has_none(trader: Trader) -> None:
    """Scoring, rewards, notifications, builders, orders of before."""
    client = trader.client
    assert client.is_order_scoring(OrderScoringParams("0x5")) == {"scoring": False}
    assert client.are_orders_scoring(OrdersScoringParams(["0x5"])) == {"0x5": False}
    assert client.get_notifications() == []
    assert client.drop_notifications() == "OK"
    assert client.get_pre_migration_orders() == []
    assert client.get_builder_trades(BuilderTradeParams(builder_code=BUILDER))["trades"] == []
    assert client.get_current_rewards() == client.get_raw_rewards_for_market(trader.market.condition) == []
    assert client.get_earnings_for_user_for_day("2026-11-20") == []
    assert client.get_total_earnings_for_user_for_day("2026-11-20") == []
    assert client.get_user_earnings_and_markets_config("2026-11-20") == []
    assert client.get_reward_percentages() == {}


def test_the_balance_can_be_asked_to_be_refreshed(trader: Trader) -> None:
    """The same answer, with every exchange allowed to spend."""
    asked = BalanceAllowanceParams(AssetType.COLLATERAL)
    assert trader.client.update_balance_allowance(asked) == trader.client.get_balance_allowance(asked)
    assert len(trader.client.get_balance_allowance(asked)["allowances"]) == 3
