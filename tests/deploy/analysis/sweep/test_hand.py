"""The process that replays, with a real release and a real tape."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec
import psutil
import pytest
from kit.clocks import PATIENCE_S, eventually
from kit.desks import ended
from kit.releases import ROOT, STRATEGY, a_checkout
from kit.tapes import Market, Stream

from deploy.analysis.replay import Job, replayed
from deploy.analysis.sweep.hand import answered
from deploy.analysis.sweep.pool import HAND, Pool
from deploy.analysis.sweep.tasks import Task


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """This checkout on ten minutes of one lane."""
    folder = tmp_path_factory.mktemp("tape")
    Market(Stream(folder), slots=("BTC/5m",)).run(700)
    return Job(release=str(ROOT), tape=str(folder), fills="rehearsal", seed=1)


def test_a_hand_answers_what_the_engine_says(job: Job) -> None:
    """The same result, from a process of its own; and one process for several cells."""
    tasks = [
        Task(name, msgspec.structs.replace(job, parameters={"stake_usd": usd})) for name, usd in (("a", 2), ("b", 9))
    ]
    answers = {answer.cell: answer.done for answer in Pool(1).run(tasks)}
    for task in tasks:
        found, here = answers[task.cell], replayed(task.job)
        assert found is not None and sum(found.nets) == here.net_micro and len(found.nets) == here.traded
        assert msgspec.structs.replace(found.result, took_ms=0) == msgspec.structs.replace(here, took_ms=0)
    assert answers["a"] != answers["b"]


def test_what_cannot_be_replayed_is_an_answer(job: Job, tmp_path: Path) -> None:
    """A tape that is not there, or a release that fails, costs its own cell."""
    assert "holds no segment" in answered(Task("c", msgspec.structs.replace(job, tape=str(tmp_path)))).fault
    broken = answered(Task("c", msgspec.structs.replace(job, parameters={"stake_usd": 1_000})))
    assert broken.done is None and "stake_usd" in broken.fault


def test_a_hand_ends_when_nobody_is_left_to_tell_it_anything(job: Job, tmp_path: Path) -> None:
    """In the middle of a cell, which would never end, and the release it had started with it."""
    endless = a_checkout(tmp_path / "r", {STRATEGY: "while True:\n    pass\n"})
    longest = msgspec.json.encode(Task("c", msgspec.structs.replace(job, release=str(endless))))
    with subprocess.Popen(HAND, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as hand:
        assert hand.stdin is not None
        hand.stdin.write(longest + b"\n")
        hand.stdin.flush()
        assert eventually(lambda: psutil.Process(hand.pid).children())
        release = psutil.Process(hand.pid).children()[0]
        hand.stdin.close()
        assert hand.wait(PATIENCE_S) != 0
        assert eventually(lambda: ended(release))
