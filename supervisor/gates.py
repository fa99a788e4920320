"""Whether a candidate may go on: what was seen of it, held against the limits, in verdicts a person can read.

A gate asks one thing. It passes, it fails, or there is not enough to tell; the worst of all gates is the word on the
phase, and where there is no gate there is nothing to go by. Leaves to `comparing`, `watch` and `trial` what was seen,
and to `operations` what follows. What always holds: `words` say the number and its limit, `numbers` are the integers
behind them, and no data is never PASS.

A share is judged from `wanted` pairs on, and fails before that only when it could not be within its limit any more even
if nothing else happened. One is no share: a single hiccup never fails a gate that allows any.

Profit is not asked for: telling a good release from a lucky one takes more settled trades than a bake has.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Literal

from shared.config import Expect, Gates
from shared.units import show_usd
from supervisor.comparing import Summary
from supervisor.watch import Watched

Verdict = Literal["PASS", "FAIL", "INCONCLUSIVE"]

START_MS: Final = 10_000
"""What a replay may take beside its decisions: to start, to import, to read the tape before the first tick."""
P99_MIN: Final = 100
"""Samples below which a percentile of 99 is the slowest one alone."""
IN_A_ROW_MAX: Final = 1
"""Deadlines an owner may miss in a row in one slot."""
EXCUSED: Final = frozenset(
    {
        *("halted", "entries_closed", "no_window", "book_stale", "books_disagree", "no_quote", "venue_away"),
        *("own_order", "cancelling", "not_open", "not_replaced", "cash"),
        *("order_rate_shared", "cancel_rate_shared"),
    }
)
"""Denials that depend on when a wish came: the market or the account moved while it was on its way, or another worker
had sent most of the minute's orders."""
DIFFERENCES: Final = {
    "hold_to_order": "hold->order",
    "order_to_hold": "order->hold",
    "side": "other side",
    "order_kind": "other kind of order",
    "size": "other size",
    "price": "other price",
    "cancel": "other cancels",
    "late": "late",
    "undecodable": "unreadable",
    "missing": "missing",
}
"""Classes of pairs that are not the same, and their words."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One question and its answer."""

    name: str
    verdict: Verdict
    words: str
    numbers: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tried:
    """One replay of the tape through the candidate. `digest` names its decisions, `state` what it knew at the end.

    `fault`: why it did not end well. `unsure`: why it could not be made at all, through no fault of the release.
    `differs`: the first tick it decided otherwise than the run before it.
    """

    ticks: int = 0
    digest: str = ""
    state: str = ""
    took_ms: int = 0
    fault: str = ""
    unsure: str = ""
    differs: str = ""


def worst(gates: Iterable[Gate]) -> Verdict:
    """FAIL beats INCONCLUSIVE beats PASS; nothing at all is INCONCLUSIVE."""
    verdicts = {gate.verdict for gate in gates}
    if "FAIL" in verdicts:
        return "FAIL"
    return "PASS" if verdicts == {"PASS"} else "INCONCLUSIVE"


def trial_gates(first: Tried, second: Tried, limits: Gates) -> tuple[Gate, ...]:
    """What two replays of the same tape say: it ran, it had something to decide, and it decided the same twice."""
    for run, tried in (("first", first), ("second", second)):
        if tried.fault:
            return (Gate("trial", "FAIL", f"the {run} replay failed: {tried.fault}", {"took_ms": tried.took_ms}),)
        if tried.unsure:
            return (Gate("trial", "INCONCLUSIVE", f"the {run} replay could not be made: {tried.unsure}"),)
    if not first.ticks and not second.ticks:
        return (Gate("trial", "INCONCLUSIVE", "no tick of the tape could be replayed", {"ticks": 0}),)
    return _repeats(first, second), _quick(first, second, limits)


def shadow_gates(
    summary: Summary, watched: Watched, expect: Expect, pairs_wanted: int, limits: Gates
) -> tuple[Gate, ...]:
    """What the candidate's shadow decisions say."""
    enough = summary.pairs >= pairs_wanted > 0
    slots = f" in {summary.slots} slots" if summary.slots else ""
    words = f"{summary.pairs} of {pairs_wanted} paired decisions{slots}"
    pairs = Gate("pairs", "PASS" if enough else "INCONCLUSIVE", words, {"pairs": summary.pairs, "slots": summary.slots})
    liveness = _liveness(summary, pairs_wanted, limits)
    return (pairs, *liveness, *_likeness(summary, expect, pairs_wanted, limits), *_health(watched, limits))


