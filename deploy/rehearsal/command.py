"""`foresight venue`: run the rehearsal venue until it is told to stop.

Builds the day, the clock, the record and the exchange, says where everything is, and serves. Leaves all of them to
their rooms. What always holds: a fault a person can mend is one line and an exit code; the record's last line says how
everybody stood.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import re
import secrets
import signal
from collections.abc import Callable
from dataclasses import dataclass
from errno import EADDRINUSE
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import uvloop
from aiohttp import web

from deploy.ranges import FiniteRange
from deploy.refusal import end, named
from deploy.rehearsal.bridged import BridgedDay
from deploy.rehearsal.buckets import TIERS
from deploy.rehearsal.days import DAY_S, Day, RecordedDay
from deploy.rehearsal.exchange import Exchange
from deploy.rehearsal.faults import Unfit
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Keyring
from deploy.rehearsal.layouts import read_day
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.migrated import ALL, MigratedDay
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.quantities import NotANumber, micro_of
from deploy.rehearsal.record import VERSION, Record, RecordUnusable, read_keys, read_lines
from deploy.rehearsal.recordings import DayUnreadable
from deploy.rehearsal.scenario import BYTES_MAX, Planned, read_scenario
from deploy.rehearsal.seeded import ASSETS, SeededDay
from deploy.rehearsal.server import application
from deploy.rehearsal.venue import MS_NS, Venue
from shared.clock import RehearsalClock, SystemClock

EX_INTERNAL: Final = 1
EX_USAGE: Final = 2
EX_NOINPUT: Final = 66
EX_UNAVAILABLE: Final = 69
EX_IOERR: Final = 74
EX_CONFIG: Final = 78
"""The codes of shared.outcomes, said again: the venue takes nothing from there but the clock. A test compares them."""
DEFAULT_PORT: Final = 8440
FULL_FLOW_SPEED: Final = 15.0
"""Up to this speed the crowd trades as often as recorded ones did: 13 times a market second in BTC/5m. Beyond it the
trades of a real second stay as many, since every one is six frames that somebody has to read."""
NEAR_MS: Final = 600_000
"""How long before a day's first price a start may be; a time of day that is earlier is the following day's."""
CLOSE_WAIT_S: Final = 2.0
GC_THRESHOLDS: Final = (20_000, 20, 20)
"""A look at the young every few hundred orders; one at everything after eight million objects more than there were."""
_START = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


class Stopped(Exception):
    """The venue cannot run; code is the exit code, the text one line for a person, or one for each thing wrong."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for on the command line. start: seconds into the recorded day, None for its first price.

    protocol_v2: assets whose markets are on Protocol V2.
    """

    day: Path | None
    speed: float
    seed: int
    start_s: int | None
    host: str
    port: int
    record: Path
    rules: Rules
    scenario: tuple[Planned, ...]
    as_json: bool
    protocol_v2: frozenset[str] = frozenset()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--day", type=click.Path(path_type=Path), help="Folder of a recorded settlement day; else one is made up."
)
@click.option("--speed", type=FiniteRange(0, 10_000, min_open=True), default=1.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd, and of a made-up day.")
@click.option("--start", "start", help="HH:MM[:SS] UTC of the recorded day at which to begin.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=DEFAULT_PORT, show_default=True, help="0 takes a free one."
)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--record", type=click.Path(path_type=Path), default=Path("venue-record"), show_default=True)
@click.option("--grant", default="1000", show_default=True, help="Play money of every new account, in dollars.")
@click.option(
    "--failing",
    type=FiniteRange(0, 1),
    default=0.0,
    show_default=True,
    help="Share of trades that fail.",
)
@click.option("--tier", type=click.Choice(list(TIERS)), default="standard", show_default=True, help="Rate limits.")
@click.option("--deposit-wallets-only", is_flag=True, help="Refuse other makers, as production does for new accounts.")
@click.option(
    "--clob-version", type=click.IntRange(1, 2), default=2, show_default=True, help="1 is the venue of before CLOB V2."
)
@click.option("--protocol-v2", default="", help="Assets whose markets are on Protocol V2, such as ETH,SOL; or ALL.")
@click.option("--claim", is_flag=True, help="Winners wait to be redeemed; else they are paid by themselves.")
@click.option("--scenario", type=click.Path(path_type=Path), help="TOML file of faults: which one begins when.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Say where everything is in one line of JSON.")
def venue(
    day: Path | None,
    speed: float,
    seed: int,
    start: str | None,
    port: int,
    host: str,
    record: Path,
    grant: str,
    failing: float,
    tier: str,
    deposit_wallets_only: bool,
    clob_version: int,
    protocol_v2: str,
    claim: bool,
    scenario: Path | None,
    as_json: bool,
) -> None:
    """Run Polymarket on loopback: a recorded day or a made-up one, play money, the official clients unmodified.

    \b
      foresight venue                                    a made-up market, now, at the speed of life
      foresight venue --day DIR --start 14:00 --speed 60 a recorded day, sixty times as fast
      foresight venue --scenario bad-day.toml --json     with faults; one line says where everything is
      foresight fault                                    which faults there are, and how to begin one by hand

    A scenario names faults and when they begin:

    \b
      [[fault]]
      kind = "refuse"        # and its arguments, such as
      status = 425
      window = "5m"          # one of: at = "14:05", after_s = 60, after_orders = 3,
      offset_s = -20         # or window with offset_s: here 20 s before the next window's end

    Exit codes: 0 stopped in order; 2 the command line is wrong; 66 a day or scenario is not there or unreadable; 69 the
    port cannot be used; 74 the record cannot be written or gone on with; 78 the scenario cannot be used, and a line for
    each thing says why.
    """
    rules = Rules(
        grant_micro=_grant(grant),
        failing=failing,
        tier=tier,
        deposit_wallets_only=deposit_wallets_only,
        auto_redeem=not claim,
        clob_version=clob_version,
        flow=flow_at(speed),
    )
    moved = frozenset(name.strip().upper() for name in protocol_v2.split(",") if name.strip())
    try:
        planned = _scenario(scenario)
        settings = Settings(day, speed, seed, _start(start, day), host, port, record, rules, planned, as_json, moved)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(run(settings))
    except Stopped as stopped:
        end("foresight venue", named(stopped.code), str(stopped))


def _scenario(path: Path | None) -> tuple[Planned, ...]:
    """The faults of a file, none without one. Raises: Stopped."""
    if path is None:
        return ()
    try:
        with path.open("rb") as file:
            text = file.read(BYTES_MAX + 1).decode()
        return read_scenario(text)
    except OSError as error:
        raise Stopped(EX_NOINPUT, f"{path} cannot be read: {error.strerror}; --scenario takes a TOML file") from error
    except UnicodeDecodeError as error:
        raise Stopped(EX_CONFIG, f"{path} is no text; --scenario takes a TOML file") from error
    except Unfit as unfit:
        raise Stopped(EX_CONFIG, "\n".join(f"{path}: {line}" for line in unfit.lines)) from unfit


def flow_at(speed: float) -> float:
    """The share of the fitted trades at a speed: all of them as long as a desk can follow in real time."""
    return min(1.0, FULL_FLOW_SPEED / speed)


def _grant(text: str) -> int:
    try:
        return micro_of(text)
    except NotANumber as error:
        raise click.BadParameter(f"{error}; write dollars, such as 1000 or 250.50", param_hint="--grant") from error


def _start(text: str | None, day: Path | None) -> int | None:
    if text is None:
        return None
    if day is None:
        raise click.UsageError("--start is a time of a recorded day; give that day with --day")
    found = _START.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is no time; write HH:MM or HH:MM:SS, in UTC", param_hint="--start")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3_600 + minutes * 60 + seconds


async def run(settings: Settings) -> None:
    """Run the venue until SIGINT or SIGTERM. Raises: Stopped."""
    day = _day(settings)
    record = _open(settings.record)
    memory, keyring = _memory(settings.record)
    _check_world(settings, memory)
    _check_assets(settings, day)
    clock = _clock(settings, day, memory)
    exchange = _exchange(settings, day, clock, memory, keyring)
    running = Venue(exchange, clock, record, settings.record, secrets.token_bytes)
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    runner = web.AppRunner(application(running, _fatal(ended)), access_log=None, shutdown_timeout=CLOSE_WAIT_S)
    await runner.setup()
    try:
        port = await _listen(runner, settings)
        await _serve(settings, running, port, ended)
    finally:
        await runner.cleanup()
    running.close()


async def _serve(settings: Settings, running: Venue, port: int, ended: asyncio.Future[None]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _fatal(ended)(context.get("exception") or context["message"]))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _end, ended)
    clock = {"market_ns": running.clock.market_ns, "anchor_ns": running.clock.anchor_ns, "speed": running.clock.speed}
    day = world_of(settings)
    world = {"day": day, "seed": settings.seed, "protocol_v2": sorted(settings.protocol_v2)}
    running.note("start", world | {"speed": settings.speed, "clock": clock, "version": VERSION})
    running.director.plan(settings.scenario)
    running.start()
    settle_memory()
    _say(settings, running, endpoints(settings.host, port) | {"clock": clock})
    await ended
    running.leave()


def settle_memory() -> None:
    """Put the day and its markets out of the collector's sight, and let it look at the rest rarely.

    They stay as long as the process does, and an order leaves nothing in a cycle: at its defaults the collector takes
    an eighth of an order's time to find that out.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _say(settings: Settings, running: Venue, where: Json) -> None:
    day = str(settings.day) if settings.day else None
    facts = where | {
        "pid": os.getpid(),
        "record": str(settings.record / "record.jsonl"),
        "day": day,
        "seed": settings.seed,
    }
    if settings.as_json:
        click.echo(msgspec.json.encode(facts).decode())
        return
    click.echo(f"The rehearsal venue plays {running.exchange.day.label} at {settings.speed:g} times real time.")
    for name in (*endpoints("", 0), "record"):
        click.echo(f"  {name:<10} {facts[name]}")
    if settings.scenario:
        click.echo(f"Faults planned: {len(settings.scenario)}; what they do is on the record.")
    click.echo("Stop it with Ctrl-C; start it again with the same --record to go on.")


