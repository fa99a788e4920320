"""A rehearsal venue in a process of its own, and a client that commands faults and sees what they do to it."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from kit.venue import Trader
from websockets.asyncio.client import ClientConnection, connect

from deploy.rehearsal.keys import Key
from deploy.rehearsal.record import Record, read_lines, write_keys
from deploy.rehearsal.signatures import request_hmac
from shared.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
SPEED = 20.0
"""Ten market seconds are half a real one."""
WAIT_S = 60.0
POLL_S = 0.02
KEY = Key("00000000-0000-4000-8000-000000000001", "c2VjcmV0", "phrase", Trader().address, 0)
_SALTS = itertools.count(1)


@contextmanager
def venue_process(folder: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Run the command; what its one line of JSON says. The trader's key is known to it."""
    record = Record(folder)
    record.add("key", 0, 0, {"owner": KEY.owner, "api_key": KEY.api_key, "wallet": "", "grant_micro": 10**9})
    record.close()
    write_keys(folder, [KEY])
    command = [sys.executable, "-m", "deploy.foresight", "venue", "--port", "0", "--json", "--record", str(folder)]
    command += ["--speed", str(SPEED), *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()
            code = process.wait(WAIT_S)
    assert code == 0


@dataclass
class Client:
    """One client of a venue, by hand."""

    where: dict[str, Any]
    folder: Path
    http: ClientSession

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """A request; status, decoded body and headers of its answer."""
        raw = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        async with self.http.request(method, self.where["clob"] + path, data=raw, headers=headers) as answer:
            said = await answer.read()
            return answer.status, json.loads(said) if said.startswith((b"{", b"[", b'"')) else said, answer.headers

    async def keyed(self, method: str, path: str, body: Any = None) -> Any:
        """A signed request."""
        raw = b"" if body is None else json.dumps(body).encode()
        stamp = str(SystemClock().wall_ns() // 10**9)
        headers = {
            "POLY_ADDRESS": KEY.owner,
            "POLY_API_KEY": KEY.api_key,
            "POLY_PASSPHRASE": KEY.passphrase,
            "POLY_TIMESTAMP": stamp,
            "POLY_SIGNATURE": request_hmac(KEY.secret, stamp, method, path.partition("?")[0], raw),
        }
        return await self.ask(method, path, body, headers)

    async def fault(self, kind: str, **arguments: Any) -> int:
        """Begin a fault; its number."""
        status, said, _ = await self.ask("POST", "/control/faults", {"kind": kind, **arguments})
        assert status == 200, said
        return int(said["fault"]["number"])

    async def market(self, windows_ahead: int = 2) -> dict[str, Any]:
        """A BTC market that is quoted and does not close while a test looks."""
        _, said, _ = await self.ask("GET", "/control")
        start_s = said["market_ms"] // 300_000 * 300 + windows_ahead * 300
        _, found, _ = await self.ask("GET", f"/gamma/markets?slug=btc-updown-5m-{start_s}")
        return dict(found[0]) | {"tokens": json.loads(found[0]["clobTokenIds"])}

    async def order(self, shares: int = 10, post_only: bool = False) -> dict[str, Any]:
        """A body of POST /order that rests far below the market."""
        token = (await self.market())["tokens"][0]
        return Trader().limit(KEY, token, "BUY", 50_000, shares, salt=next(_SALTS), post_only=post_only)

    async def take(self) -> Any:
        """Buy for a few dollars at the market; the answer."""
        token = (await self.market())["tokens"][0]
        body = Trader().order(KEY, token, "BUY", 3_960_000, 4_000_000, "FAK", next(_SALTS))
        return await self.keyed("POST", "/order", body)

    async def open_orders(self) -> list[str]:
        """Ids of what rests."""
        _, page, _ = await self.keyed("GET", "/data/orders")
        return [row["id"] for row in page["data"]]

    @asynccontextmanager
    async def listening(self, channel: str) -> AsyncIterator[Ears]:
        """A socket of a channel that is subscribed to everything of interest."""
        async with connect(self.where[f"{channel}_ws"], compression=None) as socket:
            ears = Ears(socket)
            await ears.say(await self._greeting(channel))
            yield ears

    async def _greeting(self, channel: str) -> Any:
        auth = {"apiKey": KEY.api_key, "secret": KEY.secret, "passphrase": KEY.passphrase}
        if channel == "user":
            return [{"type": "user", "auth": auth}]
        if channel == "market":
            tokens = (await self.market())["tokens"]
            return [{"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}]
        wanted = [{"channel": "price.crypto", "filter": {"symbol": "btcusd"}}]
        return [{"op": "auth", "auth": auth}, {"op": "subscribe", "subscriptions": wanted}]

    def record(self, kind: str) -> list[dict[str, Any]]:
        """The record's lines of a kind."""
        return [line for line in read_lines(self.folder) if line["kind"] == kind]


@dataclass
class Ears:
    """A socket, and what is heard on it."""

    socket: ClientConnection

    async def say(self, frames: list[Any]) -> None:
        """Send frames as JSON."""
        for frame in frames:
            await self.socket.send(json.dumps(frame))

    async def hear(self, wanted: Callable[[Any], bool] = lambda frame: True) -> Any:
        """The next message that is as wanted; arrays are taken apart."""
        async with asyncio.timeout(WAIT_S):
            while True:
                for message in await self._next():
                    if wanted(message):
                        return message

    async def within(self, seconds: float) -> list[Any]:
        """Everything that is heard in so many real seconds."""
        heard: list[Any] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    heard += await self._next()
        except TimeoutError:
            return heard

    async def _next(self) -> list[Any]:
        text = await self.socket.recv()
        if text == "PONG":
            return [text]
        frame = json.loads(text)
        return frame if isinstance(frame, list) else [frame]


def steer(where: dict[str, Any], method: str, path: str = "", body: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the control of a venue for something about its faults."""
    raw = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{where['control']}/faults{path}", raw, headers, method=method)
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        return dict(json.loads(answer.read()))


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Look again and again until there is something to see; give it back."""
    async with asyncio.timeout(WAIT_S):
        while not (found := await look()):  # noqa: ASYNC110 - another process fires no events here
            await asyncio.sleep(POLL_S)
        return found


@asynccontextmanager
async def a_client(where: dict[str, Any]) -> AsyncIterator[Client]:
    """A client; afterwards every fault it began is over, and no order of its rests.

    An order left behind would be filled or end with its window in the middle of another test, and be told of there.
    """
    async with ClientSession() as http:
        client = Client(where, Path(where["record"]).parent, http)
        try:
            yield client
        finally:
            await client.ask("DELETE", "/control/faults")
            assert (await client.keyed("DELETE", "/cancel-all"))[0] == 200
