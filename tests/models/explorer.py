"""Every state a model can get into, breadth first: what always has to hold is asked of each of them.

A model gives its first states and, for a state, the moves that may come next; a state is any hashable value. A move
that breaks a promise raises `Broken`. Breadth first means that the way to a broken promise is a shortest one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

STATES_MAX: Final = 5_000_000
"""A model with more states than this has a bound missing."""

S = TypeVar("S")
T = TypeVar("T")


class Broken(Exception):
    """A promise does not hold; its words say which."""


class Move(NamedTuple, Generic[S]):
    """What may happen next. `free`: the world may do it or leave it: faults and wishes. All else happens some time."""

    label: str
    act: Callable[[], S]
    free: bool = False


class Model(Protocol[S]):
    """What is explored."""

    def first(self) -> Iterable[S]:
        """Where it may begin."""

    def moves(self, state: S) -> Iterable[Move[S]]:
        """What may happen next."""

    def check(self, state: S) -> None:
        """What holds in every state. Raises: Broken."""

    def check_rest(self, state: S) -> None:
        """What holds where nothing is left to happen of itself. Raises: Broken."""


Edges = tuple["array[int]", "array[int]", bytearray]


@dataclass
class Explored(Generic[S]):
    """What was found. `trace`: the moves that lead to the broken promise, none when all hold.

    `came`: for each state the one before it and the move. `edges`: from where, to where, and whether the move is free.
    """

    states: list[S] = field(default_factory=list)
    came: list[tuple[int, str]] = field(default_factory=list)
    depth: int = 0
    edges: Edges = field(default_factory=lambda: (array("L"), array("L"), bytearray()))
    rests: list[int] = field(default_factory=list)
    broken: str = ""
    trace: list[str] = field(default_factory=list)

    def way_to(self, number: int) -> list[str]:
        """The moves of a shortest way to a state."""
        way = []
        while number >= 0:
            number, label = self.came[number]
            way.append(label)
        return way[-2::-1]

    def told(self) -> str:
        """How much there was to see, in a line."""
        size = f"{len(self.states):,} states, {len(self.edges[0]):,} edges"
        ways = f"broken in {len(self.trace)} steps: {self.broken}" if self.broken else f"{self.depth} deep, holds"
        return f"{size}, {ways}"

    def story(self) -> str:
        """The broken promise and how to get there, a move a line."""
        return "\n".join([self.broken, *(f"{number:3}  {label}" for number, label in enumerate(self.trace, 1))])


def explore(model: Model[S]) -> Explored[S]:
    """Look at every state until there is none left or a promise is broken."""
    found = Explored[S]()
    known: dict[S, int] = {}
    reach = _Reach(found, known)
    try:
        for state in model.first():
            reach.see(model, state, (-1, "begin"))
        number = 0
        while number < len(found.states):
            reach.go_on(model, number)
            number += 1
    except _Stopped:
        return found
    found.depth = len(found.way_to(len(found.states) - 1))
    stuck = _stuck(found)
    if stuck is not None:
        found.broken, found.trace = "from here it can never come to rest", found.way_to(stuck)
    return found


class _Stopped(Exception):
    """A promise is broken: there is no need to look on."""


class _Reach(Generic[S]):
    def __init__(self, found: Explored[S], known: dict[S, int]) -> None:
        self.found, self.known = found, known

    def see(self, model: Model[S], state: S, came: tuple[int, str]) -> int:
        """Number a state; look at it if it is new."""
        number = self.known.get(state)
        if number is not None:
            return number
        number = self.known[state] = len(self.found.states)
        self.found.states.append(state)
        self.found.came.append(came)
        assert number < STATES_MAX, "the model has a bound missing"
        self.promise(lambda: model.check(state), number)
        return number

    def go_on(self, model: Model[S], number: int) -> None:
        """Follow every move out of a state."""
        found, state, rests = self.found, self.found.states[number], True
        for label, act, free in self.promise(lambda: list(model.moves(state)), number):
            after = self.see(model, self.promise(act, number, label), (number, label))
            for edges, value in zip(found.edges, (number, after, free), strict=True):
                edges.append(value)
            rests = rests and free
        if rests:
            found.rests.append(number)
            self.promise(lambda: model.check_rest(state), number)

    def promise(self, act: Callable[[], T], number: int, label: str = "") -> T:
        """Do something that may break a promise; tell the way to it if it does."""
        try:
            return act()
        except Broken as broken:
            self.found.broken = str(broken)
            self.found.trace = [*self.found.way_to(number), *([label] if label else [])]
            raise _Stopped from broken


def _stuck(found: Explored[S]) -> int | None:
    """The first state from which no rest can be reached by moves that happen of themselves."""
    back: dict[int, list[int]] = {}
    for here, there, free in zip(*found.edges, strict=True):
        if not free:
            back.setdefault(there, []).append(here)
    good, to_do = set(found.rests), list(found.rests)
    while to_do:
        for before in back.get(to_do.pop(), ()):
            if before not in good:
                good.add(before)
                to_do.append(before)
    return next((number for number in range(len(found.states)) if number not in good), None)


def going_round(found: Explored[S]) -> int | None:
    """A state that can come again; None when every run ends, whatever happens."""
    entering = array("L", bytes(8 * len(found.states)))
    onward: dict[int, list[int]] = {}
    for here, there, _ in zip(*found.edges, strict=True):
        entering[there] += 1
        onward.setdefault(here, []).append(there)
    to_do = [number for number, count in enumerate(entering) if not count]
    while to_do:
        for there in onward.get(to_do.pop(), ()):
            entering[there] -= 1
            if not entering[there]:
                to_do.append(there)
    return next((number for number, count in enumerate(entering) if count), None)
