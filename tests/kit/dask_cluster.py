"""A Dask cluster of real processes on loopback: a scheduler, and workers that share nothing but the machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kit.clocks import eventually
from kit.releases import ROOT

START_S = 120.0
"""Dask is large, and a busy machine reads it slowly."""


@dataclass
class Cluster:
    """Where its scheduler listens, and its workers' processes. Args: folder: for caches and logs."""

    folder: Path
    address: str = ""
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _ends: ExitStack = field(default_factory=ExitStack)
    _scheduler: subprocess.Popen[bytes] | None = None

    def scheduler(self) -> None:
        """Begin; listens on a port of the system's choice."""
        said = self.folder / "scheduler.json"
        self._scheduler = self._start("scheduler", ["--port", "0", "--scheduler-file", str(said)])
        assert eventually(said.exists, START_S), (self.folder / "scheduler.log").read_text()
        assert eventually(lambda: self._address(said), START_S)
        self.address = self._address(said)

    def lose_scheduler(self) -> None:
        """What holds it together is gone from one moment to the next."""
        assert self._scheduler is not None
        _ended(self._scheduler)

    def worker(self, checkout: Path = ROOT) -> None:
        """One more machine, so to say: it has a cache of its own, and starts in a folder of its own."""
        name = f"worker{len(self.workers)}"
        scratch = ["--nthreads", "1", "--no-nanny", "--memory-limit", "0", "--local-directory", str(self.folder / name)]
        self.workers.append(self._start(name, [self.address, *scratch], checkout))
        log = self.folder / f"{name}.log"
        assert eventually(lambda: "Starting established connection" in log.read_text(), START_S), log.read_text()

    def lose(self, number: int) -> None:
        """A machine is gone from one moment to the next."""
        _ended(self.workers[number])

    def cache(self, number: int) -> Path:
        """What the sweeps' rooms keep on that machine."""
        return self.folder / f"worker{number}-cache" / "foresight" / "sweep"

    def end(self) -> None:
        """Stop what was started."""
        self._ends.close()

    def _start(self, name: str, arguments: list[str], checkout: Path = ROOT) -> subprocess.Popen[bytes]:
        (self.folder / name).mkdir()
        environ = {**os.environ, "XDG_CACHE_HOME": str(self.folder / f"{name}-cache"), "PYTHONPATH": str(checkout)}
        kind = f"distributed.cli.dask_{name.rstrip('0123456789')}"
        command = [sys.executable, "-m", kind, *arguments, "--host", "127.0.0.1", "--no-dashboard"]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command, cwd=self.folder / name, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._ends.callback(_ended, process)
        return process

    @staticmethod
    def _address(said: Path) -> str:
        """What the scheduler's file says, once it is whole."""
        _, _, rest = said.read_text().partition('"address": "')
        address, whole, _ = rest.partition('"')
        return address if whole else ""


def _ended(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def a_cluster(folder: Path, workers: int) -> Iterator[Cluster]:
    """A cluster that ends with the block."""
    cluster = Cluster(folder)
    try:
        cluster.scheduler()
        for _ in range(workers):
            cluster.worker()
        yield cluster
    finally:
        cluster.end()
