"""What the venue can be made to do wrong: every kind of fault with its arguments, as values that were checked.

A fault begins by command or by a scenario (`scenario.py`), is in force in `mischief.py`, and is always on the venue's
record, so that a judge can tell the venue's doing from a client's. Leaves when and to whom it happens to those rooms.
What always holds: a `Fault` has every argument of its kind, each of the right type and within its bounds.

Lengths `*_s` are market time, as everything that happens in the market is; `delay_ms` is real time, because it is there
to meet the timers of processes. Sources: facts 3.7, 4.1-4.3 and 10, "faults on command".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from deploy.rehearsal.days import Listing
from deploy.rehearsal.modes import POST_ONLY_S, RESTART_S, Mode

Value = bool | int | float | str
LENGTH_MAX_S: Final = 86_400
COUNT_MAX: Final = 1_000_000
DELAY_MAX_MS: Final = 60_000
CHANNELS: Final = ("market", "user", "prices", "rtds", "binance", "all")
CLOB_CHANNELS: Final = ("market", "user")
"""Those that go down with the matching engine."""
ROUTES: Final = (
    *("orders", "cancels", "heartbeat", "account", "standing", "keys", "books", "gamma", "claims", "relayer", "chain"),
    *("other", "all"),
)
MODES: Final = tuple(mode.value for mode in Mode if mode is not Mode.OPEN)
_MARKET = re.compile(r"[A-Z0-9]{2,8}(/[1-9][0-9]?m)?")


class Unfit(ValueError):
    """Something that is no fault, or not one that can be; `lines` has one clear line for each thing that is wrong."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.lines = tuple(lines)
        super().__init__("\n".join(self.lines))


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a kind: its default (which says its type), bounds or choices, and what it means."""

    name: str
    default: Value
    says: str
    low: float = 0
    high: float = 0
    choices: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fault."""

    name: str
    says: str
    arguments: tuple[Argument, ...]

    def argument(self, name: str) -> Argument:
        """The argument of that name. Raises: KeyError."""
        return {argument.name: argument for argument in self.arguments}[name]


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, whole: its kind's name and a value for each argument."""

    kind: str
    values: Mapping[str, Value]

    def number(self, name: str) -> int:
        """A whole number among its arguments, 0 where its kind has no such argument."""
        return int(self.values.get(name, 0))

    def text(self, name: str) -> str:
        """A text among its arguments."""
        return str(self.values[name])

    @property
    def share(self) -> float:
        """The part of what it meets that it hits."""
        return float(self.values.get("share", 1.0))

    def selects(self, listing: Listing) -> bool:
        """Whether a market is one of those it is about: all, an asset's, or a slot's."""
        wanted = self.text("market")
        return wanted in ("", listing.asset, f"{listing.asset}/{listing.interval_s // 60}m")

    def covers(self, argument: str, name: str) -> bool:
        """Whether a channel or route is the one it is about."""
        return self.values.get(argument) in (name, "all")


def _for_s(default: int) -> Argument:
    return Argument(
        "for_s", default, "market seconds it lasts; 0: until its count is used up or it is ended", 0, 86_400
    )


def _count(default: int) -> Argument:
    return Argument("count", default, "how many it hits before it ends; 0: no bound", 0, COUNT_MAX)


def _channel(default: str = "market") -> Argument:
    return Argument("channel", default, "which sockets", choices=CHANNELS)


def _route(default: str) -> Argument:
    return Argument("route", default, "which requests", choices=ROUTES)


_SHARE: Final = Argument("share", 1.0, "the part of what it meets that it hits, drawn from the seed", 0.01, 1)
_MARKETS: Final = Argument("market", "", "which markets: all (empty), an asset's (BTC) or a slot's (BTC/5m)")

