"""What is, in plain values: the status for people and files, the slots, the releases, what happened lately."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Final

import msgspec
from msgspec import structs

from shared import entries as e
from shared.clock import NS
from shared.units import show_micro, show_signed, show_usd
from supervisor.accounts import Accounts, Version
from supervisor.claims import Claim
from supervisor.crew import Member
from supervisor.desk import Desk
from supervisor.handover import changed_files
from supervisor.lanes import Window
from supervisor.operation import Operation, Told
from supervisor.plan import Plan
from supervisor.policy import Ruling
from supervisor.slotstate import SlotState
from supervisor.tuning import Change

CHANGES_SHOWN: Final = 5
"""Parameters that are told in a sentence."""
STATUS_SCHEMA = "foresight.status/1"

Named = Callable[[str], str]
"""How a release is called in a sentence, from its hash."""


def status(desk: Desk, wall_ns: int) -> dict[str, Any]:
    """Everything a person wants on one screen, and a monitor in one document."""
    board, accounts = desk.board, desk.board.accounts
    open_slots = [name for name in desk.turns.slots if _window(desk, name) is not None]
    return {
        "schema": STATUS_SCHEMA,
        "mode": board.settings.mode,
        "state": state(desk),
        "pid": board.pid,
        "term": accounts.term,
        "at_ns": board.at_ns,
        "wall_ns": wall_ns,
        "generation": accounts.generation,
        "paused": accounts.paused,
        "pause_reason": accounts.pause_reason if accounts.paused or accounts.halted else "",
        "halted": accounts.halted,
        "flattening": flattening(desk, accounts.flattening),
        "standing": _standing(accounts.standing),
        "release": active(desk),
        "parameters": board.parameters,
        "parameters_number": accounts.parameters.number if accounts.parameters is not None else 0,
        "slots": {"configured": len(desk.turns.slots), "open": len(open_slots), "owned": _owned(desk, open_slots)},
        "feeds": dict(board.feeds),
        "tape": board.tape_fault or "ok",
        "venue": _venue(desk),
        "stream_seq": board.seq,
        "cash_micro": accounts.cash_micro,
        "transferred_micro": accounts.transferred_micro,
        "owed_micro": accounts.owed(),
        "claimed_micro": accounts.claimed_micro,
        "exposure_micro": accounts.exposure(),
        "day_realized_micro": accounts.day_realized_micro,
        "day_loss_limit_micro": board.limits.day_loss_micro,
        "positions": [structs.asdict(holding) for holding in accounts.holdings()],
        "orders": [structs.asdict(resting) for resting in accounts.resting()],
        "unsettled_fills": sum(1 for _ in accounts.unsettled_fills()),
        "reconciled": _reconciled(desk),
        "decided": desk.decisions.taken,
        "counters": dict(sorted(board.counters.items())),
        "operation": operation_view(desk.operations.current) if desk.operations.current else None,
        "workers": [_worker(desk, member) for member in board.crew.members.values()],
    }


def _reconciled(desk: Desk) -> dict[str, Any]:
    """How often our books were held against the venue's in this reign, when last, and what differed."""
    reconciling, missing = desk.reconciling, desk.reconciling.missing
    return {
        "rounds": reconciling.rounds,
        "differences": reconciling.differences,
        "at_ns": reconciling.at_ns,
        "differs": [difference.text for difference in reconciling.counted.values()],
        "foreign": list(reconciling.foreign),
        "missing_micro": [missing.low, missing.high] if missing is not None else [],
    }


def _venue(desk: Desk) -> dict[str, Any]:
    """Whether the venue takes orders and cancels, and if not what it says; cancels that wait for their turn."""
    dispatch, now_ns = desk.dispatch, desk.board.mono_ns
    return {
        "orders": dispatch.orders_pace.status(now_ns),
        "cancels": dispatch.cancels_pace.status(now_ns),
        "cancels_waiting": dispatch.cancels_waiting,
        "tier": dispatch.orders_pace.tier,
    }


