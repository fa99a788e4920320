"""What recordings show of other people's books and trades, as observations that can be measured.

Reads a folder of recorded data sets by their layout: endgame books with a probe of small orders, a full trade tape,
another venue's tape, window histories. Leaves measuring to `measures.py`. What always holds: a data set that is not
there is left out and named; a damaged one is refused by name.
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.analysis.measures import LEFT_S, Joined, Look, Observations, Print, Tape

LADDER: Final = "*/ladder_*.jsonl.gz"
PROBE: Final = "*/maker_probe_*.jsonl.gz"
HISTORY: Final = "*/windows_hist_*.csv.gz"
TAPE: Final = "*/trades_btc-updown-5m-*.csv.gz"
OTHER_VENUE: Final = "*/kalshi_*_trades_*.csv.gz"
NEEDED: Final = (LADDER, PROBE, HISTORY, TAPE, OTHER_VENUE)
WINDOW_S: Final = 300
OTHER_WINDOW_S: Final = 900
CLOCK_LATE_S: Final = 20
"""How late the clock of the endgame books is: see `lateness`."""


class DataUnreadable(Exception):
    """The folder has no recording to measure, or a damaged one; the text is one line for a person."""


def observe(folder: Path) -> tuple[Observations, dict[str, str]]:
    """All observations of a folder of data sets, and what each source gave. Raises: DataUnreadable."""
    missing = [pattern for pattern in NEEDED if not any(folder.glob(pattern))]
    if missing:
        raise DataUnreadable(f"{folder} has no file named {', '.join(missing)}")
    ladder = list(_json_rows(folder, LADDER))
    seen = Observations(
        looks=[look for row in ladder for look in _looks(row)],
        flows=_other_tapes(folder),
        sized=[_tape(path) for path in sorted(folder.glob(TAPE))],
        turnovers=[float(row["volume"]) for row in _csv_rows(folder, HISTORY) if row["volume"]],
        joined=[order for row in _json_rows(folder, PROBE) for order in _joined(row)],
    )
    label, share = lateness(ladder)
    notes = {
        "endgame books": f"{len(ladder)} windows; the samples labelled {label} s before the end have the next window's "
        f"opening spot in {share:.0%}: {CLOCK_LATE_S} s are taken off every label",
        "window histories": f"{len(seen.turnovers)} windows with a volume",
        "trade tape": f"{sum(len(tape.prints) for tape in seen.sized)} trades of {len(seen.sized)} window",
        "other venue": f"{sum(len(tape.prints) for tape in seen.flows)} trades of {len(seen.flows)} windows",
        "not measurable": "levels between the best price and the whole side; bursts within two seconds",
    }
    return seen, notes


def middles(folder: Path) -> list[tuple[int, int, float]]:
    """Recorded middles of BTC 5-minute windows: window start, seconds to its end, middle of Up."""
    return [
        (int(row["ts"]), int(row["up_lag"]), float(row["up_mid"]))
        for row in _csv_rows(folder, HISTORY)
        if row["up_mid"] and row["up_lag"]
    ]


def lateness(ladder: Iterable[Mapping[str, Any]]) -> tuple[int, float]:
    """Which label's spot is most often exactly the spot that opened the next window, and how often."""
    rows = list(ladder)
    opened = {row["window_ts"]: row["open_px"] for row in rows}
    hits: Counter[int] = Counter()
    count: Counter[int] = Counter()
    for row in rows:
        closing = opened.get(row["window_ts"] + WINDOW_S)
        for sample in row["samples"] if closing is not None else ():
            count[sample["offset"]] += 1
            hits[sample["offset"]] += abs(sample["spot"] - closing) < 0.02
    best = max(count, key=lambda label: hits[label] / count[label], default=0)
    return best, hits[best] / count[best] if count else 0.0


def _looks(row: Mapping[str, Any]) -> Iterator[Look]:
    """Both tokens of every sample that was taken before the end, its time corrected."""
    for sample in row["samples"]:
        left_s = sample["offset"] - CLOCK_LATE_S
        for side in ("up", "down"):
            book = sample.get(side)
            if book and left_s in LEFT_S:
                sweep = None if book["vwap50"] is None or book["ask"] is None else book["vwap50"] - book["ask"]
                yield Look(left_s, book["bid"], book["ask"], book["bid_depth"], sweep)


def _joined(row: Mapping[str, Any]) -> Iterator[Joined]:
    for order in row["sides"].values():
        if order and order.get("mode") == "join":
            yield Joined(order["quote"], order["queue_ahead"], bool(order["filled"]))


def _tape(path: Path) -> Tape:
    """A window's tape; its start is the end of the file's name."""
    end_s = int(path.name.split("-")[-1].split(".")[0]) + WINDOW_S
    return Tape(WINDOW_S, [_print(row, end_s) for row in _read_csv(path)])


def _print(row: Mapping[str, str], end_s: int) -> Print:
    price = float(row["price"])
    up = price if row["outcome"] == "Up" else 1 - price
    buys = row["taker_side"] == "BUY"
    return Print(end_s - int(row["ts"]), up, float(row["size"]), buys, buys == (row["outcome"] == "Up"))


def _other_tapes(folder: Path) -> list[Tape]:
    windows: defaultdict[tuple[str, int], list[Print]] = defaultdict(list)
    for row in _csv_rows(folder, OTHER_VENUE):
        close_s = int(row["close_s"])
        left_s = close_s - int(row["ts_ms"]) / 1_000
        price, size, for_up = float(row["yes_price"]), float(row["count"]), row["taker_side"] == "yes"
        windows[row["asset"], close_s].append(Print(left_s, price, size, True, for_up))
    return [Tape(OTHER_WINDOW_S, sorted(rows, key=lambda each: -each.left_s)) for rows in windows.values()]


def _json_rows(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(pattern)):
        for line in _lines(path):
            try:
                yield msgspec.json.decode(line, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise DataUnreadable(f"{path} cannot be read: {error}") from error


def _csv_rows(folder: Path, pattern: str) -> Iterator[dict[str, str]]:
    for path in sorted(folder.glob(pattern)):
        yield from _read_csv(path)


def _read_csv(path: Path) -> Iterator[dict[str, str]]:
    return csv.DictReader(_lines(path))


def _lines(path: Path) -> Iterator[str]:
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            yield from file
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DataUnreadable(f"{path} cannot be read: {error}") from error
