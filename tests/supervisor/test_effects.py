"""What the desk wants done in the world, as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest
from kit.still_desk import a_trading_desk, buy

from shared import messages as m
from supervisor import effects as fx
from supervisor.plan import Plan
from supervisor.venue.requests import Answer

KINDS = get_args(fx.Effect)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_effect_is_a_value(kind: type) -> None:
    """It cannot change between the decision and its carrying out, and holds no handle to do anything with."""
    assert is_dataclass(kind)
    blank = kind(*[None] * len(fields(kind)))
    with pytest.raises((FrozenInstanceError, TypeError)):
        setattr(blank, fields(kind)[0].name if fields(kind) else "anything", 1)
    assert blank == kind(*[None] * len(fields(kind)))


def test_the_desk_wishes_for_every_kind() -> None:
    """An order and its cancel, a crossed book, a window, a deploy and a death: none is left over from before."""
    still = a_trading_desk()
    still.to_s(245)
    still.price()
    still.jump(1)
    still.answer(buy(470_000))
    order = still.wanted(fx.Submit)[-1].order_id
    still.do(still.desk.dealing.on_answer, order, Answer("accepted", "live", order), 900)
    still.jump(1)
    still.answer(m.Cancel(order))
    still.do(still.desk.dealing.on_cancel_answer, order, Answer("unknown"), 9)
    still.book(500_000, 490_000)
    still.desk.standing.ask()
    still.desk.board.lifelines.owe(still.mono_ns, still.mono_ns)
    still.jump(11)
    still.employ(still.deploy(plan=Plan(trial=True)))
    still.do(still.desk.operations.abort, "uid:0")
    still.desk.operations.fence("w1-1", "enough")
    still.settle()
    assert still.wished == set(KINDS)
