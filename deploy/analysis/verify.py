"""The offline judge: journal, tape and the venue's own record, held against one another and against the calendar.

It reads files, asks nobody, and shares no code with what it judges. What a promise of the README says of ticks, owners,
orders and money is counted here; `verified` is true only when every count that should be nothing is nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from deploy.analysis.claimed import Claimed, claimed
from deploy.rehearsal.record import RecordUnusable, read_lines
from shared import entries as e
from shared import messages as m
from shared import wire
from shared.config import Settings
from shared.paths import State
from shared.records import Damaged, read
from shared.slots import parse_slot, schedule
from shared.tape_index import pruned

AGENT: Final = "foresight/"
"""How our own connections call themselves at the venue."""
FAULTS_TOLD: Final = 20
_FINAL_CANCELS: Final = frozenset({"market_closed", "fak", "fok", "expired", "no_balance"})
"""Ends of an order that are the venue's own doing and nobody's fault."""
_SILENT: Final = frozenset({"silence", "feed_gap"})
"""Faults of the venue because of which a client may take a connection for dead."""
_FEEDS: Final = frozenset({"market", "user", "prices"})
"""The channels that all have to be there before an order is placed."""
_NEVER_MS: Final = 2**62
_GIVES_UP_S: Final = 2.0
"""Real seconds a desk may take to notice that the user channel owes it a word for too long, and to close it."""


_SETTLED: Final = frozenset({"CONFIRMED", "FAILED"})
"""What a settlement ends with, and never leaves again."""
_TAPE_TOLD: Final = frozenset({"tape_unavailable", "tape"})
"""The alarm that opens a gap of the tape, and the gap that closes it."""


class NotThere(Exception):
    """There is nothing to verify in this folder."""


@dataclass
class Verdict:
    """What was counted. Everything after `windows_resolved` must be 0, the lists empty, for `verified` to be true."""

    ticks: int = 0
    outcomes: int = 0
    decided: int = 0
    skipped: int = 0
    skip_reasons: dict[str, int] = field(default_factory=dict)
    flips: int = 0
    flips_with_open_orders: int = 0
    flips_with_open_positions: int = 0
    terms: int = 0
    releases: int = 0
    venue_faults: int = 0
    orders: int = 0
    fills: int = 0
    windows: int = 0
    windows_settled: int = 0
    windows_estimated: int = 0
    claims_paid: int = 0
    claims_unpaid: int = 0
    tape_pruned_to_seq: int = 0
    tape_prunings: int = 0
    parameter_changes: int = 0
    windows_resolved: int = 0
    missed: int = 0
    doubled: int = 0
    reconnects: int = 0
    stale_decisions: int = 0
    ungranted_ticks: int = 0
    orders_unattributed: int = 0
    orders_doubled: int = 0
    orders_touched_by_flips: int = 0
    orders_lost_to_heartbeat: int = 0
    fill_mismatches: int = 0
    position_mismatches: int = 0
    payout_mismatches: int = 0
    merge_mismatches: int = 0
    cash_difference_micro: int = 0
    outcome_mismatches: int = 0
    tape_holes: int = 0
    parameter_mismatches: int = 0
    faults: list[str] = field(default_factory=list)
    verified: bool = False

    def fault(self, counter: str, text: str) -> None:
        """Count one thing that should not be, and tell the first few of them."""
        setattr(self, counter, getattr(self, counter) + 1)
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(text)

    def judge(self) -> None:
        """Say whether every promise held. Where nothing was owed, nothing was kept either."""
        if not self.ticks:
            self.faults.append("no tick was owed or shown, so nothing can be said of this desk")
        counted = asdict(self)
        names = list(counted)
        promises = names[names.index("windows_resolved") + 1 : names.index("faults")]
        self.verified = not self.faults and not any(counted[name] for name in promises) and self.outcomes == self.ticks


@dataclass
class Evidence:
    """The three records of one state folder, read once."""

    lines: list[e.Line]
    frames: list[m.Streamed]
    venue: list[dict[str, Any]]
    tape_pruned_to_seq: int = 0

    def said(self, *kinds: type) -> Iterator[Any]:
        """Journal entries of some kinds, in order."""
        return (line.entry for line in self.lines if isinstance(line.entry, kinds))

    def told(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """Lines of some kinds in the venue's record, in order."""
        return (line for line in self.venue if line["kind"] in kinds)


