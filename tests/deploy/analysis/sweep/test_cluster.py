"""Sweeps on a real Dask cluster: a scheduler and workers as processes on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import CancelledError
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from kit.clocks import eventually
from kit.dask_cluster import Cluster, a_cluster
from kit.releases import ROOT
from kit.sweeps import a_held_sweep
from kit.tapes import Market, Stream

from deploy.analysis.sweep.cluster import Cluster as OnCluster
from deploy.foresight import main
from deploy.release import Stager
from deploy.running import CannotRun
from shared.paths import State

pytestmark = pytest.mark.system
GRID: Final = ("--release", "r1", "--param", "stake_usd=1:3:1", "--piece", "5m")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A desk's folder with a release and ten minutes of tape."""
    state = State(tmp_path_factory.mktemp("state"))
    Market(Stream(state.tape), slots=("BTC/5m",)).run(600)
    Stager(state).stage(str(ROOT))
    return state


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two machines, so to say."""
    with a_cluster(tmp_path_factory.mktemp("cluster"), 2) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def here(state: State) -> str:
    """The table that this machine makes by itself."""
    return _swept(state, *GRID, "--store", str(state.root / "here.jsonl")).stdout


def _swept(state: State, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["sweep", "--state-dir", str(state.root), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def test_a_cluster_makes_the_same_table_and_is_sent_what_it_lacks(
    state: State, cluster: Cluster, here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte; release and tape go to each machine once. The tape's folder means nothing there."""
    monkeypatch.chdir(state.root)
    seen_from_here = ("--tape", "/proc/self/cwd/tape")
    first = _swept(state, *GRID, *seen_from_here, "--cluster", cluster.address, "--store", str(tmp_path / "1"))
    assert first.exit_code == 0, first.stderr
    assert first.stdout == here
    assert first.stderr.count("sending r1") == 2 and first.stderr.count("sending the tape") == 4
    assert all(len(list((cluster.cache(number) / "tapes").iterdir())) == 2 for number in (0, 1))
    again = ("--param", "mode=off", "--piece", "5m", "--cluster", cluster.address, "--store", str(tmp_path / "2"))
    assert "sending" not in _swept(state, *seen_from_here, *again).stderr


def test_a_machine_that_is_lost_and_ctrl_c_cost_nothing_that_was_done(
    state: State, cluster: Cluster, here: str, tmp_path: Path
) -> None:
    """A worker is killed in the middle, then the command interrupted; the same command ends with the same table."""
    store = tmp_path / "s.jsonl"
    of = ["--state-dir", str(state.root), *GRID, "--cluster", cluster.address, "--store", str(store)]
    command = a_held_sweep(tmp_path, *of)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as swept:
        assert eventually(lambda: store.exists() and store.read_bytes().count(b"\n") >= 1, 120)
        cluster.lose(-1)
        (tmp_path / "1").touch()
        assert eventually(lambda: store.read_bytes().count(b"\n") >= 2, 120)
        os.kill(swept.pid, signal.SIGINT)
        _, said = swept.communicate(timeout=60)
    assert swept.returncode == 130, said
    done = store.read_bytes().splitlines()
    assert len(done) == 2 and b"the same command goes on" in said
    resumed = _swept(state, *GRID, "--cluster", cluster.address, "--store", str(store))
    assert (resumed.exit_code, resumed.stdout) == (0, here)
    assert store.read_bytes().splitlines()[: len(done)] == done


def test_a_machine_with_other_code_is_named_and_nothing_runs(state: State, cluster: Cluster, tmp_path: Path) -> None:
    """One line of the engine differs there."""
    checkout = tmp_path / "checkout"
    for package in ("shared", "deploy"):
        shutil.copytree(ROOT / package, checkout / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (checkout / "deploy" / "rehearsal" / "matching.py").open("a") as file:
        file.write("# another\n")
    cluster.worker(checkout)
    result = _swept(state, "--param", "mode=off", "--cluster", cluster.address, "--store", str(tmp_path / "s.jsonl"))
    cluster.lose(-1)
    assert result.exit_code == 16 and "its Foresight is" in result.stderr and "make cluster" in result.stderr
    assert not (tmp_path / "s.jsonl").read_bytes()


def test_where_no_scheduler_is_nothing_is_waited_for(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address is told, and what to do."""
    monkeypatch.setattr("deploy.analysis.sweep.cluster.CONNECT_S", 0.5)
    for address in ("tcp://127.0.0.1:1", "nonsense://x"):
        result = _swept(state, "--param", "mode=off", "--cluster", address, "--store", str(tmp_path / "s.jsonl"))
        assert result.exit_code == 69 and address in result.stderr


class _Gone:
    """A client whose scheduler has gone, as Dask has it: a call says so in its own way, and the last one in another."""

    def __init__(self, error: Exception, last: Exception) -> None:
        self._error, self._last = error, last

    def nthreads(self) -> dict[str, int]:
        raise self._error

    def cancel(self, futures: list[object]) -> None:
        raise self._last

    def close(self) -> None:
        return


def test_a_scheduler_is_missed_however_that_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """It depends on what was asked of it just then; what our own disk says is something else."""
    dask: Any = import_module("distributed")
    closed = dask.client.ClosedClientError("Client is closed. Can't send cancel-keys message.")
    late, lost = OSError("Timed out trying to connect"), CancelledError("scheduler-connection-lost")

    def swept(error: Exception) -> None:
        monkeypatch.setattr(dask, "Client", lambda *_, **__: _Gone(error, closed))
        list(OnCluster("tcp://127.0.0.1:1", 0).run([]))

    for error in (dask.comm.CommClosedError("in <TCP (closed)>"), closed, late, TimeoutError(), lost):
        with pytest.raises(CannotRun, match=r"the scheduler at tcp://127\.0\.0\.1:1 has gone") as caught:
            swept(error)
        assert caught.value.code == "UNAVAILABLE"
    with pytest.raises(OSError, match="Input/output error"):
        swept(OSError(5, "Input/output error"))


def test_without_dask_the_command_says_what_to_type(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional: one machine does without."""
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = _swept(state, *GRID, "--cluster", "tcp://127.0.0.1:1", "--store", str(tmp_path / "s.jsonl"))
    assert result.exit_code == 78 and "make cluster" in result.stderr


def test_a_scheduler_that_goes_is_told_and_what_was_done_is_kept(
    state: State, cluster: Cluster, tmp_path: Path
) -> None:
    """In a sentence, with what to type next. The last test: nothing is left of the cluster."""
    store = tmp_path / "s.jsonl"
    of = ["--state-dir", str(state.root), *GRID, "--cluster", cluster.address, "--store", str(store)]
    command = a_held_sweep(tmp_path, *of)
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as swept:
        assert eventually(lambda: store.exists() and store.read_bytes().count(b"\n") >= 1, 120)
        cluster.lose_scheduler()
        (tmp_path / "1").touch()
        _, said = swept.communicate(timeout=120)
    assert swept.returncode == 69, said
    assert b"the scheduler at" in said and b"goes on with what is left" in said and b"Traceback" not in said, said
    assert store.read_bytes().count(b"\n") == 1
