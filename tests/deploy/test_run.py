"""`foresight run` in a process of its own: it brings a whole desk up, keeps it, and leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kit.clocks import PATIENCE_S, eventually
from kit.days import DATE, write_day
from kit.desks import STOOD_STILL, ended, processes_of
from kit.releases import ROOT

from deploy import client
from deploy.analysis.verify import verify
from deploy.running import decides
from shared.paths import State

pytestmark = pytest.mark.system
SPEED = ("--speed", "20")
LAST_WORDS = "Stop it with Ctrl-C; the same command goes on where it stopped."
"""What it says last of how it began."""
BTC = '[slots]\nassets = ["BTC"]\n'


class Run:
    """The command, and what it said."""

    def __init__(self, state: State, *options: str) -> None:
        self.state, self._out = state, state.root.with_name(f"said-{os.urandom(4).hex()}")
        command = [sys.executable, "-m", "deploy.foresight", "run", "--state-dir", str(state.root), *SPEED, *options]
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)

    @property
    def said(self) -> str:
        """Everything so far."""
        return self._out.read_text()

    def began(self) -> None:
        """Wait for the first decision, and for the last line of what is said of it."""
        over = eventually(lambda: f"{LAST_WORDS}\n" in self.said or self.process.poll() is not None)
        assert over
        assert self.process.poll() is None, self.said

    def ended(self, number: signal.Signals | None = None) -> int:
        """Its exit code, after a signal if one is given; nothing of it is left."""
        children = processes_of(self.state.root)
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(PATIENCE_S)
        assert "Traceback" not in self.said, self.said
        assert eventually(lambda: not processes_of(self.state.root)), processes_of(self.state.root)
        # One that is about to end has no command line any more, and is found by what it was.
        assert eventually(lambda: all(map(ended, children))), children
        return code

    def status(self) -> dict[str, Any]:
        """What the desk says, once it says something."""
        said: list[dict[str, Any]] = []

        def answers() -> bool:
            try:
                said.append(client.ask(self.state, "status").data)
            except client.Unavailable:
                return False
            return decides(said[-1])

        assert eventually(answers)
        return said[-1]


@contextmanager
def running(state: State, *options: str, begun: bool = True) -> Iterator[Run]:
    """The command, killed with everything it started if it is still there afterwards."""
    run = Run(state, *options)
    try:
        if begun:
            run.began()
        yield run
    finally:
        run.process.kill()
        run.process.wait()
        for process in processes_of(state.root):
            process.kill()
        Path("/dev/shm", state.ledger_name).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve windows of a recorded day."""
    return write_day(tmp_path_factory.mktemp("days") / DATE, windows=12)


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """One asset, so that it is a small desk."""
    path = tmp_path / "settings.toml"
    path.write_text(BTC)
    return path


def test_a_recorded_day_is_traded_until_ctrl_c_and_the_same_command_goes_on(
    state: State, day: Path, settings: Path
) -> None:
    """It says what it is, refuses a second desk beside it, stops in order; what it did bears judging."""
    options = ("--day", str(day), "--config", str(settings))
    with running(state, *options) as first:
        for line in (
            "staging this checkout as the first release",
            f"Foresight rehearses on the recorded day {DATE}, 20 times as fast as life.",
            "  1 of 2 slots have a market",
            f"  venue http://127.0.0.1:{re.findall('127.0.0.1:([0-9]+)', first.said)[0]}   state {state.root}",
            LAST_WORDS,
        ):
            assert line in first.said.splitlines()
        assert re.search(r"^  r1 [0-9a-f]{8} decided first, after \d+\.\d s$", first.said, re.MULTILINE)
        refused_beside(first)
        assert first.status()["term"] == 1
        assert first.ended(signal.SIGINT) == 0
        assert "stopping: no new ticks, answers that are owed are waited for" in first.said
    with running(state, *options) as second:
        assert "staging" not in second.said
        assert second.status()["term"] == 2
        assert second.ended(signal.SIGTERM) == 0
    verdict = verify(state)
    assert (verdict.verified, verdict.terms, verdict.faults) == (True, 2, [])
    assert verdict.skip_reasons.keys() <= STOOD_STILL | {"outage", "no_owner"}  # a busy machine's, and the stop's


