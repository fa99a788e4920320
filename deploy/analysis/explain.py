"""`foresight explain`: why an order was placed, or a tick was not used, and what another release would have done.

Reads the index for what was decided and what became of it, the tape for what could be seen, and runs another
release's own code on the same tape where it is asked to. The desk is not asked, and nothing of it is changed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from deploy.analysis.attribution.explained import Explained, NotFound, explained, find
from deploy.analysis.attribution.opened import opened
from deploy.analysis.attribution.terminal import cents, clock, price, stamp
from deploy.analysis.attribution.trades import MICRO
from deploy.analysis.index.command import fail
from deploy.analysis.replay.difference import before, wishes
from deploy.analysis.replay.footage import Footage, NoTape
from deploy.analysis.replay.hands import Hands, Line, ReleaseFailed
from deploy.release import find as find_release
from shared import wire
from shared.paths import State, default_state

SCHEMA: Final = "foresight.explain/1"
VERB: Final = "foresight explain"
_NAMED: Final = 18
"""Letters of an order's hash that are shown."""


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What another release decides on the same tick of the same tape. `fault`: why it does not."""

    release: str
    verdict: str
    wishes: list[str]
    reasons: dict[str, Any]
    fault: str = ""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("what", metavar="ORDER|TRADE|SLOT@TICK")
@click.option("--with", "other", metavar="rN|HASH", help="Ask this release's own code about the same tick.")
@click.option("--state-dir", type=click.Path(path_type=Path), help="State folder of the desk.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def explain(what: str, other: str | None, state_dir: Path | None, as_json: bool) -> None:
    """Say why something was done: which code, which parameters, which inputs, which reasons, and what became of it.

    \b
      foresight explain 0x8ce1f0                      an order, by the beginning of its id
      foresight explain 9d2c1be4                      a trade
      foresight explain BTC/5m@1780012830000          a tick, also one that led to nothing
      foresight explain 0x8ce1f0 --with r41           what r41 would have decided there

    Exit codes: 0 explained; 66 there is no such thing, or no such release; 74 a record cannot be read.
    """
    state = State(state_dir or default_state())
    try:
        with opened(VERB, state) as connection:
            found = explained(connection, *find(connection, what))
        seen = _seen(state, found)
        otherwise = _otherwise(state, found, other) if other else None
    except NotFound as error:
        fail(VERB, "NOINPUT", str(error), "foresight explain SLOT@TICK, an order's id or a trade's")
    document = {"schema": SCHEMA, "decision": found, "seen": seen, "otherwise": otherwise and asdict(otherwise)}
    click.echo(msgspec.json.encode(document).decode() if as_json else as_text(found, seen, otherwise))


def _seen(state: State, found: Explained) -> list[str]:
    """What the tape told of the slot and its asset just before; nothing where there is no tape, or no owner saw it."""
    try:
        return before(Footage(state.tape), found.read_seq, found.slot) if found.read_seq else []
    except NoTape:
        return []


def _otherwise(state: State, found: Explained, other: str) -> Otherwise:
    """Raises: NotFound: no such release. What fails in it is its own fault, and told as such."""
    known = find_release(state, other)
    if known is None or not (state.releases / known.release).is_dir():
        raise NotFound(f"{other!r} is no staged release of this desk")
    name = f"r{known.seq} {known.release[:4]}"
    if not found.read_seq:
        return Otherwise(name, "", [], {}, "nobody was shown this tick")
    stretch = ["--from", str(found.read_seq), "--to", str(found.read_seq)]
    try:
        with Hands(state.releases / known.release, ["--replay", str(state.tape.absolute()), *stretch]) as hands:
            line: Line = hands.understood(hands.line(), Line)
    except ReleaseFailed as error:
        return Otherwise(name, "", [], {}, str(error))
    if not line.decision:
        return Otherwise(name, "", [], {}, "the tape has a hole before this tick, and no keyframe after it")
    decision = wire.decode_decision(bytes.fromhex(line.decision))
    return Otherwise(name, str(decision.reasons.get("verdict", "")), wishes(decision), dict(decision.reasons))


# --- in words ---


def as_text(found: Explained, seen: list[str], otherwise: Otherwise | None) -> str:
    """An explanation for a person: who, on what, why, what became of it, and what others say."""
    parts = [_head(found), _code(found), _why(found), _inputs(found, seen), _became(found), _others(found)]
    parts += [_asked(otherwise)] if otherwise else []
    return "\n".join(line for part in parts for line in part)


def _head(found: Explained) -> list[str]:
    skipped = f" because of {found.reason}" if found.outcome == "SKIP" else ""
    lines = [f"{found.slot} tick {found.tick}, {stamp(found.tick * 1_000_000)} UTC: {found.outcome}{skipped}"]
    if found.window is not None:
        left_s = found.window.end_s - found.tick / 1_000
        lines.append(f"  window   {clock(found.window.start_s)}, {left_s:.1f} s before its end, desk {found.control}")
    return lines


def _code(found: Explained) -> list[str]:
    lines = [f"  code     {found.release.name}, epoch {found.epoch}, worker {found.uid}, took {found.took_us} us"]
    took = found.took
    if took is not None:
        who = f" by {took.actor}" if took.actor else ""
        why = f": {took.reason}" if took.reason else ""
        lines.append(f"           has the slot since {stamp(took.at_ns)}, after {took.was}, {took.op}{who}{why}")
        lines.append(f"           changed {', '.join(took.changed) or 'nothing'}")
    values = ", ".join(f"{name}={value}" for name, value in sorted(found.values.items()))
    return [*lines, f"  set      p:{found.parameters[:8]}  {values or 'defaults'}"]


def _why(found: Explained) -> list[str]:
    numbers = [f"{name}={value}" for name, value in found.reasons.items() if name != "verdict"]
    lines = [f"  verdict  {found.verdict or 'none was told'}"]
    lines += [f"           {'  '.join(numbers[n : n + 4])}" for n in range(0, len(numbers), 4)]
    market = _share(found.market_up_micro)
    return [*lines, f"  odds     Up {_share(found.fair_up_micro)} by ours, {market} by the market"]


def _share(micro: int | None) -> str:
    return "unknown" if micro is None else price(micro / MICRO)


def _inputs(found: Explained, seen: list[str]) -> list[str]:
    return [f"  saw      up to frame {found.read_seq} of the stream", *(f"  {line}" for line in seen)]


def _became(found: Explained) -> list[str]:
    lines = [f"  denied   {text}" for text in found.denied] or ["  risk     denied nothing"]
    for order in found.orders:
        took = "no answer" if order.answered_us is None else f"answered in {order.answered_us / 1_000:.1f} ms"
        wish = f"{order.side} {order.outcome} {order.size_micro / MICRO:g} at {price(order.price_micro / MICRO)}"
        ended = f": {order.end_reason}" if order.end_reason else ""
        lines.append(f"  order    {order.order_id[:_NAMED]} {wish} {order.kind}, {took}, {order.state}{ended}")
        lines += [
            f"    fill   {fill.trade_id[:_NAMED]} {fill.size_micro / MICRO:g} at {price(fill.price_micro / MICRO)}, "
            f"fee {fill.fee_micro / MICRO:.5f}, {'maker' if fill.maker else 'taker'}, {fill.status}"
            for fill in order.fills
        ]
    return [*lines, *_result(found)]


def _result(found: Explained) -> list[str]:
    if found.window is None or not found.window.winner:
        return ["  result   the window is not resolved"]
    net = found.window.net_micro
    earned = "nothing traded" if net is None else f"its trades in this window earned {cents(net)}"
    return [f"  result   {found.window.winner} won; {earned}"]


def _others(found: Explained) -> list[str]:
    return [
        f"  shadow   {other.release}: {other.verdict or 'no verdict'}, Up {_share(other.fair_up_micro)}, "
        f"{'the same wishes' if other.wishes == found.wishes else f'{len(other.wishes)} wishes'}"
        for other in found.others
    ]


def _asked(otherwise: Otherwise) -> list[str]:
    if otherwise.fault:
        return [f"  with     {otherwise.release} does not decide here: {otherwise.fault}"]
    wished = "; ".join(otherwise.wishes) or "nothing"
    return [
        f"  with     {otherwise.release} would say: {otherwise.verdict or 'no verdict'}",
        f"           and wish {wished}",
    ]
