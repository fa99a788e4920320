"""WebSocket connections: frames in to the subscriptions, frames out in order, and an end for who stays silent or slow.

Leaves what frames mean to `subscriptions.py`. What always holds: a connection's frames leave in the order they were
queued; a reader that falls too far behind is closed rather than waited for; every connection is on the record twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import WSMsgType, web

from deploy.rehearsal.mischief import Mischief
from deploy.rehearsal.outbox import Shut
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.subscriptions import Listener, Subscriptions

QUEUE_MAX: Final = 8_192
"""Frames that wait for a slow reader."""
FRAME_MAX_BYTES: Final = 65_536
SILENCE_S: Final = 60.0
"""A connection that sends nothing for so long is ended; clients are told to PING every 10 s. Real time."""
PING_S: Final = 25.0
"""The price socket pings its readers. Source: facts 4.3."""
CLOSE_SLOW: Final = 4002
CLOSE_GOING: Final = 1001


PONGS: Final = (b"PONG", b'{"op":"pong"')
"""How answers to a client's ping begin: what a silent socket still says."""


def _speaks() -> bool:
    return False


@dataclass(slots=True, eq=False)
class Wire:
    """One connection's way out. number: its place among all connections of this process.

    silent: whether a fault keeps it from saying anything but PONG. cut: breaks the line. because: why the venue ended
    it, for the record.
    """

    number: int
    channel: str = ""
    silent: Callable[[], bool] = _speaks
    cut: Callable[[], None] = lambda: None
    queue: asyncio.Queue[bytes | tuple[int, str]] = field(default_factory=lambda: asyncio.Queue(QUEUE_MAX + 1))
    ending: bool = False
    because: str = ""

    def send(self, frame: bytes) -> None:
        """Queue a text frame; the one too many ends the connection."""
        if self.ending or (self.silent() and not frame.startswith(PONGS)):
            return
        if self.queue.qsize() >= QUEUE_MAX:
            self.end(CLOSE_SLOW, "slow")
        else:
            self.queue.put_nowait(frame)

    def end(self, code: int, reason: str) -> None:
        """Close once everything queued is out."""
        if not self.ending:
            self.ending = True
            self.queue.put_nowait((code, reason))


Note = Callable[[str, Json], None]
"""Writes a line of the record: its kind and fields."""


class Sockets:
    """All open connections. silence_s: how long a market or user connection may say nothing, in real time."""

    silence_s: float = SILENCE_S

    def __init__(
        self, subscriptions: Subscriptions, mischief: Mischief, before_frame: Callable[[], None], note: Note
    ) -> None:
        self._subscriptions = subscriptions
        self._mischief = mischief
        self._before_frame = before_frame
        self._note = note
        self._number = 0
        self._wires: set[Wire] = set()

    async def serve(self, channel: str, request: web.Request) -> web.WebSocketResponse:
        """Hold one connection of a channel (market, user or prices) until either side ends it.

        Raises: HTTPServiceUnavailable: a fault turns it away.
        """
        if self._mischief.turns_away(channel):
            raise web.HTTPServiceUnavailable
        pinging = PING_S if channel == "prices" else None
        socket = web.WebSocketResponse(heartbeat=pinging, max_msg_size=FRAME_MAX_BYTES, compress=False)
        await socket.prepare(request)
        self._number += 1
        wire = Wire(self._number, channel, lambda: self._mischief.silences(channel), _breaking(request))
        self._wires.add(wire)
        agent = request.headers.get("User-Agent", "")
        self._note("connect", {"channel": channel, "conn": wire.number, "agent": agent})
        reason = "venue stopped"
        try:
            reason = await self._hold(channel, socket, wire)
        finally:
            reason = wire.because or reason
            self._wires.discard(wire)
            self._note("disconnect", {"channel": channel, "conn": wire.number, "agent": agent, "reason": reason})
        return socket

    def end_all(self) -> None:
        """The venue is leaving: close every connection."""
        for wire in list(self._wires):
            wire.end(CLOSE_GOING, "going away")

    def shut(self, effect: Shut) -> None:
        """Close or cut every connection of a channel, because of a fault."""
        for wire in [wire for wire in self._wires if effect.channel in (wire.channel, "all")]:
            wire.because = effect.because
            if effect.code:
                wire.end(effect.code, effect.because)
            else:
                wire.cut()

    async def _hold(self, channel: str, socket: web.WebSocketResponse, wire: Wire) -> str:
        listener = self._subscriptions.join(channel, wire)
        silence = None if channel == "prices" else self.silence_s
        writer = asyncio.ensure_future(_write(socket, wire))
        try:
            return await self._read(socket, listener, silence)
        finally:
            self._subscriptions.leave(listener)
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _read(self, socket: web.WebSocketResponse, listener: Listener, silence: float | None) -> str:
        while True:
            try:
                message = await socket.receive(timeout=silence)
            except TimeoutError:
                await socket.close(code=CLOSE_GOING, message=b"silent")
                return "silent"
            if message.type is WSMsgType.TEXT:
                self._before_frame()
                self._subscriptions.heard(listener, message.data)
            elif message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED, WSMsgType.ERROR):
                return f"closed {socket.close_code}"


def _breaking(request: web.Request) -> Callable[[], None]:
    """What breaks the line of a request."""

    def cut() -> None:
        if request.transport is not None:
            request.transport.abort()

    return cut


async def _write(socket: web.WebSocketResponse, wire: Wire) -> None:
    while True:
        item = await wire.queue.get()
        if isinstance(item, tuple):
            code, reason = item
            await socket.close(code=code, message=reason.encode())
            return
        await socket.send_frame(item, WSMsgType.TEXT)
