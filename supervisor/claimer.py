"""The claimer's hands: it asks the chain how a claim stands, has its transaction signed, and sends it, once each time.

Two roads: the venue's relayer for smart wallets, an own transaction for plain accounts and Safes. What is asked is
asked in one request where that can be; signing is done beside the loop. It decides nothing: when to look, what a look
means and whether to send are the desk's. Whatever is not a clear answer is `Unclear`, and nothing is known then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Protocol

import aiohttp
from polymarket.errors import PolymarketError

from shared.config import Claims, Faults
from supervisor.claims import IN_FLIGHT, Claim, Prepared, Seen
from supervisor.questions import UNREACHED, ask, open_pool, why
from supervisor.venue import relayer
from supervisor.venue.chain import (
    GWEI,
    NOTHING,
    Answered,
    Fate,
    Fees,
    Question,
    RpcError,
    TooDear,
    answered,
    asked,
    block,
    fate,
    fees,
    number,
    parse_sent,
)
from supervisor.venue.frames import BadFrame
from supervisor.wallet import RELAYER_KINDS, Gas, Wallet

CONNECTIONS: Final = 4
DEADLINE_S: Final = 600
"""Chain seconds for which a signed batch is good: the official client's own number."""
GAS_MARGIN: Final = 1.3
"""How much more gas a transaction may use than the node estimates: balances may change before it is mined."""


class Unclear(Exception):
    """A question has no clear answer now."""


class Chain:
    """A node, asked for several things at once."""

    def __init__(self, url: str, pool: aiohttp.ClientSession) -> None:
        self._url, self._pool = url, pool

    async def ask(self, *questions: Question) -> list[Any]:
        """The answers in order; an RpcError where the node said no. Raises: Unclear."""
        try:
            return answered(*await ask(self._pool, "POST", self._url, {}, asked(questions)), len(questions))
        except (*UNREACHED, BadFrame) as error:
            raise Unclear(f"chain: {why(error)}") from error

    async def sure(self, *questions: Question) -> list[Any]:
        """The answers, none of which may be a no. Raises: Unclear."""
        answers = await self.ask(*questions)
        for answer in answers:
            if isinstance(answer, RpcError):
                raise Unclear(f"chain: {answer.message}")
        return answers


class Road(Protocol):
    """A way to the chain."""

    async def nonces(self, newest: int, deep: int) -> tuple[int, int]:
        """The wallet's next nonce by the newest block and by one that stays. Raises: Unclear, BadFrame."""

    async def fates(self, transactions: Sequence[str], deep: int) -> list[tuple[Fate, str]]:
        """What became of transactions, and why those that failed did. Raises: Unclear, BadFrame."""

    async def prepare(self, claim: Claim, nonce: int, amount_micro: int) -> Prepared:
        """Sign a claim's transaction. Raises: Unclear, BadFrame."""

    async def submit(self, body: bytes) -> Answered:
        """Send it, once; no answer is an answer too."""


class Claimer:
    """Use `open` before anything else and `close` at the end. Raises: Faults: this wallet cannot go that way."""

    def __init__(self, settings: Claims, wallet: Wallet) -> None:
        self._settings, self._wallet = settings, wallet
        self._by = settings.by if settings.by != "auto" else ("relayer" if wallet.kind in RELAYER_KINDS else "rpc")
        if self._by == "rpc" and not wallet.sends_itself:
            raise Faults([f"claims.by: {wallet.name} sends nothing itself; write relayer"])
        if self._by == "relayer" and wallet.kind not in RELAYER_KINDS:
            raise Faults([f"claims.by: the relayer takes nothing from {wallet.name}; write rpc"])
        if self._by == "relayer" and not wallet.has_relayer_key:
            raise Faults(
                ["credentials: relayer_key is missing; claims.by = relayer needs the one from the venue's site"]
            )
        self._pool: aiohttp.ClientSession | None = None

    def open(self) -> None:
        """Open the pool. Inside the loop."""
        self._pool = open_pool(self._settings.answer_s, CONNECTIONS)
        self._chain = Chain(self._settings.rpc, self._pool)
        road = OwnRoad if self._by == "rpc" else RelayerRoad
        self._road: Road = road(self._settings, self._wallet, self._chain, self._pool)

    async def close(self) -> None:
        """Close the pool."""
        if self._pool is not None:
            await self._pool.close()

    async def look(self, claim: Claim) -> Seen:
        """How a claim stands. Raises: Unclear."""
        try:
            newest, _ = block((await self._chain.sure(("eth_getBlockByNumber", ["latest", False])))[0])
            deep = max(0, newest - self._settings.confirmations)
            call = self._wallet.balances(claim)
            answers = await self._chain.sure(("eth_call", [call, hex(newest)]), ("eth_call", [call, hex(deep)]))
            held, deep_held = (self._wallet.read_balances(answer) for answer in answers)
            nonce, deep_nonce = await self._road.nonces(newest, deep)
            known = claim.transactions if claim.state in IN_FLIGHT else ()
            return Seen(nonce, deep_nonce, held, deep_held, tuple(await self._road.fates(known, deep)))
        except (BadFrame, PolymarketError) as error:
            raise Unclear(str(error)) from error

    async def prepare(self, claim: Claim, nonce: int, amount_micro: int) -> Prepared:
        """Sign a claim's transaction under a nonce; nothing leaves. Raises: Unclear."""
        try:
            return await self._road.prepare(claim, nonce, amount_micro)
        except (BadFrame, PolymarketError) as error:
            raise Unclear(str(error)) from error

    async def submit(self, body: bytes) -> Answered:
        """Send a signed transaction, once. Never raises: no answer is an answer too."""
        return await self._road.submit(body)


