"""What a person waits for: the answer of `foresightctl status`, and the first decision of `foresight run`."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest
from kit.clocks import PATIENCE_S
from kit.desk_socket import PlayedDesk, a_reply, a_status
from kit.releases import ROOT

from shared.paths import State

ROUNDS = 21
STATUS_S_MAX = 0.150
RATIO_MAX = 12.0
"""Times as long as an interpreter that does nothing; seven were measured, on a quiet machine."""
FIRST_S_MAX = {"from nothing": 10.0, "again": 5.0}
"""Source: the acceptance bars, for a first run that makes an environment from a warm cache, and once there is one."""


def test_status_answers_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Its time is mostly the interpreter's: it is held against one that does nothing as well as against the clock."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        state = State(Path(folder))
        status = [sys.executable, "-m", "deploy.foresightctl", "status", "--state-dir", folder]
        with PlayedDesk(state, status=a_reply(data=a_status())):
            took_s, bare_s = timed(status), timed([sys.executable, "-c", "pass"])
    ratio = took_s / bare_s
    with capsys.disabled():
        print(f"\nforesightctl status: {took_s * 1e3:.0f} ms, python -c pass: {bare_s * 1e3:.0f} ms, ratio {ratio:.1f}")
    assert took_s < STATUS_S_MAX
    assert ratio < RATIO_MAX


def test_a_desk_decides_soon(capsys: pytest.CaptureFixture[str]) -> None:
    """From a folder with nothing in it, its environment and first release to be made, and again when they are there."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        took_s = {name: first_decision_s(Path(folder) / "s") for name in FIRST_S_MAX}
    with capsys.disabled():
        print("\nfirst decision of foresight run: " + ", ".join(f"{name} {s:.1f} s" for name, s in took_s.items()))
    assert all(took_s[name] < bar for name, bar in FIRST_S_MAX.items())


def timed(command: Sequence[str]) -> float:
    """The median time of a command, in seconds."""
    times = []
    for _ in range(ROUNDS):
        began = perf_counter()
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        times.append(perf_counter() - began)
    return median(times)


def first_decision_s(root: Path) -> float:
    """How long a desk takes from its command to its first decision, by its own word; the wall's if that is more."""
    command = [sys.executable, "-u", "-m", "deploy.foresight", "run", "--state-dir", str(root)]
    began = perf_counter()
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        said = next(line for line in run.stdout if "decided first" in line)
        took_s = perf_counter() - began
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE_S) == 0
    found = re.search(r"after (\d+\.\d) s", said)
    assert found
    return max(took_s, float(found[1]))