_KINDS: Final = (
    Kind(
        "drop_answer",
        "requests are carried out, and the connection is cut instead of an answer",
        (_route("orders"), _count(1), _for_s(0), _SHARE),
    ),
    Kind(
        "delay_answer",
        "requests are carried out at once and answered late",
        (
            Argument("delay_ms", 1_000, "real milliseconds that the answer waits", 1, DELAY_MAX_MS),
            _route("all"),
            _count(0),
            _for_s(60),
            _SHARE,
        ),
    ),
    Kind(
        "refuse",
        "requests are answered with an HTTP status of trouble",
        (
            Argument("status", 503, "which status", choices=(425, 429, 500, 503)),
            Argument("carried_out", False, "true: what was asked is done all the same"),
            Argument("retry_after_s", 0, "seconds the answer says to wait; 0: it says nothing", 0, 3_600),
            _route("all"),
            _count(0),
            _for_s(60),
            _SHARE,
        ),
    ),
    Kind(
        "mode",
        "the exchange takes no orders, or only some: 425 while it restarts, 500 if it is failing, else 503",
        (Argument("mode", Mode.POST_ONLY.value, "what it takes", choices=MODES), _for_s(120)),
    ),
    Kind(
        "restart",
        "the weekly restart: market and user sockets are closed and 425 is answered, then post-only minutes",
        (
            Argument("down_s", RESTART_S, "market seconds of 425", 1, 3_600),
            Argument("post_only_s", POST_ONLY_S, "market seconds of post-only after it", 0, 3_600),
        ),
    ),
    Kind(
        "silence",
        "sockets stay open and answer pings, but say nothing else; what they did not say is lost",
        (_channel(), _for_s(60)),
    ),
    Kind(
        "close",
        "open sockets are closed, once",
        (
            _channel(),
            Argument("code", 1012, "the close code; 0 cuts the line without a word", 0, 4_999),
        ),
    ),
    Kind(
        "refuse_connections",
        "new sockets are turned away with HTTP 503",
        (_channel(), _for_s(60)),
    ),
    Kind(
        "repeat_events",
        "user events are sent more than once",
        (Argument("times", 1, "how many times again", 1, 10), _count(0), _for_s(60), _SHARE),
    ),
    Kind(
        "reorder_events",
        "user events are gathered and sent in an order drawn from the seed",
        (
            Argument("depth", 4, "how many are gathered at most", 2, 64),
            Argument("hold_ms", 2_000, "market milliseconds the first of them waits at most", 1, DELAY_MAX_MS),
            _for_s(60),
        ),
    ),
    Kind(
        "ghost_fill",
        "trades of clients match, and fail to settle: RETRYING, then FAILED and taken back",
        (_count(1), _for_s(0), _SHARE),
    ),
    Kind(
        "bad_transaction",
        "transactions of wallets are taken, and come to nothing",
        (
            Argument("how", "reverted", "mined and refused, or never sent", choices=("reverted", "invalid")),
            _count(1),
            _for_s(0),
            _SHARE,
        ),
    ),
    Kind(
        "stale_book",
        "the market sockets say nothing of some books any more while the books move",
        (_MARKETS, _for_s(60)),
    ),
    Kind(
        "crossed_book",
        "the market sockets show a bid at the best ask, which is not in the book",
        (_MARKETS, Argument("shape", "change", "how it is told", choices=("change", "book"))),
    ),
    Kind(
        "feed_gap",
        "reference prices are not sent; who subscribes anew finds them in the snapshot",
        (Argument("asset", "", "whose prices; empty: everybody's"), _for_s(30)),
    ),
    Kind(
        "clock_skew",
        "the venue's clock is wrong: /time, message stamps, and what it takes for a fresh signature",
        (Argument("skew_ms", 5_000, "how far it is ahead; behind if negative", -600_000, 600_000), _for_s(60)),
    ),
    Kind(
        "geoblock",
        "the page that says from where one may trade says that it is not from here",
        (Argument("country", "US", "where everybody is", choices=("US", "FR", "GB", "DE", "SG")), _for_s(600)),
    ),
    Kind(
        "closed_only",
        "every account may only sell what it has: it is told so, and its buys are refused",
        (_for_s(600),),
    ),
    Kind(
        "transfer",
        "every account's collateral is paid in, or out, as its owner does on the site; once",
        (Argument("usd", 50.0, "how much; out if negative, and no more than no order holds back", -1e6, 1e6),),
    ),
    Kind(
        "gamma_late",
        "the catalogue shows markets, or their outcomes, later than it should",
        (
            _MARKETS,
            Argument("what", "listing", "what is late", choices=("listing", "outcome")),
            Argument("late_s", 20, "market seconds after the window's start, or after the resolution", -900, 3_600),
            _for_s(900),
        ),
    ),
    Kind(
        "market_missing",
        "neither the catalogue nor the exchange knows some markets",
        (_MARKETS, _for_s(300)),
    ),
)
KINDS: Final[dict[str, Kind]] = {kind.name: kind for kind in _KINDS}
"""Every kind by its name."""


