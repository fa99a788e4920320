"""Several orders and cancels of one decision on a real desk: one request, a fate for each, and the venue's books."""

from __future__ import annotations

from collections import defaultdict

import pytest
from kit.desks import ROOT, Desk, a_desk, eventually
from kit.misbehaving import steer

from shared import entries as e

pytestmark = pytest.mark.system
LADDER = ROOT / "deploy" / "rehearsal" / "playbook" / "ladder.py"
"""Rests three bids below one another on each token, all of one decision."""


def answers_of(desk: Desk, request: str) -> list[list[e.Answered]]:
    """The answers to several orders, or cancels, of one decision that took exactly as long: they were one."""
    wished = e.Placing if request == "place" else e.Cancelling
    tick_of = {entry.order_id: (entry.slot, entry.tick) for entry in desk.said_by(wished)}
    told: dict[object, list[e.Answered]] = defaultdict(list)
    for answered in desk.said_by(e.Answered):
        if answered.request == request and answered.order_id in tick_of:
            told[tick_of[answered.order_id], answered.took_us].append(answered)
    return [answers for answers in told.values() if len(answers) > 1]


def test_a_ladder_is_placed_and_taken_back_as_one() -> None:
    """Each rung rests for itself; before their window ends, at the latest, they leave together as well."""
    with a_desk(strategy=LADDER, opened=False, unhurried=True) as desk:
        eventually(lambda: any(resting(legs) >= 3 for legs in answers_of(desk, "place")), "three rungs in one request")
        eventually(lambda: answers_of(desk, "cancel"), "rungs that are taken back in one request")
        desk.judged()


def test_a_ladder_whose_answer_is_lost_is_unknown_rung_by_rung_and_found() -> None:
    """None of them is sent again; the books are the venue's."""
    with a_desk(strategy=LADDER, opened=False, unhurried=True) as desk:
        eventually(lambda: lose(desk) >= 2, "rungs of which nothing is known")
        desk.until_decided(10)
        desk.judged()
        assert not [line for line in desk.venue_lines("reject") if "uplicate" in str(line)]


def resting(legs: list[e.Answered]) -> int:
    """How many of them the venue took, and they rest."""
    return sum(leg.state == "open" for leg in legs)


def lose(desk: Desk) -> int:
    """Lose the answer to the next request, which may be one of a single order; the most legs of one that had none."""
    before = unanswered(desk)
    steer(desk.where, "POST", body={"kind": "drop_answer", "route": "orders", "count": 1})
    eventually(lambda: unanswered(desk) > before, "an order of which nothing is known")
    return max((sum(leg.state == "unknown" for leg in legs) for legs in answers_of(desk, "place")), default=0)


def unanswered(desk: Desk) -> int:
    """How often an order had no answer."""
    return sum((answered.request, answered.state) == ("place", "unknown") for answered in desk.said_by(e.Answered))
