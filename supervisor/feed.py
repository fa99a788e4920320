"""WebSockets in, and the questions for the next windows' markets.

Each channel is one connection that stays: it reconnects by itself, says when it is gone and why, and asks for
everything again when it is back. What arrives is passed on as it came; nothing is understood here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import Final

import aiohttp
import websockets
from websockets.asyncio.client import ClientConnection, connect

from shared.config import Venue
from shared.messages import Whose
from shared.slots import Slot
from supervisor.questions import AGENT, UNREACHED, ask, open_pool
from supervisor.venue.discovery import BadMarket, Listing, Market, parse_accepting, parse_listing, slug
from supervisor.venue.frames import MAX_FRAME, PING_S, BadFrame, sample
from supervisor.venue.keys import ApiKey
from supervisor.venue.market import subscribe_market, unsubscribe_market
from supervisor.venue.prices import authenticate_prices, subscribe_prices
from supervisor.venue.user import subscribe_user

BACKOFF_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Real seconds between two tries to connect."""
STEADY_S: Final = 5.0
"""Real seconds after which a connection was no failure: one that is closed at once must not be tried at full speed."""
SILENT_S: Final = 30.0
"""Real seconds without any frame after which a connection is taken for dead; answers to our PING count."""
QUEUE_MAX: Final = 1024
"""Frames that wait to be heard before the connection is read no further."""
CLOSE_S: Final = 1.0
"""Real seconds the venue has to agree to an end."""
CONNECTIONS: Final = 16
"""Questions asked at once; more of them wait."""
_BROKE_RULES: Final = frozenset({1002, 1003, 1007, 1009})
"""Codes with which our end closes because of what it was sent: no protocol, no data, no text, too much."""


def through_whom(error: Exception) -> Whose:
    """Who is to blame for the end of a connection, or that there is none.

    The venue, where it said a word of it: it closed with a code, answered something else, has nobody listening, or sent
    what must not be sent. Else the network: nobody can tell a lost line from a peer that fell silent.
    """
    if isinstance(error, websockets.ConnectionClosed):
        refused = error.sent is not None and error.sent.code in _BROKE_RULES
        return "venue" if error.rcvd is not None or refused else "network"
    said = isinstance(error, websockets.InvalidHandshake | ConnectionRefusedError)
    return "venue" if said else "network"


class Channel:
    """One WebSocket that is kept alive.

    Args: greet: the frames to send on each new connection. heard: called with every frame. there: called with an empty
    text when the channel is up, with the reason when it is not, and through whom. ping: the text to send every PING_S,
    if the venue wants one.
    """

    def __init__(
        self,
        url: str,
        *,
        greet: Callable[[], Iterable[str]],
        heard: Callable[[bytes], None],
        there: Callable[[str, Whose], None],
        ping: str = "",
    ) -> None:
        self._url, self._greet, self._heard, self._there, self._ping = url, greet, heard, there, ping
        self._socket: ClientConnection | None = None
        self._steady = False
        self._given_up = ""
        self.connections = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        failures = 0
        while True:
            self._steady, self._given_up = False, ""
            try:
                await self._live()
                ended: tuple[str, Whose] = ("closed by the venue", "venue")
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                ended = (str(error) or type(error).__name__, through_whom(error))
            if self._given_up:  # whether the venue agreed to the end or had to be cut
                ended = (self._given_up, "ours")
            if self._steady:
                failures = 0
            self._socket = None
            self._there(*ended)
            await asyncio.sleep(BACKOFF_S[min(failures, len(BACKOFF_S) - 1)])
            failures += 1

    async def send(self, frame: str) -> None:
        """Send a frame if the channel is up; a new connection greets anyway."""
        if self._socket is not None:
            try:
                await self._socket.send(frame)
            except websockets.ConnectionClosed:
                return

    async def give_up(self, why: str) -> None:
        """Close this connection, if there is one, and say why: the next is made as after any other end."""
        if self._socket is not None:
            self._given_up = why
            await self._socket.close()

    async def _live(self) -> None:
        async with connect(
            self._url,
            max_size=MAX_FRAME,
            max_queue=QUEUE_MAX,
            compression=None,
            user_agent_header=AGENT,
            close_timeout=CLOSE_S,
        ) as socket:
            self._socket = socket
            self.connections += 1
            for frame in self._greet():
                await socket.send(frame)
            self._there("", "unknown")
            pinger = asyncio.create_task(self._keep_pinging(socket))
            settling = asyncio.get_running_loop().call_later(STEADY_S, self._settled)
            try:
                await self._listen(socket)
            finally:
                settling.cancel()
                pinger.cancel()

    def _settled(self) -> None:
        self._steady = True

    async def _listen(self, socket: ClientConnection) -> None:
        """Until the venue closes. Not `wait_for`: until Python 3.12 it swallows a cancel that meets a frame."""
        while True:
            try:
                async with asyncio.timeout(SILENT_S):
                    frame = await socket.recv(decode=False)
            except websockets.ConnectionClosedOK:
                return
            except TimeoutError:
                raise TimeoutError(f"silent for {SILENT_S:g} s") from None
            self._heard(frame)

    async def _keep_pinging(self, socket: ClientConnection) -> None:
        while self._ping:
            await asyncio.sleep(PING_S)
            with contextlib.suppress(websockets.ConnectionClosed):
                await socket.send(self._ping)