def bake_gates(
    summary: Summary, watched: Watched, expect: Expect, limits: Gates, elapsed_s: float, bake_s: float
) -> tuple[Gate, ...]:
    """What the candidate does as the owner of its ring. Args: elapsed_s, bake_s: market seconds."""
    done: Verdict = "PASS" if elapsed_s >= bake_s else "INCONCLUSIVE"
    numbers = {"elapsed_ms": round(elapsed_s * 1_000), "bake_ms": round(bake_s * 1_000)}
    time = Gate("time", done, f"{elapsed_s:.0f} s of {bake_s:.0f} s", numbers)
    wanted = limits.bake_ticks_min
    seen = (*_liveness(summary, wanted, limits), *_likeness(summary, expect, wanted, limits))
    return (time, _answers(watched, limits), *seen, *_conduct(watched, limits), *_health(watched, limits))


def hard_triggers(watched: Watched, limits: Gates) -> tuple[Gate, ...]:
    """What speaks against an owner at once, in whatever phase; nothing that takes a share of many ticks to tell."""
    in_a_row = (_deadlines(watched, limits),) if watched.missed_in_a_row > IN_A_ROW_MAX else ()
    asked = (*in_a_row, _rejects(watched, limits), _denials(watched, limits), *_health(watched, limits))
    return tuple(gate for gate in asked if gate.verdict == "FAIL")


# --- the trial ------------------------------------------------------------------------------------------------------


def _repeats(first: Tried, second: Tried) -> Gate:
    same = (first.ticks, first.digest, first.state) == (second.ticks, second.digest, second.state)
    numbers = {"ticks": first.ticks, "ticks_again": second.ticks}
    if same:
        return Gate("repeats", "PASS", f"{first.ticks} ticks replayed twice, every decision the same", numbers)
    where = f"differ at {second.differs}" if second.differs else "end in another state"
    return Gate("repeats", "FAIL", f"two replays of the same tape {where}", numbers)


def _quick(first: Tried, second: Tried, limits: Gates) -> Gate:
    """Over the whole replay, start and warm-up included; one that never ends is cut off by the trial."""
    took_ms, most_ms = max(first.took_ms, second.took_ms), START_MS + limits.p99_ms * first.ticks
    each = f"{START_MS // 1_000} s to begin and {limits.p99_ms} ms each"
    words = f"{first.ticks} ticks in {took_ms} ms {_sign(took_ms, most_ms)} {most_ms} ms: {each}"
    return Gate("speed", _verdict(took_ms <= most_ms), words, {"took_ms": took_ms, "ticks": first.ticks})


# --- does it answer -------------------------------------------------------------------------------------------------


def _liveness(summary: Summary, wanted: int, limits: Gates) -> tuple[Gate, ...]:
    pairs, late_ms = summary.pairs, limits.late_ms
    sound = _share("input", "decided on other input", summary.input, pairs + summary.input, wanted, limits.input_max)
    unread = summary.undecodable
    return (
        _latency(summary, limits),
        _share("late", f"later than {late_ms} ms", summary.late, pairs, wanted, limits.late_max),
        _share("missing", "not answered", summary.missing, pairs + summary.missing, wanted, limits.missing_max),
        sound if sound.verdict == "PASS" else Gate("input", "INCONCLUSIVE", sound.words, sound.numbers),
        Gate("readable", _verdict(not unread), f"{unread} decisions that cannot be read", {"undecodable": unread}),
    )


def _latency(summary: Summary, limits: Gates) -> Gate:
    """Few samples that are too slow may be one hiccup, so they only fail when half of them are."""
    numbers = {"samples": summary.samples, "p50_us": summary.p50_us, "p99_us": summary.p99_us, "max_us": summary.max_us}
    if not summary.samples:
        return Gate("latency", "INCONCLUSIVE", "no decision was measured", numbers)
    p99_ms, limit_us = summary.p99_us // 1_000, limits.p99_ms * 1_000
    slow = summary.p99_us > limit_us
    unsure = slow and summary.samples < P99_MIN and summary.p50_us <= limit_us
    words = f"p99 decide {p99_ms} ms {_sign(summary.p99_us, limit_us)} {limits.p99_ms} ms (n={summary.samples})"
    return Gate("latency", "INCONCLUSIVE" if unsure else _verdict(not slow), words, numbers)


def _answers(watched: Watched, limits: Gates) -> Gate:
    enough = watched.answered >= limits.bake_ticks_min
    words = f"answered {watched.answered} ticks as the owner, at least {limits.bake_ticks_min} are wanted"
    return Gate("ticks", "PASS" if enough else "INCONCLUSIVE", words, {"answered": watched.answered})


