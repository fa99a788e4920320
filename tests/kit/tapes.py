"""A stream and its tape as the supervisor makes them, and a made-up market to fill it with.

Frames are numbered, keyframes come at whole minutes, segments begin with one. The price wanders, windows open and
close, books follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import erf, sqrt
from pathlib import Path
from random import Random

from shared.messages import (
    Account,
    BookSeen,
    Event,
    Keyframe,
    Level,
    ParametersSet,
    PriceSeen,
    Pulse,
    Streamed,
    StrikeSet,
    TermBegan,
    Terms,
    Tick,
    TickSizeSet,
    WindowClosed,
    WindowOpened,
)
from shared.records import Appender
from shared.slots import Beat, parse_slot, schedule
from shared.wire import encode

NS = 1_000_000_000
MS = 1_000_000
EXACT = 10**12
START_S = 1_800_000_000
"""A whole multiple of 900: every lane begins a window here."""
NO_ACCOUNT = Account(1, 100_000_000, 0, (), ())
TERMS = Terms("0x" + "ab" * 32, 10_000, 5_000_000, 70_000, 1, 150, "twap60")
BEAT = Beat(90, 1_000)


class Stream:
    """Numbers what is said, remembers what a keyframe must tell, and writes the tape.

    Args: folder: of the tape; None for a stream that nobody records.
    """

    def __init__(self, folder: Path | None = None, *, segment_keyframes: int = 4) -> None:
        self.seq, self.at_ns, self.frames = 0, 0, list[Streamed]()
        self.segment_keyframes, self.keyframes = segment_keyframes, 0
        self.known: dict[tuple[str, ...], Event] = {}
        self.tape = Appender(folder, "tape") if folder else None

    def say(self, at_ns: int, event: Event) -> Streamed:
        """Publish an event: the next frame, on the tape and in `frames`."""
        self.seq, self.at_ns = self.seq + 1, max(self.at_ns, at_ns)
        frame = Streamed(self.seq, self.at_ns, event)
        self.frames.append(frame)
        if self.tape is not None:
            self.tape.append(encode(frame))
        self._remember(event)
        return frame

    def keyframe(self, at_ns: int) -> Streamed:
        """Publish a keyframe; every so many begin a new segment of the tape."""
        if self.tape is not None and self.keyframes and self.keyframes % self.segment_keyframes == 0:
            self.tape.roll()
        self.keyframes += 1
        return self.say(at_ns, Keyframe(tuple(self.known.values())))

    def flush(self) -> None:
        """What the supervisor does at the end of a turn."""
        if self.tape is not None:
            self.tape.flush()

    def _remember(self, event: Event) -> None:
        if isinstance(event, WindowClosed):
            gone = (event.slot, str(event.start_s))
            self.known = {key: kept for key, kept in self.known.items() if key[1:3] != gone}
        elif isinstance(event, WindowOpened | StrikeSet | TickSizeSet):
            if isinstance(event, WindowOpened):  # its terms are as of now, a grid set earlier is part of them
                self.known.pop((TickSizeSet.__name__, event.slot, str(event.start_s)), None)
            self.known[type(event).__name__, event.slot, str(event.start_s)] = event
        elif isinstance(event, BookSeen):
            self.known["book", event.slot, str(event.start_s), event.outcome] = event
        elif isinstance(event, PriceSeen):
            self.known["price", event.asset, event.feed] = event
        elif isinstance(event, ParametersSet):
            self.known[("parameters",)] = event


class Market:
    """Lanes of one desk, second by second, from a seed.

    Args: account: what a tick's account is; `answered` is told of every tick after it was published.
    """

    def __init__(
        self,
        stream: Stream,
        *,
        seed: int = 1,
        slots: tuple[str, ...] = ("BTC/5m", "BTC/15m"),
        beat: Beat = BEAT,
        terms: Terms = TERMS,
        parameters: ParametersSet | None = None,
        account: Callable[[str, int], Account] = lambda slot, start_s: NO_ACCOUNT,
        seen: Callable[[Streamed], None] = lambda frame: None,
    ) -> None:
        self.stream, self.random, self.beat, self.terms = stream, Random(seed), beat, terms
        self.slots = [parse_slot(name) for name in slots]
        self.assets = sorted({slot.asset for slot in self.slots})
        self.prices = {asset: [60_000_000_000] for asset in self.assets}
        self.strikes: dict[tuple[str, int], int] = {}
        self.parameters, self.account, self.seen = parameters, account, seen

    def run(self, seconds: int, start_s: int = START_S) -> Stream:
        """Let so many seconds pass."""
        self._say(start_s * NS, TermBegan(1, "rehearsal", "made up"))
        if self.parameters is not None:
            self.stream._remember(self.parameters)
        self._keyframe(start_s * NS)
        for now_s in range(start_s, start_s + seconds):
            self._second(now_s, first=now_s == start_s)
        self.stream.flush()
        return self.stream

    def _second(self, now_s: int, *, first: bool) -> None:
        if now_s % 60 == 0 and not first:
            self._keyframe(now_s * NS)
        for slot in self.slots:
            if slot.window_start(now_s) == now_s:
                self._turn_window(slot.name, now_s, slot.window_s)
        for asset in self.assets:
            self._price(asset, now_s)
        for slot in self.slots:
            self._books(slot.name, slot.window_start(now_s), slot.window_s, now_s)
        for at_ms, name, start_s in sorted(self._ticks(now_s)):
            tick = Tick(name, at_ms, start_s, "w1", 7, self._digest(), "", self.account(name, start_s))
            self._say(at_ms * MS, tick)
        self._say(now_s * NS + 900 * MS, Pulse())

    def _ticks(self, now_s: int) -> Iterator[tuple[int, str, int]]:
        for slot in self.slots:
            for number in schedule(slot, self.beat, now_s * 1_000 - 1, now_s * 1_000 + 999):
                yield number, slot.name, slot.window_start(number // 1_000)

    def _digest(self) -> str:
        return "" if self.parameters is None else self.parameters.digest

    def _keyframe(self, at_ns: int) -> None:
        self.seen(self.stream.keyframe(at_ns))

    def _say(self, at_ns: int, event: Event) -> None:
        self.seen(self.stream.say(at_ns, event))

    def _turn_window(self, name: str, now_s: int, window_s: int) -> None:
        if (name, now_s - window_s) in self.strikes:
            self._say(now_s * NS, WindowClosed(name, now_s - window_s))
        price = self.prices[name.partition("/")[0]][-1]
        self.strikes[name, now_s] = price
        self._say(now_s * NS, WindowOpened(name, now_s, self.terms))
        self._say(now_s * NS, StrikeSet(name, now_s, str(price * EXACT)))

    def _price(self, asset: str, now_s: int) -> None:
        history = self.prices[asset]
        drift = 1.5e-5 * self.random.choice((-1, 0, 1)) if now_s % 20 == 0 else 0.0
        step = history[-1] * (self.random.gauss(0.0, 6e-5) + 4 * drift)
        history.append(int(history[-1] + step))
        exact = str(history[-1] * EXACT)
        self._say(now_s * NS + 10 * MS, PriceSeen(asset, "spot", (now_s - 1) * 1_000, exact))
        if now_s % 2:
            mean = sum(history[-60:]) // len(history[-60:])
            self._say(now_s * NS + 12 * MS, PriceSeen(asset, "twap", (now_s - 1) * 1_000, str(mean * EXACT)))

    def _books(self, name: str, start_s: int, window_s: int, now_s: int) -> None:
        """Quotes that know the fair price of a few seconds ago, with a spread of one to three cents."""
        history, left_s = self.prices[name.partition("/")[0]], start_s + window_s - now_s
        seen = history[max(0, len(history) - 5)]
        distance = (seen - self.strikes[name, start_s]) / (seen * 6e-5 * sqrt(max(left_s, 4)))
        up = round(100 * min(0.97, max(0.03, 0.5 * (1 + erf(distance / sqrt(2))))))
        for outcome, mid in (("Up", up), ("Down", 100 - up)):
            if self.random.random() < 0.6:
                half = self.random.choice((1, 1, 2))
                self._say(now_s * NS + 20 * MS, a_book(name, start_s, outcome, mid - half, mid + half))


def a_book(slot: str, start_s: int, outcome: str, bid_cents: int, ask_cents: int, *, stale: bool = False) -> BookSeen:
    """A book three levels deep, a cent apart, 60 shares each."""
    bids = tuple(Level(cents * 10_000, 60_000_000) for cents in range(bid_cents, bid_cents - 3, -1) if cents > 0)
    asks = tuple(Level(cents * 10_000, 60_000_000) for cents in range(ask_cents, ask_cents + 3) if cents < 100)
    return BookSeen(slot, start_s, outcome, bids, asks, stale)  # type: ignore[arg-type]


def a_price(at_s: float, dollars: float, *, asset: str = "BTC", feed: str = "spot") -> PriceSeen:
    """A reference price of that very moment."""
    return PriceSeen(asset, feed, int(at_s * 1_000), str(int(dollars * 1_000_000) * EXACT))  # type: ignore[arg-type]
