"""The process that tends the tape, started and waited for by a loop that does not wait."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from kit.tapes import Market, Stream

from shared.config import Tape
from shared.records import PACKED, segments
from supervisor import upkeep as upkeeps
from supervisor.upkeep import NotTended, Upkeep

SETTINGS = Tape(plain_s=60)


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    """Five minutes of a lane, a segment each minute."""
    Market(Stream(tmp_path / "tape", segment_keyframes=1), slots=("BTC/5m",)).run(300)
    return tmp_path / "tape"


async def endless(tape: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Task[object], subprocess.Popen[bytes]]:
    """A run of a program that does not end by itself, once it is started."""
    upkeep = Upkeep(tape, SETTINGS)
    monkeypatch.setattr(upkeep, "_command", [sys.executable, "-c", "import time; time.sleep(600)"])
    process = upkeep._start()
    monkeypatch.setattr(upkeep, "_start", lambda: process)
    task: asyncio.Task[object] = asyncio.create_task(upkeep.run())
    await asyncio.sleep(0)
    return task, process


WAITS = """
import sys, time
from pathlib import Path
from supervisor.tending import main
for _ in range(6_000):
    if Path(sys.argv[1]).exists(): break
    time.sleep(0.01)
sys.exit(main(sys.argv[2:]))
"""


def test_the_loop_turns_while_the_tape_is_tended(tape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand turns in the time of one run, which ends only after them; its acts come back."""
    go = tmp_path / "go"

    async def turns() -> list[str]:
        upkeep = Upkeep(tape, SETTINGS)
        monkeypatch.setattr(upkeep, "_command", [sys.executable, "-c", WAITS, str(go), *upkeep._command[3:]])
        run = asyncio.create_task(upkeep.run())
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert not run.done()
        go.touch()
        return [act["event"] for act in await run]

    assert asyncio.run(turns()) == ["tape_indexed"] * 4 + ["tape_packed"] * 2
    assert [path.suffix for path in segments(tape)] == [PACKED] * 2 + [".seg"] * 3


def test_a_run_that_failed_says_why(tape: Path) -> None:
    """The place of the damage, as the process named it."""
    first = segments(tape)[0]
    first.write_bytes(first.read_bytes()[:-1])

    async def run() -> None:
        await Upkeep(tape, SETTINGS).run()

    with pytest.raises(NotTended, match=first.name):
        asyncio.run(run())


def test_a_run_that_nobody_waits_for_any_more_is_ended(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The desk closes while the process works: nothing of it is left."""

    async def cancelled() -> int | None:
        task, process = await endless(tape, monkeypatch)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return process.returncode

    assert asyncio.run(cancelled()) == -9


def test_a_run_that_takes_too_long_is_ended(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And told as one that was not done."""
    monkeypatch.setattr(upkeeps, "TENDED_MAX_S", 0.05)

    async def late() -> None:
        task, _ = await endless(tape, monkeypatch)
        await task

    with pytest.raises(NotTended, match="exit code -9"):
        asyncio.run(late())


def test_a_process_that_cannot_be_started_is_no_end_of_the_desk(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine has no room for one just now."""

    async def refused() -> None:
        upkeep = Upkeep(tape, SETTINGS)
        monkeypatch.setattr(upkeep, "_command", [str(tape / "nothing")])
        await upkeep.run()

    with pytest.raises(NotTended, match="No such file"):
        asyncio.run(refused())
