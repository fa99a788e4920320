"""What must hold at every moment of a simulated desk, whatever is done to it: a name, when it is looked at, the look.

`CHECKS` is the table. A row names a promise, the kind of thing that is looked at when it happens, and the check, whose
docstring says what is looked at; a check returns the fault in words, empty when there is none. `KEPT_ELSEWHERE` names
the tests that keep what cannot be seen here. Of the desk's own picture a check looks only at what it is about to judge;
everything else it has from the auditor.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from kit.people import SLACK_S, STEP_MAX_S, longest_s
from kit.record import MS, Arrived, AtRest, Restarted, Taped, TickKey, TimePassed, TurnEnded
from kit.toy_venue import FEE, OPENING_CASH
from kit.toy_workers import GOOD

from shared import entries as e
from shared import messages as m
from shared.clock import NS
from shared.slots import schedule
from shared.units import cost_of, taker_fee
from supervisor import effects as fx
from supervisor.catching_up import RECHECK_S
from supervisor.lookups import LOOKUP_S
from supervisor.slotstate import SlotState
from supervisor.unwind import AGAIN_S

PROMPT_S: Final = 0.5
"""Within this the desk has looked at the time and acted on it."""

if TYPE_CHECKING:
    from kit.auditor import Auditor

# --- grants ---


def _one_grant_at_a_time(audit: Auditor, grant: e.Grant) -> str:
    """No grant of a slot is written while another one is on its way to the disk."""
    before = audit.record.grants.get(grant.slot)
    return f"{grant} while {before} is not durable" if before != audit.holds.get(grant.slot) else ""


def _one_holder(audit: Auditor, turn: TurnEnded) -> str:
    """Whoever the desk takes for a slot's owner has its newest durable grant."""
    for name, state in audit.sim.desk.turns.slots.items():
        if state.owner:
            grant = audit.holds.get(name)
            if grant is None or (grant.uid, grant.epoch) != (state.owner, state.epoch):
                return f"{name} is owned by {state.owner} under {state.epoch}, durable is {grant}"
    return ""


def _epochs_grow(audit: Auditor, grant: e.Grant) -> str:
    """A grant's epoch is greater than every epoch of its slot before it."""
    before = audit.record.grants.get(grant.slot)
    return f"{grant} after {before}" if before is not None and grant.epoch <= before.epoch else ""


def _granted_before_shown(audit: Auditor, tick: m.Tick) -> str:
    """A tick names the holder and epoch of its slot's newest durable grant."""
    grant = audit.holds.get(tick.slot)
    if grant is None or (grant.uid, grant.epoch) != (tick.owner, tick.epoch):
        return f"{tick.slot} {tick.tick} was shown to {tick.owner} under {tick.epoch}, durable is {grant}"
    return ""


def _read_everything(audit: Auditor, grant: e.Grant) -> str:
    """Who is granted a slot is alive and has missed no tick that the slot was shown."""
    worker = audit.sim.workers.living.get(grant.uid)
    shown = audit.shown.get((grant.slot, audit.last_shown.get(grant.slot, 0)))
    if worker is None or shown is None:
        return "" if worker is not None else f"{grant.slot} was granted to {grant.uid}, which does not live"
    read_seq = worker.whole_until(audit.seq)
    if read_seq < shown.seq:
        return f"{grant.slot} was granted to {grant.uid}, which read up to {read_seq}; {shown.tick.tick} is {shown.seq}"
    return ""


def _boundary_told(audit: Auditor, grant: e.Grant) -> str:
    """Before a grant stands the boundary it makes, with both sides named."""
    told = audit.record.boundaries.get(grant.slot)
    now = (grant.epoch, grant.uid, grant.release, grant.parameters)
    if told is None or (told.now.epoch, told.now.uid, told.now.release, told.now.parameters) != now:
        return f"{grant} follows the boundary {told}"
    before = audit.record.grants.get(grant.slot)
    was = before.uid if before is not None else ""
    return f"{grant} follows {before}, its boundary says {told.was}" if told.was.uid != was else ""