class MarketChannel(Channel):
    """The market channel: which tokens it follows can change while it lives."""

    def __init__(self, url: str, heard: Callable[[bytes], None], there: Callable[[str, Whose], None]) -> None:
        super().__init__(url, greet=self._ask_for_all, heard=heard, there=there, ping="PING")
        self._wanted: frozenset[str] = frozenset()

    async def follow(self, tokens: frozenset[str]) -> None:
        """Follow these tokens from now on, and no others."""
        added, dropped = sorted(tokens - self._wanted), sorted(self._wanted - tokens)
        first = not self._wanted
        self._wanted = tokens
        if added:
            await self.send(subscribe_market(added, first=first))
        if dropped:
            await self.send(unsubscribe_market(dropped))

    def _ask_for_all(self) -> Iterable[str]:
        if self._wanted:
            yield subscribe_market(sorted(self._wanted), first=True)


class UserChannel(Channel):
    """The user channel: what the venue says of the orders and trades of one API key."""

    def __init__(
        self, url: str, key: ApiKey, heard: Callable[[bytes], None], there: Callable[[str, Whose], None]
    ) -> None:
        super().__init__(url, greet=lambda: [subscribe_user(key)], heard=heard, there=there, ping="PING")


class PriceChannel(Channel):
    """The reference prices: each asset's own price and 60-second mean, and other means where a market wants them."""

    def __init__(
        self,
        url: str,
        key: ApiKey,
        assets: list[str],
        heard: Callable[[bytes], None],
        there: Callable[[str, Whose], None],
    ) -> None:
        super().__init__(url, greet=self._ask_for_all, heard=heard, there=there)
        self._key, self._assets = key, assets
        self._means: set[tuple[str, int]] = set()

    async def follow(self, asset: str, window_s: int) -> None:
        """Follow an asset's mean over another window as well; asking twice asks once."""
        if (asset, window_s) not in self._means:
            self._means.add((asset, window_s))
            await self.send(subscribe_prices([asset], window_s))

    def _ask_for_all(self) -> Iterable[str]:
        yield authenticate_prices(self._key)
        yield subscribe_prices(self._assets)
        for asset, window_s in sorted(self._means):
            yield subscribe_prices([asset], window_s)


class Discovery:
    """Questions about windows' markets and whole books, over plain HTTP; an unanswered one is asked again later."""

    def __init__(self, settings: Venue) -> None:
        self._settings = settings
        self._http: aiohttp.ClientSession | None = None

    async def ask(self, slot: Slot, start_s: int, known: Market | None) -> tuple[Listing, bool] | None:
        """What the venue lists for a window, and whether its order book takes orders; None when it lists nothing.

        Raises: BadFrame, BadMarket; OSError and aiohttp.ClientError when the venue does not answer.
        """
        status, body = await self._get(f"{self._settings.gamma}/markets?slug={slug(slot, start_s)}")
        listing = parse_listing(body, slot, start_s) if status == 200 else None
        if listing is None or known is not None or not listing.tradable:
            return None if listing is None else (listing, False)
        status, body = await self._get(f"{self._settings.clob}/clob-markets/{listing.market.terms.condition_id}")
        accepting = parse_accepting(body, listing.market) if status == 200 else None
        if accepting is None:
            return listing, False
        return Listing(accepting, True, listing.winner, listing.strike), True

    async def book(self, token: str) -> bytes:
        """The whole book of a token, as a frame of the market channel would bring it. Raises: as above."""
        status, body = await self._get(f"{self._settings.clob}/book?token_id={token}")
        if status != 200:
            raise BadFrame(f"book: HTTP {status}: {sample(body)}")
        return b'{"event_type":"book",' + body.lstrip()[1:]

    async def close(self) -> None:
        """Close the pool."""
        if self._http is not None:
            await self._http.close()

    async def _get(self, url: str) -> tuple[int, bytes]:
        self._http = self._http or open_pool(self._settings.answer_s, CONNECTIONS)
        return await ask(self._http, "GET", url, {})


UNANSWERED: Final = (*UNREACHED, BadFrame, BadMarket)
"""What asking may raise; the question is asked again."""
