"""A man in the middle, between the supervisor and the venue: it passes on, holds back, cuts, and adds its own.

It works on bytes, so that handshakes pass as they are; only what the venue says on a WebSocket is cut into frames, so
that one of ours can stand between two of them. A connection is known by the path of its first request: "market",
"user", "prices", or "http" for everything else; while an order is being placed over it, it is "orders". It runs in a
thread of its own; every method may be called from a test.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

CHANNELS = {"/ws/market": "market", "/ws/user": "user", "/prices/ws": "prices"}
ADDRESSES = ("clob", "gamma", "geoblock", "market_ws", "user_ws", "price_ws")
CALL_S = 60.0
"""How long a test may wait for what it asked of the thread: a supervisor that is starved takes what is sent slowly."""
CHUNK = 1 << 16
TEXT = 0x81
"""The first byte of a WebSocket frame that is a whole text."""

ORDER = b"POST /order "
METHODS = (b"GET ", b"POST ", b"DELETE ")

_T = TypeVar("_T")


class Connection:
    """One connection from the supervisor, and its other half at the venue."""

    def __init__(self, channel: str, supervisor: asyncio.StreamWriter, venue: asyncio.StreamWriter) -> None:
        self.channel, self.supervisor, self.venue = channel, supervisor, venue

    def close(self) -> None:
        """Close both halves."""
        self.supervisor.close()
        self.venue.close()


class Meddler:
    """See the room's docstring. Use as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="meddler")
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        self._flowing: dict[str, asyncio.Event] = {}
        self._venue = ("", 0)
        self.port = 0

    def __enter__(self) -> Meddler:
        self._thread.start()
        self.port = self._do(self._listen())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def between(self, where: dict[str, Any]) -> dict[str, Any]:
        """Stand before a venue; where everything is as seen through here."""
        clob = urlsplit(where["clob"])
        self._venue = (str(clob.hostname), int(clob.port or 0))
        return where | {name: self._through(where[name]) for name in ADDRESSES}

    def say(self, channel: str, text: str | bytes) -> None:
        """Add a text frame of ours to what the venue says on a channel."""
        payload = text.encode() if isinstance(text, str) else text

        async def add() -> None:
            for connection in self._of(channel):
                connection.supervisor.write(_head(len(payload)) + payload)
                await connection.supervisor.drain()

        self._do(add())

    def cut(self, channel: str) -> None:
        """Close every connection of a channel, without a word."""

        async def close() -> None:
            for connection in self._of(channel):
                connection.close()

        self._do(close())

    def refuse(self, channel: str) -> None:
        """Close every connection of a channel, and every new one as soon as it is known."""
        self._refused.add(channel)
        self.cut(channel)

    def accept(self, channel: str) -> None:
        """Let a channel be connected again."""
        self._refused.discard(channel)

    def stall(self, channel: str) -> None:
        """Pass on nothing of what the venue says on a channel; what the supervisor says still goes there."""
        self._do(_now(self._event(channel).clear))

    def flow(self, channel: str) -> None:
        """Pass on everything again, what was held back first."""
        self._do(_now(self._event(channel).set))

    def connected(self, channel: str) -> int:
        """How many connections of a channel there are."""
        return self._do(_now(lambda: len(self._of(channel))))

    # --- in the thread ---

    def _do(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(CALL_S)

    def _through(self, url: str) -> str:
        return urlunsplit(urlsplit(url)._replace(netloc=f"127.0.0.1:{self.port}"))

    def _of(self, channel: str) -> list[Connection]:
        return [connection for connection in self._connections if connection.channel == channel]

    def _event(self, channel: str) -> asyncio.Event:
        if channel not in self._flowing:
            self._flowing[channel] = asyncio.Event()
            self._flowing[channel].set()
        return self._flowing[channel]

    async def _listen(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def _end(self) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._hold(reader, writer)
        writer.close()

    async def _hold(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        head = await reader.readuntil(b"\r\n\r\n")
        channel = _channel(head)
        if channel in self._refused:
            return
        venue_reader, venue = await asyncio.open_connection(*self._venue)
        venue.write(head)
        connection = Connection(channel, writer, venue)
        self._connections.add(connection)
        say = self._pass_frames if channel in CHANNELS.values() else self._pass_bytes
        ways = [asyncio.ensure_future(_pass(reader, connection)), asyncio.ensure_future(say(venue_reader, connection))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._connections.discard(connection)
            connection.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass_bytes(self, venue: asyncio.StreamReader, to: Connection) -> None:
        while part := await venue.read(CHUNK):
            await self._forward(to, part)

    async def _pass_frames(self, venue: asyncio.StreamReader, to: Connection) -> None:
        await self._forward(to, await venue.readuntil(b"\r\n\r\n"))
        while True:
            await self._forward(to, await _frame(venue))

    async def _forward(self, to: Connection, part: bytes) -> None:
        await self._event(to.channel).wait()
        to.supervisor.write(part)
        await to.supervisor.drain()


def _channel(head: bytes) -> str:
    """What a connection is, by the request that begins here."""
    return "orders" if head.startswith(ORDER) else CHANNELS.get(head.split(b" ", 2)[1].decode(), "http")


async def _pass(reader: asyncio.StreamReader, to: Connection) -> None:
    while part := await reader.read(CHUNK):
        if part.startswith(METHODS) and to.channel not in CHANNELS.values():
            to.channel = _channel(part)
        to.venue.write(part)
        await to.venue.drain()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    """One whole frame from a server, which does not mask. Source: RFC 6455, 5.2."""
    head = await reader.readexactly(2)
    wide = {126: 2, 127: 8}.get(head[1] & 127, 0)
    more = await reader.readexactly(wide)
    size = int.from_bytes(more, "big") if wide else head[1] & 127
    return head + more + await reader.readexactly(size)


def _head(size: int) -> bytes:
    """What stands before a text of so many bytes."""
    if size < 126:
        return bytes((TEXT, size))
    return (
        bytes((TEXT, 126)) + size.to_bytes(2, "big") if size < 1 << 16 else bytes((TEXT, 127)) + size.to_bytes(8, "big")
    )


async def _now(act: Callable[[], _T]) -> _T:
    return act()
