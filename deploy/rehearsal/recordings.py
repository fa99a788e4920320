"""Reads a recorded settlement day from a folder: `*-markets-*.jsonl.gz` and `*-prices-*.csv.gz`.

Assets and intervals come from the rows; the asset of a price file from its name (`BTCUSD-prices-...`). What the rows
mean is `days.py`. What always holds: a folder is read wholly or refused with one line that names file and line.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from deploy.rehearsal.days import Fee, Listing, Outcome, Point, RecordedDay, declared_lookback_s
from deploy.rehearsal.quantities import E18, MICRO

MARKETS: Final = "*-markets-*.jsonl.gz"
PRICES: Final = "*-prices-*.csv.gz"
LISTING_TICK_MICRO: Final = 10_000
"""Every recorded market was listed with a tick of a cent; a finer one came later. Source: facts 4.1."""
_PRICE_COLUMNS: Final = frozenset({"feed_ts_ms", "value", "full_accuracy_value", "recv_ms"})
_ROW_FAULTS = (ValueError, TypeError, KeyError, IndexError, InvalidOperation, msgspec.DecodeError, OverflowError)
T = TypeVar("T")


class DayUnreadable(Exception):
    """The folder holds no recorded day that can be replayed; the text is one line for a person."""


def read_day(folder: Path) -> RecordedDay:
    """Read a recorded day. Raises: DayUnreadable: no folder, a file missing or damaged, a senseless row."""
    if not folder.is_dir():
        raise DayUnreadable(f"{folder} is no folder")
    listings = [listing for path in _files(folder, MARKETS) for listing in _rows(path, _market_rows)]
    points = [point for path in _files(folder, PRICES) for point in _rows(path, _price_rows)]
    _check_assets(folder, {row.asset for row in listings}, {point.asset for point in points})
    return RecordedDay(str(folder), listings, points)


def _files(folder: Path, pattern: str) -> list[Path]:
    found = sorted(folder.glob(pattern))
    if not found:
        raise DayUnreadable(f"{folder} has no file named {pattern}")
    return found


def _check_assets(folder: Path, listed: set[str], priced: set[str]) -> None:
    if not listed or not priced:
        raise DayUnreadable(
            f"{folder} has {len(listed)} assets with markets and {len(priced)} with prices; both need one"
        )
    missing = sorted(listed - priced)
    if missing:
        raise DayUnreadable(f"{folder} lists markets of {', '.join(missing)} but has no price file for them")


def _rows(path: Path, parse: Callable[[Path, Iterator[str]], Iterator[T]]) -> list[T]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return list(parse(path, file))
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DayUnreadable(f"{path} cannot be read: {error}") from error


def _market_rows(path: Path, lines: Iterator[str]) -> Iterator[Listing]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _row(path, number, lambda text: listing_of(msgspec.json.decode(text)), line)


def _price_rows(path: Path, lines: Iterator[str]) -> Iterator[Point]:
    asset = asset_of(path.name)
    reader = csv.DictReader(lines)
    if _PRICE_COLUMNS - set(reader.fieldnames or ()):
        raise DayUnreadable(f"{path} line 1: the columns {', '.join(sorted(_PRICE_COLUMNS))} are needed")
    for row in reader:
        yield _row(path, reader.line_num, lambda found: _point(asset, found), row)


S = TypeVar("S")


def _row(path: Path, number: int, read: Callable[[S], T], row: S) -> T:
    try:
        return read(row)
    except _ROW_FAULTS as error:
        raise DayUnreadable(f"{path} line {number}: {type(error).__name__}: {error}") from error


def asset_of(file_name: str) -> str:
    """The asset a price file is for: BTCUSD-prices-2026-07-24.csv.gz is BTC."""
    return file_name.partition("-")[0].upper().removesuffix("USD")


def _point(asset: str, row: Mapping[str, str]) -> Point:
    exact = row["full_accuracy_value"]
    value_e18 = int(exact) if exact else int(Decimal(row["value"]) * E18)
    if value_e18 <= 0:
        raise ValueError(f"the price {exact or row['value']} is not above 0")
    return Point(asset, int(row["feed_ts_ms"]), value_e18, int(row["recv_ms"]))


def listing_of(row: Mapping[str, Any]) -> Listing:
    """Make a listing of one recorded market row. Raises: KeyError, ValueError, TypeError: the row makes no sense."""
    raw = row["raw"]
    up, down = _tokens(row)
    start_s, interval_s = int(row["start_sec"]), int(row["interval_sec"])
    if interval_s <= 0 or int(row["end_sec"]) != start_s + interval_s:
        raise ValueError(f"window {start_s}..{row['end_sec']} does not last {interval_s} s")
    return Listing(
        slug=str(row["slug"]),
        asset=str(row["asset"]).upper(),
        interval_s=interval_s,
        start_s=start_s,
        condition_id=str(row["condition_id"]),
        up_token=up,
        down_token=down,
        listed_ms=_listed_ms(raw, start_s),
        lookback_s=declared_lookback_s(raw),
        fee=_fee(raw),
        min_size_micro=int(Decimal(str(raw.get("orderMinSize", 5))) * MICRO),
        tick_micro=LISTING_TICK_MICRO,
        strike_e18=int(row["strike_value"]) if row.get("strike_value") else None,
        official=_official(row),
        closed_ms=_unix_ms(raw["closedTime"]) if raw.get("closedTime") else None,
        raw=raw,
    )


def _tokens(row: Mapping[str, Any]) -> tuple[str, str]:
    """The row's token ids are [Up, Down] already; the Gamma object's own order is by its outcomes."""
    up, down = (str(token) for token in row["token_ids"])
    return up, down


def _official(row: Mapping[str, Any]) -> Outcome | None:
    prices = [Decimal(str(price)) for price in row.get("outcome_prices") or ()]
    if not row.get("resolved") or len(prices) != 2 or prices[0] == prices[1]:
        return None
    return "Up" if prices[0] > prices[1] else "Down"


def _fee(raw: Mapping[str, Any]) -> Fee:
    schedule = raw.get("feeSchedule")
    if not raw.get("feesEnabled") or not isinstance(schedule, Mapping):
        return Fee(0, 1)
    return Fee(int(Decimal(str(schedule["rate"])) * MICRO), int(schedule["exponent"]))


def _listed_ms(raw: Mapping[str, Any], start_s: int) -> int:
    """When Gamma first showed the market; never after its window began, whatever the recording says."""
    shown = raw.get("startDate") or raw.get("createdAt")
    return min(_unix_ms(shown), start_s * 1_000) if shown else start_s * 1_000


def _unix_ms(text: str) -> int:
    """Read 2026-07-24T00:00:16.5Z or 2026-07-24 00:00:16+00 as unix milliseconds."""
    moment = datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
