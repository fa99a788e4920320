"""The supervisor is killed at the system calls on its journal, each of them: nothing is lost, doubled or forgotten.

A deploy is traced first, and the points are read off the trace. Then, for one point after the other, a deploy begins,
the supervisor dies exactly there and is started again, and whoever was told anything finds it so. In the end the judge
looks at all of it. A pipeline looks at points spread evenly over all of them, the night at every one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from kit.aftermath import forgotten, posted_once
from kit.desks import ROOT, TWO_ASSETS, UNHURRIED, Desk, a_desk, eventually
from kit.kill_points import Point, attached, finish, point, points, spread, threads
from kit.releases import BUSY

from deploy import client
from shared import entries as e
from shared.messages import Reply
from supervisor.accounts import Accounts, rebuild

pytestmark = pytest.mark.system
LADDER = ROOT / "deploy" / "rehearsal" / "playbook" / "ladder.py"
"""Rests three bids below one another on each token, all of one decision."""
POINTS = 6
"""How many points a pipeline looks at."""
POINTS_A_DESK = 12
REACHED_S = 180.0
"""How long a point may take to be reached on a machine that is busy with other things."""
PACE_S = 0.05
"""Between two things that somebody asks while a deploy runs."""
SETTINGS = f"{TWO_ASSETS}{UNHURRIED}unknown_horizon_s = 5\nstale_s = 600\n"
"""An order whose request died with the supervisor is given up soon, and a busy machine is no dead feed."""


def test_killed_at_a_call_on_its_journal_it_takes_everything_up_again(request: pytest.FixtureRequest) -> None:
    """Points spread over a whole deploy; which ones is told, and each can be gone back to with --kill-point."""
    seed, named = request.config.getoption("--kill-seed"), request.config.getoption("--kill-point")
    with two_releases() as desk:
        chosen = list(map(point, named)) or spread(traced(desk), POINTS, seed)
        print(f"seed {seed}: {', '.join(map(str, chosen))}")
        survive(desk, chosen)


@pytest.mark.nightly
def test_killed_at_every_call_on_its_journal_it_takes_everything_up_again() -> None:
    """Every point of a whole deploy, a dozen to a desk."""
    with two_releases() as desk:
        every = traced(desk)
    print(f"{len(every)} points")
    for begin in range(0, len(every), POINTS_A_DESK):
        with two_releases() as desk:
            survive(desk, every[begin : begin + POINTS_A_DESK])


@pytest.mark.nightly
def test_killed_around_a_batch_each_of_its_legs_is_taken_up_again(request: pytest.FixtureRequest) -> None:
    """Three rungs a token leave in one request, and are taken back in one: no leg is lost, doubled or forgotten."""
    seed = request.config.getoption("--kill-seed")
    with two_releases(LADDER) as desk:
        chosen = spread(traced(desk), POINTS_A_DESK, seed)
        print(f"seed {seed}: {', '.join(map(str, chosen))}")
        survive(desk, chosen)
        assert batches(desk, e.Placing) and batches(desk, e.Cancelling)


def batches(desk: Desk, kind: type[e.Placing] | type[e.Cancelling]) -> int:
    """How many decisions had several orders, or cancels, durable at once."""
    legs = Counter((entry.slot, entry.tick) for entry in desk.said_by(kind))
    return sum(count > 1 for count in legs.values())


# --- a deploy, and the supervisor's death in it -----------------------------------------------------------------------


def survive(desk: Desk, chosen: Sequence[Point]) -> None:
    """Kill the supervisor at one point after the other; then let the judge look at everything."""
    for at in chosen:
        survive_one(desk, at)
    verdict = desk.judged(lapsed=True)
    assert posted_once(desk)
    assert verdict.terms > len(chosen)


def survive_one(desk: Desk, at: Point) -> None:
    """Begin a deploy, die at the point, start again: whoever was told anything finds it so."""
    told, trace = Told.beginning(desk), desk.root / "trace"
    with attached(desk.supervisor_pid, desk.state.journal, trace, at):
        deployed(desk, told)
    finish(at, trace)
    before = rebuild(desk.lines())
    print(f"{at}: it died {when(before, told.op)}")
    desk.start_again()
    desk.until(trades, "a decision of another term, and an owner of every slot", REACHED_S)
    assert not told.broken(desk), at
    assert not forgotten(desk, before), at
    assert told.ended(desk), at


def traced(desk: Desk) -> list[Point]:
    """The points of a deploy, during which people ask this and that."""
    told, trace = Told.beginning(desk), desk.root / "trace"
    with attached(desk.supervisor_pid, desk.state.journal, trace):
        deployed(desk, told, to_its_end=True)
    assert told.ended(desk)
    return points(trace, threads(desk.supervisor_pid))


@contextmanager
def two_releases(strategy: Path = BUSY) -> Iterator[Desk]:
    """A desk that trades, and has a second release to pass its slots to."""
    with a_desk(settings=SETTINGS, strategy=strategy, opened=strategy == BUSY) as desk:
        desk.until(lambda status: status["orders"], "an order to lose")
        exit_code, reply = desk.ctl("stage", str(desk.release("takes_its_time()", strategy)))
        assert exit_code == 0, reply
        yield desk


def deployed(desk: Desk, told: Told, *, to_its_end: bool = False) -> None:
    """Pass the slots to the other release and ask this and that meanwhile, until the supervisor is gone.

    Args: to_its_end: nothing is going to kill it, so until the deploy has ended.
    """
    told.ask(desk, "deploy", {"release": told.green})
    questions, deadline = cycle(("status", "pause", "resume")), monotonic() + REACHED_S
    while desk.lives and not (to_its_end and not told.running):
        assert monotonic() < deadline, "the point was never reached"
        told.ask(desk, next(questions))
        sleep(PACE_S)  # not a wait for anything: people ask at their own pace


def trades(status: dict[str, Any]) -> bool:
    """Whether a supervisor that was started again has its workers back."""
    return status["decided"] > 0 and status["slots"]["owned"] == status["slots"]["open"]


def when(accounts: Accounts, op: str) -> str:
    """In which phase of an operation the journal ends."""
    operated = accounts.operations.get(op)
    if operated is None:
        return "before the deploy was written down"
    return f"in phase {operated.step.phase}, {operated.flips} slots passed"


# --- what people heard ------------------------------------------------------------------------------------------------


@dataclass
class Told:
    """A deploy from the release that trades to the other one, and what the desk has answered while it ran."""

    op: str
    blue: str
    green: str
    generation: int
    begun: bool = False
    running: bool = True
    paused: bool | None = None
    unheard: int = 0
    """Wishes that got no answer: each may have been taken or not."""
    orders: set[str] = field(default_factory=set)

    @classmethod
    def beginning(cls, desk: Desk) -> Told:
        """Before anything is asked."""
        status = desk.ask("status")
        blue = status.data["release"]["hash"]
        green = next(view["hash"] for view in desk.ask("releases").data if view["hash"] != blue)
        return cls(client.new_operation_id(), blue, green, status.generation)

    def ask(self, desk: Desk, verb: str, arguments: dict[str, Any] | None = None) -> None:
        """Ask something as a command does, and keep what came."""
        try:
            reply = client.ask(desk.state, verb, arguments, op=self.op)
        except client.Unavailable:
            self.unheard += verb in {"pause", "resume"}
            return
        self.generation = reply.generation
        _KEEP[verb](self, reply)

    def broken(self, desk: Desk) -> list[str]:
        """What was told and is not so."""
        accounts = rebuild(desk.lines())
        lost = self.orders - {placing.order_id for placing in desk.said_by(e.Placing)}
        broken = [f"order {order_id} is nowhere" for order_id in lost]
        if not self.generation <= accounts.generation <= self.generation + self.unheard:
            broken.append(f"generation {self.generation} was told, it is {accounts.generation}")
        elif self.paused not in {None, accounts.paused} and accounts.generation == self.generation:
            broken.append(f"paused was told to be {self.paused}")
        return broken

    def ended(self, desk: Desk) -> bool:
        """Whether the deploy is known if it was said to have begun, and the release trades that its end means."""
        reply = eventually(lambda: self._heard(desk), "word of the operation")
        trades = self.green if reply.ok and reply.data["result"] == "OK" else self.blue
        return (reply.ok or not self.begun) and reply.trading["hash"] == trades

    def _heard(self, desk: Desk) -> Reply | None:
        with suppress(client.Unavailable):
            return client.ask(desk.state, "operation", {"op": self.op})
        return None

    def _keep_deploy(self, reply: Reply) -> None:
        assert reply.ok, reply
        self.begun = True

    def _keep_status(self, reply: Reply) -> None:
        self.paused, self.running = reply.data["paused"], reply.data["operation"] is not None
        self.orders |= {order["order_id"] for order in reply.data["orders"]}

    def _keep_pause(self, reply: Reply) -> None:
        self.paused = True

    def _keep_resume(self, reply: Reply) -> None:
        self.paused = False


_KEEP = {
    "deploy": Told._keep_deploy,
    "status": Told._keep_status,
    "pause": Told._keep_pause,
    "resume": Told._keep_resume,
}