def _stays_around_its_entry_and_resolution(audit: Auditor, grant: e.Grant) -> str:
    """A slot that has an owner does not pass on in a deploy while entries may be made, or its window has just begun.

    Its window's resolution lies at the end of that time. A slot without a market has neither.
    """
    record, settings, desk = audit.record, audit.sim.settings, audit.sim.desk
    was = record.grants.get(grant.slot)
    owned = was is not None and was.uid in audit.starts.living
    calm = record.phase == "flipping" and record.flip_policy != "any"
    slot = desk.board.lane_of[grant.slot]
    if not (owned and calm) or grant.op != record.running or desk.board.lanes.window(slot) is None:
        return ""
    into_s = record.at_ns / NS % slot.window_s
    entries_s = settings.beat(slot).snipe_s
    if settings.deploy.settle_s <= into_s < slot.window_s - entries_s:
        return ""
    return f"{grant} {into_s:.3f} s into a window of {slot.window_s} s whose last {entries_s} are for entries"


# --- ticks and outcomes ---


def _first_outcome(audit: Auditor, outcome: e.OutcomeOf) -> str:
    """No tick gets a second outcome."""
    before = audit.record.outcomes.get((outcome.slot, outcome.tick))
    return f"{outcome.slot} {outcome.tick} has two outcomes: {before} and {outcome}" if before is not None else ""


def _no_tick_after_its_outcome(audit: Auditor, tick: m.Tick) -> str:
    """No tick is shown once it has its outcome."""
    before = audit.record.outcomes.get((tick.slot, tick.tick))
    return f"{tick.slot} {tick.tick} was shown after {before}" if before is not None else ""


def _shown_in_order(audit: Auditor, tick: m.Tick) -> str:
    """Ticks are shown in their order; again only to the next owner, and to no third."""
    last = audit.last_shown.get(tick.slot, 0)
    if tick.tick > last:
        return ""
    before = audit.shown.get((tick.slot, tick.tick))
    again = tick.tick == last and before is not None and before.times == 1 and tick.epoch > before.tick.epoch
    return "" if again else f"{tick.slot} {tick.tick} under {tick.epoch} was shown after {last}, before that {before}"


