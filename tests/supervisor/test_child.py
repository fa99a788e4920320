"""A process whose end is waited for by a loop that goes on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

import pytest

from supervisor.child import until_ended

PATIENCE_S = 60.0
WAITS = "import sys; sys.stdin.read(); sys.exit(3)"
"""Ends when somebody lets it."""


def played(act: Callable[[subprocess.Popen[bytes]], Awaitable[int | None]]) -> tuple[int | None, int | None]:
    """Play a scenario with such a process: what came of it, and the status it was reaped with. Nothing is left open."""
    with subprocess.Popen([sys.executable, "-c", WAITS], stdin=subprocess.PIPE) as started:
        before = set(os.listdir("/proc/self/fd"))
        came = asyncio.run(act(started))  # type: ignore[arg-type]
        assert set(os.listdir("/proc/self/fd")) <= before
        assert started.returncode is not None, "it is not reaped"
        return came, started.returncode


def soon() -> float:
    """A time on the loop's clock that nothing here waits for."""
    return asyncio.get_running_loop().time() + PATIENCE_S


def test_the_loop_turns_until_it_ends() -> None:
    """And then its status is told."""

    async def act(started: subprocess.Popen[bytes]) -> int | None:
        ending = asyncio.create_task(until_ended(started, soon()))
        for _ in range(100):
            await asyncio.sleep(0)
            assert not ending.done()
        assert started.stdin is not None
        started.stdin.close()
        return await ending

    assert played(act) == (3, 3)


def test_one_that_is_cut_off_is_ended() -> None:
    """It has no status of its own."""

    async def act(started: subprocess.Popen[bytes]) -> int | None:
        return await until_ended(started, asyncio.get_running_loop().time())

    assert played(act) == (None, -9)


@pytest.mark.parametrize("times", [1, 2])
def test_one_that_nobody_waits_for_any_more_is_ended_and_reaped(times: int) -> None:
    """Also when whoever waited is told twice, the second time while it ends."""

    async def act(started: subprocess.Popen[bytes]) -> int | None:
        ending = asyncio.create_task(until_ended(started, soon()))
        await asyncio.sleep(0)
        for _ in range(times):
            ending.cancel()
            await asyncio.sleep(0)
        with pytest.raises(asyncio.CancelledError):
            await ending
        return None

    assert played(act) == (None, -9)


def test_one_that_ended_in_time_is_told_so_however_late_somebody_looks() -> None:
    """The loop stood still meanwhile: its end was there before the time was over."""

    async def act(started: subprocess.Popen[bytes]) -> int | None:
        ending = asyncio.create_task(until_ended(started, asyncio.get_running_loop().time() + 0.05))
        await asyncio.sleep(0)
        assert started.stdin is not None
        started.stdin.close()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop stands still
        time.sleep(0.1)  # noqa: ASYNC251 - past the time
        return await ending

    assert played(act) == (3, 3)


def test_one_that_cannot_be_watched_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anybody hears of it: the loop does not wait for what it cannot watch."""

    def refuse(pid: int) -> int:
        raise OSError(24, "Too many open files")

    async def act(started: subprocess.Popen[bytes]) -> int | None:
        with pytest.raises(OSError, match="Too many open files"):
            await until_ended(started, soon())
        return None

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert played(act) == (None, -9)
