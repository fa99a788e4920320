"""Orders out: what is signed is sent once, cancels, look-ups, the key and the heartbeat; every answer is kept raw.

An order is posted exactly once: when no answer comes in time its outcome is unknown, and whoever keeps the orders asks
about it; one that had no connection never left, which is definite. Orders, cancels with the heartbeat, and questions
have a pool of connections each, so that no cancel waits behind an order and no order behind a question; those of the
first two are kept warm. The heartbeat has this one owner: once it beats, the venue cancels everything of ours when it
stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal, get_args

import aiohttp

from shared.clock import NS, Clock
from shared.config import Venue
from supervisor.questions import UNREACHED, WHY_MAX, NeverLeft, Said, ask, ask_with_headers, open_pool, why
from supervisor.recovery import View
from supervisor.signatory import Signatory
from supervisor.venue.frames import BadFrame, to_json
from supervisor.venue.keys import ApiKey, parse_api_key, signed_headers
from supervisor.venue.requests import (
    BATCH_MAX,
    CANCELS_MAX,
    FIRST_CURSOR,
    LAST_CURSOR,
    Answer,
    HeartbeatAnswer,
    Token,
    VenueOrder,
    Where,
    parse_balance,
    parse_cancel_answer,
    parse_cancel_answers,
    parse_cancelled,
    parse_closed_only,
    parse_heartbeat,
    parse_order_answer,
    parse_order_answers,
    parse_page,
    parse_trades,
    parse_venue_order,
    parse_version,
    parse_where,
)
from supervisor.venue.user import TradeLeg

CONNECTIONS: Final = 16
"""In each pool."""
WARM: Final = 4
"""Connections for orders, and as many for cancels, that are kept open and used at least every WARM_S."""
WARM_S: Final = 20.0
"""Real seconds; under what any server or firewall on the way closes an idle connection after."""
Pool = Literal["orders", "cancels", "questions"]
POOLS: Final[tuple[Pool, ...]] = get_args(Pool)
KEPT_WARM: Final[tuple[Pool, ...]] = ("orders", "cancels")
PAGES_MAX: Final = 50
"""Pages of a list that are read before it is called endless."""


class VenueRefused(Exception):
    """The venue cannot be worked with: it gave no key, or answers nothing that can be read."""


class NotJoined(ConnectionError):
    """There is no API key yet: nothing that needs one can have left."""

    def __init__(self) -> None:
        super().__init__("the venue is not joined yet")


class Gateway:
    """Args: settings: where the venue is and how long to wait. Use `open` first, `close` at the end."""

    def __init__(self, settings: Venue, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._pools: dict[Pool, aiohttp.ClientSession] = {}
        self._heartbeat_id = ""
        self.key: ApiKey | None = None
        self.signature_type = 0

    async def open(self, address: str, signature_type: int, headers: Callable[[int], dict[str, str]]) -> ApiKey:
        """Get the API key that belongs to the signing key, made if there is none yet.

        Args: headers: makes the headers that prove the key, for a time in unix seconds. May be tried again.
        Raises: VenueRefused; BadFrame: what came is no key.
        """
        if not self._pools:
            self._pools = {pool: open_pool(self._settings.answer_s, CONNECTIONS) for pool in POOLS}
        self.signature_type = signature_type
        fault = ""
        for method, path in (("GET", "/auth/derive-api-key"), ("POST", "/auth/api-key")):
            try:
                http, body = await self._ask(method, path, b"", headers(self._clock.wall_ns() // NS))
            except UNREACHED as error:
                raise VenueRefused(f"{self._settings.clob} does not answer: {why(error)}") from error
            if http == 200:
                self.key = parse_api_key(body, address)
                return self.key
            fault = f"HTTP {http}"
        raise VenueRefused(f"{self._settings.clob} gives no API key: {fault}")

    async def join(self, signatory: Signatory, clob_version: int) -> tuple[ApiKey, int]:
        """Get the API key, hold the venue to the orders that are signed here, and ask for our collateral, millionths.

        May be tried again. Raises: VenueRefused, BadFrame.
        """
        key = await self.open(signatory.address, signatory.signature_type, signatory.key_headers)
        await self.expect(clob_version)
        return key, await self.balance()

    async def expect(self, clob_version: int) -> None:
        """Hold the venue to the orders that are signed here; one that does not say which it takes may take them.

        Raises: VenueRefused: it takes others, and would refuse each of ours with `order_version_mismatch`.
        """
        try:
            said = parse_version(*await self._ask("GET", "/version", b"", {}))
        except UNREACHED as error:
            raise VenueRefused(f"{self._settings.clob} does not answer: {why(error)}") from error
        if said not in {None, clob_version}:
            names = f"orders of version {said}, and exchange.client signs those of version {clob_version}"
            raise VenueRefused(f"{self._settings.clob} takes {names}")

    async def place(self, body: bytes) -> Answer:
        """Post an order, once. Never raises: no answer is an answer too."""
        try:
            return parse_order_answer(*await self._signed("POST", "/order", body, pool="orders"))
        except UNREACHED as error:
            return _unanswered(error)

    async def place_batch(self, orders: Mapping[str, bytes]) -> list[Answer]:
        """Post several orders, by id, in one request and once; an answer for each, in their order. Never raises."""
        assert len(orders) <= BATCH_MAX
        try:
            said = await self._signed("POST", "/orders", b"[" + b",".join(orders.values()) + b"]", pool="orders")
        except UNREACHED as error:
            return [_unanswered(error)] * len(orders)
        return parse_order_answers(said.status, said.body, tuple(orders), said.headers)

    async def cancel(self, order_id: str) -> Answer:
        """Ask for an order to be cancelled. Never raises."""
        body = f'{{"orderID":"{order_id}"}}'.encode()
        try:
            said = await self._signed("DELETE", "/order", body, pool="cancels")
        except UNREACHED as error:
            return _unanswered(error)
        return parse_cancel_answer(said.status, said.body, order_id, said.headers)

    async def cancel_batch(self, order_ids: Sequence[str]) -> list[Answer]:
        """Ask for several orders to be cancelled in one request; an answer for each, in their order. Never raises."""
        assert len(order_ids) <= CANCELS_MAX
        try:
            said = await self._signed("DELETE", "/orders", to_json(order_ids).encode(), pool="cancels")
        except UNREACHED as error:
            return [_unanswered(error)] * len(order_ids)
        return parse_cancel_answers(said.status, said.body, order_ids, said.headers)

    async def cancel_everything(self) -> int:
        """Cancel every order of this key, whoever placed it; how many that were. Raises: VenueRefused, BadFrame."""
        http, body = await self._asked("DELETE", "/cancel-all", pool="cancels")
        if http != 200:
            raise VenueRefused(f"/cancel-all: HTTP {http}")
        return parse_cancelled(body)

    async def warm(self) -> int:
        """Use some connections for orders and for cancels, so that the next need not be made first; return how many
        answered. Never raises.
        """
        asked = [self._say("GET", "/time", b"", {}, pool) for pool in KEPT_WARM for _ in range(WARM)]
        said = await asyncio.gather(*asked, return_exceptions=True)
        return sum(isinstance(one, Said) and one.status == 200 for one in said)

    async def look_up(self, order_id: str, market: str) -> tuple[VenueOrder | None, list[TradeLeg]]:
        """What the venue has of an order, and our legs of the trades in its market.

        Raises: VenueRefused: it could not be asked; nothing is known then.
        """
        http, body = await self._asked("GET", f"/data/order/{order_id}")
        if http not in {200, 404}:
            raise VenueRefused(f"order {order_id[:10]}: HTTP {http}")
        try:
            found = parse_venue_order(body) if http == 200 else None
            return found, await self.trades(f"market={market}")
        except BadFrame as error:
            raise VenueRefused(str(error)) from error

    async def trades(self, query: str) -> list[TradeLeg]:
        """Our legs of every trade a query finds. Raises: VenueRefused, BadFrame."""
        assert self.key is not None
        return parse_trades(await self._list("/data/trades", query), self.key.key)

    async def open_orders(self) -> list[VenueOrder]:
        """Every order of this key that rests at the venue. Raises: VenueRefused, BadFrame."""
        found = [parse_venue_order(item) for item in await self._list("/data/orders", "")]
        return [order for order in found if order is not None and order.open]

    async def balance(self) -> int:
        """Our collateral, millionths. Raises: VenueRefused, BadFrame."""
        return await self._balance("asset_type=COLLATERAL")

    async def shares(self, token: Token) -> int:
        """Our shares of a token, millionths. Raises: VenueRefused, BadFrame."""
        return await self._balance(token.query())

    async def view(self, since_s: int, tokens: Iterable[Token]) -> View:
        """What our books are held against: trades since a moment, unix seconds, and these tokens' shares.

        Balances first: a trade that comes in between is then in our books, and differs this once.
        Raises: VenueRefused, BadFrame.
        """
        cash_micro = await self.balance()
        shares = {token.token_id: await self.shares(token) for token in tokens}
        legs = await self.trades(f"after={since_s}")
        return View(tuple(await self.open_orders()), tuple(legs), cash_micro, shares)

    async def _balance(self, of: str) -> int:
        query = f"{of}&signature_type={self.signature_type}"
        http, body = await self._asked("GET", "/balance-allowance", query)
        if http != 200:
            raise VenueRefused(f"balance: HTTP {http}")
        return parse_balance(body)

    async def where(self) -> Where:
        """Whether orders may be sent from where we are. Raises: VenueRefused, BadFrame."""
        assert self._pools, "the gateway is opened before it is used"
        try:
            http, body = await ask(self._pools["questions"], "GET", self._settings.geoblock, {})
        except UNREACHED as error:
            raise VenueRefused(f"{self._settings.geoblock} does not answer: {why(error)}") from error
        if http != 200:
            raise VenueRefused(f"{self._settings.geoblock}: HTTP {http}")
        return parse_where(body)

    async def closed_only(self) -> bool:
        """Whether this account may only reduce what it holds. Raises: VenueRefused, BadFrame."""
        http, body = await self._asked("GET", "/auth/ban-status/closed-only")
        if http != 200:
            raise VenueRefused(f"closed only: HTTP {http}")
        return parse_closed_only(body)

    async def beat(self) -> HeartbeatAnswer:
        """Send one heartbeat; a corrected id is taken over for the next. Raises: VenueRefused, BadFrame."""
        body = to_json({"heartbeat_id": self._heartbeat_id}).encode()
        answer = parse_heartbeat(*await self._asked("POST", "/v1/heartbeats", body=body, pool="cancels"))
        self._heartbeat_id = answer.next_id
        return answer

    async def close(self) -> None:
        """Close the pools."""
        for pool in self._pools.values():
            await pool.close()

    async def _list(self, path: str, query: str) -> list[bytes]:
        items: list[bytes] = []
        cursor = FIRST_CURSOR
        for _ in range(PAGES_MAX):
            http, body = await self._asked("GET", path, f"{query}&next_cursor={cursor}".lstrip("&"))
            if http != 200:
                raise VenueRefused(f"{path}: HTTP {http}")
            page, cursor = parse_page(body)
            items.extend(page)
            if cursor == LAST_CURSOR:
                return items
        raise VenueRefused(f"{path}: more than {PAGES_MAX} pages")

    async def _asked(
        self, method: str, path: str, query: str = "", body: bytes = b"", pool: Pool = "questions"
    ) -> tuple[int, bytes]:
        try:
            said = await self._signed(method, path, body, query, pool)
        except UNREACHED as error:
            raise VenueRefused(f"{path}: no answer: {why(error)}") from error
        return said.status, said.body

    async def _signed(self, method: str, path: str, body: bytes, query: str = "", pool: Pool = "questions") -> Said:
        if self.key is None:
            raise NotJoined
        headers = signed_headers(self.key, self._clock.wall_ns() // NS, method, path, body)
        return await self._say(method, f"{path}?{query}" if query else path, body, headers, pool)

    async def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        said = await self._say(method, path, body, headers, "questions")
        return said.status, said.body

    async def _say(self, method: str, path: str, body: bytes, headers: dict[str, str], pool: Pool) -> Said:
        assert self._pools, "the gateway is opened before it is used"
        return await ask_with_headers(self._pools[pool], method, f"{self._settings.clob}{path}", headers, body)


def _unanswered(error: BaseException) -> Answer:
    """What it means for an order or a cancel that there is no answer."""
    if isinstance(error, NeverLeft | NotJoined):
        return Answer("unsent", reason=f"it never left: {why(error)}"[:WHY_MAX])
    return Answer("unknown", reason=f"no answer: {why(error)}")
