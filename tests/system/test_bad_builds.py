"""Bad builds, one after the other, on a desk with every gate: each is stopped where it has to be, and none escapes.

The desk tries, shadows, flips a ring of one slot, bakes, flips the rest and bakes again, as a desk does by itself; only
shorter. Each build is bad in one part of its life and good in all others, so that it comes as far as that: what the
tape shows is caught by the trial, what live ticks show in the shadow, what only an owner does on the slot of the first
ring. At the end a good build passes all of it: the gates are not simply closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pytest
from kit.desks import TWO_ASSETS, Deployed, Desk, a_desk
from kit.releases import RESTLESS

from shared import entries as e

pytestmark = pytest.mark.system
SETTINGS: Final = f"""{TWO_ASSETS}
[ticks]
fast_ms = 5000
event_spacing_ms = 5000
[deploy]
trial_tape_s = 180
shadow_pairs = 15
rings = [1]
bake_s = 120
flip_policy = "any"
[gates]
orders_min = 4
rss_max_mib = 128
trial_memory_mib = 512
[venue]
answer_s = 10
"""
"""The real walk in short. An even beat makes every part as long as any other; few slots have few orders to count.

A venue that a busy machine keeps waiting is given up a little later than by itself: no build is about that.
"""
TAPED: Final = 40
"""Ticks that are on the tape before the first build: one that crashes on a later one of it has to meet that."""
BEFORE_IT_RUNS: Final = "preflight"
OWNING: Final = "attesting or baking"
"""Its first ring is watched from its flip on; an order shows it in whichever phase the market asks for one."""
EXIT_OF: Final = {
    BEFORE_IT_RUNS: 10,
    "spawning": 11,
    "warming": 11,
    "trial": 10,
    "shadow": 11,
    "attesting": 20,
    "baking": 20,
    OWNING: 20,
}
"""What the command says of a build that was stopped there: refused, or failed with nothing changed, or put back."""
WALK: Final = ("spawning", "warming", "trial", "shadow", *2 * ("flipping", "attesting", "baking"), "retiring", "idle")
"""Every phase of a good build, with its two rings."""


@dataclass(frozen=True)
class Bad:
    """A build: how it misbehaves, the phase in which it has to be stopped, by which gate, in which words.

    `gate`: empty where no gate is needed: it died of it, or was refused at the door. `or_gate`: another that may notice
    it first, also before it dies of it; what that says are words of its own.
    """

    behaviour: str
    stopped_in: str
    gate: str
    words: str
    or_gate: str = ""


BUILDS: Final = {
    "does not import": Bad("does_not_import()", BEFORE_IT_RUNS, "", "a room is missing"),
    "lies about its hash": Bad("lies_when_it_greets()", "spawning", "", "it runs ffffffffffff, staged was"),
    "lies about a file when it owns": Bad("lies_when_it_attests()", "attesting", "", "is not the one that was staged"),
    "crashes on its first live tick": Bad("crashes_on_tick(1, 'shadow')", "warming", "", "cannot bear a live market"),
    "crashes on a tick of the tape": Bad("crashes_on_tick(9, 'replay')", "trial", "trial", "cannot bear"),
    "crashes on a tick of its own": Bad("crashes_on_tick(1, 'owner')", "attesting", "", "cannot bear a live market"),
    "crashes on a later own tick": Bad("crashes_on_tick(1, 'proved')", "baking", "", "cannot bear a live market"),
    "throws dice": Bad("throws_dice('replay')", "trial", "repeats", "two replays of the same tape differ"),
    "slow in the shadow": Bad("answers_slowly(0.2, 'shadow', every=8)", "shadow", "latency", "p99 decide"),
    "slow when it owns": Bad("answers_slowly(0.2, 'proved')", "baking", "latency", "p99 decide"),
    "too slow to own": Bad("answers_slowly(2.5, 'owner')", "attesting", "", "missed 2 deadlines in a row", "late"),
    "leaks on the tape": Bad("leaks(32, 'replay')", "trial", "trial", "MemoryError"),
    "leaks in the shadow": Bad("leaks(32, 'shadow')", "shadow", "memory", "> 128 MiB"),
    "leaks when it owns": Bad("leaks(16, 'proved')", "baking", "memory", "> 128 MiB"),
    "wrong size": Bad("orders_wrong_sizes(20, 'shadow')", "shadow", "notional", "wishes for"),
    "wrong size when it owns": Bad("orders_wrong_sizes(200, 'owner')", OWNING, "denied", "order_cap", "notional"),
    "inverted signal": Bad("inverts_its_signal('shadow')", "shadow", "sides", "on the other side"),
    "inverted signal when it owns": Bad("inverts_its_signal('owner')", OWNING, "sides", "on the other side"),
    "orders without a signal": Bad("never_holds('shadow')", "shadow", "agreement", "hold->order"),
    "opens a socket on the tape": Bad("opens_a_socket('replay')", "trial", "trial", "Permission denied"),
    "opens a socket": Bad("opens_a_socket('shadow')", "warming", "", "Permission denied"),
    "opens a socket when it owns": Bad("opens_a_socket('proved')", "baking", "", "Permission denied"),
}


def test_every_bad_build_is_stopped_where_it_has_to_be() -> None:
    """None of them becomes the active release, none has a slot before its gate; a good one passes all of it."""
    with a_desk(settings=SETTINGS, strategy=RESTLESS, careful=True) as desk:
        blue = desk.ask("status").data["release"]["hash"]
        desk.until_decided(TAPED)
        trades_on(desk)
        wrong = {name: told for name, bad in BUILDS.items() if (told := stopped_as_expected(desk, bad))}
        escaped = {entry.release for entry in desk.said_by(e.Active)} - {blue}
        print(f"escapes = {len(escaped)} of {len(BUILDS)}")
        assert not escaped
        assert not wrong
        assert desk.ask("status").data["release"]["hash"] == blue
        passed(desk)
        verdict = desk.judged()
        assert not desk.unpaid(verdict, "deadline", "owner_dead", "no_owner", "late")


def stopped_as_expected(desk: Desk, bad: Bad) -> str:
    """Deploy a bad build, see the other one trade on, and say what was not as it has to be."""
    seen = ""
    for told in desk.tries(desk.release(bad.behaviour, RESTLESS)):
        trades_on(desk)
        last = told.last or BEFORE_IT_RUNS
        seen = f"stopped in {last} by {told.failed or 'itself'} with {told.code}: {told.reply['message']}"
        print(f"{bad.behaviour}: {seen}")
        if told.code != 20 and moved(desk, told.reply):
            return seen
        if right(bad, told, last):
            return ""
    return seen


def trades_on(desk: Desk) -> None:
    """See the desk decide, with entries open: what is wrong with an order only an order shows."""
    desk.until_decided(5)
    desk.until(lambda status: status["state"] == "TRADING" and status["orders"], "a desk that trades")


def right(bad: Bad, told: Deployed, last: str) -> bool:
    """Whether a build was stopped in its phase, by its gate, with its words."""
    sooner = bool(bad.or_gate) and bad.or_gate in told.failed
    by_its_gate = bad.gate in told.failed if bad.gate else not told.failed
    there = last in bad.stopped_in.split(" or ") and told.code == EXIT_OF[bad.stopped_in]
    return there and (sooner or (by_its_gate and bad.words in told.reply["message"]))


def moved(desk: Desk, reply: dict[str, Any]) -> bool:
    """Whether any slot was the build's in this try; it may have come further in one before."""
    op, green = reply.get("op", ""), (reply.get("data") or {}).get("green", "")
    return any((grant.op, grant.release) == (op, green) for grant in desk.said_by(e.Grant))


def passed(desk: Desk) -> None:
    """Deploy a good build: it goes through every phase, and trades."""
    *_, (code, reply, _, _) = desk.tries(desk.release("takes_its_time()", RESTLESS))
    assert code == 0, reply
    assert tuple(step.phase for step in steps_of(desk, reply["op"]) if step.phase != "done") == WALK
    assert desk.until_decided()["release"]["hash"] == reply["data"]["green"]


def steps_of(desk: Desk, op: str) -> list[e.Step]:
    """What the journal says of an operation."""
    return [step for step in desk.said_by(e.Step) if op and step.op == op]
