"""deploy/rehearsal/playbook: strategies that differ, each a whole stand-in for the worker's own."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kit.paper import Paper, broken_rules
from kit.releases import ROOT, stage
from kit.tapes import Market, Stream

from shared.fingerprint import file_digest
from shared.messages import Decision, ParametersSet, Tick
from worker.reading import Reading
from worker.view import View

EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*/strategy.py"))
PLAYBOOK = sorted((ROOT / "deploy" / "rehearsal" / "playbook").glob("*.py"))
ORDERS_MAX, BUDGET_MICRO = 6, 15_000_000
Decide = Callable[[View, Tick], Decision]


def load(path: Path) -> Decide:
    spec = importlib.util.spec_from_file_location(f"playbook_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    decide: Decide = module.decide
    return decide


def traded(decide: Decide, monkeypatch: pytest.MonkeyPatch, seconds: int = 1_800, *, mode: str = "on") -> Paper:
    """Half an hour of two lanes on the toy venue."""
    monkeypatch.setattr("worker.reading.decide", decide)
    paper, reading = Paper(stake_micro=BUDGET_MICRO, orders_max=ORDERS_MAX), Reading()
    market = Market(
        Stream(),
        seed=5,
        parameters=ParametersSet("p", {"mode": mode}),
        account=paper.account,
        seen=lambda frame: paper.watch(reading, frame),
    )
    market.run(seconds)
    return paper


def test_there_are_plenty() -> None:
    """Ten deploys of different code need strategies to deploy."""
    assert len(PLAYBOOK) >= 6


@pytest.mark.parametrize("path", PLAYBOOK, ids=lambda path: path.stem)
def test_each_keeps_the_rules_and_is_busy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Grid, sizes, caps, nothing on top of an unanswered order - and most of the time it has something to lose."""
    paper = traded(load(path), monkeypatch)
    assert broken_rules(paper) == []
    assert paper.ticks > 900
    assert paper.busy_ticks > 0.6 * paper.ticks
    assert paper.fills >= 6


@pytest.mark.parametrize("path", PLAYBOOK, ids=lambda path: path.stem)
def test_each_obeys_its_modes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exit-only and off open nothing."""
    assert traded(load(path), monkeypatch, 400, mode="exit-only").placed == 0
    assert traded(load(path), monkeypatch, 400, mode="off").placed == 0


def test_they_really_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """On one and the same market no two leave the same trail."""
    trails = {tuple(traded(load(path), monkeypatch, 700).trail) for path in PLAYBOOK}
    assert len(trails) == len(PLAYBOOK)


def test_selling_goes_on_when_entries_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exits are not entries: what is held is still offered."""
    path = next(path for path in PLAYBOOK if path.stem == "scale_out")
    paper = traded(load(path), monkeypatch)
    assert any(side == "SELL" for _, side, _ in paper.trail)


@pytest.mark.system
@pytest.mark.parametrize("path", PLAYBOOK, ids=lambda path: path.stem)
def test_each_is_a_release_that_passes_its_self_check(path: Path, tmp_path: Path) -> None:
    """In the place of the worker's own strategy, and under a hash of its own."""
    staged = stage(tmp_path / "r", path)
    out = subprocess.run([sys.executable, "-m", "worker", "--self-check"], cwd=staged, capture_output=True, text=True)
    assert (out.returncode, out.stderr) == (0, "")
    loaded = {module["module"]: module["digest"] for module in json.loads(out.stdout)["modules"]}
    own = stage(tmp_path / "own")
    assert loaded["worker.strategy"] != file_digest(own / "worker" / "strategy.py")
    assert loaded["worker.strategy"] == file_digest(path)


@pytest.mark.system
def test_all_are_clean_beside_the_workers_rooms(tmp_path: Path) -> None:
    """mypy, strict, and ruff, with the worker's rooms and nothing else around them; the guide's example as well."""
    staged = stage(tmp_path / "r")
    for path in PLAYBOOK:
        shutil.copy(path, staged / "worker" / path.name)
    for path in EXAMPLES:
        shutil.copy(path, staged / "worker" / f"{path.parent.name}.py")
    shutil.copy(ROOT / "pyproject.toml", staged)
    for tool in (
        ["mypy", "--cache-dir", str(tmp_path / "cache"), "-p", "worker"],
        ["ruff", "check", "--no-cache", "."],
    ):
        out = subprocess.run([sys.executable, "-m", *tool], cwd=staged, capture_output=True, text=True)
        assert out.returncode == 0, out.stdout


def test_none_imports_the_workers_own_strategy() -> None:
    """Each replaces it: what a playbook file needs of the worker are its rooms."""
    for path in PLAYBOOK:
        assert "worker.strategy" not in path.read_text().split('"""', 2)[2]