def refused_beside(first: Run) -> None:
    """A second desk on the same folder is told who is there, with --fresh as well; the first goes on deciding."""
    pid = first.status()["pid"]
    for options in ((), ("--fresh",)):
        second = Run(first.state, *options)
        assert second.process.wait(PATIENCE_S) == 14
        assert second.said.splitlines() == [
            f"foresight run: a desk runs here already, pid {pid}",
            "  next     foresightctl status",
        ]
    before = first.status()["decided"]
    assert eventually(lambda: first.status()["decided"] > before)
    assert first.status()["pid"] == pid


def test_fresh_puts_the_past_aside(state: State, settings: Path) -> None:
    """The desk begins anew; what was known is kept beside it."""
    with running(state, "--config", str(settings)) as first:
        assert first.ended(signal.SIGINT) == 0
    environments = state.environments.resolve()
    with running(state, "--config", str(settings), "--fresh", begun=False) as second:
        aside = Path(wait_for_words(second, r"what the desk knew is in (\S+)"))
        second.began()
        assert second.status()["term"] == 1
        assert second.ended(signal.SIGINT) == 0
    assert aside.parent == state.root.parent
    assert verify(State(aside)).verified
    assert environments.is_dir()


def wait_for_words(run: Run, pattern: str) -> str:
    """What a pattern's group matches, once it does."""
    assert eventually(lambda: re.search(pattern, run.said))
    found = re.search(pattern, run.said)
    assert found
    return found[1]


def test_a_day_that_is_none(state: State, tmp_path: Path) -> None:
    """66: what is wrong with it, and how to look at one; nothing is left running."""
    with running(state, "--day", str(tmp_path / "nowhere"), begun=False) as run:
        assert run.ended() == 66
    lines = run.said.splitlines()
    assert lines[-2].startswith(f"foresight run: {tmp_path / 'nowhere'}")
    assert lines[-1] == "  next     foresight day FOLDER says what a recorded day holds"


def test_another_world_for_the_same_record(state: State, settings: Path) -> None:
    """74: a record of one seed is not continued with another; how to begin anew, or to keep both."""
    with running(state, "--config", str(settings), "--seed", "1") as first:
        assert first.ended(signal.SIGINT) == 0
    with running(state, "--config", str(settings), "--seed", "2", begun=False) as second:
        assert second.ended() == 74
    assert "  next     the same command with --fresh puts that record aside; --state-dir keeps both" in second.said


def test_settings_that_cannot_be_used(state: State, tmp_path: Path) -> None:
    """78: every fault of them at once."""
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[risk]\norder_max = 3\n[ticks]\nfast_ms = 7\n")
    with running(state, "--config", str(wrong), begun=False) as run:
        assert run.ended() == 78
    assert "unknown setting risk.order_max; did you mean risk.order_max_usd?" in run.said
    assert "ticks.fast_ms = 7" in run.said
    assert run.said.splitlines()[-1] == "  next     mend the settings, then the same command again"


def test_a_folder_with_a_long_name() -> None:
    """78, before anything is made."""
    long = Path("/" + "x" * 120)
    ran = subprocess.run(
        [sys.executable, "-m", "deploy.foresight", "run", "--state-dir", long],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 78
    assert ran.stderr.endswith(b"\n  next     name a shorter --state-dir\n")
    assert not long.exists()


def test_a_supervisor_that_is_killed_is_started_again(state: State, settings: Path) -> None:
    """And a venue that is gone ends it all: there is nothing to trade on."""
    with running(state, "--config", str(settings)) as run:
        os.kill(run.status()["pid"], signal.SIGKILL)
        assert eventually(lambda: "the supervisor ended with -9; it is started again" in run.said)
        assert run.status()["term"] == 2
        (venue,) = (p for p in processes_of(state.root) if "venue" in p.info["cmdline"])  # others may be gone by now
        venue.kill()
        assert run.ended() == 69
    assert "foresight run: the rehearsal venue ended with -9" in run.said


def test_whatever_ends_the_command_ends_its_children(state: State, settings: Path) -> None:
    """Even SIGKILL, after which it can do nothing itself."""
    with running(state, "--config", str(settings)) as run:
        assert len(processes_of(state.root)) >= 4
        assert run.ended(signal.SIGKILL) == -signal.SIGKILL
    assert verify(state).verified
