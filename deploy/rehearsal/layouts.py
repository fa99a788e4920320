"""Finds out what kind of day a folder holds, and reads it: a settlement day, polls, windows, or books with spot.

Layouts are recognised by their files' names and columns, never configured:
* settlement day: `*-markets-*.jsonl.gz` and `*-prices-*.csv.gz` (`recordings.py`);
* polls: tables with the price, the strike and the slug of a window every few seconds;
* windows: a table with the official outcome and an asset's price at both ends of each window;
* books: a table of markets by their snapshots, one of spot prices, perhaps one of outcomes.
All but the first are thin, and bridged (`bridged.py`). What always holds: a window is played only if its prices go from
its start to its end; a folder is read wholly or refused with one line that names what it lacks or what is wrong in it.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TypeVar

from deploy.rehearsal import recordings
from deploy.rehearsal.bridged import BridgedDay, Thread
from deploy.rehearsal.days import Listing, Outcome, RecordedDay
from deploy.rehearsal.history import plain_listing
from deploy.rehearsal.quantities import E18
from deploy.rehearsal.recordings import DayUnreadable

POLLS: Final = frozenset({"Timestamp", "Time_Left_Sec", "Price_Stream", "Strike_Price", "Slug"})
WINDOWS: Final = frozenset({"timestamp", "outcome"})
BOOKS: Final = frozenset({"slug", "asset", "interval_s", "start_s", "condition_id"})
SPOT: Final = frozenset({"ts", "asset", "price_usd", "batch"})
OUTCOMES: Final = frozenset({"slug", "up_won"})
POLL_HOLE_S, WINDOW_S, SPOT_HOLE_S = 30, 300, 120
"""The longest stretch between two prices that is bridged, by layout; windows have one at each end."""
NAMES_MAX: Final = 8
"""Files of a folder that is no day which are named."""
_FAULTS = (ValueError, TypeError, KeyError, IndexError, InvalidOperation, OverflowError)

T = TypeVar("T")
Row = dict[str, str]
Table = list[tuple[str, Row]]
"""Rows with where each stands: file and line."""


def read_day(folder: Path) -> RecordedDay | BridgedDay:
    """Read whatever day a folder holds. Raises: DayUnreadable: none, or one with a damaged or senseless file."""
    if not folder.is_dir():
        raise DayUnreadable(f"{folder} is no folder")
    if any(folder.glob(recordings.MARKETS)) or any(folder.glob(recordings.PRICES)):
        return recordings.read_day(folder)
    tables = [_table(path) for path in sorted(folder.glob("*.csv.gz"))]
    for needed, read in LAYOUTS:
        if all(any(columns <= _columns(table) for table in tables) for columns in needed):
            return _playable(read(folder, [row for table in tables for row in table]))
    names = sorted(path.name for path in folder.iterdir()) or ["no file"]
    more = f" and {len(names) - NAMES_MAX} more" if len(names) > NAMES_MAX else ""
    raise DayUnreadable(
        f"{folder} holds no day to play: it needs markets and their prices ({recordings.MARKETS} with "
        f"{recordings.PRICES}), or polls with price and strike, or windows with outcome and both prices, or books with "
        f"spot prices; it has {', '.join(names[:NAMES_MAX])}{more}"
    )


def _playable(day: BridgedDay) -> BridgedDay:
    if not day.listings(0, 2**40):
        left_out = ", ".join(f"{count} {reason}" for reason, count in day.left_out.items())
        raise DayUnreadable(f"{day.label} has no window that can be played: {left_out or 'it is empty'}")
    return day


def _polled(folder: Path, rows: Table) -> BridgedDay:
    """Polls: each names its window; the strike is told by some, else it is the price at the start."""
    prices: defaultdict[str, dict[int, int]] = defaultdict(dict)
    strikes: dict[str, int | None] = {}
    for where, row in rows:
        slug, second, price, strike = _read(where, row, _poll)
        prices[slug.partition("-")[0].upper()].setdefault(second, price)
        strikes[slug] = strikes.get(slug) or strike
    threads = {asset: Thread(asset, own, POLL_HOLE_S) for asset, own in prices.items()}
    listings = [replace(_slugged(folder, slug), strike_e18=strike) for slug, strike in strikes.items()]
    return _covered(folder, listings, threads)


def _poll(row: Row) -> tuple[str, int, int, int | None]:
    strike = row["Strike_Price"]
    known = None if strike == "no_price_data" else _e18(strike)
    second = int(datetime.fromisoformat(row["Timestamp"]).timestamp())
    return row["Slug"], second, _e18(row["Price_Stream"]), known


def _windowed(folder: Path, rows: Table) -> BridgedDay:
    """Windows: the price at a window's start is kept where the end of the one before says something else."""
    named = next(iter(rows))[1]
    asset = next((name.removesuffix("_open").upper() for name in named if name.endswith("_open")), "")
    opens: dict[int, int] = {}
    closes: dict[int, int] = {}
    listings = []
    for where, row in rows:
        start_s, outcome, opened, closed = _read(where, row, lambda found: _window(asset, found))
        opens[start_s], closes[start_s + WINDOW_S] = opened, closed
        listings.append(replace(plain_listing(folder.name, asset, WINDOW_S, start_s), official=outcome))
    return _covered(folder, listings, {asset: Thread(asset, closes | opens, WINDOW_S)})


