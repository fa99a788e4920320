"""`foresight rehearse` and `foresight run` as people type them: ten deploys, one verdict, and nothing left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.desks import a_desk, eventually, processes_of
from kit.rehearsals import rehearsed
from kit.releases import ROOT

from deploy.client import last_status
from shared.paths import State

pytestmark = pytest.mark.system
FORESIGHT = (sys.executable, "-m", "deploy.foresight")
BEGUN_S = 120.0
"""How long a desk may take that has to make its environment and its first release, on a machine that is busy."""
ENDED_S = 60.0
"""Longer than its supervisor and its venue may take each before they are killed."""


def decided(state: State) -> bool:
    """Whether a desk says that it has decided."""
    told = last_status(state.status)
    return told is not None and told["decided"] > 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """A new folder with a short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="fs-") as made:
        yield Path(made)


@pytest.mark.xdist_group("rehearse")
def test_ten_deploys_with_orders_and_positions_open_cost_nothing(folder: Path) -> None:
    """Every tick decided, no order touched, no feed reconnected, positions and cash to the millionth: exit 0."""
    _, ran = rehearsed(folder / "s", "--deploys", "10", "--minutes", "8", "--speed", "12", most_s=480)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    document = json.loads(ran.stdout)
    assert (document["deploys"], document["deploys_failed"], document["verified"]) == (10, 0, True)
    assert document["flips_with_open_orders"]
    assert document["flips_with_open_positions"]
    assert not processes_of(folder)


def test_ctrl_c_ends_a_desk_with_everything_of_it(folder: Path) -> None:
    """`foresight run`, and Ctrl-C: venue, supervisor and worker are gone, sockets as well; the records stay."""
    state = State(folder / "s")
    command = [*FORESIGHT, "run", "--speed", "20", "--state-dir", str(state.root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as desk:
        try:
            eventually(lambda: decided(state) or desk.poll() is not None, "decisions", BEGUN_S)
            desk.send_signal(signal.SIGINT)
            out, _ = desk.communicate(timeout=ENDED_S)
        finally:
            desk.kill()
    assert desk.returncode == 0, out.decode()
    assert not processes_of(folder)
    assert not state.control_socket.exists()
    assert not state.stream_socket.exists()
    assert state.journal.is_dir()
    Path("/dev/shm", state.ledger_name).unlink()


def test_a_clean_stop_leaves_the_ledger_and_nothing_else() -> None:
    """The shared memory stays for its readers and is taken up again: there is one, however often the desk ended."""
    with a_desk() as desk:
        desk.supervisor.kill()
        desk.until_decided()
        desk.judged(lapsed=True)
        mine = [path.name for path in Path("/dev/shm").iterdir() if path.name == desk.state.ledger_name]
        assert len(mine) == 1
        assert not processes_of(desk.root)
        assert not [path for path in desk.state.root.iterdir() if path.is_socket()]
