"""A small recorded day in the layout of a real recording: written to disk, or as rows."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.rehearsal.days import Point, RecordedDay
from deploy.rehearsal.recordings import listing_of

DATE = "2026-07-24"
START_S = 1_784_851_200
"""Midnight UTC of that date."""
WINDOW_S = 300
E18 = 10**18


def price_at(second: int) -> float:
    """The small day's price: a saw that rises two dollars a second in even windows and falls in odd ones."""
    window, into = divmod(second - START_S, WINDOW_S)
    return 64_000.0 + 2 * (into if window % 2 == 0 else WINDOW_S - into)


def price_e18(second: int) -> int:
    """The same, exact."""
    return round(price_at(second) * 10**9) * 10**9


def a_price_row(second: int, delay_ms: int = 1_600) -> str:
    """One line of a price file."""
    at_ms = second * 1_000
    return f"{at_ms},{price_at(second)},{price_e18(second)},{at_ms + delay_ms - 200},{at_ms + delay_ms}"


def a_market_row(
    start_s: int = START_S, asset: str = "btc", interval_s: int = WINDOW_S, **changes: Any
) -> dict[str, Any]:
    """One market as a recording holds it, captured after it resolved; `changes` replace whole fields."""
    slug = f"{asset}-updown-{interval_s // 60}m-{start_s}"
    won_up = price_at(start_s + interval_s) >= price_at(start_s)
    row = {
        "slug": slug,
        "asset": asset,
        "interval_sec": interval_s,
        "condition_id": "0x" + f"{start_s:064x}",
        "token_ids": [str(start_s * 10**60 + 1), str(start_s * 10**60 + 2)],
        "start_sec": start_s,
        "end_sec": start_s + interval_s,
        "resolved": True,
        "outcome_prices": ["1", "0"] if won_up else ["0", "1"],
        "strike_value": str(price_e18(start_s)),
    }
    return row | {"raw": a_raw_market(row, won_up)} | changes


def a_raw_market(row: Mapping[str, Any], won_up: bool, **changes: Any) -> dict[str, Any]:
    """The Gamma object of a resolved market, with the fields that only the end knows."""
    up, down = row["token_ids"]
    return {
        "id": str(row["start_sec"])[-7:],
        "question": f"window at {row['start_sec']}",
        "slug": row["slug"],
        "conditionId": row["condition_id"],
        "clobTokenIds": json.dumps([up, down]),
        "outcomes": '["Up", "Down"]',
        "outcomePrices": '["1", "0"]' if won_up else '["0", "1"]',
        "closed": True,
        "acceptingOrders": False,
        "closedTime": _stamp(row["end_sec"] + 20, " ", "+00"),
        "umaEndDate": _stamp(row["end_sec"] + 20, "T", "Z"),
        "umaResolutionStatus": "resolved",
        "automaticallyResolved": True,
        "lastTradePrice": 0.99,
        "bestBid": 0.99,
        "volume": "79945.98",
        "volumeNum": 79945.98,
        "liquidity": "0",
        "oneHourPriceChange": 0.46,
        "orderPriceMinTickSize": 0.001,
        "orderMinSize": 5,
        "feesEnabled": True,
        "feeSchedule": {"rate": 0.07, "exponent": 1, "takerOnly": True, "rebateRate": 0.2},
        "resolutionSource": "https://data.chain.link/streams/btc-usd",
        "startDate": _stamp(row["start_sec"] - 86_000, "T", "Z"),
        "endDate": _stamp(row["end_sec"], "T", "Z"),
        "eventMetadata": {"priceToBeat": 64_000.0},
    } | changes


def steady_price(second: int) -> float:
    """A price that trembles by three dollars around its strike: the odds stay near a half."""
    return 64_000.0 + 3 * (second // 7 % 3 - 1)


def a_day(windows: int = 12, price: Callable[[int], float] = steady_price) -> RecordedDay:
    """The same rows as a day in memory, with prices from an hour before midnight on, one a second, 1.6 s late."""
    listings = [listing_of(a_market_row(START_S + number * WINDOW_S)) for number in range(windows)]
    seconds = range(START_S - 3_600, START_S + windows * WINDOW_S + 60)
    points = [Point("BTC", at * 1_000, round(price(at) * 10**9) * 10**9, at * 1_000 + 1_600) for at in seconds]
    return RecordedDay("a day", listings, points)


def write_day(folder: Path, windows: int = 4, asset: str = "btc", seconds: int | None = None, **changes: Any) -> Path:
    """Write a day of some windows from midnight, prices every second; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [a_market_row(START_S + number * WINDOW_S, asset, **changes) for number in range(windows)]
    write_markets(folder, rows, asset)
    count = windows * WINDOW_S + 60 if seconds is None else seconds
    lines = ["feed_ts_ms,value,full_accuracy_value,server_ts_ms,recv_ms"]
    lines += [a_price_row(START_S + second) for second in range(count)]
    with gzip.open(folder / f"{asset.upper()}USD-prices-{DATE}.csv.gz", "wt") as file:
        file.write("\n".join(lines) + "\n")
    return folder


def write_markets(folder: Path, rows: list[dict[str, Any]], asset: str = "btc") -> None:
    """Write a market file."""
    with gzip.open(folder / f"{asset.upper()}-5m-markets-{DATE}.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def _stamp(second: int, between: str, end: str) -> str:
    moment = datetime.fromtimestamp(second, UTC)
    return f"{moment:%Y-%m-%d}{between}{moment:%H:%M:%S}{end}"
