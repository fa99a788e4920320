"""A venue's WebSocket side on loopback that does what a test says on each connection, and remembers what it heard."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import websockets
from websockets.asyncio.server import ServerConnection, serve

PATIENCE_S = 60.0
Act = Callable[["Floor", ServerConnection, int], Awaitable[Any]]


class Floor:
    """`heard` has a list of frames for each connection; `passed` counts what the other side says it was told.

    act: what the venue does on a connection, given its number.
    """

    def __init__(self, act: Act | None = None) -> None:
        self.heard: list[list[str]] = []
        self.passed = 0
        self.url = ""
        self._act = act
        self._changed = asyncio.Event()

    def note(self, *_: object) -> None:
        """Something happened: whoever waits looks again."""
        self._changed.set()

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something that happened makes it so."""
        async with asyncio.timeout(PATIENCE_S):
            while not done():
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, socket: ServerConnection) -> None:
        """One connection, from its opening to its end."""
        number = len(self.heard)
        self.heard.append([])
        self.note()
        listening = asyncio.create_task(self._listen(socket, self.heard[number]))
        try:
            if self._act is not None:
                await self._act(self, socket, number)
            await listening
        except websockets.ConnectionClosed:
            return
        finally:
            listening.cancel()

    async def _listen(self, socket: ServerConnection, heard: list[str]) -> None:
        async for frame in socket:
            heard.append(str(frame))
            self.note()


def a_closed_door() -> socket.socket:
    """A port of loopback that is ours, so that nobody else takes it, and at which nobody listens yet."""
    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    return door


@asynccontextmanager
async def channel_floor(act: Act | None = None, door: socket.socket | None = None) -> AsyncIterator[Floor]:
    """Serve on a free port, or at a door that was closed until now."""
    floor, door = Floor(act), door or a_closed_door()
    async with serve(floor.serve, sock=door, ping_interval=None, close_timeout=0.2) as server:
        floor.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        yield floor
