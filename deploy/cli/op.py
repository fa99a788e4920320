"""Verbs that look at operations: `op show` one of them whole, `op list` all that the desk remembers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click
import msgspec

from deploy import client
from deploy.cli.plan import plan_words
from deploy.cli.progress import NAMES, View, ring_name
from deploy.cli.show import Context, clock_time, counted, duration, one_line, release_words, table, verb

MODULES_SHOWN: Final = 5
"""The slowest modules that are named; `--json` has them all."""


@click.group()
def op() -> None:
    """Deploys and rollbacks: where they stand, what took how long, what their gates found."""


@op.command()
@click.argument("wanted", metavar="OP")
@verb
def show(context: Context, wanted: str) -> None:
    """One operation: its plan and rings, each phase with its time, each gate with its numbers, slow modules."""
    reply = client.ask(context.state, "operation", {"op": wanted})
    context.finish(reply, operation_screen(reply.data) if reply.ok else "")


@op.command("list")
@verb
def list_all(context: Context) -> None:
    """Every operation that the desk remembers, oldest first."""
    reply = client.ask(context.state, "operations")
    context.finish(reply, _listed(reply.data) if reply.ok else "")


def operation_screen(data: dict[str, Any]) -> str:
    """An operation as a person wants it."""
    view = msgspec.convert(data, View)
    slowest = sorted(view.loaded.items(), key=lambda item: -item[1].load_us)[:MODULES_SHOWN]
    blue = _release(view.blue, view.blue_seq) or "nothing"
    lines = [
        f"{view.verb} {view.op}: {blue} -> {_release(view.green, view.green_seq)}  by {one_line(view.actor)}",
        *([f"  reason   {one_line(view.reason)}"] if view.reason else []),
        *([f"  plan     {plan_words(view.plan)}"] if view.plan else []),
        *(f"  ring {number:<3} {', '.join(ring)}" for number, ring in enumerate(view.rings, start=1)),
        *_passages(view),
        *_gates(view),
        *(f"  waiting  {slot}: {one_line(why)}" for slot, why in view.waiting.items()),
        *(f"  loaded   {name} {module.digest[:8]} in {module.load_us / 1_000:.1f} ms" for name, module in slowest),
        f"  {_stands(view)}, {counted(view.flips, 'slot')} passed",
    ]
    return "\n".join(lines)


def _release(release: str, seq: int) -> str:
    return release_words({"seq": seq, "hash": release})


def _passages(view: View) -> Iterator[str]:
    """Each phase with the moment it began; before them what staging took, which the desk only heard of."""
    for step, took_ms in view.steps_ms.items():
        if step not in NAMES:
            yield f"  {'':<8} {step:<12} {duration(took_ms)}"
    flips = 0
    for passage in view.history:
        flips += passage.phase == "flipping"
        if passage.phase in NAMES:
            took = duration(passage.took_ms) if passage.took_ms >= 0 else "so far"
            yield f"  {clock_time(passage.at_ns)} {ring_name(view, passage.phase, max(1, flips)):<12} {took}"


def _gates(view: View) -> Iterator[str]:
    for gate in view.gates:
        name = ring_name(view, gate.phase, gate.ring) if gate.phase in NAMES else gate.phase
        yield f"  {gate.verdict:<12} {name:<9} {gate.name}: {one_line(gate.words)}"


def _stands(view: View) -> str:
    """Where it stands, in a few words."""
    if view.result:
        return f"{view.result}: {one_line(view.fault)}" if view.fault else view.result
    held = f" before {NAMES.get(view.after, view.after)}: {one_line(view.held_for)}" if view.phase == "held" else ""
    return view.phase + held


def _listed(data: list[dict[str, Any]]) -> str:
    views = [msgspec.convert(operation, View) for operation in data]
    rows = [(v.op, v.verb, _release(v.green, v.green_seq), str(v.flips), one_line(v.actor), _stands(v)) for v in views]
    return table([("OP", "VERB", "RELEASE", "PASSED", "BY", "STANDS"), *rows])
