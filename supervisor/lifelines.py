"""Two things whose silence closes entries: our heartbeats at the venue, and the venue's words about our own orders.

The venue cancels everything of ours some ten seconds after the last heartbeat it took, so a beat that was missed is no
moment to open anything. The user channel can stay connected, answer pings and tell nothing: an order that the venue
took, and of which the channel says no word, shows that. What always holds: before the first beat, and before the first
order, nothing is missed. Times are monotonic, nanoseconds; leaves alarms, and connecting anew, to the desk.
"""

from __future__ import annotations

from shared.clock import NS


class Lifelines:
    """Args: beat_s: the longest that may lie between two good beats. blind_s: how long the channel may owe a word."""

    def __init__(self, beat_s: float, blind_s: float) -> None:
        self._beat_ns, self._blind_ns = round(beat_s * NS), round(blind_s * NS)
        self._beaten_ns = 0
        self._fault = ""
        self._heard_ns = 0
        self._owed_ns = 0

    def beat(self, mono_ns: int, fault: str) -> None:
        """A heartbeat was taken, or not, and why."""
        self._fault = fault
        self._beaten_ns = self._beaten_ns if fault else mono_ns

    def owe(self, mono_ns: int, sent_ns: int) -> None:
        """The venue took an order that was sent then: the user channel owes a word of it, if it has not said one."""
        if self._heard_ns <= sent_ns:
            self._owed_ns = self._owed_ns or mono_ns

    def hear(self, mono_ns: int) -> None:
        """The user channel said something of ours, or is connected anew and is believed again."""
        self._heard_ns, self._owed_ns = mono_ns, 0

    def missed(self, mono_ns: int) -> str:
        """Why heartbeats are not to be relied on now; empty when they are."""
        if self._fault:
            return self._fault
        late_ns = mono_ns - self._beaten_ns
        return f"none was taken for {late_ns / NS:.1f} s" if self._beaten_ns and late_ns > self._beat_ns else ""

    def blind(self, mono_ns: int) -> str:
        """Why the user channel is not to be relied on although it is there; empty when it is."""
        owed_ns = mono_ns - self._owed_ns
        silent = self._owed_ns and owed_ns > self._blind_ns
        return f"no word for {owed_ns / NS:.1f} s of an order that the venue took" if silent else ""
