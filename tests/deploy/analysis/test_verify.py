"""The judge: a desk that kept every promise is verified, and each promise that is broken in its records is found.

The records are a real desk's, made once. Each mutant breaks one thing in a copy of them, with sound checksums, as if
the desk had written it so; what the judge counts must be that and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from kit.desks import PROMISES, Desk, a_desk
from msgspec import structs

from deploy.analysis.verify import FAULTS_TOLD, Evidence, NotThere, Verdict, as_json, as_text, gather, verify
from shared import entries as e
from shared import messages as m
from shared import wire
from shared.config import Venue
from shared.paths import State
from shared.records import RECORD, Appender, Segment, first_number, segments
from shared.slots import parse_slot
from shared.tape_index import PRUNED, Pruned, keep

pytestmark = pytest.mark.system
SPEED: Final = 30.0
"""Fast enough to see a whole window, and slow enough that a busy machine keeps up with the venue's frames."""
FINAL: Final = {"market_closed", "fak", "fok", "expired", "no_balance"}
"""Ends of an order that nobody has to wish."""
BLIND_MS: Final = round(Venue().blind_s * SPEED * 1_000)
"""How long the user channel may owe a word before the desk gives it up, market milliseconds."""
WAIT_S: Final = 240.0
"""Real seconds until a whole window is resolved; it takes up to eleven market minutes."""


@pytest.fixture(scope="module")
def evidence() -> Iterator[Evidence]:
    """What a desk wrote: two releases, orders that rested and traded, windows that were paid out."""
    with a_desk(speed=SPEED, opened=False) as desk:
        assert desk.deploy(desk.release(strategy=None))[0] == 0
        assert desk.ctl("rollback")[0] == 0
        desk.until(lambda _: told_everything(desk), "a whole window, paid out", WAIT_S)
        desk.until(lambda status: status["orders"], "an order to take back", WAIT_S)
        desk.judged()
        yield gather(desk.state)


def told_everything(desk: Desk) -> bool:
    """Whether a window that was seen from its first second on is resolved, and something was claimed."""
    struck = {(entry.slot, entry.start_s) for entry in desk.said_by(e.Strike)}
    resolved = [entry for entry in desk.said_by(e.Resolved) if (entry.slot, entry.start_s) in struck]
    return bool(resolved) and any(map(redeemed, desk.said_by(e.ClaimMoved)))


def redeemed(moved: e.ClaimMoved) -> bool:
    """Whether winners were paid."""
    return moved.event == "paid" and moved.claim.endswith(" redeem")


@pytest.fixture
def records(evidence: Evidence) -> Evidence:
    """A copy to tamper with."""
    return Evidence(list(evidence.lines), list(evidence.frames), deepcopy(evidence.venue))


def judged(records: Evidence, folder: Path) -> Verdict:
    """Write records as a desk would, and judge them."""
    return verify(written(records, folder))


def written(records: Evidence, folder: Path) -> State:
    """A state folder that holds these records."""
    state = State(folder)
    journal, tape = Appender(state.journal, "journal"), Appender(state.tape, "tape")
    for line in records.lines:
        journal.append(e.encode_line(line))
    for frame in records.frames:
        tape.append(wire.encode(frame))
    journal.close()
    tape.close()
    state.venue.mkdir()
    lines = [msgspec.json.encode(line) + b"\n" for line in records.venue]
    (state.venue / "record.jsonl").write_bytes(b"".join(lines))
    return state


def counted(verdict: Verdict) -> dict[str, int]:
    """The broken promises of a verdict."""
    return {name: count for name, count in asdict(verdict).items() if name in PROMISES and count}


# --- the mutants: what is done to the records ---

Tamper = Callable[[Evidence], None]
Which = Callable[[int, Evidence], bool]
"""Whether it is the line at this place of the journal that a mutant changes."""


def any_of_them(place: int, records: Evidence) -> bool:
    """The first will do."""
    return True


def the(kind: type, records: Evidence, which: Which = any_of_them) -> int:
    """The place in the journal of the first entry of a kind."""
    places = (n for n, line in enumerate(records.lines) if isinstance(line.entry, kind) and which(n, records))
    found = next(places, None)
    assert found is not None, f"these records hold no such {kind.__name__}"
    return found


