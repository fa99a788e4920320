"""The wire between a desk and the venue's house: what is on it is lost, comes late, or comes twice - by a seed.

It is a pool of connections to whoever asks over HTTP and a `connect` to whoever keeps a WebSocket, so that the code on
both sides is what runs on real sockets. A request that left arrives even if whoever sent it died meanwhile. What
always holds: every order on the wire is read here as the venue reads it, before the venue does.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

import websockets
from kit.house import Answer, Connection, House
from websockets.frames import Close

ORDERS: Final = frozenset({"/order", "/orders"})
NEVER_S: Final = 3_600.0
"""An answer that takes this long is lost."""


@dataclass(frozen=True)
class Storm:
    """How often what goes wrong on the wire, chances per request or connection; `late_s`: how late at most."""

    request_lost: float = 0.004
    request_late: float = 0.003
    answer_lost: float = 0.006
    answer_late: float = 0.004
    connection_refused: float = 0.02
    late_s: float = 2.0


CALM: Final = Storm(0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True)
class _Fate:
    """What becomes of one request. there_s, back_s: how long it and its answer are on the way."""

    name: str
    there_s: float
    back_s: float
    lost: bool = False


class Wire:
    """Args: posted: told of every order that leaves, as the venue's own reading of it. counts: what happened."""

    def __init__(
        self,
        house: House,
        chance: random.Random,
        answer_s: float,
        counts: Counter[str],
        posted: Callable[[bytes], None],
    ) -> None:
        self.house, self.storm = house, Storm()
        self._chance, self._answer_s, self._counts, self._posted = chance, answer_s, counts, posted
        self._travelling: set[asyncio.Task[Answer]] = set()

    # --- HTTP ---

    def pool(self) -> Pool:
        """What a gateway takes for its pool of connections."""
        return Pool(self)

    async def ask(self, method: str, url: str, headers: dict[str, str], body: bytes) -> Answer:
        """Ask the venue. Raises: TimeoutError, aiohttp.ServerDisconnectedError."""
        path = url.partition(f"//{urlsplit(url).netloc}")[2]
        if method == "POST" and path in ORDERS:
            self._posted(body)
        travel = asyncio.get_running_loop().create_task(self._travel(method, path, headers, body))
        self._travelling.add(travel)
        travel.add_done_callback(self._arrived)
        async with asyncio.timeout(self._answer_s):
            return await asyncio.shield(travel)

    async def _travel(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        fate = self._fate()
        if fate.name:
            self._counts[f"wire: {fate.name} {_named(method, path)}"] += 1
        await asyncio.sleep(fate.there_s)
        if fate.lost:
            raise TimeoutError
        answer = await self.house.answer(method, path, headers, body)
        await asyncio.sleep(fate.back_s)
        return answer

    def _arrived(self, travel: asyncio.Task[Answer]) -> None:
        self._travelling.discard(travel)
        if not travel.cancelled():
            travel.exception()  # whoever asked may not be there any more

    def _fate(self) -> _Fate:
        chance, storm, answer_s = self._chance, self.storm, self._answer_s
        there_s, back_s = chance.uniform(0.002, 0.03), chance.uniform(0.002, 0.03)
        late_s = chance.uniform(0.0, storm.late_s)
        drawn = chance.random()
        for share, fate in (
            (storm.request_lost, _Fate("lost", answer_s + late_s, 0.0, lost=True)),
            (storm.request_late, _Fate("late", answer_s + late_s, back_s)),
            (storm.answer_lost, _Fate("unanswered", there_s, NEVER_S)),
            (storm.answer_late, _Fate("answered late", there_s, answer_s + late_s)),
        ):
            drawn -= share
            if drawn < 0:
                return fate
        return _Fate("", there_s, back_s)

    # --- WebSockets ---

    def connect(self, url: str, **_: object) -> Socket:
        """What a channel takes for `websockets.connect`."""
        refused = self._chance.random() < self.storm.connection_refused
        return Socket(self.house, urlsplit(url).path, self._chance.uniform(0.0, 0.06), refused)


def _named(method: str, path: str) -> str:
    if method == "DELETE":
        return "cancel"
    return "order" if method == "POST" and path in ORDERS else "question"


class Pool:
    """Stands in for the pool of connections of an HTTP client."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def request(
        self,
        method: str,
        url: str,
        *,
        data: bytes | None,
        headers: dict[str, str],
        allow_redirects: bool,
        trace_request_ctx: Any,
    ) -> Asking:
        """Begin to ask; whatever is asked here had a connection, so that it may have arrived."""
        assert not allow_redirects
        trace_request_ctx.had = True
        return Asking(self._wire, (method, url, headers, data or b""))

    async def close(self) -> None:
        """Nothing is open."""


class Asking:
    """One question, and its answer once it is there."""

    def __init__(self, wire: Wire, asked: tuple[str, str, dict[str, str], bytes]) -> None:
        self._wire, self._asked = wire, asked
        self.status, self._body = 0, b""
        self.headers: Mapping[str, str] = {}
        self.content = self

    async def __aenter__(self) -> Asking:
        self.status, self._body, self.headers = await self._wire.ask(*self._asked)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The whole body at once."""
        yield self._body


class Socket:
    """A client's WebSocket. lag_s: how long a frame is on the way when none came right before it."""

    def __init__(self, house: House, path: str, lag_s: float, refused: bool) -> None:
        self._house, self._path, self._lag_s, self._refused = house, path, lag_s, refused
        self._connection: Connection | None = None

    async def __aenter__(self) -> Socket:
        await asyncio.sleep(self._lag_s)
        if self._refused:
            raise OSError("connection refused")
        self._connection = self._house.connect(self._path)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open().leave()

    async def send(self, frame: str) -> None:
        """Say something to the venue."""
        self._open().say(frame)

    async def close(self) -> None:
        """Give the connection up."""
        self._open().wire.end(websockets.CloseCode.NORMAL_CLOSURE, "given up")

    async def recv(self, decode: bool = False) -> bytes:
        """The next frame. Raises: websockets.ConnectionClosed: the venue ended it."""
        connection = self._open()
        comes_alone = not connection.wire.waiting()
        heard = await connection.hear()
        if isinstance(heard, tuple):
            raise _closed(*heard)
        if comes_alone:
            await asyncio.sleep(self._lag_s)
        return heard

    def _open(self) -> Connection:
        assert self._connection is not None, "used before it is open"
        return self._connection


def _closed(code: int, reason: str) -> websockets.ConnectionClosed:
    if code == 0:
        return websockets.ConnectionClosedError(None, None)
    close = Close(code, reason)
    kind: Any = websockets.ConnectionClosedOK if code in {1000, 1001} else websockets.ConnectionClosedError
    return kind(close, close, True)
