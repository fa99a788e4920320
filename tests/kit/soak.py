"""A soak: the whole desk against the rehearsal venue's own code on a made-up clock, thousands of orders, every fault.

Both sides are the product: requests, answers and frames are bytes that one writes and the other reads, orders are
really signed and really checked, the journal is a file. Only the wire, the disk's patience, the workers' strategy and
time are made up. One seed decides everything; what breaks names it, and it replays.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from unittest import mock

import structlog
from kit.house import ADDRESS, House
from kit.made_up_loop import MadeUpClock, MadeUpLoop
from kit.people import a_release
from kit.soak_disk import Mark, SoakDisk
from kit.soak_judge import Judge
from kit.soak_reign import Killed, Reign
from kit.soak_wire import CALM, Wire
from kit.soak_workers import GreedyWorkers
from kit.toy_workers import GOOD
from kit.weather import CALM as LOYAL
from msgspec import structs

from deploy.rehearsal.accounts import Account
from deploy.rehearsal.floor import Rules
from shared.clock import NS
from shared.config import Credentials, Deploy, Risk, Settings, Slots, Ticks, Venue, load
from supervisor import feed
from supervisor.desk import Desk
from supervisor.effects import Moment
from supervisor.prepared import PreparedSigner
from supervisor.signatory import Signatory

BEGIN_NS: Final = 1_794_960_000 * NS
"""Market time at the start: a whole window's beginning."""
ASSETS: Final = ("BTC", "ETH", "SOL")
GRANT_MICRO: Final = 900_000 * 1_000_000
FAILING: Final = 0.01
"""Of all trades so many fail to settle, and as many are tried again."""
LOOK_S: Final = 5.0
"""Between two looks of the judge at what both sides count as at risk."""
TROUBLE_S: Final = 8.0
"""Between two troubles, on the average: a fault of the venue, or the death of the supervisor."""
DEATHS: Final = 0.25
"""Of the troubles, so many are deaths."""
DEATHS_LEAST: Final = 2
"""A run that is to meet everything goes on until the supervisor died so often; chance spares it now and then."""
REST_S: Final = 900.0
"""In which every window is resolved and every trade settled, once nothing goes wrong any more; mostly much sooner."""
ANSWER_S: Final = 1.0

Faults = tuple[tuple[str, dict[str, Any]], ...]

FAULTS: Final[Faults] = (
    ("drop_answer", {"route": "orders", "count": 3}),
    ("drop_answer", {"route": "cancels", "count": 2}),
    ("drop_answer", {"route": "account", "count": 3}),
    ("delay_answer", {"route": "orders", "delay_ms": 1_500, "for_s": 6, "share": 0.5}),
    ("delay_answer", {"route": "all", "delay_ms": 700, "for_s": 10}),
    ("refuse", {"status": 425, "route": "all", "for_s": 5}),
    ("refuse", {"status": 429, "route": "orders", "for_s": 5, "share": 0.5, "retry_after_s": 1}),
    ("refuse", {"status": 500, "route": "orders", "for_s": 5, "share": 0.5}),
    ("refuse", {"status": 500, "route": "orders", "for_s": 5, "share": 0.5, "carried_out": True}),
    ("refuse", {"status": 503, "route": "all", "for_s": 5, "share": 0.7}),
    ("refuse", {"status": 503, "route": "orders", "for_s": 5, "share": 0.5, "carried_out": True}),
    ("mode", {"mode": "post-only", "for_s": 8}),
    ("mode", {"mode": "cancel-only", "for_s": 8}),
    ("mode", {"mode": "disabled", "for_s": 8}),
    ("mode", {"mode": "failing", "for_s": 8}),
    ("restart", {"down_s": 5, "post_only_s": 5}),
    ("silence", {"channel": "user", "for_s": 25}),
    ("silence", {"channel": "user", "for_s": 8}),
    ("close", {"channel": "user"}),
    ("close", {"channel": "user", "code": 0}),
    ("refuse_connections", {"channel": "user", "for_s": 8}),
    ("repeat_events", {"times": 2, "for_s": 30}),
    ("reorder_events", {"depth": 8, "hold_ms": 3_000, "for_s": 30}),
    ("ghost_fill", {"count": 5}),
)
"""What the venue does wrong, all of it before any of it again."""
LATE_WORDS: Final[Faults] = (
    ("silence", {"channel": "user", "for_s": 4}),
    ("reorder_events", {"depth": 16, "hold_ms": 6_000, "for_s": 20}),
)
"""Nothing but a user channel whose word on a fill is lost, or comes after the word on the end of its order."""


