"""WebSocket connections: frames in to the subscriptions, frames out in order, and an end for who stays silent or slow.

Leaves what frames mean to `subscriptions.py`. What always holds: a connection's frames leave in the order they were
queued; a reader that falls too far behind is closed rather than waited for; one connection too many is turned away;
every connection is on the record twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from aiohttp import WSMsgType, web

from deploy.rehearsal.mischief import Mischief
from deploy.rehearsal.outbox import Shut
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.subscriptions import Listener, Subscriptions

QUEUE_MAX: Final = 65_536
"""Frames that wait for a slow reader: what a machine that stalled for seconds owes at sixty times the speed of life."""
CONNECTIONS_MAX: Final = 512
"""Connections of all channels together, each with a queue of its own; more than a hundred desks have."""
FRAME_MAX_BYTES: Final = 65_536
CLOSE_SLOW: Final = 4002
CLOSE_GOING: Final = 1001
CLOSE_DRAIN: Final = 4003


@dataclass(frozen=True, slots=True)
class Manner:
    """How a channel keeps its connections, in real time.

    silence_s: who says nothing for so long is ended, None for no bound. ping_s: the venue pings this often, None for
    never; `misses` pings without a pong end the connection with the code `dead`. going: the code when the venue leaves.
    """

    silence_s: float | None = None
    ping_s: float | None = None
    misses: int = 0
    dead: int = CLOSE_GOING
    going: int = CLOSE_GOING


_TOLD_TO_PING: Final = Manner(silence_s=60.0)
"""Clients are told to send PING every 10 s (RTDS: 5 s); production's own patience is not known."""
MANNERS: Final = {
    "market": _TOLD_TO_PING,
    "user": _TOLD_TO_PING,
    "rtds": _TOLD_TO_PING,
    "prices": Manner(ping_s=25.0, misses=2, dead=CLOSE_SLOW, going=CLOSE_DRAIN),
    "binance": Manner(ping_s=20.0, misses=3),
}
"""By channel. Source: facts 4.1-4.3 and 9; Binance waits a minute for a pong."""


PONGS: Final = (b"PONG", b'{"op":"pong"')
"""How answers to a client's ping begin: what a silent socket still says."""


def _speaks() -> bool:
    return False


@dataclass(slots=True, eq=False)
class Wire:
    """One connection's way out. number: its place among all of this process.

    silent: whether a fault keeps it from saying anything but PONG. cut: breaks the line. because: why the venue ended
    it, for the record. unanswered: pings since the last pong.
    """

    number: int
    channel: str = "market"
    manner: Manner = MANNERS["market"]
    silent: Callable[[], bool] = _speaks
    cut: Callable[[], None] = lambda: None
    unanswered: int = 0
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

    def waiting(self) -> int:
        """Frames that are queued and not yet out."""
        return self.queue.qsize()

    def end(self, code: int, reason: str) -> None:
        """Close once everything queued is out."""
        if not self.ending:
            self.ending = True
            self.queue.put_nowait((code, reason))


Note = Callable[[str, Json], None]
"""Writes a line of the record: its kind and fields."""


class Sockets:
    """All open connections. manners: by channel. wires: the way out of each; who holds one without a socket adds it.

    connections_max: one more is turned away.
    """

    def __init__(self, subscriptions: Subscriptions, mischief: Mischief, turn: Callable[[], None], note: Note) -> None:
        self._subscriptions = subscriptions
        self._mischief = mischief
        self._turn = turn
        self._note = note
        self.manners = dict(MANNERS)
        self.connections_max = CONNECTIONS_MAX
        self._number = 0
        self.wires: set[Wire] = set()

    async def serve(self, channel: str, request: web.Request) -> web.WebSocketResponse:
        """Hold one connection of a channel until either side ends it.

        Raises: HTTPServiceUnavailable: a fault turns it away, or there are as many as there may be.
        """
        if len(self.wires) >= self.connections_max or self._mischief.turns_away(channel):
            raise web.HTTPServiceUnavailable
        socket = web.WebSocketResponse(autoping=False, max_msg_size=FRAME_MAX_BYTES, compress=False)
        await socket.prepare(request)
        self._number += 1
        silent = partial(self._mischief.silences, channel)
        wire = Wire(self._number, channel, self.manners[channel], silent, _breaking(request))
        self.wires.add(wire)
        agent = request.headers.get("User-Agent", "")
        self._note("connect", {"channel": channel, "conn": wire.number, "agent": agent})
        reason = "venue stopped"
        try:
            reason = await self._hold(channel, socket, wire, request.rel_url.raw_path_qs)
        finally:
            reason = wire.because or reason
            self.wires.discard(wire)
            self._note("disconnect", {"channel": channel, "conn": wire.number, "agent": agent, "reason": reason})
        return socket

    def end_all(self) -> None:
        """The venue is leaving: close every connection."""
        self._subscriptions.binance.shut_down()
        for wire in list(self.wires):
            wire.end(wire.manner.going, "going away")

    def shut(self, effect: Shut) -> None:
        """Close or cut every connection of a channel, because of a fault."""
        for wire in [wire for wire in self.wires if effect.channel in (wire.channel, "all")]:
            wire.because = effect.because
            if effect.code:
                wire.end(effect.code, effect.because)
            else:
                wire.cut()

    async def _hold(self, channel: str, socket: web.WebSocketResponse, wire: Wire, path: str) -> str:
        self._turn()
        listener = self._subscriptions.join(channel, wire, path.removeprefix(f"/{channel}"))
        tasks = [asyncio.ensure_future(_write(socket, wire)), asyncio.ensure_future(_ping(socket, wire))]
        try:
            return await self._read(socket, wire, listener)
        finally:
            self._subscriptions.leave(listener)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read(self, socket: web.WebSocketResponse, wire: Wire, listener: Listener) -> str:
        while True:
            try:
                message = await socket.receive(timeout=wire.manner.silence_s)
            except TimeoutError:
                await socket.close(code=CLOSE_GOING, message=b"silent")
                return "silent"
            if message.type is WSMsgType.TEXT:
                self._turn()
                self._subscriptions.heard(listener, message.data)
                self._turn()
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                wire.unanswered = 0
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


async def _ping(socket: web.WebSocketResponse, wire: Wire) -> None:
    """Ping in the channel's manner, until too many pings stay without a pong."""
    manner = wire.manner
    while manner.ping_s is not None:
        await asyncio.sleep(manner.ping_s)
        if wire.unanswered >= manner.misses:
            wire.end(manner.dead, "no pong")
            return
        wire.unanswered += 1
        await socket.ping(str(wire.unanswered).encode())
