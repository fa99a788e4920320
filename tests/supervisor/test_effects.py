"""What the desk wants done in the world, as values."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import get_args

import pytest
from kit.still_desk import BTC, START_S, StillDesk, a_trading_desk, buy
from kit.trading import BY

from shared import entries as e
from shared import messages as m
from shared.config import Claims
from supervisor import effects as fx
from supervisor.claims import Prepared, Seen
from supervisor.plan import Plan
from supervisor.tuning import Change
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


def claim(still: StillDesk) -> None:
    """Winners are looked at, signed for, and sent."""
    fill = ("t", "o", BTC, START_S, "Up", "BUY", 500_000, 10_000_000, 0, True, "CONFIRMED", BY)
    still.desk.board.write(e.Fill(*fill))  # type: ignore[arg-type]
    still.desk.board.write(e.Resolved(BTC, START_S, "Up", 10_000_000, True))
    still.jump(1)
    name, shares = f"{BTC} {START_S} redeem", (10_000_000, 0)
    still.do(still.desk.claiming.on_seen, name, Seen(0, 0, shares, shares))
    still.do(still.desk.claiming.on_prepared, name, Prepared(0, "", b"signed"))


def tune(still: StillDesk) -> None:
    """Other parameters are asked about, agreed to, and in force."""
    still.do(still.desk.tuning.propose, Change("c1", {"stake_usd": 7}, "uid:0", "calm", still.mono_ns))
    for asked in still.wanted(fx.AskRelease):
        still.do(still.desk.tuning.on_asked, "c1", asked.release, "")


def test_the_desk_wishes_for_every_kind() -> None:
    """An order, its cancel, a crossed book, a window, parameters, a deploy, a death, a claim: none is left over."""
    still = a_trading_desk(claims=Claims(by="relayer"))
    still.to_s(245)
    still.price()
    still.jump(1)
    still.answer(buy(460_000), buy(470_000))
    for order in [submit.order_id for submit in still.wanted(fx.Submit)]:
        still.do(still.desk.executions.on_answer, order, Answer("accepted", "live", order), 900)
    still.jump(1)
    still.answer(m.Cancel(order))
    still.do(still.desk.executions.on_cancel_answer, order, Answer("unknown"), 9)
    still.book(500_000, 490_000)
    still.desk.standing.ask()
    still.desk.board.lifelines.owe(still.mono_ns, still.mono_ns)
    still.jump(11)
    tune(still)
    still.employ(still.deploy(plan=Plan(trial=True)))
    still.do(still.desk.operations.abort, "uid:0")
    still.desk.operations.fence("w1-1", "enough")
    still.settle()
    claim(still)
    assert still.wished == set(KINDS)