def gather(state: State) -> Evidence:
    """Read the records of a state folder, every checksum and chain checked.

    Raises: NotThere; OSError: a file cannot be read; Damaged, UnknownEntry, BadFrame, RecordUnusable: one cannot be
    believed, and where.
    """
    lines = [e.decode_line(record) for record in _whole(state.journal, "journal")]
    if not lines:
        raise NotThere(f"{state.root} holds no journal")
    gone = pruned(state.tape)
    tape = _whole(state.tape, "tape", gone.to_record if gone is not None else 0) if state.tape.is_dir() else ()
    return Evidence(
        lines=lines,
        frames=[wire.decode_streamed(record) for record in tape],
        venue=list(read_lines(state.venue)),
        tape_pruned_to_seq=gone.to_seq if gone is not None else 0,
    )


def _whole(folder: Path, kind: str, gone: int = 0) -> Iterator[bytes]:
    """Every record of a folder from the first ever written, or from where it was pruned. Raises: Damaged."""
    expected = 0
    for number, record in read(folder, kind):
        if not expected and number > gone + 1:
            raise Damaged(f"{folder}: record {number} is the first, and those before it are missing")
        expected = expected or number
        if number != expected:
            raise Damaged(f"{folder}: record {number} follows record {expected - 1}")
        expected += 1
        yield record


def verify(state: State) -> Verdict:
    """Judge everything a desk did; a record that cannot be believed is a fault of the verdict.

    Raises: NotThere; OSError: a file cannot be read.
    """
    verdict = Verdict()
    try:
        evidence = gather(state)
    except (Damaged, e.UnknownEntry, wire.BadFrame, RecordUnusable) as error:
        verdict.faults.append(str(error))
        return verdict
    for judgement in (_ticks, _owners, _stream, _parameters, _orders, _fills, _money, _windows, _connections):
        judgement(evidence, verdict)
    verdict.judge()
    return verdict


def _ticks(evidence: Evidence, verdict: Verdict) -> None:
    """Each tick has one outcome: those that were shown, and those the calendar owes."""
    counts = Counter((entry.slot, entry.tick) for entry in evidence.said(e.OutcomeOf))
    shown = {(f.event.slot, f.event.tick) for f in evidence.frames if isinstance(f.event, m.Tick)}
    owed = set(_owed(evidence))
    verdict.ticks = len(shown | owed | counts.keys())
    verdict.outcomes = sum(counts.values())
    reasons = Counter(entry.reason for entry in evidence.said(e.OutcomeOf) if entry.kind == "SKIP")
    verdict.skipped, verdict.skip_reasons = reasons.total(), dict(sorted(reasons.items()))
    verdict.decided = verdict.outcomes - verdict.skipped
    for slot, tick in sorted((shown | owed) - counts.keys()):
        verdict.fault("missed", f"{slot} tick {tick} has no outcome ({'shown' if (slot, tick) in shown else 'owed'})")
    for (slot, tick), count in counts.items():
        for _ in range(count - 1):
            verdict.fault("doubled", f"{slot} tick {tick} has {count} outcomes")


def _settings(evidence: Evidence) -> Settings:
    """Those of the desk's first reign."""
    configuration = next(evidence.said(e.Configuration), None)
    return msgspec.convert(configuration.values, Settings) if configuration is not None else Settings()