def state(desk: Desk) -> str:
    """One word for what the desk is doing."""
    if desk.board.accounts.active is None:
        return "NO RELEASE"
    if desk.board.accounts.halted:
        return "HALTED"
    if desk.board.accounts.paused:
        return "PAUSED"
    standing = desk.board.accounts.standing
    if standing is not None and (standing.blocked or standing.closed_only):
        return "BLOCKED" if standing.blocked else "REDUCING"
    if any(desk.board.feeds.values()) or desk.board.tape_fault or desk.board.differs or desk.board.lifeline_lost:
        return "DEGRADED"
    if not any(slot.owner for slot in desk.turns.slots.values()):
        return "STARTING"
    return "TRADING"


def flattening(desk: Desk, slots: Iterable[str]) -> dict[str, dict[str, str]]:
    """For each slot that people took from its release: under which operation, and what it waits for or has left.

    `state`: flat, or flattening.
    """
    accounts, waits = desk.board.accounts, desk.unwind.waits
    return {
        slot: {
            "op": accounts.flattening[slot],
            "state": "flat" if slot in accounts.flat and slot not in waits else "flattening",
            "words": waits.get(slot, accounts.flat.get(slot, "")),
        }
        for slot in slots
        if slot in accounts.flattening
    }


def _standing(standing: e.Standing | None) -> str:
    """What the venue lets us do, in a word."""
    if standing is None:
        return "unknown"
    if standing.blocked:
        return f"blocked in {standing.place or 'this place'}"
    return "closed only" if standing.closed_only else "ok"


def active(desk: Desk) -> dict[str, Any]:
    """The release that trades: its number, its hash; empty when there is none."""
    chosen = desk.board.accounts.active
    return release_view(desk, chosen.release) if chosen is not None else {}


def release_view(desk: Desk, release: str) -> dict[str, Any]:
    """A release as people name it."""
    known = desk.board.accounts.releases.get(release)
    return {"seq": known.seq if known else 0, "hash": release}


def slots(desk: Desk) -> list[dict[str, Any]]:
    """Every slot: what it is doing, who owns it, its window and its market."""
    return [_slot(desk, name, slot_state) for name, slot_state in desk.turns.slots.items()]


def claims(desk: Desk) -> list[dict[str, Any]]:
    """What is owed, on its way, paid or left to a person, oldest first."""
    return [_claim(claim) for claim in desk.board.accounts.claims.values()]


def _claim(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.name,
        "kind": claim.kind,
        "slot": claim.slot,
        "start_s": claim.start_s,
        "amount_micro": claim.amount_micro,
        "state": claim.state,
        "nonce": claim.nonce,
        "transactions": list(claim.transactions),
        "failures": claim.failures,
        "detail": claim.detail,
    }


def releases(desk: Desk) -> list[dict[str, Any]]:
    """Every release this desk knows, newest first, and what it is to it."""
    accounts = desk.board.accounts
    chosen = accounts.active.release if accounts.active is not None else ""
    green = desk.operations.rollout.green if desk.operations.current else ""
    views = []
    for known in sorted(accounts.releases.values(), key=lambda release: -release.seq):
        role = {accounts.previous: "previous", green: "candidate", chosen: "active"}.get(known.release, "staged")
        views.append({"seq": known.seq, "hash": known.release, "lock": known.lock, "role": role})
    return views


def parameters(desk: Desk, change: Change | None) -> dict[str, Any]:
    """The parameters in force, every version that is remembered, oldest first, and how a change of them stands."""
    accounts = desk.board.accounts
    return {
        "in_force": version_view(accounts),
        "versions": [_version(version) for version in accounts.versions.values()],
        "change": change_view(change) if change is not None else None,
    }


def version_view(accounts: Accounts) -> dict[str, Any]:
    """The version in force; empty before the first reign."""
    return _version(accounts.versions[max(accounts.versions)]) if accounts.versions else {}


