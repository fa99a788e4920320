"""The frames in order: which number comes next, whether the view is whole, and the answer that a tick asks for.

Live and replay both read through here, so they cannot differ. Leaves to others where frames come from: the socket, or
the tape. What always holds: a frame is folded once and in order; a number that is missing on the tape must be
explained there by a FeedGap of "tape", the fold then begins anew at the next keyframe, and until it has begun no
decision trades; a decision is made with the parameters that its tick names, or it holds.
"""

from __future__ import annotations

from typing import Final

from shared.messages import Decision, Event, FeedGap, Keyframe, Streamed, Tick
from worker.parameters import Parameters
from worker.strategy import decide
from worker.view import LOOKBACK_S, View

WARM_UP_S: Final = LOOKBACK_S + 120
"""How much of the tape is read before the first frame that counts: two keyframes more than the state depends on."""


class Unexplained(Exception):
    """Frames are missing on the tape and no gap says why: what the state would be is unknown."""


class Reading:
    """One reader's place in the stream and what it has understood so far.

    Args: fixed: parameters to decide with whatever the stream says; None outside "what if" replays.
    """

    def __init__(self, fixed: Parameters | None = None) -> None:
        self._fixed = fixed
        self.view = View(fixed)
        self.read_seq = 0
        self.events = 0
        self.whole = False
        self.hole: tuple[int, int] | None = None
        """The first missing and the first present number of the newest hole, until a gap explains it."""

    def fold(self, frame: Streamed) -> None:
        """Take the next frame. Raises: Unexplained: numbers are missing, and the fold could begin again but may not."""
        if self.read_seq and frame.seq != self.read_seq + 1:
            self.lose(frame.seq - 1)
        self.read_seq = frame.seq
        self.events += 1
        if self.whole:
            self.view.apply(frame.at_ns, frame.event)
        else:
            self._begin(frame)

    def lose(self, to_seq: int) -> None:
        """Frames up to `to_seq` were never written: forget everything and wait for a keyframe."""
        self.hole = (self.read_seq + 1, to_seq + 1)
        self.read_seq = to_seq
        self.view, self.whole = View(self._fixed), False

    def answer(self, tick: Tick) -> Decision:
        """The decision of a tick that was just folded."""
        view = self.view
        if not self.whole:
            return _hold("no keyframe was read yet")
        if view.fixed is None and tick.parameters != view.digest:
            return _hold(f"the tick names parameters {tick.parameters!r}, the stream has set {view.digest!r}")
        if view.fault:
            return _hold(f"parameters {view.digest} cannot be used: {view.fault}")
        return decide(view, tick)

    def _begin(self, frame: Streamed) -> None:
        event = frame.event
        if _explains(event):
            self.hole = None
        if not isinstance(event, Keyframe):
            return
        if self.hole is not None:
            raise Unexplained(
                f"frames {self.hole[0]} to {self.hole[1] - 1} are missing and no gap of the tape says why"
            )
        self.view.apply(frame.at_ns, event)
        self.whole = True


def _explains(event: Event) -> bool:
    """Whether it says that the tape itself has a gap; a keyframe may repeat that."""
    if isinstance(event, Keyframe):
        return any(map(_explains, event.events))
    return isinstance(event, FeedGap) and event.feed == "tape"


def _hold(why: str) -> Decision:
    return Decision((), {"verdict": f"hold: {why}"})
