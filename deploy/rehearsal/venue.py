"""The running venue: the exchange driven by its clock, its effects carried to sockets, waiting requests and the record.

One loop, one thread: everything between two awaits is indivisible. The exchange is turned when something in it is due
and before anything from outside reaches it, so a late process catches up first. What always holds: what happened is on
the record, handed to the kernel, before anybody is told of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from deploy.rehearsal import protocol, refusals
from deploy.rehearsal.buckets import TIERS, Buckets
from deploy.rehearsal.director import Director
from deploy.rehearsal.exchange import Exchange, Reply, Waiting
from deploy.rehearsal.jsonrpc import Node
from deploy.rehearsal.keys import HEARTBEAT_SWEEP_S, Key
from deploy.rehearsal.outbox import Answer, Effect, Line, Shut, ToEverybody, ToMarket, ToPrices, ToUser
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.record import Record, write_keys
from deploy.rehearsal.refusals import Refused
from deploy.rehearsal.relayer import Relayer
from deploy.rehearsal.side_keys import SideKeys
from deploy.rehearsal.sockets import Sockets
from deploy.rehearsal.subscriptions import Subscriptions
from shared.clock import RehearsalClock, real_seconds

MS_NS: Final = 1_000_000
IDLE_S: Final = 0.5
"""The exchange is looked at this often even when nothing is planned. Real time."""


SOONEST_S: Final = 0.002
"""It turns by itself no more often than this: at speed much is due at nearly the same moment. Real time."""


class Venue:
    """Everything between the exchange and the outside. chance: gives unpredictable bytes, for keys."""

    def __init__(
        self, exchange: Exchange, clock: RehearsalClock, record: Record, folder: Path, chance: Callable[[int], bytes]
    ) -> None:
        self.exchange = exchange
        self.director = Director(exchange)
        self.clock = clock
        self.buckets = Buckets(TIERS[exchange.rules.tier], clock.speed)
        self.side_keys = SideKeys()
        exchange.modes.speed = clock.speed
        self.subscriptions = Subscriptions(exchange)
        self.relayer = Relayer(exchange.transactions)
        self.node = Node(exchange.transactions)
        self.sockets = Sockets(self.subscriptions, exchange.floor.mischief, self.turn, self.note)
        self._record = record
        self._folder = folder
        self.chance = chance
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ms: int | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._leaving = False

    def now_ms(self) -> int:
        """Market time."""
        return self.clock.unix_ns() // MS_NS

    def clocks_s(self) -> tuple[float, float]:
        """The times a request's timestamp may be near: the world's and the market's, by the venue's clock."""
        skew_s = self.exchange.floor.mischief.skew_ms / 1_000
        return self.clock.wall_ns() / 1e9 + skew_s, self.clock.unix_ns() / 1e9 + skew_s

    def start(self) -> None:
        """Begin to turn by itself, and to sweep heartbeats."""
        self.turn()
        self._sweep()

    def leave(self) -> None:
        """Turn a last time, stop turning, and tell every connection to go."""
        self.turn()
        self._leaving = True
        for timer in (self._alarm, self._sweeper):
            if timer:
                timer.cancel()
        self.exchange.out.watched = set()
        self.sockets.end_all()

    def close(self) -> None:
        """Write how everybody stood, and close the record; nobody is connected any more."""
        self.note("stop", {"balances": self.exchange.balances()})
        self._record.close()

    def turn(self) -> None:
        """Let everything happen that is due by now, carry it out, and set the alarm for what comes next."""
        self.exchange.advance(self.now_ms())
        self.director.ordered()
        self.carry()

    def carry(self) -> None:
        """Carry out what the exchange wants said: the record first, then everybody else."""
        effects = self.exchange.out.take()
        if effects:
            self._write(effects)
            for effect in effects:
                CARRIERS[type(effect)](self, effect)
        self._set_alarm()

    def _write(self, effects: Iterable[Effect]) -> None:
        """Put what is for the record on it, handed to the kernel."""
        wall_ms = self.clock.wall_ns() // MS_NS
        for effect in effects:
            if isinstance(effect, Line):
                self._record.add(effect.kind, effect.at_ms, wall_ms, effect.fields)
        self._record.flush()

    def note(self, kind: str, fields: Json) -> None:
        """Write a line that the exchange knows nothing of."""
        self._record.add(kind, self.now_ms(), self.clock.wall_ns() // MS_NS, fields)
        self._record.flush()

    async def place(self, body: object, key: Key) -> Reply:
        """Place one order and wait for its answer, through the taker delay if it has one. Raises: Refused."""
        begun = self.begin(body, key)
        if isinstance(begun, Refused):
            raise begun
        return begun if isinstance(begun, Reply) else await begun

    async def place_all(self, bodies: Iterable[object], key: Key) -> list[Json]:
        """Place a batch in its order, then wait for every leg; a refused leg is told as production tells it."""
        begun = [self.begin(body, key) for body in bodies]
        return [_leg(each if isinstance(each, (Reply, Refused)) else await each) for each in begun]

    def admit(self, bodies: Sequence[object], key: Key) -> dict[str, str]:
        """Owner, mode and order bucket of a request; the headers to answer with. Raises: Refused, on the record."""
        self.exchange.knock(bodies, key)
        try:
            return self.buckets.orders(key.owner, len(bodies), self.clock.monotonic_ns())
        except Refused as refused:
            self.note("reject", refusals.fields_of(refused, "", key.owner))
            raise

    def admit_cancels(self, key: Key, cost: int) -> dict[str, str]:
        """Mode and cancel bucket of a request; the headers to answer with. Raises: Refused."""
        self.exchange.modes.check_cancels(self.exchange.now_ms)
        return self.buckets.cancels(key.owner, cost, self.clock.monotonic_ns())

    def begin(self, body: object, key: Key) -> Reply | Refused | asyncio.Future[Reply]:
        """Place one order; its answer, its refusal, or the promise of an answer. What it caused is carried out."""
        self.turn()
        try:
            outcome = self.exchange.place(body, key)
        except Refused as refused:
            self.carry()
            return refused
        promise = self._promise(outcome) if isinstance(outcome, Waiting) else outcome
        self.carry()
        return promise

    def create_key(self, owner: str, nonce: int) -> Key:
        """Make or find the key of an address; its secret is on disk before it is told."""
        key = self.exchange.create_key(owner, nonce, self.chance)
        write_keys(self._folder, self.exchange.keyring.all())
        return key

    def delete_key(self, key: Key) -> None:
        """Forget a key, on disk as well; its orders stay."""
        self.exchange.keyring.remove(key)
        write_keys(self._folder, self.exchange.keyring.all())

    def _promise(self, waiting: Waiting) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[waiting.ticket] = future
        return future

    def _answered(self, answer: Answer) -> None:
        future = self._waiting.pop(answer.ticket, None)
        if future and not future.done():
            future.set_result(Reply(answer.status, answer.body))

    def _set_alarm(self) -> None:
        next_ms = self.exchange.agenda.next_ms
        if self._alarm and self._alarm_ms == next_ms and not self._leaving:
            return
        wait_s = IDLE_S if next_ms is None else min(IDLE_S, real_seconds(self.clock, next_ms * MS_NS))
        if self._alarm:
            self._alarm.cancel()
        if self._leaving:
            return
        self._alarm_ms = next_ms
        self._alarm = asyncio.get_running_loop().call_later(max(wait_s, SOONEST_S), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.turn()

    def _sweep(self) -> None:
        self.turn()
        self.exchange.sweep(self.clock.monotonic_ns())
        self.carry()
        self._sweeper = asyncio.get_running_loop().call_later(HEARTBEAT_SWEEP_S, self._sweep)


def _leg(outcome: Reply | Refused) -> Json:
    if isinstance(outcome, Refused):
        return protocol.refused_leg(outcome.reason)
    return outcome.body if outcome.status == 200 else protocol.refused_leg(outcome.body["error"])


def _nothing(venue: Venue, effect: Effect) -> None:
    """A line went to the record before everything else."""


CARRIERS: Final[dict[type, Callable[[Venue, Any], None]]] = {
    Line: _nothing,
    Answer: Venue._answered,
    ToMarket: lambda venue, effect: venue.subscriptions.to_market(effect),
    ToEverybody: lambda venue, effect: venue.subscriptions.to_everybody(effect),
    ToUser: lambda venue, effect: venue.subscriptions.to_user(effect),
    ToPrices: lambda venue, effect: venue.subscriptions.to_prices(effect),
    Shut: lambda venue, effect: venue.sockets.shut(effect),
}
"""Who carries out what."""
