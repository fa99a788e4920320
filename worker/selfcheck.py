"""Whether this release can run at all: every room imports, and one decision is made on a small market made up here.

Done before a release is let near anything: the answer is one JSON line that also says what the release is. Leaves to
others whether its decisions are good.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Final

import msgspec

from shared.clock import NS
from shared.messages import (
    OUTCOMES,
    PROTOCOLS,
    Account,
    BookSeen,
    Decided,
    Decision,
    Level,
    PriceSeen,
    StrikeSet,
    Terms,
    Tick,
    WindowOpened,
)
from shared.wire import decode_from_worker, encode
from worker import manifest
from worker.parameters import Parameters, read_json
from worker.strategy import decide
from worker.view import LOOKBACK_S, View

_START_S: Final = 1_800_000_000
_SLOT: Final = "BTC/5m"
_TERMS: Final = Terms("0x00", 10_000, 5_000_000, 70_000, 1, 150, "twap60")


def self_check(root: Path, parameters: str) -> str:
    """One JSON line about the release in `root`, after it has decided once with these parameters, a JSON object.

    Raises: BadParameters: the release cannot use them. BadFrame: what it decided is no decision. Whatever else its code
    raises.
    """
    decode_from_worker(encode(Decided(_SLOT, 0, 0, 0, 0, "", 0, decision(read_json(parameters)))))
    release, modules = manifest.testimony(root)
    report = {
        "release": release,
        "lookback_s": LOOKBACK_S,
        "protocols": PROTOCOLS,
        "modules": [msgspec.structs.asdict(module) for module in modules],
        "python": platform.python_version(),
    }
    return msgspec.json.encode(report).decode()


def decision(parameters: Parameters) -> Decision:
    """The decision ten seconds before the end of a made-up window whose price has risen all along."""
    return decide(*market(parameters))


def market(
    parameters: Parameters, *, left_s: int = 10, falls: bool = False, ask_micro: int = 610_000, entries: str = ""
) -> tuple[View, Tick]:
    """A made-up window and a tick of it, to try a strategy on: what `decide` is given.

    The price has risen all along, or fallen, and stands beyond its strike by more than the book has noticed. Args:
    left_s: to the window's end, up to 60. ask_micro: what the winning token is sold for. entries: why none may be made.
    """
    view, way = View(parameters), -1 if falls else 1
    view.apply(_START_S * NS, WindowOpened(_SLOT, _START_S, _TERMS))
    view.apply(_START_S * NS, StrikeSet(_SLOT, _START_S, _exact(0)))
    for second in range(300 - left_s):
        at_s = _START_S + second
        view.apply(at_s * NS, PriceSeen("BTC", "spot", at_s * 1_000, _exact(way * second)))
    at_ns = (_START_S + 300 - left_s) * NS
    winner, loser = OUTCOMES[::way]
    for outcome, ask in ((winner, ask_micro), (loser, 1_010_000 - ask_micro)):
        levels = (Level(ask - 10_000, 100_000_000),), (Level(ask, 100_000_000),)
        view.apply(at_ns, BookSeen(_SLOT, _START_S, outcome, *levels, False))
    tick = Tick(_SLOT, at_ns // 1_000_000, _START_S, "", 0, "", entries, Account(0, 100_000_000, 0, (), ()))
    view.apply(at_ns, tick)
    return view, tick


def _exact(second: int) -> str:
    """The price so many seconds into a rise, or, counted backwards, into a fall."""
    way = -1 if second < 0 else 1
    steps = abs(second)
    return str((60_000 + way * (steps // 3 + 6 * (steps // 5 % 3))) * 10**18)