def _window(asset: str, row: Row) -> tuple[int, Outcome | None, int, int]:
    name = asset.lower()
    outcome: dict[str, Outcome] = {"up": "Up", "down": "Down"}
    start_s = int(row["timestamp"])
    if start_s % WINDOW_S:
        raise ValueError(f"{start_s} is no start of a window")
    return start_s, outcome.get(row["outcome"].lower()), _e18(row[f"{name}_open"]), _e18(row[f"{name}_close"])


def _snapped(folder: Path, rows: Table) -> BridgedDay:
    """Books: what markets there were, what spot was, and who won where somebody wrote it down."""
    listings: dict[str, Listing] = {}
    batches: defaultdict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    won: dict[str, Outcome] = {}
    for where, row in rows:
        if row.keys() >= BOOKS:
            listing = _read(where, row, lambda found: _book_row(folder, found))
            listings[listing.slug] = listing
        elif row.keys() >= SPOT:
            asset, batch, second, price = _read(where, row, _spot)
            batches[asset, batch].setdefault(second, price)
        elif row.keys() >= OUTCOMES and row["slug"]:
            won[row["slug"]] = "Up" if row["up_won"] == "1" else "Down"
    threads = {asset: Thread(asset, prices, SPOT_HOLE_S) for asset, prices in _fullest(batches).items()}
    return _covered(folder, [replace(row, official=won.get(row.slug)) for row in listings.values()], threads)


def _fullest(batches: dict[tuple[str, str], dict[int, int]]) -> dict[str, dict[int, int]]:
    """One source an asset, the one with most prices: two of them differ by more than a window moves."""
    found: dict[str, dict[int, int]] = {}
    for (asset, _), prices in batches.items():
        if len(prices) > len(found.get(asset, ())):
            found[asset] = prices
    return found


def _book_row(folder: Path, row: Row) -> Listing:
    interval_s, start_s = int(row["interval_s"]), int(row["start_s"])
    if interval_s <= 0 or start_s % interval_s:
        raise ValueError(f"{start_s} is no start of a window of {interval_s} s")
    return plain_listing(folder.name, row["asset"].upper(), interval_s, start_s, row["condition_id"])


def _spot(row: Row) -> tuple[str, str, int, int]:
    return row["asset"].upper(), row["batch"], int(row["ts"]), _e18(row["price_usd"])


LAYOUTS: Final[tuple[tuple[tuple[frozenset[str], ...], Callable[[Path, Table], BridgedDay]], ...]] = (
    ((POLLS,), _polled),
    ((BOOKS, SPOT), _snapped),
    ((WINDOWS,), _windowed),
)
"""What tables a layout needs, by their columns, and who reads it."""


def _covered(folder: Path, listings: list[Listing], threads: dict[str, Thread]) -> BridgedDay:
    """Keep the windows that can be played, and count why the others cannot."""
    played, left_out = [], Counter[str]()
    for listing in listings:
        thread = threads.get(listing.asset)
        reason = _lacks(listing, thread)
        if reason:
            left_out[reason] += 1
        else:
            played.append(listing)
    assets = {listing.asset for listing in played}
    kept = {asset: thread for asset, thread in threads.items() if asset in assets}
    return BridgedDay(str(folder), played, kept, dict(left_out))


def _lacks(listing: Listing, thread: Thread | None) -> str:
    """Why a window cannot be played, blank if it can. A known strike stands for the price at the start."""
    if thread is None:
        return "of an asset without prices"
    late_s = min(thread.longest_s, listing.interval_s) if listing.strike_e18 is not None else 0
    if not thread.covers(listing.start_s + late_s, listing.end_s):
        return "without prices from start to end"
    return ""


def _slugged(folder: Path, slug: str) -> Listing:
    asset, _, rest = slug.partition("-updown-")
    span, _, start = rest.partition("-")
    interval_s = int(span.removesuffix("m")) * 60
    return plain_listing(folder.name, asset.upper(), interval_s, int(start))


def _e18(text: str) -> int:
    value = int(Decimal(text) * E18)
    if value <= 0:
        raise ValueError(f"the price {text} is not above 0")
    return value


def _read(where: str, row: Row, read: Callable[[Row], T]) -> T:
    try:
        return read(row)
    except _FAULTS as error:
        raise DayUnreadable(f"{where}: {type(error).__name__}: {error}") from error


def _columns(table: Table) -> frozenset[str]:
    return frozenset(table[0][1]) if table else frozenset()


def _table(path: Path) -> Table:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            return [(f"{path} line {number}", row) for number, row in _lines(file)]
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DayUnreadable(f"{path} cannot be read: {error}") from error


def _lines(file: Iterator[str]) -> Iterator[tuple[int, Row]]:
    reader = csv.DictReader(file, restval="")
    for row in reader:
        yield reader.line_num, row
