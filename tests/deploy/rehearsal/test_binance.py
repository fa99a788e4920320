"""Binance's JSON, held against captures where present."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kit.shared_data import SAMPLES
from kit.venue import dice

from deploy.rehearsal import binance
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.spot import PAIRS, Spot

NOW_MS = 1_794_999_920_000
TICK = NOW_MS // 100
BTC = PAIRS["BTCUSDT"]
SPOT = Spot(SeededDay(7), dice)
DEAL = SPOT.deals(BTC, NOW_MS, NOW_MS + 60_000)[0]
CANDLE = SPOT.candle(BTC, NOW_MS, 60_000, NOW_MS + 30_000)


def test_amounts_are_text_of_eight_places() -> None:
    """Also small ones."""
    assert [binance.text(units) for units in (0, 1, 7_880_371_000_000)] == [
        "0.00000000",
        "0.00000001",
        "78803.71000000",
    ]


def test_numbers_of_two_updates_join() -> None:
    """U is the last u and one; a snapshot's number is its tick's last."""
    first = binance.depth_update(BTC, TICK, TICK + 1, SPOT.changes(BTC, TICK, TICK + 1))
    second = binance.depth_update(BTC, TICK + 1, TICK + 2, SPOT.changes(BTC, TICK + 1, TICK + 2))
    assert second["U"] == first["u"] + 1
    assert binance.depth(TICK, SPOT.book(BTC, TICK), 5)["lastUpdateId"] == first["U"] - 1


def test_a_snapshot_has_the_best_levels_first_and_no_more_than_asked_for() -> None:
    """As REST shows them."""
    shown = binance.depth(TICK, SPOT.book(BTC, TICK), 3)
    assert len(shown["bids"]) == len(shown["asks"]) == 3
    assert float(shown["bids"][0][0]) > float(shown["bids"][1][0])
    assert float(shown["asks"][0][0]) < float(shown["asks"][1][0])


def test_all_trades_of_a_taker_are_one_aggregate() -> None:
    """Same price, first to last number, sizes added up."""
    parts, whole = list(binance.trades(BTC, DEAL)), binance.agg_trade(BTC, DEAL)
    assert (parts[0]["t"], parts[-1]["t"]) == (whole["f"], whole["l"])
    assert sum(round(float(part["q"]) * 10**8) for part in parts) == round(float(whole["q"]) * 10**8)
    assert {part["p"] for part in parts} == {whole["p"]}


def test_microseconds_are_for_who_asks() -> None:
    """Times alone are scaled; a trade's number is none, though it is called t."""
    trade = next(binance.trades(BTC, DEAL))
    fine = binance.in_micros(trade)
    assert (fine["E"], fine["T"], fine["t"]) == (trade["E"] * 1_000, trade["T"] * 1_000, trade["t"])
    candle = binance.kline(BTC, "1m", CANDLE, NOW_MS, False)
    assert binance.in_micros(candle)["k"]["t"] == candle["k"]["t"] * 1_000


def test_the_best_quotes_have_neither_name_nor_time() -> None:
    """So a reader must go by the stream's name."""
    ticker = binance.book_ticker(BTC, TICK, SPOT.book(BTC, TICK))
    assert not {"e", "E", "T"} & set(ticker)


if SAMPLES:
    BINANCE = SAMPLES / "binance"

    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            ("doc_ws_trade.json", next(binance.trades(BTC, DEAL))),
            ("doc_ws_aggtrade.json", binance.agg_trade(BTC, DEAL)),
            ("doc_ws_bookticker.json", binance.book_ticker(BTC, TICK, SPOT.book(BTC, TICK))),
            ("doc_ws_depth_update.json", binance.depth_update(BTC, TICK - 1, TICK, SPOT.changes(BTC, TICK - 1, TICK))),
            ("doc_ws_partial_depth.json", binance.depth(TICK, SPOT.book(BTC, TICK), 5)),
            ("doc_ws_kline.json", binance.kline(BTC, "1m", CANDLE, NOW_MS, False)),
            ("nt_http_depth_response.json", binance.depth(TICK, SPOT.book(BTC, TICK), 5)),
        ],
    )
    def test_our_shapes_have_the_captured_fields_and_kinds(name: str, ours: dict[str, Any]) -> None:
        """No field more, none less, text where they have text."""
        captured = json.loads((BINANCE / name).read_text())
        assert kinds(ours) == kinds(captured)

    def test_candles_of_rest_are_rows_of_the_same_kinds() -> None:
        """Twelve columns."""
        (captured,) = json.loads((BINANCE / "nt_http_klines_response.json").read_text())
        assert [type(value) for value in binance.kline_row(CANDLE)] == [type(value) for value in captured]

    def test_a_shutdown_has_the_documented_shape() -> None:
        """Raw and combined."""
        captured = json.loads((BINANCE / "doc_ws_server_shutdown.json").read_text())
        raw = binance.server_shutdown(5)
        assert set(raw) == set(captured["raw"]) and raw["e"] == captured["raw"]["e"]
        assert set(binance.combined("!serverShutdown", raw)) == set(captured["combined"])

    def kinds(value: Any) -> Any:
        """The names and kinds of a shape."""
        if isinstance(value, dict):
            return {name: kinds(inner) for name, inner in value.items()}
        return kinds(value[0]) if isinstance(value, list) and value else type(value)
