"""A served venue, and a client of it made by hand: what official clients hide can be asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientSession
from kit.days import START_S, a_day
from kit.venue import Running, Trader, running_venue

from deploy.rehearsal.keys import Key
from deploy.rehearsal.markets import Market
from deploy.rehearsal.signatures import request_hmac
from shared.clock import SystemClock

NOW_MS = (START_S + 20) * 1_000
DAY = a_day()
SLUG = f"btc-updown-5m-{START_S}"
STILL = 1e-9
"""A speed at which no market moves while a test looks at it twice."""


@dataclass
class Desk:
    """A served venue and a hand-made client of it."""

    running: Running
    http: ClientSession
    key: Key | None = None

    @property
    def market(self) -> Market:
        return self.running.exchange.floor.by_slug[SLUG]

    @property
    def lasting(self) -> str:
        """A token that is quoted and will be for a quarter of an hour: its window has not begun."""
        return self.running.exchange.floor.by_slug[f"btc-updown-5m-{START_S + 600}"].listing.up_token

    async def get(self, path: str) -> tuple[int, Any]:
        return await self.ask("GET", path)

    async def ask(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        async with self.http.request(method, self.running.where["clob"] + path, data=body, headers=headers) as answer:
            return answer.status, json.loads(await answer.read())

    async def keyed(self, method: str, path: str, body: Any = None, key: Key | None = None) -> tuple[int, Any]:
        """A signed request."""
        raw = b"" if body is None else json.dumps(body).encode()
        return await self.ask(method, path, raw, self.proof(method, path, raw, key))

    async def raw(self, method: str, path: str, body: Any) -> tuple[int, bytes, str]:
        """A signed request's status, bare body, and when to come back."""
        sent = json.dumps(body).encode()
        headers, url = self.proof(method, path, sent), self.running.where["clob"] + path
        async with self.http.request(method, url, data=sent, headers=headers) as answer:
            return answer.status, await answer.read(), answer.headers["Retry-After"]

    def proof(self, method: str, path: str, raw: bytes, key: Key | None = None) -> dict[str, str]:
        """The headers that sign a request."""
        key = key or self.key or self.join()
        stamp = str(SystemClock().wall_ns() // 10**9)
        return {
            "POLY_ADDRESS": key.owner,
            "POLY_API_KEY": key.api_key,
            "POLY_PASSPHRASE": key.passphrase,
            "POLY_TIMESTAMP": stamp,
            "POLY_SIGNATURE": request_hmac(key.secret, stamp, method, path.partition("?")[0], raw),
        }

    def join(self) -> Key:
        self.key = self.running.venue.create_key(Trader().address, 0)
        return self.key

    def order(self, price_micro: int = 50_000, shares: int = 10, **more: Any) -> dict[str, Any]:
        key = self.key or self.join()
        return Trader().limit(key, self.market.listing.up_token, "BUY", price_micro, shares, **more)


@asynccontextmanager
async def a_desk(folder: Path, **how: Any) -> AsyncIterator[Desk]:
    async with running_venue(folder, DAY, NOW_MS, **how) as running, ClientSession() as http:
        yield Desk(running, http)


Scenario = Callable[[Desk], Coroutine[Any, Any, None]]


def play(folder: Path, scenario: Scenario, **how: Any) -> None:
    async def whole() -> None:
        async with a_desk(folder, **how) as desk:
            await scenario(desk)

    asyncio.run(whole())