def _every_tick_has_its_outcome(audit: Auditor, rest: AtRest) -> str:
    """Every tick of the calendar since the first grant, in a window that was open, and every tick that was shown."""
    waiting = _waiting(audit.sim.desk.turns.slots)
    for key in audit.shown:
        if key not in audit.record.outcomes and key not in waiting:
            return f"{key} was shown and has no outcome"
    for slot in audit.sim.settings.lanes():
        beat, granted_ms = audit.sim.settings.beat(slot), audit.record.first_grant_ms.get(slot.name)
        if granted_ms is None:
            continue
        for tick in schedule(slot, beat, granted_ms, audit.sim.now().at_ns // MS - 1_000):
            opened_ms = audit.record.opened_ms.get((slot.name, slot.window_start(tick // 1_000)))
            key = (slot.name, tick)
            owed = opened_ms is not None and tick > opened_ms
            if owed and key not in audit.record.outcomes and key not in waiting:
                return f"{key} was never evaluated"
    return ""


def _waiting(slots: dict[str, SlotState]) -> set[TickKey]:
    outstanding = {(name, state.outstanding) for name, state in slots.items()}
    return outstanding | {(name, tick) for name, state in slots.items() for tick in state.held}


def _decided_by_the_holder(audit: Auditor, outcome: e.OutcomeOf) -> str:
    """A decision that counts is under the slot's newest durable grant, by its holder, which was shown the tick."""
    if outcome.kind == "SKIP":
        return ""
    by, grant = outcome.by, audit.holds.get(outcome.slot)
    if grant is None or (grant.epoch, grant.uid) != (by.epoch, by.uid):
        return f"{outcome.slot} {outcome.tick} was decided by {by}, the holder is {grant}"
    shown = audit.shown.get((outcome.slot, outcome.tick))
    if shown is None or (shown.tick.owner, shown.tick.epoch) != (by.uid, by.epoch):
        return f"{outcome.slot} {outcome.tick} was decided by {by} and shown as {shown}"
    return ""


def _decided_by_who_said_so(audit: Auditor, outcome: e.OutcomeOf) -> str:
    """The worker that is named really answered this tick under this epoch."""
    by = outcome.by
    said = outcome.kind == "SKIP" or (outcome.slot, outcome.tick, by.epoch, by.uid) in audit.answers
    return "" if said else f"{outcome.slot} {outcome.tick} is by {by}, who never said so"


def _attributable(audit: Auditor, outcome: e.OutcomeOf) -> str:
    """An outcome names a known release, that of its worker, the parameters of its tick, and the frame decided on."""
    by, record = outcome.by, audit.record
    if not by.uid:
        return "" if outcome.kind == "SKIP" else f"{outcome} names nobody"
    if by.release not in record.releases or by.parameters not in record.sets:
        return f"{outcome} names what nobody knows"
    if outcome.kind == "SKIP":
        return ""
    asked = audit.shown[outcome.slot, outcome.tick].tick.parameters
    if by.parameters != asked:
        return f"{outcome} names other parameters than its tick, {asked}"
    worker = audit.sim.workers.living.get(by.uid)
    if worker is not None and worker.release != by.release:
        return f"{outcome} names {by.release}, its worker runs {worker.release}"
    shown = audit.shown[outcome.slot, outcome.tick]
    return f"{outcome} was decided on {outcome.read_seq}, shown in {shown.seq}" if outcome.read_seq != shown.seq else ""


def _shadow_attributable(audit: Auditor, shadow: e.Shadow) -> str:
    """A shadow's answer is kept under the release that its worker runs, whatever the owner runs."""
    release, _ = audit.starts.living.get(shadow.by.uid, ("", 0))
    return "" if shadow.by.release == release != "" else f"{shadow} is by a worker of {release!r}"


def _version_told(audit: Auditor, version: e.Parameters) -> str:
    """Before a version stands the boundary it makes, from what was in force to this, at the stream's next frame."""
    told, record = audit.record.retuned, audit.record
    if not record.version:
        return "" if version.number == 1 else f"{version} is the first"
    now = (record.parameters, version.digest, record.version + 1, version.number, audit.seq + 1)
    said = (told.was, told.now, told.number, told.number, told.seq) if told is not None else None
    return f"{version} follows the boundary {told}" if said != now else ""


# --- parameters ---


def _names_what_is_in_force(audit: Auditor, tick: m.Tick) -> str:
    """A tick names the set in force by the journal, and whoever has read the stream has that one."""
    known = audit.record.parameters, audit.told
    return f"{tick.slot} {tick.tick} names {tick.parameters}, of {known}" if {tick.parameters} != {*known} else ""


def _told_as_it_is(audit: Auditor, frame: m.Streamed) -> str:
    """What the stream tells of parameters, by itself or in a keyframe, is what the journal has in force."""
    events = frame.event.events if isinstance(frame.event, m.Keyframe) else (frame.event,)
    told = {event.digest for event in events if isinstance(event, m.ParametersSet)}
    return (
        f"{frame.seq} tells {told}, in force is {audit.record.parameters}" if told - {audit.record.parameters} else ""
    )


def _no_change_hangs(audit: Auditor, rest: AtRest) -> str:
    """Every change of the parameters was refused, or is used by everybody."""
    return f"{audit.sim.desk.tuning.current} is not over" if audit.sim.desk.tuning.current is not None else ""


# --- orders ---


def _one_order_a_leg(audit: Auditor, placing: e.Placing) -> str:
    """A leg of a decision is placed once, and an order's name is used once."""
    leg = (placing.slot, placing.op, placing.tick, placing.leg)
    twice = placing.order_id in audit.record.placings or leg in audit.record.legs
    return f"{placing} is placed twice" if twice else ""


def _one_arrival(audit: Auditor, arrived: Arrived) -> str:
    """Nothing reaches the venue twice."""
    known = arrived.placing.order_id in audit.sim.venue.orders
    return f"{arrived.placing} arrived twice" if known else ""


def _wished_by_the_owner(audit: Auditor, placing: e.Placing) -> str:
    """Every order is a wish of the decision that its tick's owner really took, in the window it was taken for.

    Or it sells for the person who took the slot, and is nobody else's.
    """
    if placing.op:
        own = placing.side == "SELL" and not placing.by.uid and placing.op == audit.record.taken.get(placing.slot)
        return "" if own else f"{placing} is under {placing.op}, the slot under {audit.record.taken}"
    by, shown = placing.by, audit.shown.get((placing.slot, placing.tick))
    decided = audit.answers.get((placing.slot, placing.tick, by.epoch, by.uid))
    if decided is None or shown is None or (shown.tick.owner, shown.tick.epoch) != (by.uid, by.epoch):
        return f"{placing} was wished in {decided}, shown as {shown}"
    if placing.start_s != shown.tick.start_s:
        return f"{placing} is in another window than {shown.tick.start_s}"
    wish = decided.decision.intents[placing.leg]
    named = (placing.outcome, placing.side, placing.kind)
    same = isinstance(wish, m.Place) and (wish.outcome, wish.side, wish.kind) == named
    return "" if same else f"{placing} is not the wish {wish}"


def _nothing_of_a_stopped_release(audit: Auditor, placing: e.Placing) -> str:
    """From a halt, or from the moment its slot was taken, until somebody resumes, no release places an order."""
    stopped = audit.record.halted or audit.record.taken.get(placing.slot)
    return f"{placing} under {stopped}" if stopped and not placing.op else ""


def _cancelled_for_somebody(audit: Auditor, cancel: e.Cancelling) -> str:
    """A cancel is a decision's, or names the halt or the flatten that is in force."""
    causes = {"halt": audit.record.halted, "flatten": audit.record.taken.get(cancel.slot, "")}
    known = cancel.cause == "decision" or (cancel.op and cancel.op == causes.get(cancel.cause))
    return "" if known else f"{cancel} under {causes}"


def _stopped_orders_end(audit: Auditor, passed: TimePassed) -> str:
    """Where it was stopped, no order rests for longer than two tries to cancel it take."""
    sim, record = audit.sim, audit.record
    patience_ns = int((2 * (AGAIN_S + sim.settings.venue.answer_s) + SLACK_S) * NS)
    accounts, left = sim.desk.board.accounts, dict[tuple[int, str], int]()
    for order in accounts.open_orders() if record.halted or record.taken else ():
        if order.state == "open" and (record.halted or order.slot in record.taken):
            key = (sim.reign, order.order_id)
            left[key] = audit.stopped_ns.get(key, sim.mono)
    audit.stopped_ns = left
    late = [key for key, since_ns in left.items() if sim.mono - since_ns > patience_ns]
    return f"{late} still rest under {record.halted or record.taken}" if late else ""


def _stopped_slots_rest(audit: Auditor, rest: AtRest) -> str:
    """Where it was stopped nothing rests at the venue, and each slot that was taken is flat or says why not."""
    sim, record = audit.sim, audit.record
    for order_id, order in sim.venue.orders.items():
        slot, over = order.placing.slot, (order.placing.slot, order.placing.start_s) in record.winners
        if order.open and not over and (record.halted or slot in record.taken):
            return f"{order_id} rests in {slot} under {record.halted or record.taken}"
    told = sim.desk.board.accounts.flat.keys() | sim.desk.unwind.waits.keys()
    return f"nothing is said of {record.taken.keys() - told}" if record.taken.keys() - told else ""


def _never_a_double(audit: Auditor, arrived: Arrived) -> str:
    """An order that replaces others reaches the venue when none of them rests there any more."""
    placing, by = arrived.placing, arrived.placing.by
    decided, orders = audit.answers.get((placing.slot, placing.tick, by.epoch, by.uid)), audit.sim.venue.orders
    for wish in decided.decision.intents[: placing.leg] if decided is not None else ():
        replaced = orders.get(wish.order_id) if isinstance(wish, m.Cancel) else None
        if replaced is not None and replaced.open:
            ours, same = replaced.placing, (placing.outcome, placing.side)
            if (ours.outcome, ours.side) == same or (ours.outcome != same[0] and ours.side != same[1]):
                return f"{placing} arrived while {ours} rests, which it was to replace"
    return ""


def _durable_before_sent(audit: Auditor, submit: fx.Submit) -> str:
    """An order leaves once, after its intent is durable."""
    if f"place {submit.order_id}" not in audit.durable:
        return f"{submit.order_id} left before its intent was durable"
    if submit.order_id in audit.sent:
        return f"{submit.order_id} was sent twice"
    audit.sent.add(submit.order_id)
    return ""


def _durable_before_cancelled(audit: Auditor, cancel: fx.CancelOrder) -> str:
    """A cancel leaves after one of that order is durable; another may have been written since, and wait for its own."""
    durable = f"cancel {cancel.order_id}" in audit.durable
    return "" if durable else f"the cancel of {cancel.order_id} left before it was durable"


def _fill_of_an_intent(audit: Auditor, fill: e.Fill) -> str:
    """Every fill belongs to an order whose intent was written, is its decider's, and is counted once."""
    placing = audit.record.placings.get(fill.order_id)
    if placing is None or placing.by != fill.by:
        return f"{fill} belongs to {placing}"
    return f"{fill} is counted twice" if (fill.trade_id, fill.order_id) in audit.record.fills else ""


def _nothing_shown_while_unknown(audit: Auditor, tick: m.Tick) -> str:
    """No tick is shown while an order of its slot is unknown."""
    unknown = audit.unknown.get(tick.slot)
    return f"{tick.slot} {tick.tick} was shown while {[*unknown]} are unknown" if unknown else ""


def _unknown_blocks_and_counts(audit: Auditor, turn: TurnEnded) -> str:
    """A slot is blocked as long as an order of it is unknown, and what such an order may cost stays reserved."""
    accounts, slots = audit.sim.desk.board.accounts, audit.sim.desk.turns.slots
    while audit.doubtful:
        name = audit.doubtful.pop()
        unknown = [accounts.orders[order_id] for order_id in audit.unknown.get(name, ())]
        if slots[name].blocked != bool(unknown):
            return f"{name}: blocked is {slots[name].blocked}, unknown are {unknown}"
        cost = sum(cost_of(order.open_micro, order.price_micro) for order in unknown if order.side == "BUY")
        if accounts.reserved(name) < cost:
            return f"{name}: {accounts.reserved(name)} is reserved, {cost} may be spent by {unknown}"
    return ""


# --- operations ---


def _one_at_a_time(audit: Auditor, step: e.Step) -> str:
    """Between an operation's first step and its last stands no step of another, and none after the last."""
    running = audit.record.running
    if running and step.op != running:
        return f"{step.op} steps while {running} runs"
    return f"{step.op} steps after its end" if not running and audit.record.ends.get(step.op) else ""


def _blue_is_not_let_go(audit: Auditor, tell: fx.Tell) -> str:
    """Nobody tells the worker that has the active release's part to end, unless the reign ends."""
    worker = audit.sim.workers.living.get(tell.uid)
    if worker is None or not isinstance(tell.message, m.Retire) or audit.sim.stopping:
        return ""
    active = worker.release == audit.record.active and tell.uid == audit.sim.people.active_owner()
    return f"{tell.uid} of the active {worker.release} was told to end: {tell.message.reason}" if active else ""


def _replaced_by_its_like(audit: Auditor, grant: e.Grant) -> str:
    """A grant names what its worker runs; outside of an operation that is the active release."""
    worker, active = audit.sim.workers.living.get(grant.uid), audit.record.active
    if worker is not None and worker.release != grant.release:
        return f"{grant} names {grant.release}, its worker runs {worker.release}"
    return f"{grant} without an operation, active is {active}" if not grant.op and grant.release != active else ""


def _all_back_or_all_over(audit: Auditor, step: e.Step) -> str:
    """An operation ends with every slot that has an owner on one release, the one it says trades."""
    result = step.detail.get("result")
    if step.phase != "done" or result == "ROLLBACK_FAILED":
        return ""
    slots = audit.sim.desk.turns.slots
    holders = {audit.holds[name].release for name, state in slots.items() if state.owner}
    wrong = holders - {audit.record.active}
    return f"{step.op} ended {result} with {audit.record.active} active and slots on {wrong}" if wrong else ""


def _operations_end(audit: Auditor, passed: TimePassed) -> str:
    """An operation is over when every phase of it took as long as it may."""
    sim, running = audit.sim, audit.sim.people.running()
    late = running is not None and sim.mono - running.began_ns > longest_s(sim.settings.deploy) * NS
    return f"{running} still runs" if late else ""


def _slots_move_on(audit: Auditor, passed: TimePassed) -> str:
    """No outstanding tick outlives its deadline, and no slot holds its ticks back longer than it may."""
    sim, settings = audit.sim, audit.sim.settings
    for name, state in sim.desk.turns.slots.items():
        shown = audit.shown[name, state.outstanding] if state.outstanding else None
        if shown is not None and sim.mono - shown.mono_ns > (settings.ticks.deadline_s + SLACK_S) * NS:
            return f"{name} {state.outstanding} is outstanding for {(sim.mono - shown.mono_ns) / NS:.1f} s"
        if state.phase != "quiescing" or not state.owner:
            audit.quiescing_ns.pop(name, None)
        elif sim.mono - audit.quiescing_ns.setdefault(name, sim.mono) > (settings.deploy.quiesce_s + SLACK_S) * NS:
            return f"{name} waits for its boundary for {(sim.mono - audit.quiescing_ns[name]) / NS:.1f} s"
    return ""


def _doubt_ends(audit: Auditor, passed: TimePassed) -> str:
    """No order is unknown for longer than the horizon and the questions before it."""
    sim, venue = audit.sim, audit.sim.settings.venue
    patience_s = venue.unknown_horizon_s + venue.answer_s + 2 * RECHECK_S + SLACK_S
    for unknown in audit.unknown.values():
        for order_id, since_ns in unknown.items():
            if sim.mono - since_ns > patience_s * NS:
                return f"{order_id} is unknown for {(sim.mono - since_ns) / NS:.1f} s"
    return ""


def _no_slot_is_silent(audit: Auditor, passed: TimePassed) -> str:
    """A slot whose window is open gets an outcome within the sum of all that may delay one."""
    sim, venue = audit.sim, audit.sim.settings.venue
    owed_s = 5.0 + STEP_MAX_S + 2 * sim.settings.ticks.deadline_s + venue.answer_s + 2 * LOOKUP_S
    patience_ns = int((owed_s + venue.unknown_horizon_s + sim.settings.deploy.quiesce_s + SLACK_S) * NS)
    for slot in sim.desk.board.lanes.slots:
        window = sim.desk.board.lanes.window(slot)
        if window is None or slot.name not in audit.record.first_grant_ms:
            audit.outcome_ns.pop(slot.name, None)
        elif sim.mono - audit.outcome_ns.setdefault(slot.name, sim.mono) > patience_ns:
            return f"{slot.name} had no outcome for {(sim.mono - audit.outcome_ns[slot.name]) / NS:.1f} s"
    return ""


def _not_too_early(audit: Auditor, worker: e.Worker) -> str:
    """A release whose workers die is not started again before its delay is over."""
    again_ns = audit.starts.again_ns.get(worker.release, 0)
    early = worker.event == "spawned" and worker.release == audit.record.active and audit.sim.mono < again_ns
    return f"{worker} comes {(again_ns - audit.sim.mono) / NS:.1f} s too early" if early else ""


def _in_its_own_time(audit: Auditor, passed: TimePassed) -> str:
    """When no operation runs, the active release has a worker, or has one when its own delay is over."""
    sim, starts, active = audit.sim, audit.starts, audit.record.active
    has_one = any(release == active for release, _ in starts.living.values())
    if has_one or not active or sim.people.running() is not None:
        starts.bare_ns = 0
        return ""
    starts.bare_ns = starts.bare_ns or sim.mono
    late_ns = sim.mono - max(starts.bare_ns, starts.again_ns.get(active, 0))
    return f"{active} has no worker, {late_ns / NS:.1f} s after it should" if late_ns > PROMPT_S * NS else ""


def _everything_ended(audit: Auditor, rest: AtRest) -> str:
    """At rest no operation runs, each has its result, and the active release's worker, if good, owns every slot.

    Where the first release of all could not start nobody owns anything.
    """
    running = [op for op, result in audit.record.ends.items() if not result]
    if running or audit.sim.people.running() is not None:
        return f"operations without an end: {running}, {audit.sim.people.running()}"
    owners, active = {state.owner for state in audit.sim.desk.turns.slots.values()}, audit.record.active
    if not active:
        return f"owners at rest are {owners}, and no release is active" if owners != {""} else ""
    if audit.sim.workers.kinds[active] != GOOD:
        return ""
    owner = audit.sim.people.active_owner()
    return "" if owners == {owner} != {""} else f"owners at rest are {owners}, the active worker is {owner!r}"


# --- stream, reign, books ---


def _stream_is_whole(audit: Auditor, frame: m.Streamed) -> str:
    """Frames follow one another without a hole, unless the journal says which are missing; time never runs back."""
    if frame.at_ns < audit.at_ns:
        return f"frame {frame.seq} is older than the one before it"
    return _hole(audit, audit.seq, frame.seq)


def _tape_is_whole(audit: Auditor, taped: Taped) -> str:
    """So does what is written to the tape."""
    return _hole(audit, taped.after, taped.seq)


def _hole(audit: Auditor, before: int, seq: int) -> str:
    named = seq == before + 1 or audit.record.gap.startswith(f"tape: frames {before + 1} to {seq - 1}:")
    return "" if named else f"frame {seq} follows {before}, the last gap is {audit.record.gap!r}"


def _blindness_is_told(audit: Auditor, tick: m.Tick) -> str:
    """A tick that is shown while a feed or the tape is not there says that entries are closed."""
    down = audit.sim.venue.down | ({"tape"} if audit.sim.disk.tape_full else set())
    return f"{tick.slot} {tick.tick} hides that {sorted(down)} are down" if down and not tick.entries else ""


def _time_runs_on(audit: Auditor, line: e.Line) -> str:
    """No line of the journal is older than the one before it, nor than the tape when a reign begins."""
    taped_ns = audit.sim.disk.at_ns if isinstance(line.entry, e.Term) else 0
    return f"{line} is older than what was before it" if line.at_ns < max(audit.record.at_ns, taped_ns) else ""


def _one_reign(audit: Auditor, line: e.Line) -> str:
    """Each reign's number is one more than the last, and every line carries the one it was written in."""
    term = audit.record.term
    wanted = term + 1 if isinstance(line.entry, e.Term) else term
    said = line.entry.term if isinstance(line.entry, e.Term) else line.term
    return "" if wanted == said == line.term else f"{line} in term {term}"


def _journal_rebuilds(audit: Auditor, restarted: Restarted) -> str:
    """What the journal adds up to is what was known; the version only orders the pictures of one reign."""
    if restarted.before is None:
        return ""
    known, rebuilt = vars(restarted.before), vars(restarted.rebuilt)
    differ = [name for name in known if name != "version" and known[name] != rebuilt[name]]
    return "".join(f"{name} was {known[name]}, the journal says {rebuilt[name]}; " for name in differ)


def _no_doubt_is_left(audit: Auditor, rest: AtRest) -> str:
    """At rest the venue owes no word on any order."""
    doubtful = [o for o in audit.sim.desk.board.accounts.open_orders() if o.in_flight or o.state == "unknown"]
    return f"orders in doubt at rest: {doubtful}" if doubtful else ""


def _positions_are_the_venues(audit: Auditor, rest: AtRest) -> str:
    """What we hold of a window that is not paid out is what the venue's trades add up to."""
    accounts, held = audit.sim.desk.board.accounts, audit.sim.venue.held()
    ours: dict[tuple[str, int, str], int] = {key: p.size_micro for key, p in accounts.positions.items()}
    for key in {*ours, *held}:
        if key[:2] not in audit.record.winners and ours.get(key, 0) != held.get(key, 0):
            return f"{key}: we hold {ours.get(key, 0)}, by the venue's trades it is {held.get(key, 0)}"
    return ""


def _cash_is_the_trades(audit: Auditor, rest: AtRest) -> str:
    """To the millionth: what trades that hold cost, and what windows that were resolved paid."""
    cash, venue, winners = OPENING_CASH, audit.sim.venue, audit.record.winners
    for order_id, order in venue.orders.items():
        placing = order.placing
        won = winners.get((placing.slot, placing.start_s)) == placing.outcome
        for leg in venue.settled_legs(order_id):
            if leg.status != "FAILED":
                fee = 0 if leg.maker else taker_fee(leg.size_micro, leg.price_micro, *FEE)
                sign = 1 if leg.side == "BUY" else -1
                cash += sign * (leg.size_micro * won - cost_of(leg.size_micro, leg.price_micro)) - fee
    ours = audit.sim.desk.board.accounts.cash_micro
    return f"our cash is {ours}, the trades add up to {cash}" if ours != cash else ""


def _nothing_differs(audit: Auditor, reconciled: e.Reconciled) -> str:
    """Whatever is under way, no difference with the venue persists, and every order of the key is one of ours."""
    return f"{reconciled}" if reconciled.differs or reconciled.foreign or reconciled.differences else ""


def _was_reconciled(audit: Auditor, rest: AtRest) -> str:
    """The desk has looked at the venue's books in its last reign."""
    return "" if audit.sim.desk.reconciling.rounds else "our books were never held against the venue's"


Check = Callable[["Auditor", Any], str]
"""Looks at one thing that happened; returns the fault, or nothing."""

CHECKS: Final[tuple[tuple[str, type, Check], ...]] = (
    ("I1 one holder", e.Grant, _one_grant_at_a_time),
    ("I1 one holder", TurnEnded, _one_holder),
    ("I2 epochs grow", e.Grant, _epochs_grow),
    ("I3 granted before shown", m.Tick, _granted_before_shown),
    ("I4 one outcome", e.OutcomeOf, _first_outcome),
    ("I4 one outcome", m.Tick, _no_tick_after_its_outcome),
    ("I4 one outcome", m.Tick, _shown_in_order),
    ("I4 one outcome", AtRest, _every_tick_has_its_outcome),
    ("I5 the holder decides", e.OutcomeOf, _decided_by_the_holder),
    ("I5 the holder decides", e.OutcomeOf, _decided_by_who_said_so),
    ("I6 one order a leg", e.Placing, _one_order_a_leg),
    ("I6 one order a leg", Arrived, _one_arrival),
    ("I7 durable before sent", fx.Submit, _durable_before_sent),
    ("I7 durable before sent", fx.CancelOrder, _durable_before_cancelled),
    ("I7 durable before sent", e.Fill, _fill_of_an_intent),
    ("I8 unknown blocks", m.Tick, _nothing_shown_while_unknown),
    ("I8 unknown blocks", TurnEnded, _unknown_blocks_and_counts),
    ("I9 the holder missed nothing", e.Grant, _read_everything),
    ("I10 a shadow sends nothing", e.Placing, _wished_by_the_owner),
    ("I11 blue stays", fx.Tell, _blue_is_not_let_go),
    ("I11 blue stays", e.Grant, _replaced_by_its_like),
    ("I11 blue stays", e.Step, _all_back_or_all_over),
    ("I12 everything ends", TimePassed, _operations_end),
    ("I12 everything ends", TimePassed, _slots_move_on),
    ("I12 everything ends", TimePassed, _doubt_ends),
    ("I12 everything ends", AtRest, _everything_ended),
    ("I13 still around its entry", e.Grant, _stays_around_its_entry_and_resolution),
    ("I14 one operation", e.Step, _one_at_a_time),
    ("I15 attributable", e.OutcomeOf, _attributable),
    ("I15 attributable", e.Shadow, _shadow_attributable),
    ("I15 attributable", e.Grant, _boundary_told),
    ("I15 attributable", e.Parameters, _version_told),
    ("I16 the stream is whole", m.Streamed, _stream_is_whole),
    ("I16 the stream is whole", Taped, _tape_is_whole),
    ("I16 the stream is whole", e.Line, _time_runs_on),
    ("I16 the stream is whole", m.Tick, _blindness_is_told),
    ("I17 one reign", e.Line, _one_reign),
    ("I18 no silent slot", TimePassed, _no_slot_is_silent),
    ("I19 stopped is stopped", e.Placing, _nothing_of_a_stopped_release),
    ("I19 stopped is stopped", e.Cancelling, _cancelled_for_somebody),
    ("I19 stopped is stopped", TimePassed, _stopped_orders_end),
    ("I19 stopped is stopped", AtRest, _stopped_slots_rest),
    ("I20 one set at a time", m.Tick, _names_what_is_in_force),
    ("I20 one set at a time", m.Streamed, _told_as_it_is),
    ("I20 one set at a time", AtRest, _no_change_hangs),
    ("B1 the journal is the truth", Restarted, _journal_rebuilds),
    ("B2 our books are the venue's", AtRest, _no_doubt_is_left),
    ("B2 our books are the venue's", AtRest, _positions_are_the_venues),
    ("B2 our books are the venue's", AtRest, _cash_is_the_trades),
    ("B2 our books are the venue's", e.Reconciled, _nothing_differs),
    ("B2 our books are the venue's", AtRest, _was_reconciled),
    ("B4 never a naked double", Arrived, _never_a_double),
    ("B3 started again in its own time", e.Worker, _not_too_early),
    ("B3 started again in its own time", TimePassed, _in_its_own_time),
)
"""The promise, when it is looked at, and the look."""

KEPT_ELSEWHERE: Final[dict[str, str]] = {
    "I10": "tests/supervisor/test_cell.py",  # a worker has no secret and no way out
    "I17": "tests/supervisor/test_app.py",  # no second supervisor beside a living one
}
"""What the process keeps, and the test that shows it."""


def _by_kind() -> dict[type, tuple[tuple[str, Check], ...]]:
    kinds = {kind for _, kind, _ in CHECKS}
    return {kind: tuple((name, check) for name, when, check in CHECKS if when is kind) for kind in kinds}


CHECKS_OF: Final = _by_kind()
"""The promises and looks for each kind of thing."""
