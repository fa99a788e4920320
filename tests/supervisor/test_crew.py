"""The workers as the desk knows them."""

from __future__ import annotations

from typing import Any

import pytest

from shared.clock import NS
from shared.config import Deploy
from supervisor.crew import RESPAWN_S, STEADY_S, Crew

LIMITS = Deploy(hello_s=10, warm_s=30, beat_s=5, retire_s=10, lag_max=1_000)
START_NS = 1_000 * NS


def a_crew(**changes: Any) -> tuple[Crew, str]:
    """A crew of one, hired at the start and heard then."""
    crew = Crew()
    uid = crew.hire(3, "9f31", START_NS)
    crew.update(uid, **changes)
    return crew, uid


def after(seconds: float) -> int:
    """So long after it was hired."""
    return START_NS + round(seconds * NS)


def test_a_uid_names_the_reign_and_is_never_used_twice() -> None:
    """Also when the worker before it is gone."""
    crew, first = a_crew()
    crew.dismiss(first, START_NS)
    assert [first, crew.hire(3, "9f31", START_NS), crew.hire(3, "71be", START_NS)] == ["w3-1", "w3-2", "w3-3"]


def test_a_worker_may_be_given_slots_when_it_is_ready_and_whole() -> None:
    """Neither alone is enough, and nobody who is gone or going."""
    crew, uid = a_crew()
    readiness = []
    for stage in ("spawned", "greeted", "ready", "retiring"):
        for whole in (False, True):
            crew.update(uid, stage=stage, whole=whole)
            readiness.append(crew.ready(uid))
    assert readiness == [False, False, False, False, False, True, False, False]
    assert not crew.ready("w9-9")


def test_a_sign_of_life_never_takes_back_what_was_read() -> None:
    """Heartbeat and decision may overtake one another."""
    crew, uid = a_crew()
    crew.hear(uid, after(1), 40)
    crew.hear(uid, after(2), 30)
    assert (crew.members[uid].read_seq, crew.members[uid].heard_ns) == (40, after(2))


def test_what_a_worker_could_not_use_was_the_set_it_had_then() -> None:
    """A decision made with another one may come before the heartbeat that says so; an older word changes nothing."""
    crew, uid = a_crew(read_seq=40, parameters="old", unfit="no such parameter")
    crew.hear(uid, after(1), 30, "before")
    assert (crew.members[uid].parameters, crew.members[uid].unfit) == ("old", "no such parameter")
    crew.hear(uid, after(1), 50, "old")
    assert crew.members[uid].unfit == "no such parameter"
    crew.hear(uid, after(2), 60, "new")
    assert (crew.members[uid].parameters, crew.members[uid].unfit) == ("new", "")


@pytest.mark.parametrize(
    ("changes", "seconds", "head_seq", "reason"),
    [
        ({"stage": "spawned"}, 10, 0, ""),
        ({"stage": "spawned"}, 10.1, 0, "no greeting for 10.1 s"),
        ({"stage": "greeted", "heard_ns": after(40)}, 40, 0, ""),
        ({"stage": "greeted", "heard_ns": after(40)}, 40.1, 0, "not warm after 40.1 s"),
        ({"stage": "greeted"}, 5.1, 0, "no heartbeat for 5.1 s"),
        ({"stage": "ready", "heard_ns": after(100)}, 105, 0, ""),
        ({"stage": "ready", "heard_ns": after(100)}, 105.1, 0, "no heartbeat for 5.1 s"),
        ({"stage": "ready", "read_seq": 500}, 0, 1_500, ""),
        ({"stage": "ready", "read_seq": 500}, 0, 1_501, "1001 frames behind the stream"),
        ({"stage": "ready", "holed_ns": after(10), "heard_ns": after(40)}, 40, 0, ""),
        (
            {"stage": "ready", "holed_ns": after(10), "heard_ns": after(40)},
            40.1,
            0,
            "not whole again 30.1 s after it missed a part of the stream",
        ),
        ({"stage": "greeted"}, 0, 9_999, ""),
        ({"stage": "retiring", "told_ns": after(50), "heard_ns": after(60)}, 60, 0, ""),
        (
            {"stage": "retiring", "told_ns": after(50), "heard_ns": after(60)},
            60.5,
            0,
            "still there 10.5 s after it was told to end",
        ),
    ],
)
def test_each_stage_has_its_deadline(changes: dict[str, Any], seconds: float, head_seq: int, reason: str) -> None:
    """To the tenth of a second, with the number in the reason."""
    crew, uid = a_crew(**changes)
    assert crew.overdue(LIMITS, head_seq, after(seconds)) == ([(uid, reason)] if reason else [])


def test_a_worker_that_ends_early_makes_the_next_wait_longer() -> None:
    """A steady one makes it start anew; one that was told to end counts for nothing."""
    crew, uid = a_crew()
    waits = []
    for _ in range(7):
        waits.append(crew.respawn_after_s("9f31"))
        crew.dismiss(uid, after(1))
        uid = crew.hire(3, "9f31", START_NS)
    assert waits == [*RESPAWN_S, RESPAWN_S[-1]]
    crew.dismiss(uid, after(STEADY_S))
    assert crew.respawn_after_s("9f31") == RESPAWN_S[0]
    told = crew.hire(3, "9f31", START_NS)
    crew.update(told, stage="retiring")
    crew.dismiss(told, after(1))
    assert crew.respawn_after_s("9f31") == RESPAWN_S[0]


def test_nobody_is_dismissed_twice() -> None:
    """The end of a process and the end of its channel may both be told."""
    crew, uid = a_crew()
    gone = crew.dismiss(uid, after(1))
    assert gone is not None
    assert gone.uid == uid
    assert crew.dismiss(uid, after(2)) is None
    assert crew.failures == {"9f31": 1}
