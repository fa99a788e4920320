"""Small data sets of other people's books and trades, in the layouts of the recorded ones."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from kit.days import START_S, WINDOW_S

LABELS = (120, 90, 60, 45, 30, 20, 10)


def write_gzip(path: Path, text: str) -> Path:
    """Write a compressed file, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as file:
        file.write(text)
    return path


def write_csv(path: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    """Write a compressed table."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    return write_gzip(path, "\n".join(lines) + "\n")


def write_json_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write compressed JSON, an object a line."""
    return write_gzip(path, "".join(json.dumps(row) + "\n" for row in rows))


def a_side(bid: float | None, ask: float | None, sweep: float = 0.0) -> dict[str, Any]:
    """One token's book as a recorder of endgames noted it."""
    price = None if ask is None else ask + sweep
    depth = 0.0 if bid is None else 60_000 * bid
    return {"bid": bid, "ask": ask, "bid_depth": depth, "ask_depth": depth, "vwap50": price}


def a_ladder(number: int, opened: float, closed: float) -> dict[str, Any]:
    """One window of endgame books; the sample labelled 20 has the closing spot, so the clock is 20 s late."""
    books = {"up": a_side(0.49, 0.5), "down": a_side(0.5, 0.51, 0.002)}
    samples = [{"offset": label, "spot": closed if label == 20 else opened + label, **books} for label in LABELS]
    return {"window_ts": START_S + number * WINDOW_S, "open_px": opened, "samples": samples, "winner": "UP"}


def a_probe(number: int) -> dict[str, Any]:
    """One window of small orders: one joined a queue and was passed, one was put before it."""
    joined = {"quote": 0.49, "mode": "join", "queue_ahead": 120.0, "filled": True}
    return {"window_ts": START_S + number * WINDOW_S, "sides": {"UP": joined, "DOWN": joined | {"mode": "improve"}}}


def write_market_data(folder: Path) -> Path:
    """Every data set that `foresight fit` measures, a few rows each."""
    windows = range(3)
    write_json_lines(folder / "C" / "ladder_x.jsonl.gz", (a_ladder(n, 64_000.0 + n, 64_001.0 + n) for n in windows))
    write_json_lines(folder / "C" / "maker_probe_x.jsonl.gz", map(a_probe, windows))
    history = [(START_S + n * WINDOW_S, 0.6, 53, 50_000 + n) for n in windows]
    write_csv(folder / "C" / "windows_hist_x.csv.gz", "ts,up_mid,up_lag,volume", [*history, (START_S, "", "", "")])
    tape = [(START_S + 10, "BUY", "Up", 0.6, 9.0), (START_S + 12, "SELL", "Down", 0.3, 25.0)]
    header = "ts,taker_side,outcome,price,size"
    write_csv(folder / "D" / f"trades_btc-updown-5m-{START_S}.csv.gz", header, tape)
    trades = [(START_S * 1_000 + n * 700, "btc", START_S + 900, "yes", 0.5, 10.0) for n in range(1_000)]
    header = "ts_ms,asset,close_s,taker_side,yes_price,count"
    write_csv(folder / "G" / "kalshi_btc_trades_a.csv.gz", header, trades)
    return folder
