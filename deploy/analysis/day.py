"""`foresight day`: what a recorded day holds, and whether its prices give its official outcomes."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

import click
import msgspec

from deploy.ranges import stamp
from deploy.refusal import end
from deploy.rehearsal.bridged import BridgedDay
from deploy.rehearsal.days import Listing, RecordedDay, averaged_here
from deploy.rehearsal.layouts import read_day
from deploy.rehearsal.recordings import MARKETS, PRICES, DayUnreadable
from shared.clock import NS
from shared.outcomes import EXIT

GAP_S: Final = 60
"""A hole in the prices longer than this is told."""


@dataclass
class Findings:
    """What was found. `compared`: windows with an exact closing price and a known strike; the rest cannot be judged.

    proxied: windows whose prices are of another feed than the one that settled them: `proxy_differs` of them say
    something else than the official outcome, which is no fault; `proxy_ties` say nothing. left_out: windows that were
    listed and cannot be played, by reason.
    """

    windows: int = 0
    compared: int = 0
    mismatches: int = 0
    without_close: int = 0
    without_strike: int = 0
    averaged: int = 0
    proxied: int = 0
    proxy_differs: int = 0
    proxy_ties: int = 0
    unresolved: int = 0
    prices: int = 0
    gaps: int = 0
    longest_gap_s: int = 0
    assets: list[str] = field(default_factory=list)
    first: str = ""
    last: str = ""
    wrong: list[str] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


AnyDay = RecordedDay | BridgedDay


def examine(day: AnyDay) -> Findings:
    """Hold a day's prices against its official outcomes: Up when the close is at or above the strike."""
    found = Findings(assets=day.assets)
    for listing in day.listings(0, 2**40):
        found.windows += 1
        _compare(day, listing, found)
    found.prices = day.price_count
    found.first, found.last = (stamp(second * NS) for second in day.span_s)
    found.left_out = dict(day.left_out) if isinstance(day, BridgedDay) else {}
    holes = [b - a for asset in day.assets for a, b in day.gaps(asset, GAP_S)]
    found.gaps, found.longest_gap_s = len(holes), max(holes, default=0)
    return found


def _compare(day: AnyDay, listing: Listing, found: Findings) -> None:
    close = day.exact_value_at(listing.asset, listing.end_s)
    strike = listing.strike_e18
    if strike is None:
        strike = day.exact_value_at(listing.asset, listing.start_s)
    if listing.official is None:
        found.unresolved += 1
    elif day.proxied:
        _hold_proxy(listing, strike, close, found)
    elif averaged_here(day, listing):
        found.averaged += 1
    elif close is None:
        found.without_close += 1
    elif strike is None:
        found.without_strike += 1
    else:
        found.compared += 1
        if ("Up" if close >= strike else "Down") != listing.official:
            found.mismatches += 1
            found.wrong.append(listing.slug)


def _hold_proxy(listing: Listing, strike: int | None, close: int | None, found: Findings) -> None:
    """Another feed's prices are compared only where they were recorded, and a difference is counted, not judged."""
    if close is None or strike is None:
        found.without_close += close is None
        found.without_strike += close is not None
        return
    found.proxied += 1
    found.proxy_ties += close == strike
    found.proxy_differs += close != strike and ("Up" if close > strike else "Down") != listing.official


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def day(folder: Path, as_json: bool) -> None:
    """Say what a recorded day holds, and hold its prices against its official outcomes.

    Exit codes: 0 every window that can be judged agrees; 1 one does not; 66 the day cannot be read.
    """
    try:
        found = examine(read_day(folder))
    except DayUnreadable as error:
        hint = f"foresight day FOLDER, one that holds {MARKETS} and {PRICES} of a day"
        end("foresight day", "NOINPUT", str(error), hint)
    click.echo(msgspec.json.encode(asdict(found)).decode() if as_json else _text(found))
    sys.exit(EXIT["OK"] if not found.mismatches else EXIT["INTERNAL"])


def _text(found: Findings) -> str:
    lines = [
        f"{found.windows} windows of {', '.join(found.assets)}; {found.prices} prices, {found.first} to {found.last}",
        f"{found.gaps} gaps of more than {GAP_S} s, the longest {found.longest_gap_s} s",
        f"{found.compared} windows compared, {found.mismatches} disagree with the official outcome",
        f"not compared: {found.without_close} without an exact closing price, {found.without_strike} without a strike, "
        f"{found.averaged} settled on a mean that was not recorded, {found.unresolved} without an official outcome",
    ]
    if found.proxied:
        share = found.proxy_differs / found.proxied
        lines.append(
            f"{found.proxied} windows held against prices of another feed: {found.proxy_differs} ({share:.1%}) say "
            f"something else, {found.proxy_ties} say nothing; that is what such prices are worth"
        )
    lines += [f"not played: {count} {reason}" for reason, count in found.left_out.items()]
    return "\n".join([*lines, *(f"! {slug}" for slug in found.wrong)])
