"""What is to happen when, in market time. Actions of one moment run in the order they were added.

What always holds: nothing is dropped; a venue that was late runs everything it missed, in order, each at its own time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count

Action = Callable[[], None]


class Agenda:
    """Actions by their due time, unix milliseconds."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Action]] = []
        self._number = count()

    def add(self, due_ms: int, action: Action) -> None:
        """Plan an action; one that is overdue runs at the next turn."""
        heappush(self._heap, (due_ms, next(self._number), action))

    @property
    def next_ms(self) -> int | None:
        """When the next action is due, None when nothing is planned."""
        return self._heap[0][0] if self._heap else None

    def due(self, now_ms: int) -> Iterator[tuple[int, Action]]:
        """Take out what is due, one by one, so that an action may plan others that are due as well."""
        while self._heap and self._heap[0][0] <= now_ms:
            due_ms, _, action = heappop(self._heap)
            yield due_ms, action
