"""Orders and cancels in batches, our pace, and the venue's restricted modes, at a served rehearsal venue.

Over real sockets with real signatures; what the venue has is looked up in the venue itself, not in our answers.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from kit.order_desk import Desk, play

from deploy.rehearsal.faults import read_fault
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import HEARTBEAT_EXPIRY_NS
from deploy.rehearsal.modes import Mode as VenueMode
from shared.clock import NS
from supervisor.pacing import pace
from supervisor.venue.requests import BATCH_MAX, Mode

PACED = 160
"""Orders that empty the bucket, and take two and a half seconds of what comes into it."""
UNPACED = 300
"""Orders that are signed before, and sent at once: a machine that needs six seconds for them would meet no limit."""


def resting(desk: Desk) -> set[str]:
    """Orders that rest at the venue, as it knows them itself."""
    return {order.order_id for order in desk.running.exchange.orders.values() if order.open}


def fault(desk: Desk, kind: str, **arguments: Any) -> None:
    """Let the venue do something wrong."""
    desk.running.exchange.floor.mischief.begin(read_fault({"kind": kind, **arguments}), "test")


def switch(desk: Desk, mode: VenueMode, for_s: int) -> int:
    """Let the venue enter a restricted mode; when that ends, unix milliseconds of its time."""
    exchange = desk.running.exchange
    exchange.modes.switch(mode, exchange.now_ms, for_s)
    return exchange.now_ms + for_s * 1_000


def test_a_batch_rests_leg_by_leg_and_is_cancelled_as_one(tmp_path: Path) -> None:
    """A leg the venue refuses says success true and is refused all the same; a cancel is what its map says."""

    async def scenario(desk: Desk) -> None:
        good, dear = desk.signed(2), desk.signed(1, price_micro=990_000)
        batch = dict([*good.items(), *dear.items()])
        answers = await desk.gateway.place_batch(batch)
        assert [answer.verdict for answer in answers] == ["accepted", "accepted", "rejected"]
        assert [answer.order_id for answer in answers[:2]] == list(good)
        assert "post-only" in answers[2].reason
        assert resting(desk) == set(good)
        one, other = good
        answers = await desk.gateway.cancel_batch([one, next(iter(dear)), other])
        assert [answer.verdict for answer in answers] == ["accepted", "rejected", "accepted"]
        assert resting(desk) == set()

    play(tmp_path, scenario)


def test_a_heartbeat_that_lapsed_begins_anew(tmp_path: Path) -> None:
    """The venue has lost patience and expects a first one: the next is corrected to that, the one after is taken."""

    async def scenario(desk: Desk) -> None:
        switches, clock = desk.running.exchange.switches, desk.running.venue.clock
        assert (await desk.gateway.beat()).accepted
        assert switches.expired(clock.monotonic_ns() + HEARTBEAT_EXPIRY_NS)
        assert [(await desk.gateway.beat()).accepted for _ in range(3)] == [False, True, True]

    play(tmp_path, scenario)


def test_the_largest_batch_is_taken_whole(tmp_path: Path) -> None:
    """As many as one request may hold, each signed for itself."""

    async def scenario(desk: Desk) -> None:
        batch = desk.signed(BATCH_MAX)
        answers = await desk.gateway.place_batch(batch)
        assert [(answer.verdict, answer.order_id) for answer in answers] == [("accepted", each) for each in batch]
        assert resting(desk) == set(batch)

    play(tmp_path, scenario)


def test_a_batch_whose_answer_is_lost_is_unknown_leg_by_leg_and_each_is_found(tmp_path: Path) -> None:
    """Under its own name: nothing has to be sent again. What is sent again all the same is no second order."""

    async def scenario(desk: Desk) -> None:
        batch = desk.signed(3)
        fault(desk, "drop_answer", route="orders", count=1)
        answers = await desk.gateway.place_batch(batch)
        assert [answer.verdict for answer in answers] == ["unknown"] * 3
        assert resting(desk) == set(batch)
        for order_id in batch:
            found, _ = await desk.gateway.look_up(order_id, desk.listing().condition_id)
            assert found is not None
            assert found.open
        again = await desk.gateway.place_batch(batch)
        assert [answer.verdict for answer in again] == ["rejected"] * 3
        assert resting(desk) == set(batch)

    play(tmp_path, scenario)


def test_cancels_whose_answer_is_lost_are_unknown_and_done(tmp_path: Path) -> None:
    """Whoever asks about the orders learns that."""

    async def scenario(desk: Desk) -> None:
        batch = desk.signed(2)
        await desk.gateway.place_batch(batch)
        fault(desk, "drop_answer", route="cancels", count=0)
        answers = await desk.gateway.cancel_batch(list(batch))
        assert [answer.verdict for answer in answers] == ["unknown"] * 2
        assert resting(desk) == set()
        found, _ = await desk.gateway.look_up(next(iter(batch)), desk.listing().condition_id)
        assert found is not None
        assert not found.open

    play(tmp_path, scenario)


def test_orders_at_our_pace_never_meet_the_venues_limit(tmp_path: Path) -> None:
    """As fast as the loop can for some seconds; without it they are refused."""

    async def scenario(desk: Desk) -> None:
        clock, ours = asyncio.get_running_loop().time, pace(40, 60, 1.0)
        ours.begin(round(clock() * NS))
        sent = 0
        while sent < PACED:
            now_ns = round(clock() * NS)
            if not ours.room(now_ns):
                await asyncio.sleep(0.005)
                continue
            ours.bucket.take(1, now_ns)
            _, answer = await desk.place(desk.draft())
            assert answer.verdict == "accepted", answer.reason
            ours.hear(answer, round(clock() * NS))
            assert answer.left is not None
            sent += 1
        batches = [desk.signed(BATCH_MAX) for _ in range(UNPACED // BATCH_MAX)]
        bare = await asyncio.gather(*map(desk.gateway.place_batch, batches))
        assert "too_many" in {answer.mode for answers in bare for answer in answers}

    play(tmp_path, scenario, rules=Rules(grant_micro=10**12))


@pytest.mark.parametrize(
    ("venue", "mode", "plain", "post_only", "cancels"),
    [
        (VenueMode.RESTARTING, "restarting", False, False, False),
        (VenueMode.POST_ONLY, "post_only", False, True, True),
        (VenueMode.CANCEL_ONLY, "closed", False, False, True),
        (VenueMode.DISABLED, "closed", False, False, False),
    ],
)
def test_a_restricted_mode_is_read_for_what_it_takes(
    venue: VenueMode, mode: Mode, plain: bool, post_only: bool, cancels: bool, tmp_path: Path
) -> None:
    """Orders that would take, post-only orders, and cancels: each refusal names the mode, and how long it lasts."""

    async def scenario(desk: Desk) -> None:
        before = desk.signed(1)
        await desk.gateway.place_batch(before)
        end_ms = switch(desk, venue, for_s=60)
        _, taking = await desk.place(desk.draft(kind="FAK", price_micro=900_000))
        left_s = (end_ms - desk.running.venue.now_ms()) / 1_000
        _, making = await desk.place(desk.draft())
        cancel = await desk.gateway.cancel(next(iter(before)))
        assert (taking.verdict == "accepted", taking.mode) == (plain, mode)
        assert (making.verdict == "accepted", making.mode) == (post_only, "" if post_only else mode)
        assert (cancel.verdict == "accepted", cancel.mode) == (cancels, "" if cancels else mode)
        assert left_s <= taking.wait_s <= 60

    play(tmp_path, scenario)
