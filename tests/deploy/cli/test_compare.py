"""`releases --diff`: what differs between two releases on the disk, for people and for programs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from kit.commands import ctl, document
from kit.releases import ROOT, STRATEGY, a_checkout, another_checkout

from deploy.difference import PARAMETERS
from deploy.release import Indexed, Stager, index
from shared.fingerprint import LOCK
from shared.paths import State


@pytest.fixture(scope="module")
def folder(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three releases: ours; one with another stake, a room more, a file less and a remark in its lock; and another
    strategy.
    """
    folder = tmp_path_factory.mktemp("three")
    state = State(folder / "s")
    state.root.mkdir()
    state.environments.symlink_to(environments)
    parameters = (ROOT / PARAMETERS).read_text().replace("stake_usd: Usd = 5.0", "stake_usd: Usd = 10.0")
    lock = (ROOT / LOCK).read_text()
    changes = {PARAMETERS: parameters, "worker/ladder.py": '"""A room more."""\n', LOCK: f"{lock}    # a remark\n"}
    other = a_checkout(folder / "other", changes)
    (other / "worker/py.typed").unlink()
    for checkout in (a_checkout(folder / "ours"), other, another_checkout(folder / "strategy")):
        Stager(state).stage(str(checkout))
    return state.root


@pytest.fixture
def two(folder: Path, state: State) -> list[Indexed]:
    """The first two of them, in a state folder of this test's own; their files are only read."""
    state.releases.symlink_to(folder / "releases")
    return index(state)[:2]


@pytest.fixture
def lost(folder: Path, state: State) -> Path:
    """The folder of releases after all of them were lost, and only the index is there."""
    state.releases.mkdir()
    shutil.copy(folder / "releases" / "index.jsonl", state.releases)
    return state.releases


def diff(state: State, *arguments: str) -> dict[str, Any]:
    """The document of two releases."""
    return document(ctl(state, "releases", "--json", "--diff", *arguments))


def test_a_person_is_told_what_differs_and_nothing_else(state: State, two: list[Indexed]) -> None:
    """A line for each file, parameter and package."""
    result = ctl(state, "releases", "--diff", "r1", "r2")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        f"{two[0].name} -> {two[1].name}",
        "files",
        "  + worker/ladder.py",
        f"  ~ {LOCK}",
        f"  ~ {PARAMETERS}",
        "  - worker/py.typed",
        "parameters",
        "  ~ stake_usd  5.0 (1 to 100) -> 10.0 (1 to 100)",
        "packages: no difference",
    ]


def test_a_program_gets_the_same(state: State, two: list[Indexed]) -> None:
    """By the hash as well as by the number; in the other direction everything is turned round."""
    data = diff(state, two[0].release[:6], "r2")["data"]
    assert (data["was"], data["now"]) == ({"seq": 1, "hash": two[0].release}, {"seq": 2, "hash": two[1].release})
    assert not data["identical"]
    assert (list(data["files"]["added"]), list(data["files"]["removed"])) == (["worker/ladder.py"], ["worker/py.typed"])
    assert data["parameters"]["changed"] == {"stake_usd": ["5.0 (1 to 100)", "10.0 (1 to 100)"]}
    assert data["packages"] == {"added": {}, "changed": {}, "removed": {}}
    back = diff(state, "r2", "r1")["data"]
    assert back["files"]["removed"] == data["files"]["added"]
    assert back["parameters"]["changed"] == {"stake_usd": ["10.0 (1 to 100)", "5.0 (1 to 100)"]}


def test_a_release_is_identical_to_itself(state: State, two: list[Indexed]) -> None:
    """0: what was asked has an answer."""
    result = ctl(state, "releases", "--diff", "r1", two[0].release)
    assert (result.exit_code, result.stdout) == (0, f"{two[0].name} and {two[0].name} are identical\n")
    assert diff(state, "r1", "r1")["data"]["identical"]


@pytest.mark.parametrize("arguments", [("r1", "r9"), ("r9", "r1"), ("r1", "ffff"), ("nonsense", "r2")])
def test_a_release_nobody_knows_is_named(state: State, two: list[Indexed], arguments: tuple[str, str]) -> None:
    """66, whichever of the two it is."""
    answer = diff(state, *arguments)
    assert (answer["exit"], answer["code"]) == (66, "NOINPUT")
    unknown = next(name for name in arguments if name not in {"r1", "r2"})
    assert answer["message"] == f"{unknown} is no staged release, or could be several"


def test_a_release_whose_folder_is_gone_cannot_be_compared(state: State, lost: Path) -> None:
    """Its index line is there; its parameters and its lock are not."""
    answer = diff(state, "r1", "r2")
    assert (answer["exit"], "its folder is gone" in answer["message"]) == (66, True)


def test_a_release_that_cannot_be_read_is_an_error_of_the_disk(state: State, lost: Path) -> None:
    """The file that is missing is named."""
    first, second = index(state)[:2]
    for release in (first, second):
        (lost / release.release).mkdir()
    answer = diff(state, "r1", "r2")
    assert (answer["exit"], str(lost / first.release / PARAMETERS) in answer["message"]) == (74, True)


def test_looking_alone_asks_the_desk(state: State, two: list[Indexed]) -> None:
    """Without --diff nothing is read from the disk: what the desk does not know it does not list."""
    assert ctl(state, "releases").exit_code == 69


def test_a_strategy_that_differs_is_one_file(state: State, two: list[Indexed]) -> None:
    """The usual change: one room, nothing a person has to set."""
    assert ctl(state, "releases", "--diff", "r1", "r3").stdout.splitlines()[1:] == [
        "files",
        f"  ~ {STRATEGY}",
        "parameters: no difference",
        "packages: no difference",
    ]
