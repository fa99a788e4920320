"""`py-clob-client`, unmodified, through its public calls: at a venue of the time before CLOB V2, and at today's.

Both venues are processes of their own. Today's refuses its orders as production does; its reads and keys still work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from kit.official import environment
from kit.official_clients import POLYGON, own_connections, private
from kit.venue_process import Found, Served, served
from polymarket import AsyncSecureClient
from py_clob_client.client import ClobClient
from py_clob_client.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    BookParams,
    MarketOrderArgs,
    OpenOrderParams,
    OrderArgs,
    OrderScoringParams,
    OrdersScoringParams,
    OrderType,
    PostOrdersArgs,
    TradeParams,
)
from py_clob_client.exceptions import PolyApiException
from py_clob_client.http_helpers import helpers
from py_clob_client_v2.client import ClobClient as NextClient
from py_clob_client_v2.clob_types import OrderArgsV1 as NextOrderArgs
from py_clob_client_v2.http_helpers import helpers as next_helpers

from deploy.rehearsal import refusals

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("clob-v1")]
numbers = iter(range(2_000, 3_000))


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A venue of before CLOB V2."""
    folder = tmp_path_factory.mktemp("clob-v1")
    with own_connections(helpers), served(folder / "record", "--clob-version", "1") as running:
        yield running


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The venue as it is."""
    folder = tmp_path_factory.mktemp("today")
    with own_connections(helpers), served(folder / "record") as running:
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


def a_trader(venue: Served) -> Trader:
    client = ClobClient(venue.host, POLYGON, key=private(next(numbers)))
    client.set_api_creds(client.create_or_derive_api_creds())
    return Trader(client, venue, venue.market())


@pytest.fixture
def trader(venue: Served) -> Iterator[Trader]:
    """A new trader for each test."""
    made = a_trader(venue)
    yield made
    made.client.cancel_all()


def refused(act: Callable[[], object]) -> tuple[int, str]:
    """The status and text a call is refused with."""
    with pytest.raises(PolyApiException) as caught:
        act()
    body = caught.value.error_msg
    return caught.value.status_code, body["error"] if isinstance(body, dict) else body


# The time before.


def test_keys_are_made_derived_listed_and_deleted(trader: Trader) -> None:
    """The same typed data as ever."""
    client = trader.client
    assert client.derive_api_key() == client.create_or_derive_api_creds()
    assert client.get_api_keys() == {"apiKeys": [client.creds.api_key]}
    assert client.get_closed_only_mode() == {"closed_only": False}
    key = client.create_readonly_api_key().api_key
    assert client.get_readonly_api_keys() == [key]
    assert client.validate_readonly_api_key(client.get_address(), key) is True
    assert client.delete_readonly_api_key(key) is True
    other = a_trader(trader.venue).client
    assert other.delete_api_key() == "OK"
    assert refused(other.get_api_keys) == (401, refusals.UNAUTHORIZED)


def test_a_gtc_order_rests_is_listed_and_is_cancelled(trader: Trader) -> None:
    """Under the struct and the domain of the time."""
    client, order_id = trader.client, trader.rest()
    token, condition = trader.market.up, trader.market.condition
    assert [row["id"] for row in client.get_orders(OpenOrderParams(market=condition, asset_id=token))] == [order_id]
    assert client.get_order(order_id)["status"] == "LIVE"
    assert client.cancel(order_id) == {"canceled": [order_id], "not_canceled": {}}
    assert client.cancel(order_id)["not_canceled"] == {order_id: refusals.ALREADY_DONE}


def test_a_signed_order_may_rest_once(trader: Trader) -> None:
    """The second is a duplicate."""
    order = trader.client.create_order(trader.limit())
    order_id = trader.client.post_order(order)["orderID"]
    assert refused(lambda: trader.client.post_order(order)) == (400, f"order {order_id} is invalid. Duplicated.")


def test_gtd_and_post_only(trader: Trader) -> None:
    """An expiration three minutes ahead; never taking."""
    client = trader.client
    now_s = int(client.get_server_time())
    order = client.create_order(trader.limit(expiration=now_s + 900))
    assert client.post_order(order, OrderType.GTD, post_only=True)["status"] == "live"
    late = client.create_order(trader.limit(expiration=now_s + 30))
    assert refused(lambda: client.post_order(late, OrderType.GTD)) == (400, refusals.INVALID_EXPIRATION)
    crossing = client.create_order(trader.limit(price=0.99))
    said = refused(lambda: client.post_order(crossing, OrderType.GTC, post_only=True))
    assert said == (400, refusals.POST_ONLY_CROSSES)


def test_market_orders_fill_or_are_killed(trader: Trader) -> None:
    """FAK and FOK, bought and sold, and seen among one's trades."""
    client, token = trader.client, trader.market.up
    fak = MarketOrderArgs(token_id=token, amount=20, side="BUY", price=0.9, order_type=OrderType.FAK)
    bought = client.post_order(client.create_market_order(fak), OrderType.FAK)
    assert (bought["status"], bought["transactionsHashes"]) == ("matched", [])
    assert {row["id"] for row in client.get_trades()} == set(bought["tradeIDs"])
    assert client.get_trades(TradeParams(id=bought["tradeIDs"][0]))[0]["trader_side"] == "TAKER"
    owned = int(client.get_balance_allowance(BalanceAllowanceParams(AssetType.CONDITIONAL, token))["balance"])
    assert owned == int(bought["takingAmount"])
    sale = client.create_market_order(MarketOrderArgs(token_id=token, amount=owned // 10**6, side="SELL", price=0.1))
    assert client.post_order(sale, OrderType.FOK)["status"] == "matched"
    for kind, text in ((OrderType.FOK, refusals.FOK_KILLED), (OrderType.FAK, refusals.FAK_KILLED)):
        none = client.create_market_order(MarketOrderArgs(token_id=token, amount=5, side="BUY", price=0.01))
        assert refused(lambda none=none, kind=kind: client.post_order(none, kind)) == (400, text)


def test_a_batch_is_answered_leg_by_leg(trader: Trader) -> None:
    """And cancelled by id, by market, wholly."""
    client = trader.client
    orders = [client.create_order(trader.limit(size=size)) for size in (10, 4, 11, 12)]
    legs = client.post_orders([PostOrdersArgs(order, OrderType.GTC) for order in orders])
    assert [leg["status"] for leg in legs] == ["live", "", "live", "live"]
    assert legs[1]["success"] and "lower than the minimum: 5" in legs[1]["errorMsg"]
    first, third, fourth = (leg["orderID"] for leg in legs if leg["orderID"])
    assert client.cancel_orders([first])["canceled"] == [first]
    here = client.cancel_market_orders(trader.market.condition, trader.market.up)
    assert set(here["canceled"]) == {third, fourth}
    assert client.cancel_all() == {"canceled": [], "not_canceled": {}}


def test_a_nonce_of_another_round_is_invalid(trader: Trader) -> None:
    """Nobody has cancelled by nonce here."""
    order = trader.client.create_order(trader.limit(nonce=3))
    assert refused(lambda: trader.client.post_order(order)) == (400, "invalid nonce")


def test_heartbeats_chain(trader: Trader) -> None:
    """The first one has no id."""
    first = trader.client.post_heartbeat(None)["heartbeat_id"]
    assert trader.client.post_heartbeat(first)["heartbeat_id"] != first
    assert refused_heartbeat(trader, first) == (400, "Invalid Heartbeat ID")


def refused_heartbeat(trader: Trader, name: str) -> tuple[int, str]:
    with pytest.raises(PolyApiException) as caught:
        trader.client.post_heartbeat(name)
    return caught.value.status_code, caught.value.error_msg["error_msg"]


def test_the_reads_answer(trader: Trader) -> None:
    """Books, prices, markets, and what is not played."""
    client, up, down = trader.client, trader.market.up, trader.market.down
    assert client.get_ok() == "OK"
    book = client.get_order_book(up)
    said = book.hash
    assert client.get_order_book_hash(book) == said
    params = [BookParams(up, "BUY"), BookParams(down, "SELL")]
    assert [each.asset_id for each in client.get_order_books(params)] == [up, down]
    assert (
        {*client.get_midpoints(params)} == {*client.get_prices(params)} == {*client.get_spreads(params)} == {up, down}
    )
    assert 0 < float(client.get_midpoint(up)["mid"]) < 1
    sides = client.get_prices([BookParams(up, "BUY"), BookParams(up, "SELL")])[up]
    assert float(sides["BUY"]) < float(sides["SELL"]), "of one moment"
    assert all(0 < float(client.get_price(up, side)["price"]) < 1 for side in ("BUY", "SELL"))
    assert float(client.get_spread(up)["spread"]) > 0
    assert client.get_last_trade_price(up).keys() == {"price", "side"}
    assert isinstance(client.get_last_trades_prices(params), list)
    assert (client.get_fee_rate_bps(up), client.get_neg_risk(up)) == (1_000, False)
    assert client.get_market(trader.market.condition)["condition_id"] == trader.market.condition
    assert isinstance(client.get_market_trades_events(trader.market.condition), list)
    for page in (client.get_markets(), client.get_simplified_markets(), client.get_sampling_markets()):
        assert page["data"]
    assert client.get_sampling_simplified_markets()["data"]
    assert client.get_notifications() == []
    assert client.drop_notifications() == "OK"
    assert client.is_order_scoring(OrderScoringParams("0x5")) == {"scoring": False}
    assert client.are_orders_scoring(OrdersScoringParams(["0x5"])) == {"0x5": False}
    asked = BalanceAllowanceParams(AssetType.COLLATERAL)
    assert client.update_balance_allowance(asked)["balance"] == client.get_balance_allowance(asked)["balance"]


def test_the_next_client_signs_as_the_venue_says(venue: Served) -> None:
    """It asks for the version, and makes an order of the time before."""
    with own_connections(next_helpers):
        client = NextClient(venue.host, POLYGON, key=private(next(numbers)))
        client.set_api_creds(client.create_or_derive_api_key())
        assert client.get_version() == 1
        args = NextOrderArgs(token_id=venue.market().up, price=0.05, size=10, side="BUY")
        assert client.create_and_post_order(args)["status"] == "live"


def test_the_unified_client_is_of_another_version_there(venue: Served) -> None:
    """It signs for CLOB V2 alone."""

    async def scenario() -> None:
        where, key = environment(venue.where), private(next(numbers))
        async with await AsyncSecureClient.create(private_key=key, environment=where) as client:
            with pytest.raises(Exception, match=refusals.VERSION_MISMATCH):
                await client.place_limit_order(asset_id=venue.market().up, side="BUY", price="0.05", size=10)

    asyncio.run(scenario())


# Today.


def test_todays_venue_takes_its_keys_and_reads_but_not_its_orders(today: Served) -> None:
    """400 order_version_mismatch, as production has said since April 2026."""
    made = a_trader(today)
    assert made.client.get_order_book(today.market().up).asset_id == today.market().up
    assert made.client.get_orders() == []
    assert refused(lambda: made.client.create_and_post_order(made.limit())) == (400, refusals.VERSION_MISMATCH)
    fak = MarketOrderArgs(token_id=today.market().up, amount=20, side="BUY", price=0.9)
    order = made.client.create_market_order(fak)
    assert refused(lambda: made.client.post_order(order, OrderType.FOK)) == (400, refusals.VERSION_MISMATCH)