def _owed(evidence: Evidence) -> Iterator[tuple[str, int]]:
    """Scheduled ticks of every window from when it could be evaluated to its end, computed from the calendar alone."""
    settings = _settings(evidence)
    granted: dict[str, int] = {}
    opened: dict[tuple[str, int], int] = {}
    for line in evidence.lines:
        if isinstance(line.entry, e.Grant):
            granted.setdefault(line.entry.slot, line.at_ns // 1_000_000)
        elif isinstance(line.entry, e.Opened):
            opened.setdefault((line.entry.slot, line.entry.start_s), line.at_ns // 1_000_000)
    last_ms = {name: max(ticks) for name, ticks in _outcome_ticks(evidence).items()}
    for (name, start_s), opened_ms in opened.items():
        slot = parse_slot(name)
        from_ms = max(opened_ms, granted.get(name, 2**62))
        until_ms = min((start_s + slot.window_s) * 1_000 - 1, last_ms.get(name, 0))
        yield from ((name, tick) for tick in schedule(slot, settings.beat(slot), from_ms, until_ms))


def _outcome_ticks(evidence: Evidence) -> dict[str, list[int]]:
    ticks = defaultdict(list)
    for entry in evidence.said(e.OutcomeOf):
        ticks[entry.slot].append(entry.tick)
    return ticks


def _owners(evidence: Evidence, verdict: Verdict) -> None:
    """Decisions count only from the holder of the grant in force; epochs only grow; a tick is shown to its owner."""
    holder: dict[str, e.Grant] = {}
    granted: set[tuple[str, int, str]] = set()
    for entry in evidence.said(e.Grant, e.OutcomeOf):
        if isinstance(entry, e.Grant):
            if entry.slot in holder and entry.epoch <= holder[entry.slot].epoch:
                verdict.fault("stale_decisions", f"{entry.slot}: epoch {entry.epoch} was granted after a higher one")
            holder[entry.slot] = entry
            granted.add((entry.slot, entry.epoch, entry.uid))
        elif entry.kind != "SKIP":
            grant, by = holder.get(entry.slot), entry.by
            if grant is None or (grant.epoch, grant.uid, grant.release) != (by.epoch, by.uid, by.release):
                verdict.fault("stale_decisions", f"{entry.slot} tick {entry.tick} was decided by {by}, not by {grant}")
    _shown_to_holders(evidence, verdict, granted)


def _shown_to_holders(evidence: Evidence, verdict: Verdict, granted: set[tuple[str, int, str]]) -> None:
    for frame in evidence.frames:
        tick = frame.event
        if isinstance(tick, m.Tick) and (tick.slot, tick.epoch, tick.owner) not in granted:
            verdict.fault("ungranted_ticks", f"{tick.slot} tick {tick.tick} was shown to {tick.owner} without a grant")
    boundaries = [b for b in evidence.said(e.Boundary) if b.was.release and b.was.release != b.now.release]
    verdict.flips = len(boundaries)
    verdict.flips_with_open_orders = sum(bool(boundary.orders) for boundary in boundaries)
    verdict.flips_with_open_positions = sum(bool(boundary.positions) for boundary in boundaries)
    verdict.releases = len({entry.release for entry in evidence.said(e.Grant)})
    verdict.terms = sum(1 for _ in evidence.said(e.Term))


def _stream(evidence: Evidence, verdict: Verdict) -> None:
    """The tape has no hole that it does not name itself, and its time never runs back."""
    last: m.Streamed | None = None
    _prunings(evidence, verdict)
    for frame in evidence.frames:
        named = isinstance(frame.event, m.FeedGap) and frame.event.feed == "tape"
        if last is not None and frame.seq != last.seq + 1 and not named:
            verdict.fault("tape_holes", f"the tape jumps from frame {last.seq} to {frame.seq}")
        if last is not None and frame.at_ns < last.at_ns:
            verdict.fault("tape_holes", f"the tape's time runs back at frame {frame.seq}")
        last = frame
    _ends_late_enough(evidence, verdict, last.seq if last is not None else 0)


def _prunings(evidence: Evidence, verdict: Verdict) -> None:
    """What the journal says went of the tape did. It may not say the newest yet: the folder's own word comes first."""
    said = list(evidence.said(e.TapePruned))
    verdict.tape_pruned_to_seq, verdict.tape_prunings = evidence.tape_pruned_to_seq, len(said)
    told = max((entry.to_seq for entry in said), default=0)
    if told > evidence.tape_pruned_to_seq:
        folder = f"its folder says {evidence.tape_pruned_to_seq}"
        verdict.fault("tape_holes", f"the journal says that the tape was pruned up to frame {told}, {folder}")


def _ends_late_enough(evidence: Evidence, verdict: Verdict, last_seq: int) -> None:
    """No decision read further than the tape goes, unless the tape could not be written any more and that was said."""
    alarms = evidence.said(e.Alarm, e.Gap)
    unwritten = [said for said in alarms if getattr(said, "name", getattr(said, "what", "")) in _TAPE_TOLD]
    read_seq = max((entry.read_seq for entry in evidence.said(e.OutcomeOf)), default=0)
    if read_seq > last_seq and not (unwritten and isinstance(unwritten[-1], e.Alarm)):
        verdict.fault("tape_holes", f"the tape ends with frame {last_seq}, and a decision read up to {read_seq}")


def _parameters(evidence: Evidence, verdict: Verdict) -> None:
    """A tick names the parameters that the tape told last, and what was decided on it is kept under them."""
    told, named = "", dict[int, str]()
    for frame in evidence.frames:
        for event in frame.event.events if isinstance(frame.event, m.Keyframe) else (frame.event,):
            told = event.digest if isinstance(event, m.ParametersSet) else told
        if isinstance(frame.event, m.Tick):
            tick, named[frame.seq] = frame.event, frame.event.parameters
            if tick.parameters != told:
                text = f"{tick.slot} tick {tick.tick} names {tick.parameters}, the tape told {told}"
                verdict.fault("parameter_mismatches", text)
    verdict.parameter_changes = sum(1 for _ in evidence.said(e.Retuned))
    for entry in evidence.said(e.OutcomeOf):
        asked = named.get(entry.read_seq, entry.by.parameters)
        if entry.kind != "SKIP" and asked != entry.by.parameters:
            text = f"{entry.slot} tick {entry.tick} is kept under {entry.by.parameters}, its tick named {asked}"
            verdict.fault("parameter_mismatches", text)


def _orders(evidence: Evidence, verdict: Verdict) -> None:
    """Every order the venue has was decided, once, by a release under an epoch, or by a person; and so were its fills.

    What the venue took, says the desk, is on the venue's record.
    """
    intents = {entry.order_id: entry for entry in evidence.said(e.Placing)}
    wished = _wished_by_people(evidence)
    for order in evidence.told("order"):
        verdict.orders += 1
        intent = intents.get(order["order_id"])
        if intent is None or not _follows(intent, order, wished):
            verdict.fault("orders_unattributed", f"order {order['order_id'][:10]} cannot be led back to a decision")
    taken = {entry.order_id for entry in evidence.said(e.Answered) if (entry.request, entry.state) == ("place", "open")}
    for order_id in sorted(taken - {order["order_id"] for order in evidence.told("order")}):
        verdict.fault("orders_unattributed", f"order {order_id[:10]} rested, and the venue's record does not have it")
    for fill in evidence.said(e.Fill):
        intent = intents.get(fill.order_id)
        if intent is None or intent.by != fill.by:
            text = f"trade {fill.trade_id[:8]} of {fill.order_id[:10]} is booked to {fill.by}, who did not decide it"
            verdict.fault("orders_unattributed", text)
    _once(evidence, verdict)
    _cancels(evidence, verdict)


def _follows(intent: e.Placing, order: dict[str, Any], people: frozenset[str]) -> bool:
    """Whether an order is what its intent says, token, side, price and size, and whose intent it is is known.

    A release under an epoch decided it, or it sells what a slot held that a person let the desk flatten before.
    """
    wished = (intent.token_id, intent.side, intent.price_micro, intent.size_micro)
    has = (order["token_id"], order["side"], order["price_micro"], order["size_micro"])
    decided = not intent.op and intent.by.release and intent.by.parameters and intent.by.epoch
    commanded = intent.side == "SELL" and not intent.by.release and intent.order_id in people
    return wished == has and bool(decided or commanded)


def _wished_by_people(evidence: Evidence) -> frozenset[str]:
    """Orders that were placed, or cancelled, under an operation that a person had begun for their slot by then.

    And those that were cancelled because the venue had said that we may not trade as we did.
    """
    halts, flats, barred, wished = set[str](), set[tuple[str, str]](), False, set[str]()
    for entry in evidence.said(e.Control, e.Flatten, e.Standing, e.Placing, e.Cancelling):
        if isinstance(entry, e.Control):
            halts = {entry.op} if entry.halted and entry.actor else set()
            flats = set() if entry.gives_back else flats
        elif isinstance(entry, e.Flatten):
            flats |= {(entry.op, slot) for slot in entry.slots if entry.actor}
        elif isinstance(entry, e.Standing):
            barred = entry.blocked or entry.closed_only
        elif (entry.op, entry.slot) in flats or _stopped(entry, halts, barred):
            wished.add(entry.order_id)
    return frozenset(wished)


def _stopped(entry: e.Placing | e.Cancelling, halts: set[str], barred: bool) -> bool:
    """Whether it is a cancel that a halt, or the venue's word on what we may do, made necessary."""
    if isinstance(entry, e.Placing):
        return False
    return (entry.cause == "halt" and entry.op in halts) or (entry.cause == "standing" and barred)


def _once(evidence: Evidence, verdict: Verdict) -> None:
    """A decision's intent is placed once, and the venue gets each order once."""
    legs = Counter(f"{entry.slot} {entry.op}tick {entry.tick} leg {entry.leg}" for entry in evidence.said(e.Placing))
    posted = Counter(f"order {order['order_id'][:10]}" for order in evidence.told("order"))
    for name, count in (legs + posted).items():
        for _ in range(count - 1):
            verdict.fault("orders_doubled", f"{name} was placed {count} times")


def _cancels(evidence: Evidence, verdict: Verdict) -> None:
    """An order ended only as somebody decided, or as the venue ends orders."""
    decided = {entry.order_id for entry in evidence.said(e.Cancelling) if entry.cause == "decision"}
    wished = decided | _wished_by_people(evidence)
    for cancel in evidence.told("cancel"):
        order_id, cause = cancel["order_id"], cancel["cause"]
        if cause == "heartbeat":
            verdict.fault(
                "orders_lost_to_heartbeat", f"order {order_id[:10]} was cancelled because the heartbeat lapsed"
            )
        elif cause not in _FINAL_CANCELS and order_id not in wished:
            verdict.fault("orders_touched_by_flips", f"order {order_id[:10]} was cancelled and nobody wished it")


def _fills(evidence: Evidence, verdict: Verdict) -> None:
    """Our fills are the venue's, leg for leg, with their price, size, fee and settlement."""
    ours = _our_legs(evidence)
    theirs = _venue_legs(evidence)
    verdict.fills = len(theirs)
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            verdict.fault(
                "fill_mismatches", f"trade {key[0][:8]} of {key[1][:10]}: we {ours.get(key)}, venue {theirs.get(key)}"
            )


_Leg = tuple[str, int, int, int, bool]
"""Side, price, size, fee in millionths, and whether its settlement failed."""


def _our_legs(evidence: Evidence) -> dict[tuple[str, str], _Leg]:
    status: dict[tuple[str, str], str] = {}
    for entry in evidence.said(e.Fill, e.FillStatus):
        if status.get((entry.trade_id, entry.order_id)) not in _SETTLED:
            status[entry.trade_id, entry.order_id] = entry.status
    legs = {}
    for entry in evidence.said(e.Fill):
        key = (entry.trade_id, entry.order_id)
        failed = status[key] == "FAILED"
        legs[key] = (entry.side, entry.price_micro, entry.size_micro, entry.fee_micro, failed)
    return legs


def _venue_legs(evidence: Evidence) -> dict[tuple[str, str], _Leg]:
    failed = {line["trade_id"] for line in evidence.told("settlement") if line["status"] == "FAILED"}
    legs = {}
    for trade in evidence.told("trade"):
        for leg in trade["legs"]:
            facts = (leg["side"], leg["price_micro"], leg["size_micro"], leg["fee_micro"], trade["trade_id"] in failed)
            legs[trade["trade_id"], leg["order_id"]] = facts
    return legs


def _money(evidence: Evidence, verdict: Verdict) -> None:
    """Positions are the sum of the fills; payouts, merges and cash are the venue's, to the millionth."""
    said = claimed(evidence.lines)
    verdict.claims_paid = said.paid
    _positions(evidence, verdict)
    _payouts(evidence, said, verdict)
    _merges(evidence, said, verdict)
    _cash(evidence, said, verdict)


_Held = tuple[str, int, str]
"""Slot, start of the window in seconds, outcome."""


def _positions(evidence: Evidence, verdict: Verdict) -> None:
    """At every snapshot the desk holds what its fills up to there add up to, without the pairs that it merges."""
    held: Counter[_Held] = Counter()
    claims = Claimed()
    fills: dict[tuple[str, str], e.Fill] = {}
    for entry in evidence.said(e.Fill, e.FillStatus, e.Resolved, e.Claiming, e.ClaimMoved, e.Snapshot):
        if isinstance(entry, e.Resolved | e.Claiming | e.ClaimMoved):
            window, pairs = claims.take(entry)
            held.update({(*window, "Up"): pairs, (*window, "Down"): pairs})
        elif isinstance(entry, e.Fill):
            fills[entry.trade_id, entry.order_id] = entry
            held[_held(entry)] += 0 if entry.status == "FAILED" else _signed(entry)
        elif isinstance(entry, e.FillStatus):
            fill = fills.get((entry.trade_id, entry.order_id))
            if fill is not None and fill.status not in _SETTLED and entry.status in _SETTLED:
                fills[entry.trade_id, entry.order_id] = structs.replace(fill, status=entry.status)
                held[_held(fill)] -= _signed(fill) if entry.status == "FAILED" else 0
        else:
            added = {key: size for key, size in held.items() if size and key[:2] not in claims.over}
            _compare(entry, added, verdict)


def _held(fill: e.Fill) -> _Held:
    return fill.slot, fill.start_s, fill.outcome


def _signed(fill: e.Fill) -> int:
    return fill.size_micro if fill.side == "BUY" else -fill.size_micro


def _compare(snapshot: e.Snapshot, added: dict[_Held, int], verdict: Verdict) -> None:
    said = {(p.slot, p.start_s, str(p.outcome)): p.size_micro for p in snapshot.positions}
    for key in sorted(said.keys() | added.keys()):
        if said.get(key, 0) != added.get(key, 0):
            text = f"{key}: the desk holds {said.get(key, 0)}, its fills add up to {added.get(key, 0)}"
            verdict.fault("position_mismatches", text)


def _payouts(evidence: Evidence, said: Claimed, verdict: Verdict) -> None:
    """What a window's winners are worth is what trades and merges left of them, and what the venue paid.

    Where they are claimed the venue may not have paid yet, and not in part. What trades left is not asked where a trade
    or the winner is in dispute: that is accused under its own name.
    """
    late, paid, left = _late_payouts(evidence), _paid(evidence), _winners_left(evidence, said)
    disputed = _disputed(evidence)
    for window, entry in {(entry.slot, entry.start_s): entry for entry in evidence.said(e.Resolved)}.items():
        booked = entry.payout_micro + late[window] + said.given_back[window]
        unpaid = window in said.unpaid
        verdict.claims_unpaid += bool(booked and unpaid)
        wrong = booked != left[window] and window not in disputed
        if wrong or paid[window] not in ({0, booked} if unpaid else {booked}):
            text = f"{window}: we booked {booked}, trades left {left[window]}, the venue paid {paid[window]}"
            verdict.fault("payout_mismatches", text)


def _disputed(evidence: Evidence) -> set[tuple[str, int]]:
    """Windows of whose trades or winner we and the venue do not say the same."""
    ours, theirs = _our_legs(evidence), _venue_legs(evidence)
    windows = {entry.order_id: (entry.slot, entry.start_s) for entry in evidence.said(e.Placing)}
    differing = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    found = {windows[order_id] for _, order_id in differing if order_id in windows}
    markets, winners = _markets(evidence), {(r.slot, r.start_s): r.winner for r in evidence.said(e.Resolved)}
    for line in evidence.told("resolve"):
        window = markets.get(line["market"])
        if window in winners and winners[window] != line["winner"]:
            found.add(window)
    return found


def _winners_left(evidence: Evidence, said: Claimed) -> Counter[tuple[str, int]]:
    """Shares of the winning token by our trades, without those that were merged or are being merged."""
    legs, left = _our_legs(evidence), Counter[tuple[str, int]]()
    winners = {(entry.slot, entry.start_s): entry.winner for entry in evidence.said(e.Resolved)}
    for fill in evidence.said(e.Fill):
        window = fill.slot, fill.start_s
        if winners.get(window) == fill.outcome and not legs[fill.trade_id, fill.order_id][4]:
            left[window] += _signed(fill)
    left.subtract(said.merged)
    for merge, _ in said.aside.values():
        left[merge.slot, merge.start_s] -= merge.amount_micro
    return left


def _paid(evidence: Evidence) -> Counter[tuple[str, int]]:
    """What the venue paid for each window's winners."""
    markets = _markets(evidence)
    paid = Counter[tuple[str, int]]()
    for line in evidence.told("payout"):
        paid[markets.get(line["market"], ("?", 0))] += line["payout_micro"]
    return paid


def _merges(evidence: Evidence, said: Claimed, verdict: Verdict) -> None:
    """Pairs were merged as often as we say, and no more than may still be on their way."""
    venue = _merged(evidence)
    flying = Counter[tuple[str, int]]()
    for merge, _ in said.aside.values():
        flying[merge.slot, merge.start_s] += merge.amount_micro
    for window in sorted(venue.keys() | said.merged.keys()):
        unheard = venue[window] - said.merged[window]
        if unheard not in (0, flying[window]):
            text = f"{window}: we merged {said.merged[window]}, {flying[window]} on the way, the venue {venue[window]}"
            verdict.fault("merge_mismatches", text)


def _merged(evidence: Evidence) -> Counter[tuple[str, int]]:
    """What the venue merged in each window."""
    markets = _markets(evidence)
    merged = Counter[tuple[str, int]]()
    for line in evidence.told("merge"):
        merged[markets.get(line["market"], ("?", 0))] += line["size_micro"]
    return merged


def _markets(evidence: Evidence) -> dict[str, tuple[str, int]]:
    return {entry.terms.condition_id: (entry.slot, entry.start_s) for entry in evidence.said(e.Opened)}


def _late_payouts(evidence: Evidence) -> Counter[tuple[str, int]]:
    """What fills are worth that we heard of, or of whose failure, only when their window was resolved, by window."""
    legs, winners, late = _our_legs(evidence), dict[tuple[str, int], str](), Counter[tuple[str, int]]()
    early: dict[tuple[str, str], e.Fill] = {}
    for entry in evidence.said(e.Resolved, e.Fill, e.FillStatus):
        if isinstance(entry, e.Resolved):
            winners[entry.slot, entry.start_s] = entry.winner
        elif isinstance(entry, e.FillStatus):
            fill = early.get((entry.trade_id, entry.order_id)) if entry.status in _SETTLED else None
            if fill is not None:
                del early[fill.trade_id, fill.order_id]
                won = winners.get((fill.slot, fill.start_s)) == fill.outcome
                late[fill.slot, fill.start_s] -= _signed(fill) if won and entry.status == "FAILED" else 0
        elif winners.get((entry.slot, entry.start_s)) is None:
            early[entry.trade_id, entry.order_id] = entry
        elif winners[entry.slot, entry.start_s] == entry.outcome and not legs[entry.trade_id, entry.order_id][4]:
            late[entry.slot, entry.start_s] += _signed(entry)
    return late


def _cash(evidence: Evidence, said: Claimed, verdict: Verdict) -> None:
    """Only a desk that ended in order, and a venue that ended after it, say what there is; else nothing is compared.

    Nor is it where the desk ended before the venue had told it its balance: then it has bought nothing either. What the
    venue paid already, and the desk had not heard of when it ended, it does not count among its cash.
    """
    if not any(entry.opening for entry in evidence.said(e.Balance)):
        return
    kinds = (e.Fill, e.FillStatus, e.Resolved, e.Claiming, e.ClaimMoved, e.Transfer, e.Snapshot)
    moved, stops = list(evidence.said(*kinds)), list(evidence.told("stop"))
    if not moved or not isinstance(moved[-1], e.Snapshot) or not stops or not stops[-1]["balances"]:
        return
    paid = _paid(evidence)
    unheard = sum(paid[window] for window in said.unpaid) + _merged(evidence).total() - said.merged.total()
    ours, theirs = moved[-1].cash_micro + unheard, sum(account["cash_micro"] for account in stops[-1]["balances"])
    verdict.cash_difference_micro = ours - theirs
    if verdict.cash_difference_micro:
        verdict.faults.append(f"the desk says its cash is {ours}, the venue says {theirs}")


def _windows(evidence: Evidence, verdict: Verdict) -> None:
    """What the reference prices on the tape say of a window is what the venue declared.

    Only where they are the feed that settled it: a rehearsal that had to average a recorded day's prices itself is near
    the official value and no more, so such windows are counted apart.
    """
    prices: dict[tuple[str, str, int], int] = {
        (frame.event.asset, frame.event.feed, frame.event.source_ms): int(frame.event.exact)
        for frame in reversed(evidence.frames)
        if isinstance(frame.event, m.PriceSeen)
    }
    strikes = {(entry.slot, entry.start_s): int(entry.exact) for entry in evidence.said(e.Strike)}
    opened = {(entry.slot, entry.start_s): entry for entry in evidence.said(e.Opened)}
    resolved = {(entry.slot, entry.start_s): entry.winner for entry in evidence.said(e.Resolved)}
    estimated = {line["market"] for line in evidence.told("resolve") if line.get("averaged_here") and line["official"]}
    verdict.windows, verdict.windows_resolved = len(opened), len(resolved)
    for window, entry in opened.items():
        slot = parse_slot(window[0])
        feed = "spot" if entry.terms.rule == "spot" else "twap"
        close = prices.get((slot.asset, feed, (window[1] + slot.window_s) * 1_000))
        strike = prices.get((slot.asset, feed, window[1] * 1_000), strikes.get(window))
        if close is None or strike is None or window not in resolved:
            continue
        if entry.terms.condition_id in estimated:
            verdict.windows_estimated += 1
            continue
        verdict.windows_settled += 1
        computed = "Up" if close >= strike else "Down"
        if computed != resolved[window]:
            verdict.fault("outcome_mismatches", f"{window}: the prices say {computed}, the venue {resolved[window]}")
    _declared(evidence, verdict, opened, resolved)


def _declared(
    evidence: Evidence,
    verdict: Verdict,
    opened: dict[tuple[str, int], e.Opened],
    resolved: dict[tuple[str, int], m.Outcome],
) -> None:
    """What the desk took for a window's winner is what the venue wrote down."""
    by_market = {entry.terms.condition_id: window for window, entry in opened.items()}
    for line in evidence.told("resolve"):
        window = by_market.get(line["market"])
        if window in resolved and resolved[window] != line["winner"]:
            verdict.fault(
                "outcome_mismatches", f"{window}: we took {resolved[window]}, the venue wrote {line['winner']}"
            )


def _connections(evidence: Evidence, verdict: Verdict) -> None:
    """Each reign of a supervisor connects once to each channel, and again where a fault of the venue parted them.

    More is a feed that was not kept.
    """
    connects = Counter(line["channel"] for line in evidence.told("connect") if line["agent"].startswith(AGENT))
    parted = _parted(evidence)
    verdict.venue_faults = sum(line["phase"] == "begins" for line in evidence.told("fault"))
    for channel, count in connects.items():
        for _ in range(count - verdict.terms - parted[channel]):
            verdict.fault("reconnects", f"the {channel} channel was connected {count} times in {verdict.terms} terms")
    placed = next(evidence.said(e.Placing), None) is not None
    for channel in sorted(_FEEDS - connects.keys()) if placed else ():
        verdict.fault("reconnects", f"orders were placed, and the venue has no connection to its {channel} channel")


def _parted(evidence: Evidence) -> Counter[str]:
    """How often each channel was connected again after the venue ended it by a fault, or while it was silent.

    What the user channel did not say in a silence it never says: it may be given up for that a little later.
    """
    silent, owed, again = _silences(evidence), Counter[str](), Counter[str]()
    later_ms = {"user": _blind_ms(_settings(evidence))}
    for line in evidence.told("connect", "disconnect"):
        channel = line["channel"]
        if not line["agent"].startswith(AGENT):
            continue
        if line["kind"] == "connect":
            again[channel] += owed.pop(channel, 0)
        elif line["reason"].startswith("fault ") or any(
            begun <= line["t_ms"] <= over + later_ms.get(channel, 0)
            for name, begun, over in silent
            if name in ("all", channel)
        ):
            owed[channel] = 1
    return again


def _blind_ms(settings: Settings) -> int:
    """How long after a silence its last missing word may cost the user channel, market milliseconds."""
    speed = settings.clock.speed if settings.clock is not None else 1.0
    return round((settings.venue.blind_s + _GIVES_UP_S) * speed * 1_000)


def _silences(evidence: Evidence) -> list[tuple[str, int, int]]:
    """Channel, beginning and end of every time in which a fault kept the venue from saying anything."""
    begun: dict[int, tuple[str, int]] = {}
    found = []
    for line in evidence.venue:
        if line["kind"] == "start":  # a venue that was killed ends its faults without a word, and numbers them anew
            found += [(*silence, line["t_ms"]) for silence in begun.values()]
            begun.clear()
        elif line["kind"] == "fault" and line["fault"] in _SILENT and line["phase"] == "begins":
            begun[line["number"]] = line["arguments"].get("channel", "prices"), line["t_ms"]
        elif line["kind"] == "fault" and line["phase"] == "ends" and line["number"] in begun:
            found.append((*begun.pop(line["number"]), line["t_ms"]))
    return found + [(*silence, _NEVER_MS) for silence in begun.values()]


def as_json(verdict: Verdict) -> bytes:
    """The verdict as one document."""
    return msgspec.json.encode(asdict(verdict))


def as_text(verdict: Verdict, folder: Path) -> str:
    """The verdict for a person: what held, and what did not."""
    counted = asdict(verdict)
    lines = [f"{folder}: {'verified' if verdict.verified else 'NOT VERIFIED'}"]
    lines += [
        f"  {name:<26} {value}" for name, value in counted.items() if isinstance(value, int) and name != "verified"
    ]
    lines += [f"  skipped because of {reason}: {count}" for reason, count in verdict.skip_reasons.items()]
    return "\n".join([*lines, *(f"  ! {fault}" for fault in verdict.faults)])
