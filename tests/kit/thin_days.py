"""Small thin recordings in the layouts of the recorded ones: polls, windows, books with spot."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from kit.days import START_S, WINDOW_S, price_at
from kit.market_data import write_csv

POLL_S = 6
POLLED_WINDOW_S = 900


def write_polls(folder: Path, windows: int = 2, strike: str = "no_price_data", until_s: int | None = None) -> Path:
    """Polls of BTC 15-minute windows every six seconds, from half a minute before the first to the end of the last."""
    last_s = START_S + windows * POLLED_WINDOW_S if until_s is None else until_s
    rows = []
    for second in range(START_S - 30, last_s + 1, POLL_S):
        start_s = second // POLLED_WINDOW_S * POLLED_WINDOW_S
        stamp = datetime.fromtimestamp(second, UTC).isoformat()
        left_s = start_s + POLLED_WINDOW_S - second
        slug = f"btc-updown-15m-{start_s}"
        rows.append((stamp, left_s, price_at(second), strike, "-", 0.5, 0.49, 0.51, "", slug))
    header = "Timestamp,Time_Left_Sec,Price_Stream,Strike_Price,Diff,Up_Price,Best_Bid,Best_Ask,Extra,Slug"
    write_csv(folder / "btc_15m_polls.csv.gz", header, rows)
    return folder


def write_windows(folder: Path, windows: int = 4, skipped: Iterable[int] = (), outcome: str = "") -> Path:
    """Windows with the price at both ends and the outcome it gives, or the one that is named."""
    rows = []
    for number in set(range(windows)) - set(skipped):
        start_s = START_S + number * WINDOW_S
        opened, closed = price_at(start_s), price_at(start_s + WINDOW_S)
        rows.append((start_s, outcome or ("up" if closed >= opened else "down"), opened, closed))
    write_csv(folder / "btc5m_outcomes.csv.gz", "timestamp,outcome,btc_open,btc_close", sorted(rows))
    return folder


def write_books(folder: Path, windows: int = 3, spot_s: int = 25, batches: Iterable[str] = ("exchange",)) -> Path:
    """Markets of BTC and ETH by their snapshots, spot of BTC alone, and who won the first window."""
    books = [
        (f"{asset}-updown-5m-{start_s}", asset, WINDOW_S, start_s, f"0x{start_s:064x}")
        for asset in ("btc", "eth")
        for start_s in range(START_S, START_S + windows * WINDOW_S, WINDOW_S)
    ]
    write_csv(folder / "tob.csv.gz", "slug,asset,interval_s,start_s,condition_id", books)
    seconds = range(START_S - 50, START_S + windows * WINDOW_S + 1, spot_s)
    spot = [(at, "BTC", price_at(at) + n, batch) for n, batch in enumerate(batches) for at in seconds]
    write_csv(folder / "spot.csv.gz", "ts,asset,price_usd,batch", spot)
    write_csv(folder / "outcomes.csv.gz", "slug,up_won", [(f"btc-updown-5m-{START_S}", 0), ("", 1)])
    return folder
