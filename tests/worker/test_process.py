"""worker.process: signals and memory, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(code: str) -> str:
    """What a fresh interpreter prints that runs this with the room imported."""
    command = [sys.executable, "-c", f"import gc, os, signal\nfrom worker import process\n{code}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def test_a_blocked_sigterm_is_seen_and_does_not_kill() -> None:
    """Pending until somebody looks; before it there is none."""
    code = (
        "process.block_signals()\n"
        "print(process.asked_to_end())\n"
        "for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM): os.kill(os.getpid(), number)\n"
        "print(process.asked_to_end())"
    )
    assert run(code).split() == ["False", "True"]


def test_a_fault_is_not_blocked() -> None:
    """It would only hide where it happened."""
    code = "process.block_signals()\nprint(signal.SIGSEGV in signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    assert run(code) == "False"


def test_the_collector_is_off_for_the_warm_up_and_rare_after() -> None:
    """What was built is frozen; the collector stays on for whatever a strategy does."""
    code = (
        "frozen = gc.get_freeze_count()  # an interpreter may begin with some\n"
        "process.warm_up_memory(); print(gc.isenabled(), gc.get_freeze_count() > frozen)\n"
        "process.settle_memory(); print(gc.isenabled(), gc.get_freeze_count() > frozen, gc.get_threshold())"
    )
    assert run(code) == "False False\nTrue True (20000, 20, 100)"


def test_resident_memory_is_measured_in_kib() -> None:
    """An interpreter takes some megabytes; ten more are seen."""
    code = "r = process.Resident(); a = r.kib(); b = b'x' * 10_485_760; print(a > 4_000, r.kib() - a >= 9_000)"
    assert run(code) == "True True"