def endpoints(host: str, port: int) -> dict[str, Any]:
    """Where everything is, for a venue on that host and port."""
    http, socket = f"http://{host}:{port}", f"ws://{host}:{port}"
    return {
        "clob": http,
        "geoblock": f"{http}/api/geoblock",
        "gamma": f"{http}/gamma",
        "relayer": f"{http}/relayer",
        "data": f"{http}/data-api",
        "rpc": f"{http}/rpc",
        "binance": f"{http}/binance",
        "market_ws": f"{socket}/ws/market",
        "user_ws": f"{socket}/ws/user",
        "price_ws": f"{socket}/prices/ws",
        "rtds_ws": f"{socket}/rtds",
        "binance_ws": f"{socket}/binance",
        "control": f"{http}/control",
    }


def _day(settings: Settings) -> Day:
    if settings.day is None:
        return SeededDay(settings.seed)
    try:
        return read_day(settings.day)
    except DayUnreadable as error:
        raise Stopped(EX_NOINPUT, f"{error}; give a folder with a recorded day, or leave --day out") from error


def _memory(folder: Path) -> tuple[Memory, Keyring]:
    try:
        return Memory().fold(read_lines(folder)), Keyring(read_keys(folder))
    except RecordUnusable as error:
        raise Stopped(EX_IOERR, f"{error}; choose another folder with --record") from error
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{folder} holds a record that does not add up ({type(error).__name__}: {error})"
        raise Stopped(EX_IOERR, f"{reason}; choose another folder with --record") from error