def said(records: Evidence, kind: type) -> list[Any]:
    """The journal's entries of a kind."""
    return [line.entry for line in records.lines if isinstance(line.entry, kind)]


def drops(kind: type, which: Which = any_of_them) -> Tamper:
    """An entry is missing in the journal."""
    return lambda records: records.lines.__delitem__(the(kind, records, which))


def doubles(kind: type) -> Tamper:
    """An entry is there twice."""

    def tamper(records: Evidence) -> None:
        place = the(kind, records)
        records.lines.insert(place, records.lines[place])

    return tamper


def changes(kind: type, change: Callable[[Any], dict[str, Any]], which: Which = any_of_them) -> Tamper:
    """An entry says something else."""

    def tamper(records: Evidence) -> None:
        place = the(kind, records, which)
        line = records.lines[place]
        entry = structs.replace(line.entry, **change(line.entry))  # type: ignore[type-var]
        records.lines[place] = structs.replace(line, entry=entry)

    return tamper


def venue_says(kind: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Tamper:
    """The last line of a kind in the venue's record says something else."""
    return lambda records: last(kind, records).update(change(last(kind, records)))


def venue_adds(kind: str, of: str, **fields: Any) -> Tamper:
    """The venue's record has one more line, about what its last line of a kind is about."""
    return lambda records: records.venue.append(last(of, records) | {"kind": kind} | fields)


def last(kind: str, records: Evidence) -> dict[str, Any]:
    """The venue's last line of a kind."""
    return [line for line in records.venue if line["kind"] == kind][-1]


def without_frame(records: Evidence) -> None:
    """A frame in the middle is not on the tape; it is none that anybody is counted by."""
    middle = len(records.frames) // 2
    uncounted = (n for n, f in enumerate(records.frames) if n > middle and isinstance(f.event, m.BookSeen))
    del records.frames[next(uncounted)]


def without_end(records: Evidence) -> None:
    """The tape stops before the last decisions do."""
    furthest = max(line.entry.read_seq for line in records.lines if isinstance(line.entry, e.OutcomeOf))
    records.frames[:] = [frame for frame in records.frames if frame.seq < furthest]


def with_another_set(records: Evidence) -> None:
    """The tape told other parameters before a tick of which nobody has the answer any more than before."""
    place = next(n for n, frame in enumerate(records.frames) if isinstance(frame.event, m.ParametersSet))
    event = structs.replace(records.frames[place].event, digest="77ab")  # type: ignore[type-var]
    records.frames[place] = structs.replace(records.frames[place], event=event)


def back_in_time(records: Evidence) -> None:
    """A frame is older than the one before it."""
    records.frames[-1] = structs.replace(records.frames[-1], at_ns=records.frames[-2].at_ns - 1)


def shown_to_somebody_else(records: Evidence) -> None:
    """A tick names an owner who has no grant."""
    place = next(n for n, frame in enumerate(records.frames) if isinstance(frame.event, m.Tick))
    tick = structs.replace(records.frames[place].event, owner="w9-9")  # type: ignore[type-var]
    records.frames[place] = structs.replace(records.frames[place], event=tick)


def never_evaluated(records: Evidence) -> None:
    """A tick was neither shown nor answered: only the calendar knows that it was owed."""
    on_beat = [f.event for f in records.frames if isinstance(f.event, m.Tick) and f.event.tick % 5_000 == 0]
    tick = on_beat[len(on_beat) // 2]
    frame = next(f for f in records.frames if f.event is tick)
    records.frames[records.frames.index(frame)] = structs.replace(frame, event=m.Pulse())
    place = next(n for n, line in enumerate(records.lines) if is_of(line.entry, tick))
    del records.lines[place]


def is_of(entry: Any, tick: m.Tick) -> bool:
    """Whether an entry is a tick's outcome."""
    return isinstance(entry, e.OutcomeOf) and (entry.slot, entry.tick) == (tick.slot, tick.tick)


def cancelled_by_nobody(records: Evidence) -> None:
    """An order ended at the venue that no decision took back."""
    wished = {cancel.order_id for cancel in said(records, e.Cancelling)}
    order = next(o for o in records.venue if o["kind"] == "order" and o["order_id"] not in wished)
    records.venue.append(order | {"kind": "cancel", "cause": "client", "open_micro": 1})


def forgotten_by_the_venue(records: Evidence) -> None:
    """The venue's record lacks an order that it had answered for."""
    rested = {a.order_id for a in said(records, e.Answered) if (a.request, a.state) == ("place", "open")}
    place = next(n for n, o in enumerate(records.venue) if o["kind"] == "order" and o["order_id"] in rested)
    del records.venue[place]


def never_connected(records: Evidence) -> None:
    """The venue's record lacks every connection to one channel, and orders were placed."""
    records.venue[:] = [v for v in records.venue if (v["kind"], v.get("channel")) != ("connect", "user")]


def another_strike(records: Evidence) -> None:
    """On the tape the first price of a resolved window lies on the other side of its last."""
    frames = reversed(list(enumerate(records.frames)))
    prices = {(f.event.asset, f.event.source_ms): n for n, f in frames if twap(f)}
    for entry in said(records, e.Resolved):
        slot = parse_slot(entry.slot)
        first, end = (prices.get((slot.asset, s * 1_000)) for s in (entry.start_s, entry.start_s + slot.window_s))
        if first is not None and end is not None:
            frame, close = records.frames[first], int(records.frames[end].event.exact)
            strike = close + 1 if entry.winner == "Up" else close
            event = structs.replace(frame.event, exact=str(strike))
            records.frames[first] = structs.replace(frame, event=event)
            return
    raise AssertionError("these records hold no whole window")


def twap(frame: m.Streamed) -> bool:
    """Whether a frame is a price that settles windows."""
    return isinstance(frame.event, m.PriceSeen) and frame.event.feed == "twap"


def at_the_venue(place: int, records: Evidence) -> bool:
    """An intent whose order the venue has: it may have refused others."""
    return entry_at(place, records).order_id == last("order", records)["order_id"]


def in_effect(place: int, records: Evidence) -> bool:
    """A cancel that a decision wished and that ended an order."""
    cancel = entry_at(place, records)
    ended = {line["order_id"] for line in records.venue if line["kind"] == "cancel" and line["cause"] not in FINAL}
    return cancel.cause == "decision" and cancel.order_id in ended


def decided(place: int, records: Evidence) -> bool:
    """An outcome that a worker decided, and not the desk for want of an answer."""
    return entry_at(place, records).kind != "SKIP"


def holding(place: int, records: Evidence) -> bool:
    """A snapshot with something in it."""
    return bool(entry_at(place, records).positions)


def held_later(place: int, records: Evidence) -> bool:
    """A fill, or a good settlement of one, that a snapshot counts before the window is over."""
    entry = entry_at(place, records)
    if isinstance(entry, e.FillStatus) and entry.status != "CONFIRMED":
        return False
    fill = next(f for f in said(records, e.Fill) if (f.trade_id, f.order_id) == (entry.trade_id, entry.order_id))
    key = (fill.slot, fill.start_s, fill.outcome)
    snapshots = (line.entry for line in records.lines[place:] if isinstance(line.entry, e.Snapshot))
    return any((p.slot, p.start_s, p.outcome) == key for snapshot in snapshots for p in snapshot.positions)


def entry_at(place: int, records: Evidence) -> Any:
    """What the journal says at a place."""
    return records.lines[place].entry


def sold_for_nobody(records: Evidence) -> None:
    """An order and its fills are said to be a person's, who never said so."""
    place = the(e.Placing, records, at_the_venue)
    placing, by = entry_at(place, records), e.By("", "", 0, "")
    for number, line in enumerate(records.lines):
        entry = line.entry
        if isinstance(entry, e.Placing) and entry is placing:
            records.lines[number] = structs.replace(line, entry=structs.replace(entry, by=by, op="op9", side="SELL"))
        elif isinstance(entry, e.Fill) and entry.order_id == placing.order_id:
            records.lines[number] = structs.replace(line, entry=structs.replace(entry, by=by))


def cancelled_for_a_halt(records: Evidence) -> None:
    """A cancel names a halt that nobody ordered."""
    place = the(e.Cancelling, records, in_effect)
    cancel = records.lines[place].entry
    assert isinstance(cancel, e.Cancelling)
    entry = structs.replace(cancel, cause="halt", op="halt-9")
    records.lines[place] = structs.replace(records.lines[place], entry=entry)


def own_leg(trade: dict[str, Any], **fields: int) -> dict[str, Any]:
    """A trade whose first leg says something else."""
    return {"legs": [trade["legs"][0] | fields, *trade["legs"][1:]]}


def other(winner: str) -> str:
    """The outcome that did not win."""
    return "Down" if winner == "Up" else "Up"


HELD = {"position_mismatches"}
MUTANTS: Final[dict[str, tuple[Tamper, set[str]]]] = {
    "a tick has no outcome": (drops(e.OutcomeOf), {"missed"}),
    "a tick was never evaluated": (never_evaluated, {"missed"}),
    "a tick has two outcomes": (doubles(e.OutcomeOf), {"doubled"}),
    "the feed was connected twice": (venue_adds("connect", "connect"), {"reconnects"}),
    "a decision has an old epoch": (
        changes(e.OutcomeOf, lambda o: {"by": structs.replace(o.by, epoch=o.by.epoch - 1)}, decided),
        {"stale_decisions"},
    ),
    "a decision is of another release": (
        changes(e.OutcomeOf, lambda o: {"by": structs.replace(o.by, release="0" * 12)}, decided),
        {"stale_decisions"},
    ),
    "an order is sold for a person who wished nothing": (sold_for_nobody, {"orders_unattributed"}),
    "a halt's cancel is of nobody's halt": (cancelled_for_a_halt, {"orders_touched_by_flips"}),
    "an epoch is given again": (
        lambda records: records.lines.insert(len(records.lines) - 1, records.lines[the(e.Grant, records)]),
        {"stale_decisions"},
    ),
    "a tick was shown to nobody's owner": (shown_to_somebody_else, {"ungranted_ticks"}),
    "an order has no intent": (drops(e.Placing, at_the_venue), {"orders_unattributed"}),
    "the venue does not have an order that rested": (forgotten_by_the_venue, {"orders_unattributed"}),
    "the venue has no connection of ours": (never_connected, {"reconnects"}),
    "an order has no epoch": (
        changes(e.Placing, lambda p: {"by": structs.replace(p.by, epoch=0)}, at_the_venue),
        {"orders_unattributed"},
    ),
    "an order is not what was decided": (
        changes(e.Placing, lambda p: {"price_micro": p.price_micro + 10_000}, at_the_venue),
        {"orders_unattributed"},
    ),
    "a fill is booked to another release": (
        changes(e.Fill, lambda f: {"by": structs.replace(f.by, release="0" * 12)}),
        {"orders_unattributed"},
    ),
    "an intent was placed twice": (doubles(e.Placing), {"orders_doubled"}),
    "the venue got an order twice": (venue_adds("order", "order"), {"orders_doubled"}),
    "an order was cancelled by nobody": (
        cancelled_by_nobody,
        {"orders_touched_by_flips"},
    ),
    "a cancel was not decided": (
        changes(e.Cancelling, lambda c: {"cause": "handover"}, in_effect),
        {"orders_touched_by_flips"},
    ),
    "the heartbeat lapsed": (
        venue_adds("cancel", "order", cause="heartbeat", open_micro=1),
        {"orders_lost_to_heartbeat"},
    ),
    "a fill has another price": (
        changes(e.Fill, lambda f: {"price_micro": f.price_micro + 1}),
        {"fill_mismatches"},
    ),
    "a fill has another fee": (venue_says("trade", lambda t: own_leg(t, fee_micro=1)), {"fill_mismatches"}),
    "a fill has another size": (
        changes(e.Fill, lambda f: {"size_micro": f.size_micro + 1}, held_later),
        {"fill_mismatches"} | HELD,
    ),
    "a fill was not heard of": (drops(e.Fill, held_later), {"fill_mismatches"} | HELD),
    "a fill that failed is counted": (venue_adds("settlement", "trade", status="FAILED"), {"fill_mismatches"}),
    "a fill that counts was taken back": (
        changes(e.FillStatus, lambda s: {"status": "FAILED"}, held_later),
        {"fill_mismatches"} | HELD,
    ),
    "a position is another": (
        changes(
            e.Snapshot,
            lambda s: {"positions": (structs.replace(s.positions[0], size_micro=1), *s.positions[1:])},
            holding,
        ),
        HELD,
    ),
    "a position was forgotten": (changes(e.Snapshot, lambda s: {"positions": ()}, holding), HELD),
    "a payout is another": (
        changes(e.Resolved, lambda r: {"payout_micro": r.payout_micro + 1}),
        {"payout_mismatches"},
    ),
    "the venue paid more": (
        lambda records: claimed_line(records).update(payout_micro=claimed_line(records)["payout_micro"] + 1),
        {"payout_mismatches"},
    ),
    "the venue never paid what we say we claimed": (
        lambda records: records.venue.remove(claimed_line(records)),
        {"payout_mismatches"},
    ),
    "the venue merged pairs that we know nothing of": (
        lambda records: records.venue.append(claimed_line(records) | {"kind": "merge", "size_micro": 1}),
        {"merge_mismatches", "cash_difference_micro"},
    ),
    "the cash is another": (
        lambda records: records.lines.append(
            structs.replace(records.lines[-1], entry=e.Snapshot(1, last_snapshot(records).positions, ()))
        ),
        {"cash_difference_micro"},
    ),
    "a winner is the loser": (changes(e.Resolved, lambda r: {"winner": other(r.winner)}), {"outcome_mismatches"}),
    "the venue declared the loser": (
        lambda records: resolved_line(records).update(winner=other(resolved_line(records)["winner"])),
        {"outcome_mismatches"},
    ),
    "the prices say another winner": (another_strike, {"outcome_mismatches"}),
    "a decision is kept under other parameters": (
        changes(e.OutcomeOf, lambda o: {"by": structs.replace(o.by, parameters="77ab")}, decided),
        {"parameter_mismatches"},
    ),
    "a tick names parameters that nobody told": (with_another_set, {"parameter_mismatches"}),
    "the tape has a hole": (without_frame, {"tape_holes"}),
    "the tape ends too soon": (without_end, {"tape_holes"}),
    "the tape runs back": (back_in_time, {"tape_holes"}),
}


def last_snapshot(records: Evidence) -> Any:
    """The desk's last word on what it holds."""
    return next(line.entry for line in reversed(records.lines) if isinstance(line.entry, e.Snapshot))


def resolved_line(records: Evidence) -> dict[str, Any]:
    """The venue's line about a window that the desk has as resolved."""
    resolved = records.lines[the(e.Resolved, records)].entry
    assert isinstance(resolved, e.Resolved)
    opened = [line.entry for line in records.lines if isinstance(line.entry, e.Opened)]
    market = next(o.terms.condition_id for o in opened if (o.slot, o.start_s) == (resolved.slot, resolved.start_s))
    return next(line for line in records.venue if line["kind"] == "resolve" and line["market"] == market)


def claimed_line(records: Evidence) -> dict[str, Any]:
    """The venue's line about winners that we claimed, and know to be paid."""
    paid = {moved.claim.removesuffix(" redeem") for moved in said(records, e.ClaimMoved) if redeemed(moved)}
    markets = {o.terms.condition_id for o in said(records, e.Opened) if f"{o.slot} {o.start_s}" in paid}
    payouts = (line for line in records.venue if line["kind"] == "payout" and line["payout_micro"])
    return next(line for line in payouts if line["market"] in markets)


def test_records_that_were_left_alone_are_verified(records: Evidence, tmp_path: Path) -> None:
    """Nothing that should not be was counted, and everything that a mutant needs is there."""
    verdict = judged(records, tmp_path / "s")
    assert (verdict.verified, verdict.faults, counted(verdict)) == (True, [], {})
    assert verdict.ticks == verdict.outcomes == verdict.decided + verdict.skipped > 100
    assert min(verdict.flips, verdict.orders, verdict.fills, verdict.windows_settled, verdict.windows_resolved) > 0
    assert (verdict.terms, verdict.releases) == (1, 2)
    assert verdict.claims_paid > 0


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_promise_is_found(mutant: str, records: Evidence, tmp_path: Path) -> None:
    """Under its own name, with a line that says where, and nothing else is accused."""
    tamper, promises = MUTANTS[mutant]
    tamper(records)
    verdict = judged(records, tmp_path / "s")
    assert counted(verdict).keys() == promises, verdict.faults
    assert verdict.faults
    assert not verdict.verified


def test_every_promise_has_a_mutant() -> None:
    """A promise nobody has seen broken is one that the judge may not look at."""
    assert set().union(*(promises for _, promises in MUTANTS.values())) == set(PROMISES)


# --- records that cannot be believed, and what is missing ---


def test_the_torn_end_of_a_journal_is_no_fault(records: Evidence, tmp_path: Path) -> None:
    """A crash leaves the last record half written; nobody acted on it."""
    state = written(records, tmp_path / "s")
    torn(state.journal, keep=b"\x10\x00\x00\x00half a rec")
    assert verify(state).verified


def test_a_journal_broken_in_the_middle_is_a_fault(records: Evidence, tmp_path: Path) -> None:
    """Named with its place; nothing behind it is believed, so nothing is counted."""
    state = written(records, tmp_path / "s")
    place = second(state.journal)
    broken(segments(state.journal)[0])
    verdict = verify(state)
    assert verdict.faults == [f"{segments(state.journal)[0]}: record 2 at byte {place} does not check"]
    assert not verdict.verified


def test_a_tape_broken_in_the_middle_is_a_fault(records: Evidence, tmp_path: Path) -> None:
    """Named with its place, whether or not it is in the last segment."""
    state = written(records, tmp_path / "s")
    broken(segments(state.tape)[0])
    verdict = verify(state)
    assert verdict.faults == [f"{segments(state.tape)[0]}: record 2 at byte {second(state.tape)} does not check"]
    assert not verdict.verified


def test_a_broken_segment_with_another_behind_it_is_named(records: Evidence, tmp_path: Path) -> None:
    """File, record and byte."""
    state = written(records, tmp_path / "s")
    again = Appender(state.tape, "tape")
    again.roll()
    again.close()
    broken(segments(state.tape)[0])
    verdict = verify(state)
    assert verdict.faults == [f"{segments(state.tape)[0]}: record 2 at byte {second(state.tape)} does not check"]
    assert not verdict.verified


@pytest.mark.parametrize("kind", ["journal", "tape"])
def test_a_first_segment_that_is_missing_is_a_fault(kind: str, records: Evidence, tmp_path: Path) -> None:
    """The rest adds up by itself; nobody can say of the beginning that every promise held."""
    state = written(records, tmp_path / "s")
    folder = state.root / kind
    again = Appender(folder, kind)
    again.roll()
    again.append(record_of(folder))
    again.close()
    segments(folder)[0].unlink()
    verdict = verify(state)
    assert not verdict.verified
    assert "and those before it are missing" in verdict.faults[0]


def test_a_tape_that_was_pruned_is_judged_by_what_is_left(records: Evidence, tmp_path: Path) -> None:
    """Its own word says up to where it went; the journal, which is never pruned, still has every outcome."""
    state = written(records, tmp_path / "s")
    again = Appender(state.tape, "tape")
    again.roll()
    again.append(wire.encode(records.frames[-1]))
    again.close()
    first, second = segments(state.tape)[:2]
    gone = first_number(second) - 1
    said = Pruned(to_record=gone, to_seq=gone, to_ns=1, chain="", segments=1, size=1)
    keep(state.tape / PRUNED, msgspec.json.encode(said))
    first.unlink()
    verdict = verify(state)
    assert verdict.tape_pruned_to_seq == gone
    assert not any("are missing" in fault for fault in verdict.faults)
    assert not verdict.tape_holes
    (state.tape / PRUNED).write_bytes(b"{")
    assert PRUNED in verify(state).faults[0]


def test_a_tape_that_has_what_the_journal_says_was_pruned_is_a_fault(records: Evidence, tmp_path: Path) -> None:
    """What was taken away does not come back; each pruning that the journal tells is counted."""
    for span in ((1, 20), (21, 40)):
        records.lines.append(structs.replace(records.lines[-1], entry=e.TapePruned(*span, 1, 9, 86_400, 9)))
    state = written(records, tmp_path / "s")
    verdict = verify(state)
    assert (verdict.tape_prunings, verdict.tape_holes) == (2, 1)
    assert "pruned up to frame 40, its folder says 0" in verdict.faults[0]
    said = Pruned(to_record=0, to_seq=40, to_ns=1, chain="", segments=2, size=18)
    keep(state.tape / PRUNED, msgspec.json.encode(said))
    assert verify(state).tape_holes == 0


def record_of(folder: Path) -> bytes:
    """The first record of a folder."""
    return next(iter(Segment(segments(folder)[0], folder.name)))[1]


def test_a_venue_that_wrote_nonsense_is_a_fault(records: Evidence, tmp_path: Path) -> None:
    """Named with its line."""
    state = written(records, tmp_path / "s")
    record = state.venue / "record.jsonl"
    record.write_bytes(b"[]\n" + record.read_bytes())
    verdict = verify(state)
    assert len(verdict.faults) == 1
    assert f"{record} line 1: " in verdict.faults[0]


def test_the_end_of_a_tape_that_could_not_be_written_is_forgiven(records: Evidence, tmp_path: Path) -> None:
    """The desk said so when it happened; an end that nobody told of is not forgiven."""
    without_end(records)
    said = structs.replace(records.lines[-1], entry=e.Alarm("tape_unavailable", "No space left on device"))
    over = structs.replace(records.lines[-1], entry=e.Gap("tape", 1, 2, "No space left on device"))
    records.lines.append(said)
    assert verify(written(records, tmp_path / "said")).tape_holes == 0
    records.lines.append(over)
    assert verify(written(records, tmp_path / "over")).tape_holes == 1


def test_a_reign_may_connect_once(records: Evidence, tmp_path: Path) -> None:
    """A supervisor that was started again connects again: that is no feed that was lost."""
    venue_adds("connect", "connect")(records)
    records.lines.append(structs.replace(records.lines[-1], entry=e.Term(2, 1, "", "rehearsal", "", 0)))
    verdict = judged(records, tmp_path / "s")
    assert (verdict.terms, verdict.reconnects) == (2, 0)


def parting(records: Evidence, reason: str, after_ms: int = 0, channel: str = "market") -> dict[str, Any]:
    """A socket of ours is connected a second time; what the venue wrote when the first one ended.

    That the desk left the channel when it stopped is taken out: it may lie in the time that is looked at.
    """
    left = [line for line in records.venue if line["kind"] == "disconnect" and line["channel"] == channel]
    records.venue[:] = [line for line in records.venue if line not in left]
    gone = last("connect", records) | {"kind": "disconnect", "reason": reason, "channel": channel}
    gone["t_ms"] += after_ms
    records.venue.append(gone)
    venue_adds("connect", "connect", channel=channel)(records)
    return gone


def test_a_socket_that_a_fault_of_the_venue_ended_was_not_lost_by_us(records: Evidence, tmp_path: Path) -> None:
    """The record says whose doing it was."""
    parting(records, "fault 1")
    assert judged(records, tmp_path / "s").reconnects == 0


@pytest.mark.parametrize(
    ("channel", "after_ms", "reconnects"),
    [("market", 0, 0), ("market", 5_001, 1), ("user", BLIND_MS, 0), ("user", 2 * BLIND_MS, 1)],
)
def test_who_leaves_a_silent_socket_is_not_to_blame(
    records: Evidence, tmp_path: Path, channel: str, after_ms: int, reconnects: int
) -> None:
    """While it was kept silent; afterwards only the user channel's, as long as a word that was not said may be owed."""
    gone = parting(records, "closed 1006", after_ms, channel)
    fault = {"kind": "fault", "number": 1, "fault": "silence", "wall_ms": 0, "t_ms": gone["t_ms"] - after_ms}
    arguments = {"channel": gone["channel"], "for_s": 5}
    records.venue.append(fault | {"phase": "begins", "arguments": arguments, "source": "command"})
    records.venue.append(fault | {"phase": "ends", "hits": 0, "t_ms": fault["t_ms"] + 5_000})
    assert judged(records, tmp_path / "s").reconnects == reconnects


def test_a_silence_that_did_not_end_lasts(records: Evidence, tmp_path: Path) -> None:
    """Of every channel, if it says so; and it is counted among what the venue did wrong."""
    gone = parting(records, "closed 1006")
    records.venue.append(a_silence(gone["t_ms"] - 1))
    verdict = judged(records, tmp_path / "s")
    assert (verdict.reconnects, verdict.venue_faults) == (0, 1)


def test_a_silence_ends_with_its_venue(records: Evidence, tmp_path: Path) -> None:
    """One that was killed could not say so; the next one numbers its faults anew."""
    gone = parting(records, "closed 1006")
    start = next(line for line in records.venue if line["kind"] == "start")
    records.venue += [a_silence(gone["t_ms"] - 2), start | {"t_ms": gone["t_ms"] - 1}, a_silence(2**50)]
    assert judged(records, tmp_path / "s").reconnects == 1


def a_silence(at_ms: int) -> dict[str, Any]:
    """A fault that keeps every channel silent, as the venue writes down that it begins."""
    fault = {"kind": "fault", "number": 1, "fault": "silence", "wall_ms": 0, "t_ms": at_ms, "phase": "begins"}
    return fault | {"arguments": {"channel": "all", "for_s": 0}, "source": "command"}


def test_strangers_may_come_and_go(records: Evidence, tmp_path: Path) -> None:
    """Only our own connections are counted."""
    venue_adds("connect", "connect", agent="a browser")(records)
    assert judged(records, tmp_path / "s").verified


def test_a_desk_that_was_killed_is_judged_by_its_last_snapshot(records: Evidence, tmp_path: Path) -> None:
    """What it did afterwards is no difference: the fills up to a snapshot are what it must hold at the snapshot."""
    fills = [n for n, line in enumerate(records.lines) if isinstance(line.entry, e.Fill)]
    records.lines = [
        line for n, line in enumerate(records.lines) if n <= fills[0] or not isinstance(line.entry, e.Snapshot)
    ]
    assert counted(judged(records, tmp_path / "s")) == {}


def test_windows_that_were_averaged_here_are_counted_apart(records: Evidence, tmp_path: Path) -> None:
    """The official outcome is known and our mean is only near it: no promise is broken where they differ."""
    another_strike(records)
    for line in records.venue:
        if line["kind"] == "resolve":
            line |= {"official": True, "averaged_here": True}
    verdict = judged(records, tmp_path / "s")
    assert (verdict.windows_settled, verdict.outcome_mismatches) == (0, 0)
    assert verdict.windows_estimated > 0


def test_nothing_is_not_verified(tmp_path: Path) -> None:
    """No journal is nothing to judge; a journal without a tick is no proof of anything."""
    with pytest.raises(NotThere, match="holds no journal"):
        verify(State(tmp_path / "missing"))
    Appender(State(tmp_path / "empty").journal, "journal").close()
    with pytest.raises(NotThere, match="holds no journal"):
        verify(State(tmp_path / "empty"))
    idle = Evidence([e.Line(1, 1, 1, 1, e.Term(1, 1, "", "rehearsal", "", 0))], [], [])
    verdict = judged(idle, tmp_path / "idle")
    assert verdict.faults == ["no tick was owed or shown, so nothing can be said of this desk"]
    assert not verdict.verified


def test_only_the_first_faults_are_told(records: Evidence, tmp_path: Path) -> None:
    """All of them are counted."""
    records.lines = [line for line in records.lines if not isinstance(line.entry, e.OutcomeOf)]
    verdict = judged(records, tmp_path / "s")
    assert verdict.missed > 100
    assert len(verdict.faults) == FAULTS_TOLD


def test_the_verdict_can_be_read(records: Evidence, tmp_path: Path) -> None:
    """By programs every count, by people also which folder it is about and what was wrong."""
    drops(e.OutcomeOf)(records)
    verdict = judged(records, tmp_path / "s")
    assert msgspec.json.decode(as_json(verdict)) == asdict(verdict)
    text = as_text(verdict, tmp_path / "s")
    assert text.startswith(f"{tmp_path / 's'}: NOT VERIFIED\n")
    assert f"\n  ! {verdict.faults[0]}" in text
    assert all(f" {name} " in text for name in PROMISES)


def torn(folder: Path, keep: bytes) -> None:
    """Add the beginning of a record."""
    with segments(folder)[-1].open("ab") as file:
        file.write(keep)


def broken(segment: Path) -> None:
    """Turn one bit of the second record."""
    data = bytearray(segment.read_bytes())
    data[second(segment.parent) + RECORD.size] ^= 1
    segment.write_bytes(data)


def second(folder: Path) -> int:
    """Where the second record of a folder's first segment begins."""
    segment = Segment(segments(folder)[0], segments(folder)[0].read_bytes()[8:16].rstrip(b"\0").decode())
    next(iter(segment))
    return segment.end
