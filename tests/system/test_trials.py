"""Trials on a real desk: the tape it has just written, replayed through a release that wants to trade."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.desks import Desk, a_desk
from kit.releases import BUSY

pytestmark = pytest.mark.system
DICE = """

import os

_inner = decide


def decide(view, tick):
    decision = _inner(view, tick)
    return Decision(decision.intents, {**decision.reasons, "dice": os.urandom(4).hex()})
"""


def dicing(desk: Desk) -> Path:
    """A strategy that throws dice, and tells of them where nobody would notice."""
    strategy = desk.root / "dicing.py"
    strategy.write_text(BUSY.read_text() + DICE)
    return strategy


def test_a_release_that_does_not_repeat_itself_is_rejected_before_it_trades() -> None:
    """The operator is told the first tick on which it contradicts itself; one that does repeat itself goes on."""
    with a_desk() as desk:
        blue = desk.worker()
        desk.until_open()
        code, reply = desk.deploy(desk.release(strategy=dicing(desk)))
        assert (code, reply["code"]) == (10, "REJECTED"), reply
        assert "two replays of the same tape differ at " in reply["message"]
        assert desk.worker().pid == blue.pid
        code, reply = desk.deploy(desk.release("takes_its_time()"))
        assert code == 0, reply
        verdict = desk.judged()
    assert verdict.flips == 4
