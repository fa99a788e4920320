"""`foresight rehearse`: trade a day at speed, deploy really different code over and over, and judge it offline.

It does what an operator and a pipeline would do: starts the desk, calls `foresightctl deploy --green` while orders and
positions are open, one strategy of the playbook after another, lets the windows be resolved, stops the desk, and hands
its records to the judge. Everything happens on the real path; nothing of the desk knows that it is rehearsed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from deploy import client
from deploy.analysis.verify import Verdict, verify
from deploy.ranges import FiniteRange
from deploy.refusal import end
from deploy.running import ROOT, CannotRun, RehearsalDesk, World
from shared.clock import NS, SystemClock
from shared.fingerprint import LOCK, PACKAGES
from shared.outcomes import EXIT
from shared.paths import State, default_state

PLAYBOOK: Final = Path(__file__).resolve().parent / "rehearsal" / "playbook"
WARM_S: Final = 120
"""Market seconds before the first deploy: enough for orders and positions to be there."""
SETTLE_S: Final = 600
"""Market seconds the desk may take, entries paused, until its windows are resolved."""
DEPLOY_S: Final = 120
"""Real seconds a deploy may take before its command stops waiting."""
PLAN: Final = ("--expect", "any", "--flip-policy", "any", "--rings", "all")
"""How its deploys differ from the settings: the strategies decide differently on purpose, and every slot may pass
at once, in the middle of its entries, where there is most to lose. Trial, shadow and bake are as they always are."""
SETTINGS: Final = "[risk]\norders_per_minute = 600\n"
"""How its desk differs: of two restless strategies that share the minute of a flip, the second must not be put back for
what the first has sent."""
_NOTHING_OPEN: Final = "nothing was open at any deploy: what a flip does to orders and positions was not tried"
STOP_WAITING: Final = 0.5
"""How much of the time between two deploys may go by waiting for something to be open."""


@dataclass
class Deployed:
    """One deploy: which strategy, what its command returned, and what was open when it was called."""

    strategy: str
    release: str
    exit: int
    code: str
    open_positions: int
    open_orders: int
    took_ms: int
    steps_ms: dict[str, int] = field(default_factory=dict)
    fault: str = ""


@click.command()
@click.option("--day", type=click.Path(path_type=Path), help="Folder of a recorded day; else one is made up.")
@click.option("--deploys", type=click.IntRange(0, 1000), default=10, show_default=True)
@click.option("--minutes", type=FiniteRange(5, 1440), default=60, show_default=True, help="Of market time.")
@click.option("--speed", type=FiniteRange(0.1, 1000), default=60, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the crowd, and of a made-up day.")
@click.option("--start", default="", help="HH:MM[:SS] UTC of the recorded day at which to begin.")
@click.option("--scenario", type=click.Path(path_type=Path), help="TOML file of faults that the venue plays.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="Where to keep its records; default: a new folder.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def rehearse(
    day: Path | None,
    deploys: int,
    minutes: float,
    speed: float,
    seed: int,
    start: str,
    scenario: Path | None,
    state_dir: Path | None,
    as_json: bool,
) -> None:
    """Trade a day at speed while release after release takes over, and prove that nothing was lost.

    Prints what the offline judge counted and ends with 0 only if every promise held: each tick one outcome, no feed
    reconnected, no order touched by a flip, positions the sum of the fills, every order led back to release,
    parameters and epoch.

    Exit codes: 0 all of it holds; 1 a promise did not, or a deploy failed, and the text says which; 66 the day or
    scenario is not there; 69 the desk did not come; 130 interrupted, and what was recorded is kept.
    """
    state = State(state_dir or default_state().parent / "rehearsals" / datetime.now(UTC).strftime("%Y%m%d-%H%M%S"))
    rehearsal = Rehearsal(state, World(day, speed, seed, start, scenario=scenario), minutes, deploys)
    try:
        verdict = rehearsal.run()
    except CannotRun as error:
        end("foresight rehearse", error.code, str(error), error.hint)
    except KeyboardInterrupt:
        end("foresight rehearse", "INTERRUPTED", f"stopped; what was recorded is in {state.root}")
    good = verdict.verified and all(deployed.exit == 0 for deployed in rehearsal.deployed)
    click.echo(rehearsal.as_json(verdict, good).decode() if as_json else rehearsal.as_text(verdict, good))
    sys.exit(EXIT["OK"] if good else EXIT["INTERNAL"])


class Rehearsal:
    """One rehearsal. Progress goes to standard error."""

    def __init__(self, state: State, world: World, minutes: float, deploys: int) -> None:
        self.state, self.world, self.minutes, self.deploys = state, world, minutes, deploys
        self.deployed: list[Deployed] = []
        self.desk = RehearsalDesk(state, world, (state.root / "playbook.toml",), self.say)
        self._clock = SystemClock()
        self._began_ns = 0

    def run(self) -> Verdict:
        """Trade, deploy, settle, stop, judge. Raises: CannotRun."""
        if self.state.journal.exists():
            text = f"{self.state.root} holds the records of another desk"
            raise CannotRun("USAGE", text, "name a folder that is not there yet, or none")
        self.say(f"its records will be in {self.state.root}")
        self.state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.state.root / "playbook.toml").write_text(SETTINGS)
        self.desk.start()
        try:
            self.desk.wait_for_first_decision()
            self._began_ns = self._clock.monotonic_ns()
            self._deploy_all()
            self._pass_until(self.minutes * 60)
            self._let_windows_resolve()
        finally:
            faults = self.desk.stop()
        self.say("judging the records")
        verdict = verify(self.state)
        verdict.faults += faults
        verdict.verified = verdict.verified and not faults
        return verdict

    def say(self, line: str) -> None:
        """Tell a person how far it is."""
        click.echo(f"{self._market_s() / 60:6.1f} min  {line}" if self._began_ns else line, err=True)

    def as_json(self, verdict: Verdict, good: bool) -> bytes:
        """Everything in one document; `verified` says whether all of it held."""
        document: dict[str, Any] = asdict(verdict) | {
            "verified": good,
            "deploys": len(self.deployed),
            "deploys_failed": sum(deployed.exit != 0 for deployed in self.deployed),
            "deploys_while_open": self._while_open,
            "deployed": [asdict(deployed) for deployed in self.deployed],
            "minutes": self.minutes,
            "speed": self.world.speed,
            "seed": self.world.seed,
            "day": str(self.world.day) if self.world.day else None,
            "scenario": str(self.world.scenario) if self.world.scenario else None,
            "state_dir": str(self.state.root),
        }
        return msgspec.json.encode(document)

    def as_text(self, verdict: Verdict, good: bool) -> str:
        """The same for a person, on a screen."""
        failed = [d for d in self.deployed if d.exit]
        lines = [
            f"{verdict.ticks} ticks, {verdict.outcomes} outcomes: {verdict.missed} missed, {verdict.doubled} doubled, "
            f"{verdict.skipped} skipped",
            f"{len(self.deployed)} deploys ({len(failed)} failed), {verdict.flips} slots passed on, "
            f"{verdict.flips_with_open_orders} with orders and {verdict.flips_with_open_positions} with positions open",
            f"{verdict.reconnects} reconnects; {verdict.orders} orders, "
            f"{verdict.orders_touched_by_flips} of them touched by flips",
            f"{verdict.fills} fills, {verdict.position_mismatches} position mismatches, "
            f"cash differs by {verdict.cash_difference_micro} millionths",
            f"{verdict.windows_resolved} windows resolved, {verdict.outcome_mismatches} outcome mismatches",
            *([_NOTHING_OPEN] if self.deployed and not self._while_open else []),
            *(f"! deploy of {d.strategy} ended {d.code}: {d.fault}" for d in failed),
            *(f"! {fault}" for fault in verdict.faults),
            f"{'Verified' if good else 'NOT VERIFIED'}. Records: {self.state.root}",
        ]
        return "\n".join(lines)

    @property
    def _while_open(self) -> int:
        """How many deploys began while an order or a position was open."""
        return sum(bool(deployed.open_orders or deployed.open_positions) for deployed in self.deployed)

    def _market_s(self) -> float:
        """Market seconds since the first decision."""
        return (self._clock.monotonic_ns() - self._began_ns) / NS * self.world.speed

    def _pass_until(self, market_s: float) -> None:
        while self._market_s() < market_s:
            self.desk.keep()
            time.sleep(min(0.2, max(0.0, (market_s - self._market_s()) / self.world.speed)))

    def _deploy_all(self) -> None:
        """Spread the deploys over the time there is, each when something is open, if that comes soon enough."""
        if not self.deploys:
            return
        strategies = sorted(path.stem for path in PLAYBOOK.glob("*.py"))
        every_s = (self.minutes * 60 - WARM_S) / self.deploys
        for number in range(self.deploys):
            self._pass_until(WARM_S + every_s * number)
            strategy = strategies[number % len(strategies)]
            with self._variant(strategy, number // len(strategies)) as folder:
                status = self._wait_for_something_open(self._market_s() + every_s * STOP_WAITING)
                self._deploy(strategy, folder, status)

    @contextmanager
    def _variant(self, strategy: str, revision: int) -> Iterator[Path]:
        """A checkout that differs: this one with another strategy in it, and a revision when that came before."""
        folder = self.state.root / "checkout"
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / LOCK).parent.mkdir(parents=True)
        shutil.copyfile(ROOT / LOCK, folder / LOCK)
        source = (PLAYBOOK / f"{strategy}.py").read_text()
        if revision:
            source += f'\nREVISION: Final = {revision}\n"""How often this strategy was rehearsed before."""\n'
        (folder / "worker" / "strategy.py").write_text(source)
        try:
            yield folder
        finally:
            shutil.rmtree(folder)

    def _wait_for_something_open(self, until_s: float) -> dict[str, Any]:
        """The status at a moment when orders rest and a position is held, or at the latest at the given time."""

        def good(status: dict[str, Any]) -> bool:
            return bool(status["orders"] and status["positions"]) or self._market_s() > until_s

        return self.desk.wait_for(good, max(5.0, until_s / self.world.speed), "an open order")

    def _deploy(self, strategy: str, folder: Path, status: dict[str, Any]) -> None:
        """As a pipeline would: one command, its exit code, its document."""
        began_ns = self._clock.monotonic_ns()
        command = [sys.executable, "-m", "deploy.foresightctl", "deploy", "--green", str(folder), "--json"]
        command += ["--state-dir", str(self.state.root), "--timeout", str(DEPLOY_S), "--reason", f"rehearse {strategy}"]
        command += PLAN
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
        took_ms = (self._clock.monotonic_ns() - began_ns) // 1_000_000
        reply = _decoded(ran.stdout)
        data = reply.get("data") or {}
        deployed = Deployed(
            strategy=strategy,
            release=data.get("green", ""),
            exit=ran.returncode,
            code=reply.get("code", "INTERNAL"),
            open_positions=len(status["positions"]),
            open_orders=len(status["orders"]),
            took_ms=took_ms,
            steps_ms=data.get("steps_ms", {}),
            fault="" if ran.returncode == 0 else reply.get("message", ran.stderr.decode(errors="replace")[-300:]),
        )
        self.deployed.append(deployed)
        opened = f"{deployed.open_orders} orders and {deployed.open_positions} positions open"
        number = f"{len(self.deployed)}/{self.deploys}"
        self.say(f"deploy {number} {strategy} {deployed.release[:8]}: {deployed.code} in {took_ms} ms, {opened}")

    def _let_windows_resolve(self) -> None:
        """Pause entries, and wait until nothing is open, unsettled or owed, or the windows have had their time."""
        client.ask(self.state, "pause", {"reason": "the rehearsal ends"})
        self.say("entries paused; waiting for open windows to be resolved")
        end_s = self._market_s() + SETTLE_S

        def done(status: dict[str, Any]) -> bool:
            open_ = (status[what] for what in ("orders", "positions", "unsettled_fills", "owed_micro"))
            return not any(open_) or self._market_s() > end_s

        self.desk.wait_for(done, SETTLE_S / self.world.speed + 10, "resolution")


def _decoded(text: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return document if isinstance(document, dict) else {}