def read_fault(said: Mapping[str, object]) -> Fault:
    """Check a fault as a scenario or a command says it: `kind` and any of its arguments.

    Raises: Unfit: all that is wrong with it.
    """
    name = said.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise Unfit([f"{name!r} is no kind of fault{_meant(name)}" if name else "kind is missing"])
    lines, values = [], {argument.name: argument.default for argument in kind.arguments}
    for key, value in said.items():
        if key == "kind":
            continue
        if key not in values:
            lines.append(f"{kind.name} has no argument {key!r}{nearest(key, values)}")
        elif wrong := _wrong(kind.argument(key), value):
            lines.append(f"{kind.name}: {key} {wrong}")
        else:
            values[key] = _as(kind.argument(key), value)
    lines += _contradictions(kind, values) if not lines else []
    if lines:
        raise Unfit(lines)
    return Fault(kind.name, values)


def _meant(name: object) -> str:
    return nearest(name, KINDS) or "; foresight fault says which there are"


def _wrong(argument: Argument, value: object) -> str:
    """What is wrong with a value, empty if nothing is."""
    wanted = type(argument.default)
    fits = isinstance(value, wanted) or (wanted is float and isinstance(value, int))
    if not fits or (isinstance(value, bool) and wanted is not bool):
        return f"is {_NAMED[wanted]}, not {value!r}"
    if argument.choices and value not in argument.choices:
        return f"is one of {', '.join(map(str, argument.choices))}, not {value!r}"
    if isinstance(value, int | float) and argument.high and not argument.low <= value <= argument.high:
        return f"lies between {argument.low:g} and {argument.high:g}, not at {value!r}"
    if argument.name == "market" and value and not _MARKET.fullmatch(str(value)):
        return f"is written BTC or BTC/5m, not {value!r}"
    return ""


def _as(argument: Argument, value: object) -> Value:
    assert isinstance(value, bool | int | float | str)
    return float(value) if isinstance(argument.default, float) else value


def _contradictions(kind: Kind, values: Mapping[str, Value]) -> list[str]:
    code = values.get("code", 0)
    if isinstance(code, int) and 0 < code < 1_000:
        return [f"{kind.name}: code is a close code from 1000 on, or 0, not {code}"]
    return []


_NAMED: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def nearest(name: object, known: Iterable[str]) -> str:
    """What somebody may have meant, as the end of a sentence; empty when nothing is near."""
    found = get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def shown(kind: Kind) -> dict[str, object]:
    """A kind as a program is told of it."""
    return {
        "kind": kind.name,
        "says": kind.says,
        "arguments": [
            {"name": argument.name, "default": argument.default, "says": argument.says}
            | ({"choices": list(argument.choices)} if argument.choices else {})
            | ({"from": argument.low, "to": argument.high} if argument.high else {})
            for argument in kind.arguments
        ],
    }