def _version(version: Version) -> dict[str, Any]:
    return structs.asdict(version.parameters) | {"at_ns": version.at_ns}


def change_view(change: Change) -> dict[str, Any]:
    """A change of the parameters: where it stands, what each release said, who has not read it yet."""
    return {
        "op": change.op,
        "state": change.state,
        "only_ask": change.only_ask,
        "digest": change.digest,
        "values": change.values,
        "actor": change.actor,
        "reason": change.reason,
        "asked": dict(change.asked),
        "words": change.words,
        "number": change.number,
        "seq": change.seq,
        "durable": change.durable,
        "waits": sorted(change.waits),
        "took_ms": dict(change.took_ms),
    }


def operation_view(operation: Operation) -> dict[str, Any]:
    """An operation: where it stands, how long each part took, what its gates said, what it waits for, how it ended."""
    return {
        "op": operation.op,
        "verb": operation.verb,
        "green": operation.green,
        "blue": operation.blue,
        "actor": operation.actor,
        "reason": operation.reason,
        "plan": operation.plan.values(),
        "rings": [list(ring) for ring in operation.rings],
        "ring": operation.ring,
        "phase": operation.phase,
        "held_for": operation.held_for,
        "after": operation.after,
        "steps_ms": dict(operation.steps_ms),
        "history": [passage._asdict() for passage in operation.history],
        "waiting": dict(operation.waiting),
        "gates": [_told(told) for told in operation.told],
        "loaded": {name: {"digest": digest, "load_us": us} for name, (digest, us) in operation.loaded.items()},
        "flips": operation.flips,
        "retuned_from": operation.retuned_from,
        "result": operation.result,
        "fault": operation.fault,
    }


def _told(told: Told) -> dict[str, Any]:
    return {"phase": told.phase, "ring": told.ring, **msgspec.to_builtins(told.gate)}


def plan_view(desk: Desk, release: str, plan: Plan, op: str, policies: tuple[Ruling, ...]) -> dict[str, Any]:
    """What a deploy would do: what it changes, what is open, its rings, and why each slot would wait if it came now."""
    board, accounts = desk.board, desk.board.accounts
    blue = accounts.active.release if accounts.active is not None else ""
    return {
        "green": release_view(desk, release),
        "blue": release_view(desk, blue) if blue else {},
        "plan": plan.values(),
        "changed": list(changed_files(board, blue, release)),
        "positions": [structs.asdict(holding) for holding in accounts.holdings()],
        "orders": [structs.asdict(resting) for resting in accounts.resting()],
        "rings": [[_planned(desk, name, plan) for name in ring] for ring in desk.operations.rings(op, plan)],
        "measured": {
            "windows": accounts.windows_measured,
            "decisions": accounts.decisions_measured,
            "since_ns": accounts.activated_ns[-1] if accounts.activated_ns else 0,
        },
        "policies": [asdict(ruling) for ruling in policies],
    }


