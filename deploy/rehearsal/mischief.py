"""The faults in force: what a request, an event, a trade, a socket or a clock meets because of them.

It is asked at every place where the venue could do wrong and answers in values; doing it is left to who asked, and when
a fault begins to `director.py`. What always holds: every beginning, hit and end is a line of the record; which of the
things that a fault meets it hits is drawn from (seed, fault, how many it met), so the same requests in the same order
meet the same. Without faults in force everything is as if this room were not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

from deploy.rehearsal import refusals
from deploy.rehearsal.agenda import Agenda
from deploy.rehearsal.days import Listing
from deploy.rehearsal.faults import CLOB_CHANNELS, Fault
from deploy.rehearsal.gamma import Shown
from deploy.rehearsal.outbox import Effect, Line, Outbox, ToMarket, ToPrices, ToUser
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.refusals import Refused

ACTIVE_MAX: Final = 1_000
"""Faults in force at once; the one too many ends the oldest."""
KEPT_MAX: Final = 1_000
"""Ended faults that are remembered for who asks."""
BOOK_EVENTS: Final = frozenset({"book", "price_change", "best_bid_ask"})


@dataclass(slots=True)
class Active:
    """A fault that began. met, hits: what came by, and what of it was hit. held: events that wait."""

    number: int
    fault: Fault
    source: str
    begun_ms: int
    end_ms: int | None
    over: bool = False
    met: int = 0
    hits: int = 0
    held: list[ToUser] = field(default_factory=list)

    def shown(self) -> Json:
        """It as a program is told of it."""
        return {
            "number": self.number,
            "kind": self.fault.kind,
            "arguments": dict(self.fault.values),
            "source": self.source,
            "begun_ms": self.begun_ms,
            "end_ms": self.end_ms,
            "over": self.over,
            "hits": self.hits,
        }


@dataclass(frozen=True, slots=True)
class Meeting:
    """What a request meets. refused: the answer instead of the true one. dropped: no answer, the line is cut."""

    delay_ms: int = 0
    dropped: bool = False
    refused: Refused | None = None
    carried_out: bool = True


NOTHING: Final = Meeting()


class Chance(Protocol):
    """What is drawn from."""

    def random(self) -> float:
        """A number from 0 to 1."""

    def shuffle(self, x: list[ToUser]) -> None:
        """Bring a list into another order."""


class World(Protocol):
    """What mischief has to know of the world."""

    now_ms: int
    """Market time, unix milliseconds."""

    def listing_of(self, condition_id: str) -> Listing | None:
        """A listed market."""


class Mischief:
    """Args: dice: chance for a name. agenda: ends are planned on it. world: what the exchange knows."""

    def __init__(self, dice: Callable[[str], Chance], out: Outbox, agenda: Agenda, world: World) -> None:
        self._dice, self._out, self._agenda, self._world = dice, out, agenda, world
        self._active: dict[int, Active] = {}
        self._over: list[Active] = []
        self._number = 0
        self.skew_ms = 0
        """How far the venue's clock is ahead of the market's."""
        self.over: Callable[[Active], None] = lambda active: None
        """Told of every fault that ended."""
        self._silent: frozenset[str] = frozenset()

    # Beginning and ending.

    def begin(self, fault: Fault, source: str) -> Active:
        """Let a fault be in force. source: scenario or control."""
        if len(self._active) >= ACTIVE_MAX:
            self.end(next(iter(self._active)))
        self._number += 1
        now_ms = self._world.now_ms
        length_s = fault.number("for_s") or fault.number("down_s") + fault.number("post_only_s")
        end_ms = now_ms + length_s * 1_000 if length_s else None
        active = Active(self._number, fault, source, now_ms, end_ms)
        self._active[active.number] = active
        self._line(active, "begins", arguments=dict(fault.values), source=source)
        if end_ms is not None:
            self._agenda.add(end_ms, partial(self._run_out, active.number))
        self._changed()
        return active

    def end(self, number: int) -> bool:
        """Let a fault be over; whether it was in force."""
        active = self._active.pop(number, None)
        if active is None:
            return False
        active.over, active.end_ms = True, self._world.now_ms
        self._over = [*self._over[-KEPT_MAX:], active]
        self._release(active)
        self._line(active, "ends", hits=active.hits)
        self._changed()
        self.over(active)
        return True

    def _run_out(self, number: int) -> None:
        self.end(number)

    def end_all(self) -> None:
        """Let every fault be over."""
        for number in list(self._active):
            self.end(number)

    def all(self) -> list[Active]:
        """Every fault that began, the oldest first."""
        return [*self._over, *self._active.values()]

    @property
    def quiet(self) -> bool:
        """Whether no fault is in force."""
        return not self._active

    # What a request meets.

    def meets(self, route: str, what: str) -> Meeting:
        """What a request of a route meets. what: it in words, for the record."""
        meeting = NOTHING
        for active in self._of("delay_answer", "drop_answer", "refuse"):
            if active.fault.covers("route", route) and self._hits(active, what):
                meeting = _MEETS[active.fault.kind](meeting, active.fault)
        return meeting

    def displaces(self) -> str:
        """The country from which nobody may trade and where everybody is; empty when nobody is displaced."""
        for active in self._of("geoblock"):
            self.count(active, "geoblock")
            return active.fault.text("country")
        return ""

    # What sockets meet.

    def turns_away(self, channel: str) -> bool:
        """Whether a new socket of a channel is turned away."""
        refusing = [active for active in self._of("refuse_connections") if active.fault.covers("channel", channel)]
        down = [active for active in self._of("restart") if channel in CLOB_CHANNELS and self._is_down(active)]
        for active in (*refusing, *down):
            self.count(active, f"connection to {channel}")
        return bool(refusing or down)

    def _is_down(self, active: Active) -> bool:
        return self._world.now_ms < active.begun_ms + active.fault.number("down_s") * 1_000

    def silences(self, channel: str) -> bool:
        """Whether a channel's sockets say nothing but PONG."""
        return bool(self._silent) and (channel in self._silent or "all" in self._silent)

    # What a trade meets.

    def dooms(self, trade_id: str) -> bool:
        """Whether a trade that was just made will fail."""
        return any(self._hits(active, "trade", trade_id=trade_id) for active in self._of("ghost_fill"))

    # What markets meet.

    def misses(self, listing: Listing) -> bool:
        """Whether a market is not known at all."""
        return any(active.fault.selects(listing) for active in self._of("market_missing"))

    def catalogued(self, listing: Listing, shown: Shown) -> Shown | None:
        """A market as the catalogue shows it, None while it is not there."""
        if self.misses(listing):
            return None
        for active in self._of("gamma_late"):
            late_ms = active.fault.number("late_s") * 1_000
            if not active.fault.selects(listing):
                continue
            if active.fault.text("what") == "listing" and shown.at_ms < listing.start_s * 1_000 + late_ms:
                return None
            if active.fault.text("what") == "outcome" and shown.at_ms < (shown.closed_ms or 0) + late_ms:
                shown = replace(shown, settled=None, closed_ms=None)
        return shown

    # What is said.

    def _through(self, effect: Effect) -> Iterator[Effect]:
        """What of an effect is said, and how often; everything that is said passes here while a fault concerns it."""
        for active in self._of("stale_book", "feed_gap"):
            if self._swallows(active.fault, effect):
                active.hits += 1
                return
        if isinstance(effect, ToUser):
            yield from self._told(effect)
        else:
            yield effect

    def _swallows(self, fault: Fault, effect: Effect) -> bool:
        if fault.kind == "stale_book" and isinstance(effect, ToMarket):
            listing = self._world.listing_of(effect.condition_id)
            first = effect.message[0] if isinstance(effect.message, list) else effect.message
            return first["event_type"] in BOOK_EVENTS and listing is not None and fault.selects(listing)
        asset = effect.symbol.removesuffix("usd").upper() if isinstance(effect, ToPrices) else None
        return fault.kind == "feed_gap" and asset is not None and fault.text("asset") in ("", asset)

    def _told(self, event: ToUser) -> Iterator[Effect]:
        for active in self._of("reorder_events"):
            self._hold(active, event)
            return
        yield event
        for active in self._of("repeat_events"):
            if self._hits(active, f"{event.message['event_type']} event"):
                yield from [event] * active.fault.number("times")

    def _hold(self, active: Active, event: ToUser) -> None:
        """Keep an event until enough are gathered, or the first of them has waited long enough."""
        active.held.append(event)
        if len(active.held) == 1:
            due_ms = self._world.now_ms + active.fault.number("hold_ms")
            self._agenda.add(due_ms, partial(self._release, active, active.hits))
        if len(active.held) >= active.fault.number("depth"):
            self._release(active)

    def _release(self, active: Active, when: int | None = None) -> None:
        """Say what was held, shuffled. when: only if that many releases went before, so that no timer fires twice."""
        if not active.held or when not in (None, active.hits):
            return
        held, active.held = active.held, []
        self._dice(f"fault/{active.number}/{active.hits}").shuffle(held)
        self.count(active, f"{len(held)} events in another order")
        self._out.say(held)

    # Counting.

    def _of(self, *kinds: str) -> list[Active]:
        return [active for active in self._active.values() if active.fault.kind in kinds] if self._active else []

    def _hits(self, active: Active, what: str, **more: object) -> bool:
        """Whether a fault hits what it meets; then it is on the record, and the fault may be used up by it."""
        active.met += 1
        share = active.fault.share
        if share < 1 and self._dice(f"fault/{active.number}/{active.met}").random() >= share:
            return False
        self.count(active, what, **more)
        if active.hits == active.fault.number("count"):
            self.end(active.number)
        return True

    def count(self, active: Active, what: str, **more: object) -> None:
        """Write down that a fault hit something."""
        active.hits += 1
        self._line(active, "hits", what=what, **more)

    def _line(self, active: Active, phase: str, **more: object) -> None:
        fields = {"number": active.number, "fault": active.fault.kind, "phase": phase} | more
        self._out.put(Line(self._world.now_ms, "fault", fields))

    def _changed(self) -> None:
        """Keep what is asked very often ready."""
        self.skew_ms = sum(active.fault.number("skew_ms") for active in self._of("clock_skew"))
        self._silent = frozenset(active.fault.text("channel") for active in self._of("silence"))
        meddling = self._of("stale_book", "feed_gap", "reorder_events", "repeat_events")
        self._out.through = self._through if meddling else None


def _refuse(meeting: Meeting, fault: Fault) -> Meeting:
    wait_s = fault.number("retry_after_s")
    headers = {"Retry-After": str(wait_s)} if wait_s else None
    status = fault.number("status")
    refused = Refused(status, refusals.IN_TROUBLE[status], headers, bare=status == 425)
    return replace(meeting, refused=refused, carried_out=bool(fault.values["carried_out"]))


_MEETS: Final[dict[str, Callable[[Meeting, Fault], Meeting]]] = {
    "delay_answer": lambda meeting, fault: replace(meeting, delay_ms=meeting.delay_ms + fault.number("delay_ms")),
    "drop_answer": lambda meeting, fault: replace(meeting, dropped=True),
    "refuse": _refuse,
}
