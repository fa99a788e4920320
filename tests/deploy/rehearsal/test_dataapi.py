"""The Data API's rows."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.days import START_S, a_day
from kit.shared_data import POLYMARKET
from kit.venue import Trader, an_exchange
from polymarket._internal.data_envelope import parse_data_page
from polymarket.models.data import Position, Resolution, Trade

from deploy.rehearsal import dataapi
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.markets import Market
from deploy.rehearsal.refusals import Refused

NOW_MS = (START_S + 20) * 1_000
CONDITION = "0x" + f"{START_S:064x}"


def traded(later_ms: int = 60_000, rules: Rules | None = None) -> tuple[Exchange, Market]:
    """An exchange where the first trader bought Up for twenty dollars, some time ago."""
    exchange = an_exchange(a_day(), NOW_MS, rules)
    key = Trader().join(exchange)
    market = exchange.floor.by_slug[f"btc-updown-5m-{START_S}"]
    exchange.place(Trader().order(key, market.listing.up_token, "BUY", 20 * 10**6, 25 * 10**6, "FAK"), key)
    exchange.advance(NOW_MS + later_ms)
    return exchange, market


def positions(exchange: Exchange, **asked: str) -> list[dict[str, Any]]:
    return dataapi.positions(exchange.chain, exchange.floor, exchange.chain.portfolio, asked)


def test_a_position_is_known_once_its_trade_is_mined() -> None:
    """And is read by the official client."""
    early, _ = traded(1_000)
    assert positions(early, user=Trader().address) == []
    exchange, market = traded()
    (row,) = positions(exchange, user=Trader().address)
    position = Position.parse_response(row)
    assert (position.asset_id, position.outcome, position.status) == (market.listing.up_token, "Up", "OPEN")
    size = exchange.accounts.all()[0].positions[market.listing.up_token]
    assert int(position.current_size * 10**6) == size
    assert abs(position.avg_price * position.current_size - position.entry_cost_usdc) < 1
    assert position.entry_fees_usdc > 0


def test_a_resolved_position_is_redeemable_until_it_is_redeemed() -> None:
    """A lost one is told by its price; a paid one is closed."""
    exchange, market = traded(340_000, Rules(auto_redeem=False))
    assert market.settled is not None
    won = market.settled.winner == "Up"
    (row,) = positions(exchange, user=Trader().address, status="REDEEMABLE")
    assert (row["redeemable"], row["current_price"]) == (True, float(won))
    assert bool(positions(exchange, user=Trader().address, status="REDEEMABLE_LOST")) is not won
    assert positions(exchange, user=Trader().address, status="OPEN") == []
    paid, _ = traded(340_000)
    assert positions(paid, user=Trader().address) == []
    (closed,) = positions(paid, user=Trader().address, status="CLOSED")
    assert (closed["current_size"], closed["redeemable"]) == (0.0, False)


def test_positions_are_found_by_market_as_well() -> None:
    """Of everybody; of nobody without either name."""
    exchange, _ = traded()
    assert len(positions(exchange, condition_id=CONDITION)) == 1
    assert positions(exchange, user="0x" + "5" * 40) == []
    assert positions(exchange, user=Trader().address, condition_id="0x" + "0" * 64) == []
    with pytest.raises(Refused):
        positions(exchange)


def test_dust_is_hidden() -> None:
    """Less than a tenth of a share."""
    exchange, market = traded()
    (holding,) = exchange.chain.portfolio.of(exchange.accounts.all()[0].owner)
    holding.size_micro = dataapi.HIDDEN_MICRO - 1
    assert positions(exchange, user=Trader().address) == []
    assert market.settled is None


def test_trades_are_rows_of_clients_parts_once_mined() -> None:
    """By wallet, market, side and time."""
    exchange, _ = traded()
    known = exchange.trades.values()

    def found(**asked: str) -> list[dict[str, Any]]:
        return dataapi.trades(exchange.chain, known, asked)

    rows = found()
    assert {Trade.parse_response(row).side for row in rows} == {"BUY"}
    assert found(user=Trader().address, condition_id=CONDITION, side="BUY", taker_only="true") == rows
    assert found(user=Trader(2).address) == found(side="SELL") == found(end=str(START_S)) == []
    assert found(start=str(START_S)) == rows
    early, _ = traded(1_000)
    assert dataapi.trades(early.chain, early.trades.values(), {}) == []


def test_resolutions_are_of_resolved_conditions_only() -> None:
    """A condition of 31 bytes is refused, as production does."""
    exchange, market = traded()
    assert dataapi.resolutions(exchange.floor, {"condition_id": CONDITION}) == []
    exchange.advance((START_S + 340) * 1_000)
    (row,) = dataapi.resolutions(exchange.floor, {"condition": f"{CONDITION},0x{'0' * 64}"})
    resolution = Resolution.parse_response(row)
    assert market.settled is not None
    assert resolution.payouts == ((1, 0) if market.settled.winner == "Up" else (0, 1))
    with pytest.raises(Refused):
        dataapi.resolutions(exchange.floor, {"condition_id": CONDITION[:-2]})


def test_long_lists_come_in_pages_the_official_client_follows() -> None:
    """The last one says so; nonsense is refused."""
    rows: list[dict[str, Any]] = [{"n": number} for number in range(5)]

    def page(**asked: str) -> Any:
        return parse_data_page(dataapi.page(rows, asked), lambda data: tuple(data))  # type: ignore[arg-type, var-annotated]

    first = page(limit="3")
    last = page(limit="3", cursor=first.server_next_cursor)
    assert ([*first.items, *last.items], last.server_next_cursor) == (rows, None)
    with pytest.raises(Refused):
        dataapi.page(rows, {"cursor": "x"})


def test_approvals_name_every_pair_the_official_client_needs() -> None:
    """That of the auto-redeemer as it stands."""
    exchange, _ = traded(rules=Rules(auto_redeem=False))
    shown = dataapi.approvals(exchange.chain, Trader().address)["data"]
    refused = {row["spender"] for row in shown["contracts"] if not row["approved"]}
    assert (shown["chain_id"], refused) == (137, {dataapi.AUTO_REDEEMER})
    with pytest.raises(Refused):
        dataapi.approvals(exchange.chain, "")


if POLYMARKET:
    SAMPLES = POLYMARKET

    def test_a_resolution_has_the_captured_fields_and_kinds() -> None:
        """No field more, none less."""
        (captured,) = json.loads((SAMPLES / "live_data_v2_resolutions.json").read_text())["data"]
        _, market = traded(340_000)
        ours = dataapi.resolution(market)
        assert {name: type(value) for name, value in ours.items()} == {
            name: type(value) for name, value in captured.items()
        }
