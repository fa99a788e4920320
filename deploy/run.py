"""`foresight run`: the whole desk in one command, without keys or internet: the venue, the supervisor and a worker.

It starts them, tells what happens, starts the supervisor again if it ends, and stops everything in order on Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Final

import click

from deploy import client
from deploy.cli.look import event_line
from deploy.cli.show import clock_time, release_words
from deploy.ranges import FiniteRange
from deploy.running import CannotRun, RehearsalDesk, World
from shared.clock import NS, SystemClock
from shared.outcomes import EXIT
from shared.paths import State, default_state
from shared.units import show_usd

LOOK_S: Final = 0.5
SUMMARY_S: Final = 30.0
"""Real seconds between two lines that sum up where the desk stands."""
_TOLD: Final = {"placing", "fill", "resolved", "control", "alarm", "gap", "repair", "term"}
"""Kinds of events that have a line each; slots pass on by the dozen and are told as one."""


@click.command()
@click.option("--day", type=click.Path(path_type=Path), help="Folder of a recorded day; else one is made up.")
@click.option("--speed", type=FiniteRange(0.1, 1000), default=1.0, show_default=True, help="Market time per time.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd, and of a made-up day.")
@click.option("--start", default="", help="HH:MM[:SS] UTC of the recorded day at which to begin.")
@click.option("--scenario", type=click.Path(path_type=Path), help="TOML file of faults that the venue plays.")
@click.option("--clob-version", type=click.IntRange(1, 2), default=2, show_default=True, help="1: before CLOB V2.")
@click.option("--config", "configs", type=click.Path(path_type=Path), multiple=True, help="Settings; later ones win.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Everything this desk knows.")
@click.option("--fresh", is_flag=True, help="Put what the desk knows aside, and begin anew.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, show_default=True, help="The venue's; 0 takes a free one."
)
def run(
    day: Path | None,
    speed: float,
    seed: int,
    start: str,
    scenario: Path | None,
    clob_version: int,
    configs: tuple[Path, ...],
    state_dir: Path | None,
    fresh: bool,
    port: int,
) -> None:
    """Run the desk in rehearsal: play money, a venue on loopback, no keys, no internet.

    \b
      foresight run                              a made-up market, now
      foresight run --day DIR --speed 60         a recorded day, sixty times as fast
      foresight run --scenario bad-day.toml      with faults of the venue; `foresight venue --help` shows the file
      foresight fault restart                    a fault by hand, from another terminal

    Stop it with Ctrl-C; the same command goes on where it stopped. Steer it from another terminal with foresightctl.
    """
    state = State(state_dir or default_state())
    signal.signal(signal.SIGTERM, _as_interrupt)
    desk = RehearsalDesk(state, World(day, speed, seed, start, port, scenario, clob_version), configs, click.echo)
    code = EXIT["OK"]
    try:
        if fresh:
            _put_aside(desk)
        desk.start()
        _Teller(desk).tell()
    except KeyboardInterrupt:
        click.echo("\nstopping: no new ticks, answers that are owed are waited for")
    except CannotRun as error:
        click.echo(error.lines("foresight run"), err=True)
        code = EXIT[error.code]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    faults = desk.stop()
    for fault in faults:
        click.echo(f"foresight run: {fault}; foresight verify {state.root} judges what it did", err=True)
    sys.exit(code or EXIT["INTERNAL" if faults else "OK"])


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _put_aside(desk: RehearsalDesk) -> None:
    """Move the state folder out of the way. Raises: CannotRun: a desk runs there, or the folder cannot be moved."""
    root = desk.state.root
    if root.exists():
        desk.refuse_second()
        aside = root.with_name(f"{root.name}.{datetime.now(UTC):%Y%m%d-%H%M%S}")
        try:
            root.rename(aside)
        except OSError as error:
            raise CannotRun(
                "IOERR", f"{root} cannot be put aside: {error.strerror}", "name another --state-dir"
            ) from error
        click.echo(f"what the desk knew is in {aside}")


class _Teller:
    """Says what happens, a line for each thing, and now and then where the desk stands."""

    def __init__(self, desk: RehearsalDesk) -> None:
        self._desk = desk
        self._clock = SystemClock()
        self._began_ns = self._clock.monotonic_ns()
        self._seen_ns = 0

    def tell(self) -> None:
        """Go on until somebody stops us. Raises: CannotRun."""
        status = self._desk.wait_for_first_decision()
        self._greet(status)
        due_ns = self._clock.monotonic_ns() + int(SUMMARY_S * NS)
        while True:
            self._desk.keep()
            self._tell_events()
            if self._clock.monotonic_ns() > due_ns:
                due_ns += int(SUMMARY_S * NS)
                self._sum_up()
            time.sleep(LOOK_S)

    def _greet(self, status: dict[str, Any]) -> None:
        took_s = (self._clock.monotonic_ns() - self._began_ns) / NS
        world, slots, release = self._desk.world, status["slots"], release_words(status["release"])
        day = f"the recorded day {world.day.name}" if world.day else f"a made-up market, seed {world.seed}"
        click.echo(f"Foresight rehearses on {day}, {world.speed:g} times as fast as life.")
        click.echo(f"  {slots['open']} of {slots['configured']} slots have a market")
        click.echo(f"  {release} decided first, after {took_s:.1f} s")
        click.echo(f"  venue {self._desk.where['clob']}   state {self._desk.state.root}")
        click.echo(
            "Steer it from another terminal: foresightctl status, slots, events -f, deploy --green PATH, rollback."
        )
        click.echo("Stop it with Ctrl-C; the same command goes on where it stopped.")
        self._seen_ns = status["at_ns"]

    def _tell_events(self) -> None:
        try:
            events = client.ask(self._desk.state, "events", {"after_ns": self._seen_ns, "limit": 500}).data
        except client.Unavailable:
            return
        passed: list[dict[str, Any]] = []
        for event in events:
            self._seen_ns = event["at_ns"]
            if event["kind"] == "boundary":
                passed.append(event)
            elif event["kind"] in _TOLD or event["data"].get("phase") in {"spawning", "done"}:
                _tell_passed(passed)
                click.echo(event_line(event))
        _tell_passed(passed)
        sys.stdout.flush()

    def _sum_up(self) -> None:
        try:
            status = client.ask(self._desk.state, "status").data
        except client.Unavailable:
            return
        skipped = sum(count for name, count in status["counters"].items() if name.startswith("skip:"))
        click.echo(
            f"{clock_time(status['at_ns'])}  {status['state']:<9} {status['decided']} decisions, {skipped} skipped, "
            f"{len(status['positions'])} positions, {len(status['orders'])} orders, "
            f"today {show_usd(status['day_realized_micro'], signed=True)}"
        )


def _tell_passed(passed: list[dict[str, Any]]) -> None:
    """Slots that passed to another worker, as one line."""
    if passed:
        click.echo(f"{clock_time(passed[-1]['at_ns'])}  boundary  {len(passed)} slots, the last: {passed[-1]['text']}")
        passed.clear()
