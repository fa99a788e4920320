"""A desk's hands at a served rehearsal venue: an adapter that signs and the gateway that trades, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from kit.drafts import PRIVATE, TERMS, a_draft
from kit.venue import SEEDED_MS, Running, running_venue

from deploy.rehearsal.days import Listing
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.migrated import MigratedDay
from deploy.rehearsal.seeded import SeededDay
from shared.amounts import order_amounts
from shared.clock import SystemClock
from shared.config import Credentials, Exchange, Settings, Venue
from shared.messages import Place
from shared.slots import Slot
from supervisor.adapters import Adapter, choose
from supervisor.admission import Draft
from supervisor.gateway import Gateway
from supervisor.venue.discovery import Market
from supervisor.venue.requests import Answer

LATER_S: Final = SEEDED_MS // 300_000 * 300 + 600
"""A window that has not begun: its market is quoted and will be."""
numbers: Iterator[int] = iter(range(1, 1_000))


class Desk:
    """An adapter and a gateway at a served venue."""

    def __init__(self, running: Running, adapter: Adapter, gateway: Gateway) -> None:
        self.running, self.adapter, self.gateway = running, adapter, gateway

    def listing(self, asset: str = "btc") -> Listing:
        """The later window's market as the venue lists it."""
        return self.running.exchange.floor.by_slug[f"{asset}-updown-5m-{LATER_S}"].listing

    def draft(self, asset: str = "btc", kind: Any = "GTC", price_micro: int = 50_000, side: Any = "BUY") -> Draft:
        """An order for ten shares, far from everybody unless told otherwise; each is another leg."""
        listing = self.listing(asset)
        maker, taker = order_amounts(side, kind, price_micro, 10_000_000, TERMS.tick_micro)
        version: Any = listing.version
        market = Market(Slot("BTC", 5), LATER_S, (listing.up_token, listing.down_token), version, False, TERMS)
        place = Place("Up", side, price_micro, 10_000_000, kind, post_only=kind == "GTC" and side == "BUY")
        return a_draft(
            market=market,
            token_id=listing.up_token,
            place=place,
            maker_amount=maker,
            taker_amount=taker,
            identity=f"leg {next(numbers)}",
            timestamp_ms=SEEDED_MS,
        )

    def signed(self, count: int, **draft: Any) -> dict[str, bytes]:
        """So many orders, by the names we gave them, ready to be sent."""
        return {each.order_id: each.body for each in (self.adapter.sign(self.draft(**draft)) for _ in range(count))}

    async def place(self, draft: Draft) -> tuple[str, Answer]:
        """Sign an order and send it: the name we gave it, and the answer."""
        signed = self.adapter.sign(draft)
        return signed.order_id, await self.gateway.place(signed.body)


def play(
    folder: Path,
    act: Callable[[Desk], Awaitable[None]],
    *,
    rules: Rules | None = None,
    wallet: str = "",
    **exchange: Any,
) -> None:
    """Serve a venue with a market of each version, join it, and trade."""

    async def whole() -> None:
        day = MigratedDay(SeededDay(7), frozenset({"ETH"}))
        async with running_venue(folder, day, rules=rules) as running:
            venue = Venue(clob=running.where["clob"])
            adapter = choose(Settings(venue=venue, exchange=Exchange(**exchange)), Credentials(PRIVATE, wallet))
            gateway = Gateway(venue, SystemClock())
            signatory = adapter.signatory
            key = await gateway.open(signatory.address, signatory.signature_type, signatory.key_headers)
            adapter.own(key.key)
            try:
                await act(Desk(running, adapter, gateway))
            finally:
                await gateway.close()

    asyncio.run(whole())
