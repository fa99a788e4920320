"""The explorer finds what is wrong, by a shortest way, and where nothing goes on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from models.explorer import Broken, Move, explore, going_round


@dataclass(frozen=True)
class Stairs:
    """Numbers from 0 on, in steps; `free` ones need not be taken. Where there is none it rests."""

    steps: dict[int, tuple[int, ...]]
    free: frozenset[int] = frozenset()
    bad: int = -1
    rest: frozenset[int] | None = None

    def first(self) -> Iterator[int]:
        """Down below."""
        yield 0

    def moves(self, state: int) -> Iterator[Move[int]]:
        """The next steps."""
        for there in self.steps.get(state, ()):
            yield Move(f"to {there}", lambda there=there: there, there in self.free)  # type: ignore[misc]

    def check(self, state: int) -> None:
        """One step is rotten."""
        if state == self.bad:
            raise Broken("rotten")

    def check_rest(self, state: int) -> None:
        """Resting is allowed somewhere."""
        if self.rest is not None and state not in self.rest:
            raise Broken(f"no rest at {state}")


def test_every_state_is_seen_once() -> None:
    """However many ways lead to it."""
    found = explore(Stairs({0: (1, 2), 1: (3,), 2: (3,)}))
    assert (sorted(found.states), len(found.edges[0]), found.depth) == ([0, 1, 2, 3], 4, 2)
    assert found.told() == "4 states, 4 edges, 2 deep, holds"


def test_a_broken_promise_is_told_by_a_shortest_way() -> None:
    """The roundabout one is longer to read."""
    found = explore(Stairs({0: (1, 4), 1: (2,), 2: (5,), 4: (5,)}, bad=5))
    assert found.told() == "5 states, 3 edges, broken in 2 steps: rotten"
    assert found.story() == "rotten\n  1  to 4\n  2  to 5"


def test_it_may_not_rest_where_something_is_left_to_do() -> None:
    """A fault that may still come is nothing to wait for."""
    found = explore(Stairs({0: (1,), 1: (2,)}, free=frozenset({2}), rest=frozenset({2})))
    assert (found.broken, found.trace) == ("no rest at 1", ["to 1"])


def test_a_state_that_never_comes_to_rest_is_found() -> None:
    """Two that lead to one another and nowhere else."""
    found = explore(Stairs({0: (1, 3), 1: (2,), 2: (1,)}))
    assert (found.broken, found.trace) == ("from here it can never come to rest", ["to 1"])


@pytest.mark.parametrize(("steps", "again"), [({0: (1, 2), 1: (2,)}, None), ({0: (1,), 1: (2, 3), 2: (1,)}, 1)])
def test_what_can_come_again_is_found(steps: dict[int, tuple[int, ...]], again: int | None) -> None:
    """Runs end only where nothing does."""
    assert going_round(explore(Stairs(steps))) == again