def world_of(settings: Settings) -> str | None:
    """The name of the recorded day's folder, None for a made-up day."""
    return settings.day.resolve().name if settings.day else None


def _check_assets(settings: Settings, day: Day) -> None:
    """Refuse to move markets that the day does not have. Raises: Stopped."""
    known = day.assets if isinstance(day, RecordedDay) else list(ASSETS)
    unknown = sorted(settings.protocol_v2 - {*known, ALL})
    if unknown:
        reason = f"--protocol-v2 names {', '.join(unknown)}, but this day has {', '.join(known)}"
        raise Stopped(EX_USAGE, f"{reason}; write some of these, or ALL")


def _check_world(settings: Settings, memory: Memory) -> None:
    """Refuse to go on with the record of another day or seed. Raises: Stopped."""
    mine = (world_of(settings), settings.seed, tuple(sorted(settings.protocol_v2)))
    for day, seed, moved in memory.worlds - {mine}:
        what = f"day {day}" if day else "a made-up day"
        what += f" with --protocol-v2 {','.join(moved)}" if moved else ""
        reason = f"{settings.record} is the record of {what} with seed {seed}"
        raise Stopped(EX_IOERR, f"{reason}; start that one again, or choose another folder with --record")


def _open(folder: Path) -> Record:
    try:
        return Record(folder)
    except RecordUnusable as error:
        raise Stopped(EX_IOERR, f"{error}; choose another folder with --record") from error