class RelayerRoad:
    """Through the relayer. Its nonce is the newest; it counts as staying once the chain has grown so far since."""

    def __init__(self, settings: Claims, wallet: Wallet, chain: Chain, pool: aiohttp.ClientSession) -> None:
        self._settings, self._wallet, self._chain, self._pool = settings, wallet, chain, pool
        self._seen: list[tuple[int, int]] = []
        """Nonces as they were first seen, and the newest block then; the last staying one and what came after."""

    async def nonces(self, newest: int, deep: int) -> tuple[int, int]:
        nonce, _ = await self._params()
        if not self._seen or self._seen[-1][0] != nonce:
            self._seen.append((nonce, newest))
        while len(self._seen) > 1 and self._seen[1][1] <= deep:
            del self._seen[0]
        staying, since = self._seen[0]
        return nonce, staying if since <= deep else 0

    async def fates(self, transactions: Sequence[str], deep: int) -> list[tuple[Fate, str]]:
        return [await self._fate(transaction, deep) for transaction in transactions]

    async def prepare(self, claim: Claim, nonce: int, amount_micro: int) -> Prepared:
        _, relay = await self._params()
        _, now_s = block((await self._chain.sure(("eth_getBlockByNumber", ["latest", False])))[0])
        call = self._wallet.call(claim, amount_micro)
        body = await asyncio.to_thread(self._wallet.envelope, call, nonce, now_s + DEADLINE_S, relay)
        return Prepared(nonce, "", body)

    async def submit(self, body: bytes) -> Answered:
        try:
            return relayer.parse_submitted(*await self._ask("POST", "/submit", body))
        except Unclear as error:
            return Answered("unanswered", str(error))

    async def _fate(self, transaction: str, deep: int) -> tuple[Fate, str]:
        """The relayer tells how far it came; that it is mined, and stays so, only the chain itself proves."""
        http, body = await self._ask("GET", f"/v1/account/transactions/{transaction}")
        found, hash_, error = relayer.parse_transaction(http, body)
        if found != "mined" or not hash_:
            return found, error
        receipt = (await self._chain.sure(("eth_getTransactionReceipt", [hash_])))[0]
        return fate(receipt, deep)

    async def _params(self) -> tuple[int, str]:
        kind = RELAYER_KINDS[self._wallet.kind]
        path = "/relay-payload" if kind == "PROXY" else "/v1/account/transactions/params"
        return relayer.parse_params(*await self._ask("GET", f"{path}?address={self._wallet.owner}&type={kind}"))

    async def _ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        try:
            url = self._settings.relayer + path
            return await ask(self._pool, method, url, self._wallet.relayer_headers(), body)
        except UNREACHED as error:
            raise Unclear(f"relayer: {why(error)}") from error


class OwnRoad:
    """By transactions of the owner's account, for itself or for its Safe; a stuck one is outbid under its nonce."""

    def __init__(self, settings: Claims, wallet: Wallet, chain: Chain, pool: aiohttp.ClientSession) -> None:
        self._settings, self._wallet, self._chain = settings, wallet, chain
        self._signed: dict[bytes, str] = {}
        self._offered = (-1, NOTHING)

    async def nonces(self, newest: int, deep: int) -> tuple[int, int]:
        owner = self._wallet.owner
        counts = [("eth_getTransactionCount", [owner, hex(height)]) for height in (newest, deep)]
        found = await self._chain.sure(*counts)
        return number(found[0]), number(found[1])

    async def fates(self, transactions: Sequence[str], deep: int) -> list[tuple[Fate, str]]:
        if not transactions:
            return []
        receipts = await self._chain.sure(*[("eth_getTransactionReceipt", [hash_]) for hash_ in transactions])
        return [fate(receipt, deep) for receipt in receipts]

    async def prepare(self, claim: Claim, nonce: int, amount_micro: int) -> Prepared:
        """Raises: Unclear: also when the contract would refuse it now, which costs nothing this way."""
        outer = self._wallet.outer(self._wallet.call(claim, amount_micro), await self._safe_nonce())
        stuck = claim.transactions if claim.state in IN_FLIGHT else ()
        newest, tip, limit, *known = await self._chain.sure(
            ("eth_getBlockByNumber", ["latest", False]),
            ("eth_maxPriorityFeePerGas", []),
            ("eth_estimateGas", [outer, "latest"]),  # not "pending": there what is outbid has been carried out
            *(("eth_getTransactionByHash", [hash_]) for hash_ in stuck),
        )
        bounds = Fees(self._settings.gas_max_gwei * GWEI, self._settings.tip_max_gwei * GWEI)
        try:
            gas = Gas(round(number(limit) * GAS_MARGIN), fees(newest, tip, self._last(nonce), known, bounds))
        except TooDear as error:
            raise Unclear(str(error)) from error
        hash_, body = await asyncio.to_thread(self._wallet.transaction, outer, nonce, gas)
        self._signed, self._offered = {body: hash_}, (nonce, gas.fees)
        return Prepared(nonce, hash_, body, "rpc")

    def _last(self, nonce: int) -> Fees:
        """What was offered under a nonce last, if that was the newest that was signed."""
        return self._offered[1] if self._offered[0] == nonce else NOTHING

    async def submit(self, body: bytes) -> Answered:
        try:
            answer = (await self._chain.ask(("eth_sendRawTransaction", ["0x" + body.hex()])))[0]
        except Unclear as error:
            return Answered("unanswered", str(error))
        return parse_sent(answer, self._signed.get(body, ""))

    async def _safe_nonce(self) -> int:
        call = self._wallet.safe_nonce()
        return 0 if call is None else number((await self._chain.sure(("eth_call", [call, "latest"])))[0])
