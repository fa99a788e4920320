"""Which worker has which part: who trades, who shall, who stands by, who is on the way out.

    blue       a worker of the active release; it owns the slots, or is warm while green has them
    green      the candidate's worker, while an operation runs
    standby    a second worker of the active release, in the shadow: it takes blue's place when that one dies
    old        blue of before, told to end
    trailing   a retired release's worker that still decides in the shadow, for comparison

Starts and ends workers, and says who follows whom; leaves to `operations` what their coming and going means. What
always holds: a worker has one part at most, and a release whose workers die is started again in its own time.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from supervisor.board import WORDS_MAX, Board
from supervisor.crew import Member
from supervisor.effects import Spawn, Tell

Part = Literal["blue", "green", "standby", "old", "trailing"]
POISON_S: Final = 120.0
"""Real seconds in which the next owner must die as the one before it did for their release to be the cause."""
_VARIABLE: Final = re.compile(r"w?\d[\w./-]*")
"""What differs between two deaths of one cause: numbers, and names with numbers in them."""
PARTS: Final[tuple[Part, ...]] = ("blue", "green", "standby", "old", "trailing")


class Staff:
    """The parts, each a uid or empty. `trails_until_ns`: till when the trailing one stays, market time."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.blue = self.green = self.standby = self.old = self.trailing = ""
        self.trails_until_ns = 0
        self.closing = False
        self._not_before_ns: dict[str, int] = {}
        self._died_of: tuple[tuple[str, str], int] = (("", ""), 0)

    def part_of(self, uid: str) -> Part | Literal[""]:
        """The part a worker has; empty for one that has none."""
        return next((part for part in PARTS if uid and getattr(self, part) == uid), "")

    def start(self, release: str) -> str:
        """Start a worker of a release; return its uid."""
        board = self.board
        uid = board.crew.hire(board.accounts.term, release, board.mono_ns)
        board.write(e.Worker(uid, release, 0, "spawned", ""))
        board.effects.append(Spawn(uid, release))
        return uid

    def retire(self, uid: str, why: str) -> None:
        """Tell a worker to end, if it still lives."""
        if uid in self.board.crew.members:
            self.board.crew.update(uid, stage="retiring", told_ns=self.board.mono_ns)
            self.board.effects.append(Tell(uid, m.Retire(why[:WORDS_MAX])))

    def retire_all(self, why: str) -> None:
        """Tell every worker to end, and start none any more."""
        self.closing = True
        for uid in list(self.board.crew.members):
            self.retire(uid, why)

    def lost(self, member: Member) -> Part | Literal[""]:
        """A worker is gone: its part is free, and blue's is its standby's at once. Return the part it had."""
        part = self.part_of(member.uid)
        if member.stage != "retiring":
            delay_s = self.board.crew.respawn_after_s(member.release)
            self._not_before_ns[member.release] = self.board.mono_ns + int(delay_s * NS)
        if part:
            setattr(self, part, "")
        if part == "blue":
            self.blue, self.standby = self.standby, ""
        return part

    def died_again(self, release: str, why: str) -> bool:
        """Note what an owner died of; whether the owner before it, of the same release, died of it a little ago too."""
        died_of, (last, since_ns) = (release, _VARIABLE.sub("", why)), self._died_of
        self._died_of = died_of, self.board.mono_ns
        return died_of == last and self.board.since_s(since_ns) < POISON_S

    def fill(self) -> bool:
        """Bring back who the active release lacks: blue, and when that is ready its standby.

        Return whether blue is new. A release whose workers die is given a little longer each time.
        """
        active = self.board.accounts.active
        if active is None or self.closing:
            return False
        in_time = self.board.mono_ns >= self._not_before_ns.get(active.release, 0)
        if not self.blue and in_time:
            self.blue = self.start(active.release)
            return True
        wanted = self.board.settings.deploy.standby and not self.standby
        if wanted and in_time and self.board.crew.ready(self.blue):
            self.standby = self.start(active.release)
        return False

    def promote(self, trail_until_ns: int) -> bool:
        """Green becomes blue; whoever stood by for the old release goes. Return whether the old blue was told to end.

        Args: trail_until_ns: until when the old blue stays in the shadow instead, market time; 0 for not at all.
        """
        old, self.blue, self.green = self.blue, self.green, ""
        standby, self.standby = self.standby, ""
        self.retire(standby, "its release was replaced")
        if trail_until_ns and old in self.board.crew.members:
            self.retire(self.trailing, "another release trails")
            self.trailing, self.trails_until_ns = old, trail_until_ns
            return False
        self.old = old if old in self.board.crew.members else ""
        self.retire(self.old, f"{self.board.crew.members[self.blue].release} took over")
        return bool(self.old)

    def recall(self, release: str) -> str:
        """The trailing worker, if it runs this release and misses nothing: it can be green at once. Else empty."""
        member = self.board.crew.members.get(self.trailing)
        if member is None or member.release != release or not self.board.crew.ready(self.trailing):
            return ""
        recalled, self.trailing = self.trailing, ""
        return recalled

    def pass_time(self) -> None:
        """Let the trailing worker go when it has trailed long enough."""
        if self.trailing and self.board.at_ns >= self.trails_until_ns:
            gone, self.trailing = self.trailing, ""
            self.retire(gone, "it has trailed long enough")
