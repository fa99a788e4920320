"""The rehearsal venue in the test's own loop, and a trader who signs by hand."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from coincurve import PrivateKey

from deploy.rehearsal.command import endpoints
from deploy.rehearsal.days import Day, Listing
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key, Keyring
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.orders import Ground
from deploy.rehearsal.outbox import Line, ToMarket, ToUser
from deploy.rehearsal.record import Record, read_keys, read_lines
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.server import application
from deploy.rehearsal.shedding import REQUESTS_MAX
from deploy.rehearsal.signatures import (
    BEFORE_V2,
    CTF,
    Domain,
    LegacyOrder,
    SignedOrder,
    checksummed,
    keccak256,
    order_hash,
)
from deploy.rehearsal.venue import Venue
from shared.clock import RehearsalClock, SystemClock

SEEDED_MS = 1_794_999_920_000
"""Twenty seconds into a five-minute window."""
ZERO_WORD = "0x" + "0" * 64


def dice(name: str) -> random.Random:
    """Chance with the seed every test uses."""
    return random.Random(f"7/{name}")


def an_exchange(
    day: Day | None = None, now_ms: int = SEEDED_MS, rules: Rules | None = None, memory: Memory | None = None
) -> Exchange:
    """An exchange that has been turned to its first moment."""
    exchange = Exchange(
        day=day or SeededDay(7),
        rules=rules or Rules(),
        dice=dice,
        now_ms=now_ms,
        keyring=Keyring(),
        memory=memory or Memory(),
    )
    exchange.advance(now_ms)
    return exchange


def lines_of(exchange: Exchange, kind: str) -> list[dict[str, Any]]:
    """The record lines of a kind among everything said since the last look."""
    return [
        effect.fields | {"t_ms": effect.at_ms}
        for effect in exchange.out.take()
        if isinstance(effect, Line) and effect.kind == kind
    ]


def said(effects: Sequence[object], kind: str) -> list[dict[str, Any]]:
    """The user and market messages of an event type among effects."""
    told = [effect.message for effect in effects if isinstance(effect, ToUser | ToMarket)]
    messages = [each for message in told for each in (message if isinstance(message, list) else [message])]
    return [message for message in messages if message["event_type"] == kind]


def a_ground(listing: Listing, now_ms: int, **changes: Any) -> Ground:
    """What an order is held to: a cent's tick, an empty book, every maker permitted."""
    ground = Ground(listing, 10_000, now_ms, CTF, lambda key, order: None, lambda wish: False)
    return replace(ground, **changes)


@dataclass(frozen=True)
class Trader:
    """A key pair that signs orders of type 0. number: another one is another trader."""

    number: int = 1

    @property
    def private(self) -> PrivateKey:
        return PrivateKey(self.number.to_bytes(32))

    @property
    def address(self) -> str:
        return checksummed(keccak256(self.private.public_key.format(compressed=False)[1:])[-20:].hex())

    def join(self, exchange: Exchange) -> Key:
        """Get an API key and play money."""
        return exchange.create_key(self.address, 0, os.urandom)

    def order(
        self,
        key: Key,
        token_id: str,
        side: str,
        maker_amount: int,
        taker_amount: int,
        order_type: str = "GTC",
        salt: int = 1,
        post_only: bool = False,
        expiration: int = 0,
        domain: Domain = CTF,
        maker: str = "",
    ) -> dict[str, Any]:
        """A signed body of POST /order; amounts in millionths. maker: a Safe of the trader's, type 2; else type 0."""
        kind, owner, me, selling = 2 if maker else 0, maker or self.address, self.address, int(side == "SELL")
        amounts = (maker_amount, taker_amount)
        struct = SignedOrder(salt, owner, me, int(token_id), *amounts, selling, kind, 5, ZERO_WORD, ZERO_WORD)
        order = {
            "salt": salt,
            "maker": owner,
            "signer": me,
            "tokenId": token_id,
            "makerAmount": str(maker_amount),
            "takerAmount": str(taker_amount),
            "side": side,
            "expiration": str(expiration),
            "signatureType": kind,
            "timestamp": "5",
            "metadata": ZERO_WORD,
            "builder": ZERO_WORD,
            "signature": self.sign(order_hash(struct, domain)),
        }
        head = {"order": order, "owner": key.api_key, "orderType": order_type}
        return head | ({"postOnly": True} if post_only else {})

    def legacy(
        self,
        key: Key,
        token_id: str,
        side: str,
        amounts: tuple[int, int],
        order_type: str = "GTC",
        salt: int = 1,
        nonce: int = 0,
        taker: str = "0x" + "0" * 40,
        expiration: int = 0,
    ) -> dict[str, Any]:
        """A signed body as it was before CLOB V2; amounts in millionths."""
        me, selling = self.address, int(side == "SELL")
        struct = LegacyOrder(
            salt, me, me, taker, int(token_id), *amounts, expiration, nonce, 1_000, side=selling, signature_type=0
        )
        order = {
            "salt": salt,
            "maker": me,
            "signer": me,
            "taker": taker,
            "tokenId": token_id,
            "makerAmount": str(amounts[0]),
            "takerAmount": str(amounts[1]),
            "side": side,
            "expiration": str(expiration),
            "nonce": str(nonce),
            "feeRateBps": "1000",
            "signatureType": 0,
            "signature": self.sign(order_hash(struct, BEFORE_V2)),
        }
        return {"order": order, "owner": key.api_key, "orderType": order_type, "postOnly": False}

    def limit(self, key: Key, token_id: str, side: str, price_micro: int, shares: int, **more: Any) -> dict[str, Any]:
        """A signed limit order for whole shares."""
        dollars, size = shares * price_micro, shares * 10**6
        amounts = (dollars, size) if side == "BUY" else (size, dollars)
        return self.order(key, token_id, side, *amounts, **more)

    def sign(self, digest: str) -> str:
        """Sign a 0x digest the way wallets do: r, s, 27 or 28."""
        raw = self.private.sign_recoverable(bytes.fromhex(digest.removeprefix("0x")), hasher=None)
        return "0x" + raw[:64].hex() + bytes([raw[64] + 27]).hex()


@dataclass(frozen=True)
class Running:
    """A venue that serves."""

    venue: Venue
    where: dict[str, Any]
    folder: Path

    @property
    def exchange(self) -> Exchange:
        return self.venue.exchange

    def record(self, kind: str) -> list[dict[str, Any]]:
        """The record's lines of a kind."""
        return [line for line in read_lines(self.folder) if line["kind"] == kind]


@asynccontextmanager
async def running_venue(
    folder: Path,
    day: Day | None = None,
    now_ms: int = SEEDED_MS,
    speed: float = 1.0,
    rules: Rules | None = None,
    requests_max: int = REQUESTS_MAX,
) -> AsyncIterator[Running]:
    """Serve a venue on a free port of loopback; a record in the folder is gone on with."""
    record = Record(folder)
    clock = RehearsalClock(now_ms * 10**6, SystemClock().monotonic_ns(), speed)
    exchange = Exchange(
        day=day or SeededDay(7),
        rules=rules or Rules(),
        dice=dice,
        now_ms=now_ms,
        keyring=Keyring(read_keys(folder)),
        memory=Memory().fold(read_lines(folder)),
    )
    venue = Venue(exchange, clock, record, folder, os.urandom)
    faults: list[object] = []
    runner = web.AppRunner(application(venue, faults.append, requests_max), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.start()
    try:
        yield Running(venue, endpoints("127.0.0.1", runner.addresses[0][1]), folder)
    finally:
        venue.leave()
        await runner.cleanup()
        venue.close()
    assert not faults
