"""What a deploy shall do, and in which rings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config import Deploy
from supervisor.plan import BadPlan, Plan, SlotStanding, alone, make_rings, planned
from supervisor.rollout import Course


def test_a_deploy_does_what_the_settings_say_unless_told_otherwise() -> None:
    """Field by field."""
    deploy = Deploy(shadow_pairs=7, rings=(2,), expect="identical")
    usual = planned(deploy, "deploy", {})
    assert (usual.expect, usual.trial, usual.shadow_pairs, usual.rings) == ("identical", True, 7, (2,))
    told = planned(deploy, "deploy", {"shadow_pairs": 0, "rings": [], "take_back": False})
    assert (told.expect, told.shadow_pairs, told.rings, told.take_back) == ("identical", 0, (), False)
    assert not planned(Deploy(trial_tape_s=0), "deploy", {}).trial


@pytest.mark.parametrize("verb", ["rollback", "start"])
def test_what_is_in_a_hurry_takes_every_slot_at_its_next_boundary(verb: str) -> None:
    """No trial, no shadow, no rings, no bake; nothing is excluded."""
    plan = planned(Deploy(), verb, {})
    assert plan == Plan(boundary_s=Deploy().boundary_s)
    assert plan.course(1) == Course()


@pytest.mark.parametrize(
    ("wishes", "words"),
    [
        ({"shadow": 3}, "shadow"),
        ({"rings": [0]}, "rings"),
        ({"rings": [1] * 33}, "rings"),
        ({"bake_s": -1}, "bake_s"),
        ({"bake_s": "long"}, "bake_s"),
        ({"expect": "luck"}, "expect"),
        ({"hold_before": "lunch"}, "hold_before"),
        ({"flip_policy": "now"}, "flip_policy"),
    ],
)
def test_a_plan_that_cannot_be_names_what_is_wrong_with_it(wishes: dict[str, Any], words: str) -> None:
    """Unknown words and numbers out of bounds."""
    with pytest.raises(BadPlan, match=words):
        planned(Deploy(), "deploy", wishes)


def test_the_first_release_of_all_is_compared_with_nobody() -> None:
    """What else was wished stays."""
    plan = alone(planned(Deploy(), "deploy", {"hold_before": "flip"}))
    assert (plan.shadow_pairs, plan.bake_s, plan.rings) == (0, 0, ())
    assert (plan.trial, plan.hold_before) == (True, "flip")


def test_the_canary_can_lose_least_and_resolves_last() -> None:
    """Exposure first, then the time its window has left."""
    standings = [
        SlotStanding("A", 5, 800),
        SlotStanding("B", 0, 20),
        SlotStanding("C", 0, 900),
        SlotStanding("D", 0, 300),
    ]
    assert make_rings("op1", standings, (1, 2)) == (("C",), ("D", "B"), ("A",))


def test_slots_without_a_market_go_with_the_last_ring_that_has_one() -> None:
    """They prove nothing: neither as the canary nor in a ring of their own."""
    standings = [SlotStanding(name, 0, 900, has_market=name in "CD") for name in "ABCDE"]
    first, second = make_rings("op1", standings, (1, 4))
    assert (len(first), set(first) | set(second[:1])) == (1, {"C", "D"})
    assert set(second[1:]) == {"A", "B", "E"}
    assert len(make_rings("op1", [SlotStanding("A", 0, 9, has_market=False)], (1,))) == 1


def test_equals_are_told_apart_by_the_operation() -> None:
    """The same operation makes the same rings; another may begin with another slot."""
    equals = [SlotStanding(name, 0, 100) for name in "ABCDEFGH"]
    assert make_rings("op1", equals, (1,)) == make_rings("op1", reversed(equals), (1,))
    assert len({make_rings(f"op{number}", equals, (1,))[0] for number in range(40)}) > 3


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12), st.lists(st.integers(1, 5), max_size=5))
def test_every_slot_stands_in_one_ring(slots: list[tuple[int, bool]], sizes: list[int]) -> None:
    """Whatever the sizes; no ring is empty."""
    standings = [SlotStanding(str(number), exposure, 9, market) for number, (exposure, market) in enumerate(slots)]
    rings = make_rings("op", standings, tuple(sizes))
    assert sorted(name for ring in rings for name in ring) == sorted(slot.name for slot in standings)
    assert all(rings)
    assert all(len(ring) == size for ring, size in zip(rings[:-1], sizes, strict=False))