def _planned(desk: Desk, name: str, plan: Plan) -> dict[str, Any]:
    slot, board = desk.board.lane_of[name], desk.board
    return {
        "slot": name,
        "exposure_micro": board.accounts.exposure(name),
        "closes_in_s": slot.seconds_left(board.at_ns // NS),
        "waits": desk.handover.may_move(name, plan.flip_policy),
    }


def events(desk: Desk, after_ns: int, limit: int) -> list[dict[str, Any]]:
    """What happened lately, oldest first, each in a sentence and in values."""
    lately = [(at_ns, entry) for at_ns, entry in desk.board.recent if at_ns > after_ns]
    named = desk.board.accounts.release_name
    return [
        {"at_ns": at_ns, "kind": type(entry).__name__.lower(), "text": sentence(entry, named), "data": _values(entry)}
        for at_ns, entry in lately[max(0, len(lately) - limit) :]
    ]


def sentence(entry: e.Entry, named: Named = str) -> str:
    """An entry as a past-tense fact. `named`: how a release is called; by its hash unless somebody knows better."""
    words = _SENTENCES.get(type(entry))
    return words(entry, named) if words is not None else type(entry).__name__


def _values(entry: e.Entry) -> Any:
    return {name: value for name, value in structs.asdict(entry).items() if isinstance(value, int | str | float)}


def _window(desk: Desk, name: str) -> Window | None:
    return desk.board.lanes.window(desk.board.lane_of[name])


def _owned(desk: Desk, names: Iterable[str]) -> int:
    return sum(1 for name in names if desk.turns.slots[name].owner)


def _worker(desk: Desk, member: Member) -> dict[str, Any]:
    return {
        "uid": member.uid,
        "part": desk.operations.staff.part_of(member.uid),
        "release": member.release,
        "pid": member.pid,
        "stage": member.stage,
        "read_seq": member.read_seq,
        "decided": member.decided,
        "rss_kib": member.rss_kib,
    }


def _slot(desk: Desk, name: str, slot_state: SlotState) -> dict[str, Any]:
    board, window = desk.board, _window(desk, name)
    lane = board.lane_of[name]
    orders = board.accounts.open_orders(name)
    view: dict[str, Any] = {
        "slot": name,
        "state": _word(desk, name, slot_state, window),
        "phase": slot_state.phase,
        "epoch": slot_state.epoch,
        "owner": slot_state.owner,
        "release": board.accounts.owners[name].release if name in board.accounts.owners else "",
        "last_tick": slot_state.last_tick,
        "start_s": window.start_s if window else 0,
        "closes_in_s": lane.seconds_left(board.at_ns // NS),
        "strike": str(window.strike) if window and window.strike is not None else "",
        "positions": [structs.asdict(holding) for holding in board.accounts.holdings(name)],
        "open_orders": len(orders),
    }
    if window is not None:
        up = window.books["Up"]
        view["bid"], view["ask"] = show_micro(up.best("BUY")), show_micro(up.best("SELL"))
        view["book"] = up.stale or "ok"
    return view


def _word(desk: Desk, name: str, slot_state: SlotState, window: Window | None) -> str:
    """What a slot is doing, in the one word that matters most."""
    if window is None:
        return "NO MARKET"
    if slot_state.blocked:
        return "BLOCKED"
    if not slot_state.owner:
        return "NO OWNER"
    if name in desk.board.accounts.flattening:
        return "FLAT" if name in desk.board.accounts.flat else "FLATTENING"
    if desk.board.accounts.halted:
        return "HALTED"
    if desk.board.accounts.paused:
        return "PAUSED"
    if slot_state.phase != "owned":
        return "HANDOVER"
    held = any(h.start_s == window.start_s for h in desk.board.accounts.holdings(name))
    if held:
        return "OPEN"
    return "ORDER" if desk.board.accounts.open_orders(name) else "SCAN"


_WHOSE: Final = {"ours": "ours", "venue": "the venue's", "network": "the network's", "unknown": "nobody knows whose"}
"""Through whom something could not be seen."""
_SENTENCES: Final[dict[type, Callable[[Any, Named], str]]] = {
    e.Term: lambda t, named: f"supervisor {t.pid} began term {t.term} in {t.mode}",
    e.Boundary: lambda b, named: (
        f"{b.slot} passed from {named(b.was.release) if b.was.release else 'nobody'} to {named(b.now.release)} "
        f"under epoch {b.now.epoch}, {len(b.positions)} positions and {len(b.orders)} orders open, "
        f"{len(b.changed)} files changed"
    ),
    e.Retuned: lambda r, named: (
        f"parameters p{r.number} {r.now} are in force by {r.actor}, {_changed_words(r.changed)}: "
        f"{r.reason or 'no reason given'}; {len(r.positions)} positions and {len(r.orders)} orders open"
    ),
    e.Step: lambda s, named: f"{s.verb} of {named(s.detail.get('green', ''))} {_step_words(s)} ({s.op})",
    e.Active: lambda a, named: f"{named(a.release)} is the active release",
    e.Placing: lambda p, named: (
        f"{p.slot} {p.side} {p.outcome} {show_micro(p.size_micro)} at {show_micro(p.price_micro)} {p.kind} "
        f"by {named(p.by.release) if p.by.release else f'operation {p.op}'}"
    ),
    e.Fill: lambda f, named: (
        f"{f.slot} filled {f.side} {f.outcome} {show_micro(f.size_micro)} at {show_micro(f.price_micro)} "
        f"as {'maker' if f.maker else 'taker'}, decided by {named(f.by.release) if f.by.release else 'a person'}"
    ),
    e.Settled: lambda s, named: f"{s.slot} window {s.start_s} settled {s.winner} by the reference prices",
    e.Resolved: lambda r, named: (
        f"{r.slot} window {r.start_s} resolved {r.winner}, ours pay {show_usd(r.payout_micro)}"
    ),
    e.Claiming: lambda c, named: (
        f"{c.kind} of {show_usd(c.amount_micro)} in {c.slot} window {c.start_s} leaves under nonce {c.nonce}"
    ),
    e.ClaimMoved: lambda c, named: (
        f"claim {c.claim} {c.event.replace('_', ' ')}" + (f": {c.detail}" if c.detail else "")
    ),
    e.Transfer: lambda t, named: (
        f"{show_signed(t.amount_micro)} {'came' if t.amount_micro > 0 else 'went'} past the desk, says {t.actor}: "
        + t.reason
    ),
    e.Control: lambda c, named: (
        f"{'halted' if c.halted else 'entries paused' if c.paused else 'entries open'} by {c.actor}: "
        f"{c.reason or 'no reason given'}"
    ),
    e.Flatten: lambda f, named: (
        f"{len(f.slots)} slots are flattened, the first {f.slots[0]}, by {f.actor}: "
        f"{f.reason or 'no reason given'} ({f.op})"
    ),
    e.Flattened: lambda f, named: f"{f.slot} is flat" + (f", left: {f.left}" if f.left else "") + f" ({f.op})",
    e.Standing: lambda s, named: f"the venue says: {_standing(s)}",
    e.Worker: lambda w, named: (
        f"worker {w.uid} of {named(w.release)} {w.event}" + (f": {w.detail}" if w.detail else "")
    ),
    e.Gap: lambda g, named: f"{g.what} gap of {(g.to_ns - g.from_ns) / NS:.1f} s, {_WHOSE[g.whose]}: {g.cause}",
    e.TapePruned: lambda p, named: (
        f"the tape was pruned, frames {p.from_seq} to {p.to_seq}: {p.segments} segments of "
        f"{p.size / (1 << 20):.1f} MiB; {p.keep_s / 86_400:g} days or {p.keep_mib} MiB are kept"
    ),
    e.Alarm: lambda a, named: f"ALARM {a.name}: {a.detail}",
    e.Repair: lambda r, named: f"repaired {r.what} of {r.order_id[:10]}: {r.detail}",
}


def _changed_words(changed: dict[str, tuple[Any, Any]]) -> str:
    """What differs between two versions, in a few words; a release's own value is its default."""
    words = [f"{name} {_value_word(was)} -> {_value_word(now)}" for name, (was, now) in changed.items()]
    return ", ".join(words[:CHANGES_SHOWN]) + (f" and {len(words) - CHANGES_SHOWN} more" * (len(words) > CHANGES_SHOWN))


def _value_word(value: Any) -> str:
    return "default" if value is None else str(value)


def _step_words(step: e.Step) -> str:
    if step.phase != "done":
        return f"is {step.phase}"
    fault = step.detail.get("fault")
    return f"ended {step.detail.get('result')} after {step.took_ms} ms" + (f": {fault}" if fault else "")
