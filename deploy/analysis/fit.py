"""`foresight fit`: measure recorded books and tapes, and the rehearsal venue's crowd beside them.

The recorded column is where the numbers of `crowd_shape.py` come from; the other says how near the crowd is to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click
import msgspec

from deploy.analysis.crowded import watch
from deploy.analysis.measures import Number, Observations, measure
from deploy.analysis.observed import DataUnreadable, middles, observe
from deploy.refusal import end
from deploy.rehearsal.crowd import Odds
from deploy.rehearsal.days import DAY_S, Day, Listing, RecordedDay
from deploy.rehearsal.recordings import MARKETS, read_day
from deploy.rehearsal.seeded import SeededDay

FIRST_S: Final = 1_794_960_000
"""Where the watched windows of the made-up day begin, midnight of 18 November 2026."""

SHIFTS_S: Final = range(-10, 11)


@click.command()
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--windows", type=click.IntRange(0, 288), default=24, show_default=True, help="Of the crowd to watch.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd and its made-up day.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def fit(data: Path, windows: int, seed: int, as_json: bool) -> None:
    """Measure the recordings under DATA, and the crowd of BTC 5-minute windows the same way.

    Exit codes: 0 measured; 66 a recording is missing or cannot be read.
    """
    try:
        recorded, notes = observe(data)
    except DataUnreadable as error:
        end("foresight fit", "NOINPUT", f"{error}; name the folder that holds the recorded data sets")
    crowd = {number.name: number for number in measure(watch_btc(data, windows, seed))}
    notes["following"] = following(data)
    rows = [(number, crowd.get(number.name)) for number in measure(recorded)]
    click.echo(_json(rows, notes) if as_json else _text(rows, notes))


def watch_btc(data: Path, windows: int, seed: int) -> Observations:
    """Watch the crowd of some BTC 5-minute windows: of the recorded settlement day if it is there, else made up."""
    recorded = sorted(path.parent for path in data.glob(f"*/{MARKETS}"))
    day: Day = read_day(recorded[0]) if recorded else SeededDay(seed)
    listings = day.listings(0, 2**40) if recorded else day.listings(FIRST_S, FIRST_S + DAY_S)
    chosen = [each for each in listings if (each.asset, each.interval_s) == ("BTC", 300) and _priced(day, each)]
    step = max(1, len(chosen) // windows) if windows else 1
    return watch(day, chosen[::step][:windows], seed)


def following(data: Path) -> str:
    """How far recorded middles are from the crowd's odds, and by which price they come nearest; blank without both."""
    folders = sorted(path.parent for path in data.glob(f"*/{MARKETS}"))
    distances = behind(read_day(folders[0]), middles(data)) if folders else {}
    if not distances:
        return "no recorded middle belongs to a recorded settlement day"
    best = min(distances, key=lambda shift: distances[shift][0])
    (now, count), (least, _) = distances[0], distances[best]
    return f"{count} recorded middles are {now:.3f} from the odds, and {least:.3f} from those of {-best} s before"


def behind(day: RecordedDay, seen: Iterable[tuple[int, int, float]]) -> dict[int, tuple[float, int]]:
    """Mean distance of middles from the odds by how much later a price these know, and how many were compared."""
    odds, rows = Odds(day), list(seen)
    found: dict[int, tuple[float, int]] = {}
    for shift_s in SHIFTS_S:
        distances = [
            abs(odds.up(listing, listing.end_s - left_s + shift_s) - middle)
            for start_s, left_s, middle in rows
            if (listing := day.listing(f"btc-updown-5m-{start_s}")) is not None
            and listing.strike_e18 is not None
            and day.exact_value_at(listing.asset, listing.end_s - left_s) is not None
        ]
        if distances:
            found[shift_s] = sum(distances) / len(distances), len(distances)
    return found


def _priced(day: Day, listing: Listing) -> bool:
    """Whether prices go on through the window's end: the crowd of a silent feed is not what was recorded."""
    seen = [day.value_at(listing.asset, listing.end_s - before_s) for before_s in (0, 5, 10, 20, 40, 80)]
    return len(set(seen)) == len(seen)


def _text(rows: list[tuple[Number, Number | None]], notes: dict[str, str]) -> str:
    lines = [f"{name}: {note}" for name, note in notes.items()]
    lines.append(f"{'':<48}{'recorded':>12}{'of':>8}{'crowd':>12}{'of':>8}")
    for recorded, crowd in rows:
        shown = f"{crowd.value:12.4g}{crowd.count:8}" if crowd else ""
        lines.append(f"{recorded.name:<48}{recorded.value:12.4g}{recorded.count:8}{shown}")
    return "\n".join(lines)


def _json(rows: list[tuple[Number, Number | None]], notes: dict[str, str]) -> str:
    numbers = [{"name": a.name, "recorded": a, "crowd": b} for a, b in rows]
    return msgspec.json.encode({"notes": notes, "numbers": numbers}).decode()
