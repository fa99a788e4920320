"""The CLOB's reads over real HTTP."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from kit.venue import Trader
from kit.venue_http import STILL, Desk, play

from deploy.rehearsal.market_reads import TOKENS_MAX


def test_the_reads_that_need_no_key(tmp_path: Path) -> None:
    """Each answers in the captured shape."""

    async def scenario(desk: Desk) -> None:
        listing = desk.market.listing
        token = listing.up_token
        assert await desk.get("/ok") == (200, "OK")
        assert await desk.get("/version") == (200, {"version": 2})
        status, seconds = await desk.get("/time")
        assert (status, seconds) == (200, desk.running.venue.now_ms() // 1_000)
        assert (await desk.get("/api/geoblock"))[1]["blocked"] is False
        status, book = await desk.get(f"/book?token_id={token}")
        assert (status, book["asset_id"], book["market"]) == (200, token, listing.condition_id)
        assert (await desk.get(f"/tick-size?token_id={token}"))[1] == {"minimum_tick_size": 0.01}
        assert (await desk.get(f"/neg-risk?token_id={token}"))[1] == {"neg_risk": False}
        assert (await desk.get(f"/fee-rate?token_id={token}"))[1] == {"base_fee": 1000}
        bid, ask = book["bids"][-1]["price"], book["asks"][-1]["price"]
        assert (await desk.get(f"/price?token_id={token}&side=BUY"))[1] == {"price": bid}
        assert (await desk.get(f"/price?token_id={token}&side=SELL"))[1] == {"price": ask}
        middle = (await desk.get(f"/midpoint?token_id={token}"))[1]["mid"]
        assert Decimal(middle) == (Decimal(bid) + Decimal(ask)) / 2
        status, market = await desk.get(f"/clob-markets/{listing.condition_id}")
        assert (market["ao"], market["itode"], market["mts"]) == (True, True, 0.01)
        assert (await desk.get(f"/markets-by-token/{token}"))[1]["condition_id"] == listing.condition_id
        body = json.dumps([{"token_id": token}, {"token_id": "5"}, {"token_id": listing.down_token}]).encode()
        status, books = await desk.ask("POST", "/books", body)
        assert [each["asset_id"] for each in books] == [token, listing.down_token]

    play(tmp_path, scenario, speed=STILL)


def test_bulk_reads_say_what_single_ones_do(tmp_path: Path) -> None:
    """By token; what is not known is left out."""

    async def scenario(desk: Desk) -> None:
        up, down = desk.market.listing.up_token, desk.market.listing.down_token
        rows = [{"token_id": up}, {"token_id": "5"}, {"token_id": down}]
        body = json.dumps(rows).encode()
        for one, many, name in (("midpoint", "midpoints", "mid"), ("spread", "spreads", "spread")):
            single = {token: (await desk.get(f"/{one}?token_id={token}"))[1][name] for token in (up, down)}
            assert (await desk.ask("POST", f"/{many}", body)) == (200, single)
        sided = json.dumps([{"token_id": up, "side": side} for side in ("BUY", "SELL")]).encode()
        bid, ask = [(await desk.get(f"/price?token_id={up}&side={side}"))[1]["price"] for side in ("BUY", "SELL")]
        assert (await desk.ask("POST", "/prices", sided))[1] == {up: {"BUY": bid, "SELL": ask}}
        assert (await desk.ask("POST", "/prices", json.dumps([{"token_id": up}]).encode()))[1][up]["SELL"] == ask

    play(tmp_path, scenario, speed=STILL)


def test_what_traded_is_told_to_everybody(tmp_path: Path) -> None:
    """Of no side before the first trade; then in each token's own terms, and over time."""

    async def scenario(desk: Desk) -> None:
        floor = desk.running.exchange.floor
        quiet = next(market for market in floor.by_slug.values() if not market.book.orders())
        up, down = quiet.listing.up_token, quiet.listing.down_token
        both = json.dumps([{"token_id": up}, {"token_id": down}]).encode()
        assert (await desk.get(f"/last-trade-price?token_id={up}"))[1] == {"price": "0.5", "side": ""}
        assert await desk.ask("POST", "/last-trades-prices", both) == (200, [])
        key, other = desk.join(), desk.running.venue.create_key(Trader(2).address, 0)
        await desk.keyed("POST", "/order", Trader(2).limit(other, down, "BUY", 400_000, 10), other)
        await desk.keyed("POST", "/order", Trader().limit(key, up, "BUY", 600_000, 10), key)
        assert (await desk.get(f"/last-trade-price?token_id={up}"))[1] == {"price": "0.6", "side": "BUY"}
        assert (await desk.ask("POST", "/last-trades-prices", both))[1] == [
            {"price": "0.6", "side": "BUY", "token_id": up},
            {"price": "0.4", "side": "SELL", "token_id": down},
        ]
        (point,) = (await desk.get(f"/prices-history?market={down}&interval=1h&fidelity=5"))[1]["history"]
        assert (point["p"], point["t"] % 300) == (0.4, 0)
        later = desk.running.venue.now_ms() // 1_000 + 500
        assert (await desk.get(f"/prices-history?market={down}&startTs={later}"))[1] == {"history": []}
        assert (await desk.get("/prices-history?market=5"))[1] == {"history": []}
        (activity,) = (await desk.get(f"/markets/live-activity/{quiet.listing.condition_id}"))[1]
        assert (activity["price"], activity["outcome"]) == ("0.6", "Up")

    play(tmp_path, scenario, speed=10.0)


def test_markets_come_in_pages(tmp_path: Path) -> None:
    """Every known market once; the sampled ones are those that take orders."""

    async def scenario(desk: Desk) -> None:
        floor = desk.running.exchange.floor
        known = {market.listing.condition_id for market in floor.by_slug.values() if floor.known(market)}
        for path in ("/markets", "/simplified-markets"):
            page = (await desk.get(path))[1]
            assert {row["condition_id"] for row in page["data"]} == known
            assert page["next_cursor"] == "LTE="
        desk.market.over = True
        for path in ("/sampling-markets", "/sampling-simplified-markets"):
            sampled = {row["condition_id"] for row in (await desk.get(path))[1]["data"]}
            assert sampled == known - {desk.market.listing.condition_id}

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/books", b"{}", 400),
        ("POST", "/midpoints", b"[", 400),
        ("POST", "/prices", json.dumps([{"token_id": "5"}] * (TOKENS_MAX + 1)).encode(), 400),
        ("GET", "/markets-by-token/5", b"", 404),
        ("GET", "/markets/0x5", b"", 404),
        ("GET", "/markets/live-activity/0x5", b"", 404),
        ("GET", "/spread?token_id=5", b"", 404),
    ],
)
def test_what_makes_no_sense_or_is_not_there_is_said_so(
    tmp_path: Path, method: str, path: str, body: bytes, status: int
) -> None:
    """And the venue goes on."""

    async def scenario(desk: Desk) -> None:
        assert (await desk.ask(method, path, body))[0] == status
        history = f"/prices-history?market={desk.market.listing.up_token}&fidelity=x"
        assert await desk.get(history) == (400, {"error": "invalid timestamp"})
        assert (await desk.get("/ok")) == (200, "OK")

    play(tmp_path, scenario)