def fault_name(kind: str, arguments: Mapping[str, Any]) -> str:
    """A fault as it is counted: what tells it from others of its kind."""
    told = [str(arguments[name]) for name in ("route", "channel", "mode", "status", "code") if name in arguments]
    return " ".join(["venue:", kind, *told, *(["carried out"] if arguments.get("carried_out") else [])])


def soak_settings() -> Settings:
    """Caps that are seldom met, short waits, and no second worker: it is about orders."""
    host = f"http://{ADDRESS}"
    return structs.replace(
        load(environ={}),
        slots=Slots(assets=ASSETS, minutes=(5,)),
        ticks=Ticks(snipe_5m_s=300, fast_ms=2_500, event_spacing_ms=2_000, deadline_s=1.5),
        venue=Venue(
            clob=host,
            gamma=f"{host}/gamma",
            market_ws=f"ws://{ADDRESS}/ws/market",
            user_ws=f"ws://{ADDRESS}/ws/user",
            price_ws=f"ws://{ADDRESS}/prices/ws",
            answer_s=ANSWER_S,
            unknown_horizon_s=8.0,
        ),
        risk=Risk(
            order_max_usd=100,
            slot_max_usd=200_000,
            asset_max_usd=400_000,
            side_max_usd=900_000,
            total_max_usd=900_000,
            day_loss_max_usd=900_000,
            orders_per_minute=100_000,
            open_orders_max=200,
            price_band_micro=900_000,
        ),
        deploy=Deploy(trial_tape_s=0.0, shadow_pairs=0, bake_s=0.0, standby=False, beat_s=3.0),
    )


