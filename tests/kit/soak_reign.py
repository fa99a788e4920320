"""One supervisor's life in a soak: the desk with the product's own hands, and a disk and a death of its own.

It is wired as `app` wires it - desk, arrivals, errands, gateway, discovery, channels - on the soak's wire. Left out are
what a soak has no use for: control socket, shared memory, status file, worker processes. Books are asked for, not
listened to: the market channel has tests of its own, and would cost more than everything else here. What always holds:
once it is dead nothing of it acts any more.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from kit.soak_disk import Mark

from shared import messages as m
from supervisor import effects as fx
from supervisor.arrivals import Arrivals
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.errands import ERRANDS, Errands
from supervisor.feed import Discovery, PriceChannel, UserChannel
from supervisor.gateway import POOLS, Gateway, VenueRefused
from supervisor.venue.frames import BadFrame
from supervisor.venue.keys import ApiKey

if TYPE_CHECKING:
    from kit.soak import Soak

TURN_S: Final = 0.2
PULSE_S: Final = 2.0
BEAT_S: Final = 0.5
BOOKS_S: Final = 2.0
"""Between two questions for the books of the windows that run; meanwhile a price may have gone."""
JOIN_S: Final = 1.0


class Killed(Exception):
    """The supervisor was killed in the middle of a turn."""


class Reign:
    """Args: soak: the run. Use `begin`, and `die` whenever."""

    def __init__(self, soak: Soak) -> None:
        self.soak = soak
        soak.reigns += 1
        self.alive = True
        self._flushing = False
        self._synced_at = 0.0
        self._tasks: dict[asyncio.Task[None], None] = {}
        tape, settings = soak.disk.tape, soak.settings
        self.desk = Desk(settings, soak.disk.rebuilt(), soak.signer, seq=tape.seq, at_ns=tape.at_ns, pid=1, code="soak")
        self.gateway, discovery = Gateway(settings.venue, soak.clock), Discovery(settings.venue)
        discovery._http = soak.wire.pool()  # type: ignore[assignment]
        self.gateway._pools = {pool: soak.wire.pool() for pool in POOLS}  # type: ignore[misc]
        self.arrivals = Arrivals(self.desk, self.turn, own_key=lambda: self._key().key, welcome=_welcome)
        heard_book = self.arrivals.on_market_frame
        self.errands = Errands(
            self.desk, self.turn, soak.clock, self.gateway, discovery, heard_book, _no_trial, _no_inquiry
        )

    def begin(self) -> None:
        """Take up what the journal says, and keep going."""
        soak = self.soak
        self.hear(self.desk.begin, soak.disk.tape.shown(), soak.release)
        self.arrivals.there("market")("", "unknown")
        self.start(self._join(), self._keep(self._look, TURN_S), self._keep(self._pulse, PULSE_S))
        self.start(self._keep(soak.workers.beat, BEAT_S), self._keep(self._ask_for_books, BOOKS_S))

    def die(self) -> None:
        """Nothing of it acts from here on; what is on the wire already arrives."""
        self.alive = False
        self.soak.counts.update({f"desk: {name}": number for name, number in self.desk.board.counters.items()})
        for task in list(self._tasks):
            task.cancel()

    # --- turns ---

    @contextlib.contextmanager
    def turn(self) -> Iterator[Moment]:
        """One arrival. Raises: Killed."""
        if not self.alive:
            raise Killed
        yield self.soak.now()
        self.settle()

    def hear(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Something arrives at the desk. Raises: Killed."""
        with self.turn() as now:
            act(now, *arguments)

    def settle(self) -> None:
        """Carry out what the desk wants. Raises: Killed."""
        while effects := self.desk.take_effects():
            for effect in effects:
                self.soak.spend()
                self._carry_out(effect)
        if not self._flushing:
            self._flushing = True
            self.later(0, self._end_turn)

    def _end_turn(self) -> None:
        self._flushing = False
        self.soak.disk.flush()

    def _carry_out(self, effect: fx.Effect) -> None:
        errand = ERRANDS.get(type(effect))
        if errand is not None:
            self.start(errand(self.errands, effect))
        else:
            _CARRY_OUT[type(effect)](self, effect)

    # --- keeping going ---

    def start(self, *coroutines: Coroutine[Any, Any, None]) -> None:
        """Let something run as long as this reign does."""
        for coroutine in coroutines:
            task = asyncio.get_running_loop().create_task(coroutine)
            self._tasks[task] = None
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Killed):
            self.soak.broke(error)

    def later(self, delay_ns: int, act: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen later, if this reign lasts."""
        if self.alive:
            asyncio.get_running_loop().call_later(max(0, delay_ns) / 1e9, self._do, act, arguments)

    def _do(self, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        if not self.alive:
            return
        try:
            act(*arguments)
        except Killed:
            return
        except Exception as error:  # noqa: BLE001 - whatever raised where nobody catches it ends the run
            self.soak.broke(error)

    async def _keep(self, act: Callable[[], None], every_s: float) -> None:
        while self.alive:
            act()
            await asyncio.sleep(every_s)

    def _look(self) -> None:
        self.hear(self.desk.on_time)

    def _pulse(self) -> None:
        self.hear(self.desk.pulse)

    def _ask_for_books(self) -> None:
        windows = [window for window in self.desk.board.lanes.current.values() if window.opened]
        tokens = [token for window in windows for token in self.desk.board.lanes.tokens(window)]
        self.start(*(self.errands.refetch(fx.Refetch(token)) for token in tokens))

    # --- the venue ---

    def _key(self) -> ApiKey:
        assert self.gateway.key is not None, "nothing is heard of our own before the venue is joined"
        return self.gateway.key

    async def _join(self) -> None:
        signer = self.soak.signer
        while True:
            try:
                key, cash_micro = await self.gateway.join(signer.signatory, signer.clob_version)
                break
            except (VenueRefused, BadFrame):
                await asyncio.sleep(JOIN_S)
        signer.own(key.key)
        self.hear(self.desk.reconciling.on_balance, cash_micro)
        with self.turn():
            self.desk.standing.ask()
        venue, there = self.soak.settings.venue, self.arrivals.there
        self.user = UserChannel(venue.user_ws, key, self.arrivals.on_user_frame, there("user"))
        assets = sorted(self.soak.settings.slots.assets)
        prices = PriceChannel(venue.price_ws, key, assets, self.arrivals.on_price_frame, there("prices"))
        self.errands.prices = prices
        self.start(self.user.run(), prices.run(), self._beat())

    async def _beat(self) -> None:
        while True:
            fault = ""
            try:
                await self.gateway.beat()
            except (VenueRefused, BadFrame) as error:
                fault = str(error)
            self.hear(self.desk.on_beat, fault)
            await asyncio.sleep(self.soak.settings.venue.heartbeat_s)

    # --- carrying out ---

    def _publish(self, effect: fx.Publish) -> None:
        self.soak.disk.publish(effect.frame)
        if isinstance(effect.frame.event, m.ParametersSet):
            self.soak.workers.sets.append((effect.frame.seq, effect.frame.event.digest))
        if isinstance(effect.frame.event, m.Tick):
            self.soak.workers.publish(effect.frame)

    def _write(self, effect: fx.Write) -> None:
        board, disk = self.desk.board, self.soak.disk
        number = disk.next
        disk.write(effect.entry, board.at_ns, board.accounts.term)
        self.soak.judge.written(effect.entry, number)

    def _write_first(self, effect: fx.WriteFirst) -> None:
        for entry in effect.entries:
            self._write(fx.Write(entry))
        self.soak.disk.flush()
        self.soak.sync(self.soak.disk.mark(), lambda: self._durable(effect.then))

    def after_sync(self, took_ns: int, mark: Mark, then: Callable[[], None]) -> None:
        """One sync after the other: what waits for the disk waits in line."""
        loop = asyncio.get_running_loop()
        self._synced_at = max(self._synced_at, loop.time() + took_ns / 1e9)
        self.later(int((self._synced_at - loop.time()) * 1e9), self._synced, mark, then)

    def _synced(self, mark: Mark, then: Callable[[], None]) -> None:
        self.soak.disk.synced(mark)
        then()

    def _durable(self, then: Iterable[fx.Effect]) -> None:
        self.desk.board.effects.extend(then)
        self.settle()

    def _grant(self, effect: fx.Grant) -> None:
        self.desk.handover.on_granted(self.soak.now(), effect.slot)

    def _reconnect(self, effect: fx.Reconnect) -> None:
        self.start(self.user.give_up(effect.why))


def _welcome(protocol: int) -> m.Welcome:
    return m.Welcome(protocol, "stream", "tape", "ledger")


async def _no_trial(effect: fx.Try) -> Any:
    raise AssertionError(f"nobody deploys in a soak: {effect}")


async def _no_inquiry(release: str, values: dict[str, Any]) -> str:
    raise AssertionError(f"nobody changes parameters in a soak: {values}")


_CARRY_OUT: Final[dict[type, Callable[[Reign, Any], None]]] = {
    fx.Publish: Reign._publish,
    fx.Write: Reign._write,
    fx.WriteFirst: Reign._write_first,
    fx.Grant: Reign._grant,
    fx.Tell: lambda reign, effect: reign.soak.workers.tell(effect),
    fx.Spawn: lambda reign, effect: reign.soak.workers.spawn(effect),
    fx.EndTrial: lambda reign, effect: None,
    fx.Kill: lambda reign, effect: reign.soak.workers.kill(effect.uid),
    fx.Reconnect: Reign._reconnect,
    fx.Watch: lambda reign, effect: None,
}
"""What each effect that is no errand comes to here."""