# --- does it decide as expected -------------------------------------------------------------------------------------


def _likeness(summary: Summary, expect: Expect, wanted: int, limits: Gates) -> tuple[Gate, ...]:
    if expect == "any":
        return (Gate("agreement", "PASS", f"{_agree(summary)}; any difference was expected"),) if summary.pairs else ()
    if expect == "identical":
        return (_identical(summary, wanted),)
    return _entries(summary, wanted, limits), _sides(summary, limits), _notional(summary, wanted, limits)


def _identical(summary: Summary, wanted: int) -> Gate:
    found = {kind: count for kind in DIFFERENCES if (count := getattr(summary, kind))}
    told = "".join(f"; {count} {DIFFERENCES[kind]}" for kind, count in found.items())
    near = f"; {summary.nudged} of them within one price tick" if summary.nudged else ""
    verdict: Verdict = "FAIL" if found else "PASS" if summary.pairs >= max(1, wanted) else "INCONCLUSIVE"
    numbers = {"pairs": summary.pairs, "same": summary.same, "nudged": summary.nudged, **found}
    return Gate("agreement", verdict, f"{_agree(summary)}{near}{told}{_first(summary)}", numbers)


def _entries(summary: Summary, wanted: int, limits: Gates) -> Gate:
    """How often it orders where blue holds. After a window's first difference the two no longer hold the same."""
    enough = summary.pairs >= max(1, wanted)
    count, fresh, most = summary.fresh_hold_to_order, summary.fresh, limits.hold_to_order_max
    ok = count <= _allowed(most, fresh if enough else max(fresh, wanted))
    aside = f"; {summary.conditional} pairs after their window's first difference left out" * bool(summary.conditional)
    words = f"{_agree(summary)}; {count} hold->order ({_rates(count, fresh, most)}){aside}{_first(summary)}"
    numbers = {"pairs": summary.pairs, "same": summary.same, "hold_to_order": count, "fresh": fresh}
    numbers["conditional"] = summary.conditional
    return Gate("agreement", ("PASS" if enough else "INCONCLUSIVE") if ok else "FAIL", words, numbers)


def _sides(summary: Summary, limits: Gates) -> Gate:
    """Whether it bets against blue.

    Too few pairs in which both order are no rate. Without a flip among them that may pass: nothing speaks against it,
    and flips hurt only through orders, which were few in all that time and which the bake watches. With a flip it may
    not; more pairs, or a person, have to tell.
    """
    flips, both = summary.side, summary.both_order
    words = f"{flips} on the other side of {both} where both order ({_rates(flips, both, limits.side_max)})"
    numbers = {"side": flips, "both_order": both}
    few = both < limits.orders_min
    if flips > _allowed(limits.side_max, max(both, limits.orders_min)):
        return Gate("sides", "FAIL", words, numbers)
    if few:
        words = f"{flips} on the other side of {both} where both order; a rate takes {limits.orders_min}"
    return Gate("sides", "INCONCLUSIVE" if few and flips else "PASS", words, numbers)


def _notional(summary: Summary, wanted: int, limits: Gates) -> Gate:
    """Whether it wishes for much more than blue does.

    A sum of few wishes says little. It may pass where it is within the limit, or where blue wished for nothing at all:
    each wish is bounded by risk, and each that blue has not is counted one by one as hold->order. Few that are too much
    already may not; more of them, or a person, have to tell.
    """
    ours, theirs = summary.blue_notional_micro, summary.green_notional_micro
    words = f"wishes for {show_usd(theirs)} in {summary.green_wishes} orders, blue for {show_usd(ours)}"
    numbers = {"blue_micro": ours, "green_micro": theirs, "wishes": summary.green_wishes}
    most, few = limits.notional_ratio_max, summary.green_wishes < limits.orders_min
    ok, enough = theirs <= most * ours, summary.pairs >= wanted and not few
    if ours:
        words += f" ({theirs / ours:.2f} x {_sign(theirs, most * ours)} {most:g} x)"
    if few:
        words += "; too few to compare"
    verdict: Verdict = "PASS" if ok or (few and not ours) else "FAIL" if enough else "INCONCLUSIVE"
    return Gate("notional", verdict, words, numbers)


# --- does it behave -------------------------------------------------------------------------------------------------


