"""The supervisor is killed, at any moment: starting again is recovery, and nothing is forgotten or done twice."""

from __future__ import annotations

import os
import random
from pathlib import Path
from time import sleep

import pytest
from kit.aftermath import forgotten, posted_once
from kit.desks import PATIENCE_S, TWO_ASSETS, UNHURRIED, Desk, a_desk, ended, eventually, stopped
from kit.meddler import Meddler

from shared import entries as e
from shared.records import Segment, segments
from shared.tape_index import SUFFIX
from shared.wire import decode_streamed
from supervisor.accounts import Accounts, rebuild

pytestmark = pytest.mark.system
ROUNDS = 3
SETTINGS = f"{TWO_ASSETS}{UNHURRIED}"
OUTAGE = {"outage", "no_owner", "unknown_order", "late", "no_market"}
"""Why ticks may be skipped around the death of a supervisor.

`late`: more came due than wait before the first answer; `no_market`: their window was over by then, the next not known.
"""
BORNE_S, STOOD_STILL_S = 4.9, 6.0
"""How long a worker may be silent, or think, and how much longer the supervisor stood still."""
STRICT = f"{TWO_ASSETS}[ticks]\ndeadline_s = {BORNE_S}\n[deploy]\nbeat_s = {BORNE_S}\n[venue]\nanswer_s = 30\n"
"""The venue's answers may wait as long, so that no order is unknown afterwards: that would skip ticks as well."""
HELD = {
    "spawning": ("waits_while_importing()", 11),
    "warming": ("waits_while_warming()", 11),
    "flipping": ("waits_while_flipping()", 11),
    "attesting": ("waits_while_attesting()", 20),
}
"""How green has to be made so that a deploy stays in a phase, and how that ends when the supervisor is lost."""


@pytest.mark.parametrize("seed", [1, 2])
def test_killed_at_random_moments_it_takes_everything_up_again(seed: int) -> None:
    """Round after round: positions, orders, cash and epochs are what the journal says, and the venue says the same."""
    chance = random.Random(seed)
    with a_desk(settings=SETTINGS) as desk:
        for _ in range(ROUNDS):
            desk.until_decided(5)
            sleep(chance.uniform(0, 0.6))  # not a wait for anything: the moment of death is the point
            before = killed(desk)
            after = desk.until(lambda s: s["decided"] > 0, "the first decision of another term")
            assert after["term"] == before.term + 1
            assert after["orders"] is not None
            assert not forgotten(desk, before)
        verdict = desk.judged(lapsed=True)
        assert posted_once(desk)
    assert verdict.terms == ROUNDS + 1
    assert verdict.skip_reasons.keys() <= OUTAGE


def test_killed_before_an_order_is_answered_it_asks_about_it() -> None:
    """The order is at the venue and nobody told us: it is found by its hash, counted once, never sent again."""
    with Meddler() as meddler, a_desk(meddler=meddler) as desk:
        meddler.stall("orders")
        meddler.stall("user")
        lost = eventually(lambda: killed_with_orders_unanswered(desk), "an order without an answer", 3 * PATIENCE_S)
        killed_at = desk.lines()[-1].n
        for channel in ("orders", "user"):
            meddler.cut(channel)
            meddler.flow(channel)
        desk.until(lambda s: s["decided"] > 0, "the first decision of another term")
        # One that the venue never got is given up after 30 s, its horizon.
        desk.until(lambda s: lost <= told_of(desk, killed_at), "a word on every order", 3 * PATIENCE_S)
        desk.until(lambda s: not any(slot_is_blocked(desk)), "the end of every doubt", 3 * PATIENCE_S)
        desk.judged(lapsed=True)
        assert posted_once(desk)


def test_a_worker_that_did_not_notice_is_ended_by_the_next_reign() -> None:
    """A worker that hangs cannot see that its supervisor was killed, and must not stay for ever."""
    with a_desk() as desk:
        hanging = desk.worker()
        with stopped(hanging):
            killed(desk)
            desk.until(lambda s: s["decided"] > 0, "the first decision of another term")
            eventually(lambda: ended(hanging), "its end")
        desk.judged(lapsed=True)


@pytest.mark.parametrize("phase", list(HELD))
def test_killed_in_a_phase_of_a_deploy_the_old_release_trades(phase: str) -> None:
    """Every slot comes back on the active release; who asks for the operation learns how it ended."""
    unruly, exit_code = HELD[phase]
    with a_desk(settings=SETTINGS) as desk:
        blue = desk.ask("status").data["release"]
        op = desk.begin_deploy(desk.release(unruly))
        desk.until_phase(phase)
        killed(desk)
        status = desk.until(lambda s: s["decided"] > 0, "the first decision of another term")
        assert status["release"] == blue
        assert status["operation"] is None
        assert desk.result(op)[0] == exit_code
        verdict = desk.judged(lapsed=True)
    assert verdict.skip_reasons.keys() <= OUTAGE


