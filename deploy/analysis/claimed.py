"""What a journal says of claims, read anew: which windows' winners were redeemed, and which pairs were merged.

Leaves what the venue says of them, and the verdict, to `verify.py`. A merge takes its pairs out of the positions when
it leaves, and gives them back when it came to nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shared import entries as e

Window = tuple[str, int]
"""Slot, and start in seconds."""


@dataclass
class Claimed:
    """The fold. aside: pairs that are being merged, by claim, and how often each left. All amounts are millionths.

    given_back: pairs whose merge failed after their window was resolved; its winners pay for them.
    """

    owing: set[Window] = field(default_factory=set)
    redeemed: set[Window] = field(default_factory=set)
    merged: Counter[Window] = field(default_factory=Counter)
    given_back: Counter[Window] = field(default_factory=Counter)
    paid: int = 0
    aside: dict[str, tuple[e.Claiming, int]] = field(default_factory=dict)
    over: set[Window] = field(default_factory=set)

    def take(self, entry: e.Resolved | e.Claiming | e.ClaimMoved) -> tuple[Window, int]:
        """Fold one entry. Returns the window whose pairs it took out of the positions, negative, or gave back."""
        if isinstance(entry, e.Resolved):
            return self._resolve(entry)
        if isinstance(entry, e.Claiming):
            return self._leave(entry)
        return self._move(entry)

    def _resolve(self, entry: e.Resolved) -> tuple[Window, int]:
        window = entry.slot, entry.start_s
        self.over.add(window)
        if entry.owed:
            self.owing.add(window)
        return window, 0

    def _leave(self, entry: e.Claiming) -> tuple[Window, int]:
        window = entry.slot, entry.start_s
        if entry.kind == "redeem":
            return window, 0
        known = self.aside.get(entry.claim)
        self.aside[entry.claim] = entry, known[1] + 1 if known else 1
        return window, 0 if known else -entry.amount_micro

    def _move(self, entry: e.ClaimMoved) -> tuple[Window, int]:
        slot, start_s = entry.claim.split(" ")[:2]
        window, merge = (slot, int(start_s)), self.aside.get(entry.claim)
        self.paid += entry.event == "paid"
        if merge is None:
            if entry.event == "paid":
                self.redeemed.add(window)
            return window, 0
        left, times = merge
        if entry.event == "paid":
            del self.aside[entry.claim]
            self.merged[window] += left.amount_micro
        elif entry.event == "failed" or (entry.event == "refused" and times == 1):
            del self.aside[entry.claim]
            self.given_back[window] += left.amount_micro if window in self.over else 0
            return window, left.amount_micro
        return window, 0

    @property
    def unpaid(self) -> set[Window]:
        """Windows that owe, and of whose payment nothing was heard."""
        return self.owing - self.redeemed


def claimed(lines: list[e.Line]) -> Claimed:
    """Everything a journal says of claims."""
    found = Claimed()
    for line in lines:
        if isinstance(line.entry, e.Resolved | e.Claiming | e.ClaimMoved):
            found.take(line.entry)
    return found
