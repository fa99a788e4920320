"""What a sweep needs before it begins: releases, and parameters that each of them takes."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.releases import REPLAY, ROOT, a_checkout, another_checkout

from deploy.analysis.sweep.inputs import Refused, ask, staged
from deploy.release import NotFound, Rejected
from shared.paths import State


def _quiet(step: str) -> None:
    pass


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A state folder in which this checkout is r1."""
    state = State(tmp_path_factory.mktemp("state"))
    staged(state, [str(ROOT)], _quiet)
    return state


def test_a_release_is_what_was_named_and_comes_once(state: State, tmp_path: Path) -> None:
    """A folder, a number or a hash; the newest one when nobody says."""
    other = another_checkout(tmp_path / "other")
    first, second = staged(state, ["r1", str(other), "r1", str(ROOT)], _quiet)
    assert first.name.startswith("r1 ") and second.name.startswith("r2 ")
    assert Path(first.folder, "worker", "strategy.py").is_file() and first.folder.endswith(first.hash)
    assert staged(state, [], _quiet) == [second]


def test_what_is_no_release_is_refused(state: State, tmp_path: Path) -> None:
    """Before anything is replayed."""
    with pytest.raises(NotFound, match="r99"):
        staged(state, ["r99"], _quiet)
    with pytest.raises(Rejected, match="no checkout"):
        staged(state, [str(tmp_path)], _quiet)
    with pytest.raises(NotFound, match="no release was named"):
        staged(State(tmp_path), [], _quiet)


def test_a_release_is_asked_itself_which_parameters_it_takes(state: State) -> None:
    """It says how much tape it reads before; every fault of the grid is told, each with what may be."""
    release = staged(state, ["r1"], _quiet)[0]
    assert ask(state, release, [{}, {"stake_usd": 5, "mode": "off"}], "rehearsal") > 0
    with pytest.raises(Refused) as refused:
        ask(state, release, [{"stake_usd": 5}, {"stake_usd": 500}, {"stake": 1}, {"mode": "loud"}], "rehearsal")
    text = str(refused.value)
    assert len(text.splitlines()) == 3 and all(line.startswith(release.name) for line in text.splitlines())
    assert "stake_usd = 500: Expected" in text and "stake: this release has no such parameter" in text


def test_a_release_of_before_paper_accounts_is_named_first(state: State, tmp_path: Path) -> None:
    """Not cell by cell, in words about something else."""
    without = (ROOT / REPLAY).read_text().replace("def follow(", "def _follow(")
    old = staged(state, [str(a_checkout(tmp_path / "old", {REPLAY: without}))], _quiet)[0]
    assert ask(state, old, [{}], "recorded") > 0
    with pytest.raises(Refused, match="knows --fills recorded alone"):
        ask(state, old, [{}], "rehearsal")


def test_many_faults_are_counted(state: State) -> None:
    """A grid of a thousand wrong points is no thousand lines."""
    release = staged(state, ["r1"], _quiet)[0]
    with pytest.raises(Refused, match="and 15 more"):
        ask(state, release, [{"stake_usd": 1_000 + number} for number in range(20)], "rehearsal")