def _conduct(watched: Watched, limits: Gates) -> tuple[Gate, ...]:
    """What only an owner can do wrong."""
    return _deadlines(watched, limits), _rejects(watched, limits), _denials(watched, limits)


def _deadlines(watched: Watched, limits: Gates) -> Gate:
    missed, owed, row = watched.missed, watched.answered + watched.missed, watched.missed_in_a_row
    share = _share("deadlines", "deadlines missed", missed, owed, limits.bake_ticks_min, limits.missing_max)
    if row <= IN_A_ROW_MAX:
        return share
    return Gate(
        "deadlines", "FAIL", f"{row} deadlines missed in a row, {share.words}", {**share.numbers, "in_a_row": row}
    )


def _denials(watched: Watched, limits: Gates) -> Gate:
    count = sum(number for reason, number in watched.denied if reason not in EXCUSED)
    told = ", ".join(f"{reason} {number}" for reason, number in watched.denied) or "none"
    held = f"{_sign(count, limits.denied_max)} {limits.denied_max}"
    words = f"{count} wishes denied for what they are {held} (all: {told})"
    return Gate("denied", _verdict(count <= limits.denied_max), words, dict(watched.denied))


def _rejects(watched: Watched, limits: Gates) -> Gate:
    """Few orders are no share, and may pass: an order that was refused traded nothing and cost nothing."""
    count, of, most = watched.rejected, watched.judged, limits.reject_share_max
    numbers = {"sent": watched.sent, "answered": of, "rejected": count}
    few = of < limits.rejects_min
    told = f"a share takes {limits.rejects_min}" if few else _rates(count, of, most)
    ok = few or count <= most * of
    return Gate("rejects", _verdict(ok), f"{count} of {of} orders refused by the venue ({told})", numbers)


def _health(watched: Watched, limits: Gates) -> tuple[Gate, ...]:
    alarms = dict(watched.alarms)
    holes = alarms.get("hole", 0)
    named = ", ".join(f"{count} {name}" for name, count in watched.alarms) or "no"
    calm = set(alarms) <= {"hole"} and holes <= limits.holes_max
    return Gate("alarms", _verdict(calm), f"{named} alarms name it", alarms), _memory(watched, limits)


def _memory(watched: Watched, limits: Gates) -> Gate:
    held_mib, most_mib, slope = watched.rss_max_kib // 1_024, limits.rss_max_mib, watched.slope_kib_per_min
    numbers = {"rss_kib": watched.rss_kib, "rss_max_kib": watched.rss_max_kib}
    if not watched.rss_kib:
        return Gate("memory", "INCONCLUSIVE", "it has not said how much memory it holds", numbers)
    words = f"memory {held_mib} MiB {_sign(watched.rss_max_kib, most_mib * 1_024)} {most_mib} MiB"
    ok = watched.rss_max_kib <= most_mib * 1_024
    if slope is not None:
        most_slope = limits.rss_slope_kib_per_min
        numbers["slope_kib_per_min"] = slope
        words += f", grows by {slope} KiB/min {_sign(slope, most_slope)} {most_slope} KiB/min"
        ok = ok and slope <= most_slope
    return Gate("memory", _verdict(ok), words, numbers)


# --- how it is said -------------------------------------------------------------------------------------------------


def _share(name: str, what: str, count: int, of: int, wanted: int, most: float) -> Gate:
    ok = count <= _allowed(most, max(of, wanted))
    words = f"{count} of {of} {what} ({_rates(count, of, most)})"
    return Gate(name, _verdict(ok), words, {"count": count, "of": of})


def _allowed(most: float, of: int) -> int:
    """How many a share allows; one is no share, unless the limit allows none at all."""
    return max(1, int(most * of)) if most else 0


def _rates(count: int, of: int, most: float) -> str:
    rate = count / of if of else 0.0
    alone = ", one is no share" if count == 1 and rate > most > 0 else ""
    return f"{100 * rate:.1f} % {_sign(rate, most)} {100 * most:g} %{alone}"


def _agree(summary: Summary) -> str:
    if not summary.pairs:
        return "no paired decision yet"
    return f"{100 * summary.same / summary.pairs:.1f} % of {summary.pairs} paired decisions agree"


def _first(summary: Summary) -> str:
    first = summary.first
    return f"; the first: {DIFFERENCES[first.kind]} on {first.slot} at {first.tick}" if first is not None else ""


def _sign(value: float, limit: float) -> str:
    return "<" if value < limit else ">" if value > limit else "="


def _verdict(ok: bool) -> Verdict:
    return "PASS" if ok else "FAIL"
