"""`foresight venue` in a process of its own, and what a test asks of it by hand."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 60
"""Far more than anything takes here, on a machine that has better things to do."""
WINDOW_S = 900


class Process:
    """The command in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "deploy.foresight", "venue", "--port", "0", "--record", str(folder), *options]
        self.folder = folder
        self.child = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
        )

    def said(self) -> dict[str, Any]:
        """The one line of --json."""
        assert self.child.stdout
        return dict(json.loads(self.child.stdout.readline()))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; its exit code."""
        self.child.send_signal(number)
        return self.child.wait(WAIT_S)


@contextmanager
def a_process(folder: Path, *options: str) -> Iterator[Process]:
    """The command, killed at the end whatever happened."""
    process = Process(folder, *options)
    try:
        yield process
    finally:
        process.child.kill()
        process.child.wait()
        for stream in (process.child.stdout, process.child.stderr):
            if stream:
                stream.close()


def get(url: str) -> Any:
    """A JSON answer."""
    with urllib.request.urlopen(url, timeout=WAIT_S) as answer:
        return json.loads(answer.read())


def until(true: Callable[[], bool]) -> None:
    """Ask again and again until it is so."""
    give_up = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < give_up, f"not so within {WAIT_S} s"
        time.sleep(0.05)


@dataclass(frozen=True)
class Found:
    """A market as the catalogue has it."""

    slug: str
    condition: str
    up: str
    down: str


class Served:
    """A venue that serves, as a client meets it. where: its endpoints as it printed them."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.where = process.said()
        self.host = str(self.where["clob"])

    def market(self, asset: str = "btc") -> Found:
        """The next quarter of an hour's market: quoted, and open for three minutes of a test's own time at least.

        Makers come within a second of the quarter before it: whoever asks on the stroke of it waits for them.
        """
        start_s = get(f"{self.host}/time") // WINDOW_S * WINDOW_S + WINDOW_S
        found = self._found(asset, start_s)
        until(lambda: bool(get(f"{self.host}/book?token_id={found.up}")["asks"]))
        return found

    def unquoted(self) -> Found:
        """A market three quarters of an hour ahead: no maker comes for six minutes of a test's own time at least.

        In its book is what a test puts there, and nothing moves.
        """
        return self._found("btc", get(f"{self.host}/time") // WINDOW_S * WINDOW_S + 4 * WINDOW_S)

    def _found(self, asset: str, start_s: int) -> Found:
        (raw,) = get(f"{self.where['gamma']}/markets?slug={asset}-updown-15m-{start_s}")
        up, down = raw.get("positionIds") or json.loads(raw["clobTokenIds"])
        return Found(str(raw["slug"]), str(raw["conditionId"]), up, down)


@contextmanager
def served(folder: Path, *options: str) -> Iterator[Served]:
    """A venue that makes up its day, five times as fast as life; it has to end well."""
    with a_process(folder, "--json", "--seed", "7", "--speed", "5", *options) as process:
        yield Served(process)
        assert process.end() == 0, process.child.stderr.read() if process.child.stderr else ""