def _clock(settings: Settings, day: Day, memory: Memory) -> RehearsalClock:
    """Market time: goes on from the record if there is one, but a made-up day at speed 1 is always now."""
    now = SystemClock()
    return RehearsalClock(
        start_ms(settings, day, memory, now.wall_ns() // MS_NS) * MS_NS, now.monotonic_ns(), settings.speed
    )


def start_ms(settings: Settings, day: Day, memory: Memory, wall_ms: int) -> int:
    """The market time at which the venue begins, unix milliseconds."""
    if not isinstance(day, RecordedDay | BridgedDay):
        return max(wall_ms, memory.last_ms) if settings.speed == 1.0 else memory.last_ms or wall_ms
    if memory.last_ms:
        return memory.last_ms
    if settings.start_s is None:
        return day.first_ms
    named_ms = day.first_ms // 1_000 // DAY_S * DAY_S * 1_000 + settings.start_s * 1_000
    return named_ms if named_ms >= day.first_ms - NEAR_MS else named_ms + DAY_S * 1_000


def _exchange(settings: Settings, day: Day, clock: RehearsalClock, memory: Memory, keyring: Keyring) -> Exchange:
    seed = settings.seed
    return Exchange(
        day=MigratedDay(day, settings.protocol_v2) if settings.protocol_v2 else day,
        rules=settings.rules,
        dice=lambda name: random.Random(f"{seed}/{name}"),
        now_ms=clock.unix_ns() // MS_NS,
        keyring=keyring,
        memory=memory,
    )


async def _listen(runner: web.AppRunner, settings: Settings) -> int:
    site = web.TCPSite(runner, settings.host, settings.port)
    try:
        await site.start()
    except OSError as error:
        taken = "is taken" if error.errno == EADDRINUSE else f"cannot be used ({error.strerror})"
        where = f"port {settings.port} of {settings.host}"
        raise Stopped(
            EX_UNAVAILABLE, f"{where} {taken}; choose another with --port, or --port 0 for a free one"
        ) from error
    return int(runner.addresses[0][1])


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


def _fatal(ended: asyncio.Future[None]) -> Callable[[object], None]:
    def stop(fault: object) -> None:
        if not ended.done():
            ended.set_exception(Stopped(EX_INTERNAL, f"a promise of the venue's own broke: {fault!r}"))

    return stop