class Soak:
    """One run. `counts`: what it went through. Use `lived`."""

    weather = LOYAL

    def __init__(self, seed: int, folder: Path, loop: MadeUpLoop, faults: Faults = FAULTS) -> None:
        self.seed, self.faults = seed, faults
        self.chance = random.Random(seed)
        self.clock = MadeUpClock(loop, BEGIN_NS)
        self.settings = soak_settings()
        self.counts: Counter[str] = Counter()
        self.judge = Judge(self, self.counts)
        self.audit = self.judge
        self.disk = SoakDisk(folder / "journal")
        rules = Rules(grant_micro=GRANT_MICRO, failing=FAILING, keep_s=400, tier="elite")
        self.house = House(seed, ASSETS, self.clock, folder / "venue", self.judge.heard, rules)
        self.wire = Wire(self.house, random.Random(f"{seed}/wire"), ANSWER_S, self.counts, self.judge.on_wire)
        self.signer = PreparedSigner(Signatory(Credentials("0x" + f"{seed + 1:064x}")))
        self.workers = GreedyWorkers(self)  # type: ignore[arg-type]
        self.release = a_release(1)
        self.workers.kinds[self.release.release] = GOOD
        self.reigns = 0
        self.effects_to_live = 0
        self.reign = Reign(self)
        self._broken: asyncio.Future[None] = loop.create_future()

    # --- what workers and reign ask of it ---

    @property
    def desk(self) -> Desk:
        return self.reign.desk

    @property
    def arrivals(self) -> Any:
        return self.reign.arrivals

    @property
    def mono(self) -> int:
        return self.clock.monotonic_ns()

    def now(self) -> Moment:
        """The market's time and the monotonic one."""
        return Moment(self.clock.unix_ns(), self.clock.monotonic_ns())

    def where(self) -> str:
        """In which run, reign and moment we are; the seed alone replays it."""
        return f"seed {self.seed}, reign {self.reigns}, t+{(self.clock.unix_ns() - BEGIN_NS) / NS:.3f} s"

    def chancy(self, probability: float) -> bool:
        """Whether something that happens this often happens now."""
        return probability > 0 and self.chance.random() < probability

    def hear(self, act: Callable[..., Any], *arguments: Any) -> None:
        """Something arrives at the desk."""
        self.reign.hear(act, *arguments)

    def during(self, delay_ns: int, act: Callable[..., Any], *arguments: Any) -> None:
        """Let something happen later, if the supervisor of now still lives by then."""
        self.reign.later(delay_ns, act, *arguments)

    def account(self) -> Account:
        """What the venue says we own."""
        return self.house.exchange.accounts.get(self.signer.signatory.address)

    def broke(self, error: BaseException) -> None:
        """A promise broke, or something raised where nobody catches: the run is over."""
        if not self._broken.done():
            self._broken.set_exception(error)

    # --- living ---

    async def live(self, orders: int, every_fault: bool) -> None:
        """Post so many orders, or more until it met everything; let everything settle; judge. Raises: Broken."""
        self.reign.begin()
        trouble = asyncio.ensure_future(self._trouble())
        looking = asyncio.ensure_future(self._look())
        while self.counts["orders posted"] < orders or (every_fault and not self._met_everything()):
            await self._pass(1.0)
        trouble.cancel()
        self.house.exchange.floor.mischief.end_all()
        self.wire.storm, self.workers.trading, self.effects_to_live = CALM, False, 0
        rested_at = asyncio.get_running_loop().time() + REST_S
        while not self.judge.at_rest() and asyncio.get_running_loop().time() < rested_at:
            await self._pass(5.0)
        looking.cancel()
        self.reign.die()
        self.judge.judge()
        assert not self.house.faults

    def _met_everything(self) -> bool:
        """Whether every fault of the venue began, and the supervisor died often enough."""
        deaths = sum(count for name, count in self.counts.items() if name.startswith("supervisor: "))
        return deaths >= DEATHS_LEAST and all(self.counts[fault_name(*fault)] for fault in self.faults)

    async def _pass(self, seconds: float) -> None:
        """Let time pass, unless something broke. Raises: what broke."""
        await asyncio.wait([self._broken], timeout=seconds)
        if self._broken.done():
            self._broken.result()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            if self.reign.alive:
                self._judged(self.judge.look)

    def _judged(self, look: Callable[[], None]) -> None:
        try:
            look()
        except AssertionError as error:
            self.broke(error)

    async def _trouble(self) -> None:
        deck: list[tuple[str, dict[str, Any]]] = []
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / TROUBLE_S))
            if self.chancy(DEATHS):
                self._strike()
            else:
                deck = deck or self.chance.sample(self.faults, len(self.faults))
                kind, arguments = deck.pop()
                self.counts[fault_name(kind, arguments)] += 1
                self.house.misbehave(kind, **arguments)

    # --- dying ---

    def _strike(self) -> None:
        """Kill it between two turns, or in the middle of one that comes soon; or the machine loses its power."""
        if not self.reign.alive:
            return
        fate = self.chance.choice(("killed", "killed in a turn", "power lost"))
        if fate == "killed in a turn":
            self.effects_to_live = self.chance.randrange(1, 60)
        else:
            self.end_reign(fate)

    def spend(self) -> None:
        """The reign does one thing more. Raises: Killed: it was the last."""
        if self.effects_to_live:
            self.effects_to_live -= 1
            if not self.effects_to_live:
                self.end_reign("killed in a turn")
                raise Killed

    def end_reign(self, how: str) -> None:
        """The supervisor is gone; somebody starts another soon, or later than the heartbeat allows."""
        self.counts[f"supervisor: {how}"] += 1
        self.effects_to_live = 0
        self.reign.die()
        self.workers.end_of_file()
        if how == "power lost":
            self.disk.lose_power(self.chance)
        elif how == "killed in a turn":
            self.disk.kill()
        else:
            self.disk.flush()
            self.disk.kill()
        self.counts["journal: records lost"] += max(0, self.judge.records - self.disk.next)
        self.counts["journal: torn records"] = self.disk.torn
        self.judge.forgot(self.disk.next)
        away_s = self.chance.uniform(12.0, 25.0) if self.chancy(0.1) else self.chance.uniform(0.1, 3.0)
        asyncio.get_running_loop().call_later(away_s, self._restart)

    def _restart(self) -> None:
        self.reign = Reign(self)
        self.reign.begin()

    # --- the disk ---

    def sync(self, mark: Mark, then: Callable[[], None]) -> None:
        """A sync begins; a little later, now and then much later, it is over."""
        took_ns = self.chance.randrange(100_000, 5_000_000) if not self.chancy(0.01) else 2 * NS
        self.reign.after_sync(took_ns, mark, then)


@contextlib.contextmanager
def made_up_loop() -> Iterator[MadeUpLoop]:
    """A loop to run in; at its end nothing of it is left."""
    loop = MadeUpLoop()
    try:
        yield loop
    finally:
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.close()


def lived(seed: int, orders: int, folder: Path, *, every_fault: bool = True, faults: Faults = FAULTS) -> Counter[str]:
    """Live one run, if wanted until it met every fault of the venue and deaths; say what it went through.

    Raises: Broken.
    """

    async def live() -> Counter[str]:
        soak = Soak(seed, folder, loop, faults)
        loop.set_exception_handler(lambda _, context: soak.broke(_error(context)))
        with mock.patch.object(feed, "connect", soak.wire.connect):
            await soak.live(orders, every_fault)
        return soak.counts

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    try:
        with made_up_loop() as loop:
            return loop.run_until_complete(live())
    finally:
        structlog.reset_defaults()


def _error(context: dict[str, Any]) -> BaseException:
    return context.get("exception") or AssertionError(str(context.get("message")))
