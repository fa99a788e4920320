"""Whether a release can use a set of parameters: real releases in their cells say so themselves."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kit.releases import STRATEGY, stage

from shared.config import Settings
from shared.paths import State
from supervisor import inquiry
from supervisor.inquiry import Inquiry

pytestmark = pytest.mark.system

RELEASE, LOCK = "71be04000000", "10c0c0000000"


@pytest.fixture
def state() -> Iterator[State]:
    """A state folder with an environment that is this interpreter's."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder) / "s")
        made.environments.mkdir(parents=True)
        made.tape.mkdir()
        (made.environments / LOCK).symlink_to(sys.prefix)
        yield made


def said(state: State, values: dict[str, Any], release: str = RELEASE) -> str:
    """What the release says of some values."""

    async def ask() -> str:
        return await Inquiry(state, Settings(), lambda _: LOCK).ask(release, values)

    return asyncio.run(ask())


def test_a_release_says_itself_what_it_can_use(state: State) -> None:
    """Names, types and bounds are its own; nothing is said of what is in order."""
    stage(state.releases / RELEASE)
    assert said(state, {}) == said(state, {"stake_usd": 7, "mode": "off"}) == ""
    assert said(state, {"stake_usd": 1_000}) == "stake_usd = 1000: Expected float <= 100.0"
    assert said(state, {"mode": "sideways"}) == "mode = 'sideways': Invalid enum value 'sideways'"
    assert said(state, {"stake_eur": 7}).startswith("stake_eur: this release has no such parameter; it has mode, ")


def test_what_a_release_breaks_on_is_no_agreement(state: State) -> None:
    """The values are within its bounds, and its code raises all the same."""
    stage(state.releases / RELEASE)
    strategy = state.releases / RELEASE / STRATEGY
    broken = "\n\ndef decide(view, tick):\n    raise ZeroDivisionError('stake')\n"
    strategy.write_text(strategy.read_text() + broken)
    assert "ZeroDivisionError" in said(state, {})


def test_a_release_that_cannot_be_asked_has_not_agreed(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not there, or takes too long: that is said, and waited for in bounds."""
    assert "is not staged completely" in said(state, {}, "nothing")
    folder = state.releases / RELEASE / "worker"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(inquiry, "ANSWER_S", 0.5)
    assert said(state, {}) == "its self-check was not done after 0.5 s"