def test_killed_when_some_slots_have_passed_the_operation_was_put_back() -> None:
    """Slots without a market pass at once, the others wait: after the restart all of them are the old release's."""
    with a_desk(settings=f'[slots]\nassets = ["BTC", "SPX"]\n{UNHURRIED}') as desk:
        blue = desk.ask("status").data["release"]["hash"]
        op = desk.begin_deploy(desk.release("waits_while_flipping()"))
        desk.until(lambda s: s["operation"] and s["operation"]["flips"] == 2, "two slots to pass")
        killed(desk)
        desk.until_decided()
        code, document = desk.result(op)
        assert (code, document["data"]["flips"]) == (20, 2)
        eventually(lambda: {slot["release"] for slot in desk.ask("slots").data} == {blue}, "blue to have every slot")
        desk.judged(lapsed=True)


def test_killed_while_blue_retires_the_new_release_trades() -> None:
    """Green owned every slot and had attested: after the restart it is the active release, and the deploy was good."""
    with a_desk("waits_while_retiring()", settings=SETTINGS) as desk:
        op = desk.begin_deploy(desk.release())
        green = desk.until_phase("retiring")["operation"]["green"]
        killed(desk)
        assert desk.until_decided()["release"]["hash"] == green
        assert desk.result(op)[0] == 0
        desk.judged(lapsed=True)


def test_a_supervisor_that_stood_still_gives_nobody_up_for_it() -> None:
    """Longer than a worker may be silent, or think: its words waited.

    What came due meanwhile may be late; or its window is over, and the next one's market was not asked for meanwhile.
    """
    with a_desk(settings=STRICT) as desk:
        owner = desk.worker()
        with stopped(desk.supervisor):
            sleep(STOOD_STILL_S)  # not a wait for anything: how long it lasts is the point
        desk.until_decided()
        assert desk.worker().pid == owner.pid
        assert not [entry for entry in desk.said_by(e.Worker) if entry.event == "lost"]
        verdict = desk.judged(lapsed=True)
    assert verdict.skip_reasons.keys() <= {"late", "no_market"}


def test_a_tape_that_ends_before_the_journal_is_traded_on_from() -> None:
    """As after the machine went down: the hole is named, workers begin behind it, the judge takes it for said."""
    with a_desk(settings=SETTINGS) as desk:
        desk.until_decided(5)
        before = killed(desk)
        cut_tape(desk.state.tape, before.last_seq - 3)
        desk.until(lambda s: s["decided"] > 0, "the first decision of another term")
        gaps, began_ns = desk.said_by(e.Gap), desk.lines(e.Term)[-1].at_ns
        assert [gap.what for gap in gaps].count("tape") == 1
        between = {gap.what for gap in gaps if gap.from_ns < began_ns <= gap.to_ns}
        assert between <= {"tape", "market", "user", "prices"}  # nobody listened between the two reigns either
        assert not [alarm for alarm in desk.said_by(e.Alarm) if alarm.name == "worker_lost"]
        desk.judged(lapsed=True)


def cut_tape(folder: Path, last_seq: int) -> None:
    """Take everything behind a frame off a tape, also where that is more than its newest segment."""
    for path in reversed(segments(folder)):
        segment = Segment(path, "tape")
        kept = [segment.end for _, payload in segment if decode_streamed(payload).seq <= last_seq]
        path.with_suffix(SUFFIX).unlink(missing_ok=True)
        if kept:
            os.truncate(path, kept[-1])
            return
        path.unlink()
    raise AssertionError(f"the tape begins behind frame {last_seq}")


def killed(desk: Desk) -> Accounts:
    """Kill the supervisor; what its journal says at that moment."""
    process = desk.supervisor
    process.kill()
    eventually(
        lambda: desk._supervisor is not None and desk._supervisor.poll() is not None, "the end of the supervisor"
    )
    return rebuild(desk.lines())


def killed_with_orders_unanswered(desk: Desk) -> set[str]:
    """Kill the supervisor if there are orders nobody has told us of; which.

    It stands still while that is looked at again: the venue, when asked, could else answer just before the kill.
    """
    lost = unanswered(desk)
    if lost:
        with stopped(desk.supervisor):
            lost = unanswered(desk)
            if lost:
                killed(desk)
    return lost


def unanswered(desk: Desk) -> set[str]:
    """Orders the venue has, and nobody has told us so."""
    orders = rebuild(desk.lines()).open_orders()
    owed = {order.order_id for order in orders if order.state in {"pending", "unknown"}}
    return owed & {line["order_id"] for line in desk.venue_lines("order")}


def told_of(desk: Desk, killed_at: int) -> set[str]:
    """Orders that a look-up, the user channel or a trade told of since a record; or their window was paid out."""
    since = [line.entry for line in desk.lines(e.Answered, e.OrderReported, e.Fill, e.Resolved) if line.n > killed_at]
    paid = {(entry.slot, entry.start_s) for entry in since if isinstance(entry, e.Resolved)}
    told = {placing.order_id for placing in desk.said_by(e.Placing) if (placing.slot, placing.start_s) in paid}
    words = [entry for entry in since if not isinstance(entry, e.Resolved)]
    return told | {word.order_id for word in words if getattr(word, "request", "lookup") == "lookup"}


def slot_is_blocked(desk: Desk) -> list[bool]:
    """Which slots wait for word of an order."""
    return [slot["state"] == "BLOCKED" for slot in desk.ask("slots").data]
