"""What every part of the desk shares: the moment, the accounts, the markets, the crew, and the one way to tell.

Nothing here reads a clock, a file or a socket. What has to be done in the world is left in `effects` as values, in
order, for `app` to carry out. Facts change in one way only: an entry is applied to the accounts and written down.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.config import Settings
from shared.risk import limits
from shared.slots import Slot
from supervisor.accounts import Accounts
from supervisor.crew import Crew
from supervisor.effects import Effect, Moment, Publish, Write, WriteFirst
from supervisor.lanes import Lanes
from supervisor.lifelines import Lifelines

FEEDS: Final = ("market", "user", "prices")
NO_DECISION: Final = msgspec.Raw(b"\xc0")
"""No decision, in the bytes of a record."""
WORDS_MAX: Final = 500
"""Characters kept of what somebody says: a reason, a cause, the detail of an alarm."""
RECENT_MAX: Final = 2_000
"""Entries kept in memory for people who ask what happened."""
KEYFRAMES_KEPT: Final = 4_096
"""Keyframes of the stream whose place is remembered: a day and more of them."""
VENUE_AWAY_S: Final = 30.0
"""Real seconds for which the venue's word holds that it takes no orders now."""


class Board:
    """Args: accounts: rebuilt from the journal. seq: the last frame on the tape. code: what this supervisor runs."""

    def __init__(self, settings: Settings, accounts: Accounts, *, seq: int, pid: int, code: str) -> None:
        self.settings = settings
        self.accounts = accounts
        self.seq = seq
        self.pid = pid
        self.code = code
        self.at_ns = 0
        self.mono_ns = 0
        self.effects: list[Effect] = []
        self.lanes = Lanes(settings)
        self.lane_of: dict[str, Slot] = {slot.name: slot for slot in self.lanes.slots}
        self.crew = Crew()
        self.limits = limits(settings.risk)
        self.feeds: dict[str, str] = dict.fromkeys(FEEDS, "not connected yet")
        self.lifelines = Lifelines(settings.venue.heartbeat_s + settings.venue.answer_s, settings.venue.blind_s)
        self.tape_fault = ""
        self.differs: dict[str, str] = {}
        """What of our books is not as the venue says, by slot; what concerns all of them under the empty name."""
        self.counters: dict[str, int] = {}
        self._keyframes: deque[tuple[int, int]] = deque(maxlen=KEYFRAMES_KEPT)
        self._venue_said: tuple[str, int] = ("", 0)
        self.heard: Callable[[e.Entry], None] = lambda entry: None
        self.recent: deque[tuple[int, e.Entry]] = deque(maxlen=RECENT_MAX)

    def now(self, moment: Moment) -> None:
        """Something arrives at this moment; market time never runs backwards here."""
        self.at_ns, self.mono_ns = max(self.at_ns, moment.at_ns), moment.mono_ns

    def since_s(self, mono_ns: int) -> float:
        """Real seconds since a monotonic time."""
        return (self.mono_ns - mono_ns) / NS

    def publish(self, event: m.Event, *, new_segment: bool = False) -> int:
        """Put an event on the stream; return its sequence number."""
        self.seq += 1
        self.effects.append(Publish(m.Streamed(self.seq, self.at_ns, event), new_segment))
        return self.seq

    def mark_keyframe(self) -> None:
        """The stream has a keyframe here: a worker can begin to read with the next frame."""
        self._keyframes.append((self.at_ns, self.seq + 1))

    def seq_since(self, at_ns: int) -> int:
        """The frame of this reign's first keyframe at a moment of market time or after it; the next frame if none."""
        return next((seq for marked_ns, seq in self._keyframes if marked_ns >= at_ns), self.seq + 1)

    def write(self, entry: e.Entry) -> None:
        """Let a fact be true, and write it down."""
        self.apply(entry)
        self.effects.append(Write(entry))

    def write_first(self, entries: Iterable[e.Entry], then: Iterable[Effect]) -> None:
        """Write facts down, and do the rest once they are on the disk. Apply them first."""
        self.effects.append(WriteFirst(tuple(entries), tuple(then)))

    def apply(self, entry: e.Entry) -> None:
        """Let a fact be true, and let whoever gathers evidence hear of it."""
        self.accounts.apply(entry, self.at_ns)
        self.heard(entry)
        if isinstance(entry, WORTH_TELLING):
            self.recent.append((self.at_ns, entry))

    def take_effects(self) -> list[Effect]:
        """What is to be done now, in order."""
        effects, self.effects = self.effects, []
        return effects

    def venue_says(self, fault: str) -> None:
        """The venue answered: that it takes no orders now and why, or as usual."""
        self._venue_said = (fault, self.mono_ns)

    @property
    def venue_fault(self) -> str:
        """Why the venue takes no orders, as it said itself a little while ago; empty when it does."""
        fault, said_ns = self._venue_said
        return fault if self.since_s(said_ns) <= VENUE_AWAY_S else ""

    def count(self, what: str) -> None:
        """Count something a person may want to know the number of."""
        self.counters[what] = self.counters.get(what, 0) + 1

    def alarm(self, name: str, detail: str) -> None:
        """Say that a person should look."""
        self.count(f"alarm:{name}")
        self.write(e.Alarm(name, detail[:WORDS_MAX]))

    @property
    def parameters(self) -> str:
        """The digest of the parameters in force."""
        return self.accounts.parameters.digest if self.accounts.parameters is not None else ""

    def by(self, uid: str, epoch: int, parameters: str) -> e.By:
        """Who decides: a worker under an epoch, what it runs, and with which parameters."""
        member = self.crew.members.get(uid)
        return e.By(member.release if member else "", parameters, epoch, uid)

    @property
    def lifeline_lost(self) -> str:
        """Which of the two lifelines is missing now; empty when neither is."""
        if self.lifelines.missed(self.mono_ns):
            return "heartbeat_missed"
        return "user_feed_blind" if self.lifelines.blind(self.mono_ns) else ""

    def halted(self, slot: str) -> str:
        """Why a release may send no order at all for a slot now, not even an exit; empty when it may."""
        accounts = self.accounts
        if accounts.halted:
            return "halted"
        if slot in accounts.flattening:
            return "flattened"
        return "blocked" if accounts.standing is not None and accounts.standing.blocked else ""

    def entries_closed(self, slot: Slot) -> str:
        """Why no entry may be made in a slot now; empty when entries are open."""
        halted, standing = self.halted(slot.name), self.accounts.standing
        if halted or self.accounts.paused:
            return halted or "paused"
        if standing is not None and standing.closed_only:
            return "closed_only"
        if self.tape_fault:
            return "tape_unavailable"
        if "" in self.differs or slot.name in self.differs:
            return "books_differ"
        down = next((feed for feed, fault in self.feeds.items() if fault), "")
        if down:
            return f"{down}_feed_down"
        if self.lifeline_lost:
            return self.lifeline_lost
        if self.at_ns - self.lanes.price_seen_ns.get(slot.asset, 0) > self.settings.venue.stale_s * NS:
            return "prices_stale"
        if not self.accounts.opened:
            return "balance_unknown"
        return "" if standing is not None else "standing_unknown"


WORTH_TELLING: Final = (
    e.Term,
    e.Boundary,
    e.Retuned,
    e.Step,
    e.Active,
    e.Placing,
    e.Fill,
    e.Resolved,
    e.Claiming,
    e.ClaimMoved,
    e.Settled,
    e.Transfer,
    e.Control,
    e.Flatten,
    e.Flattened,
    e.Standing,
    e.Worker,
    e.Gap,
    e.TapePruned,
    e.Alarm,
    e.Repair,
)
"""Kinds of entries that are kept for people who ask what happened lately; `report` has words for each."""
