"""foresightctl flatten: close what slots hold, told slot by slot. It goes on in the supervisor, also without anybody.

A person has to confirm: it sells at what the market pays now. Leaves the selling to the desk; what always holds is that
0 means every slot that was named is flat.
"""

from __future__ import annotations

import sys
import time
from typing import Any, Final, NoReturn

import click

from deploy import client
from deploy.cli.follow import POLL_S, say
from deploy.cli.progress import line
from deploy.cli.ship import TIMEOUT_MAX_S
from deploy.cli.show import Context, counted, one_line, span, verb
from deploy.ranges import Duration
from shared.clock import NS, SystemClock

_FLAT: Final = "flat"


@click.command()
@click.argument("slot", default="all", metavar="[SLOT|all]")
@click.option("-y", "--yes", is_flag=True, help="Do not ask: for scripts.")
@click.option("--reason", default="", help="Why, for the journal.")
@click.option(
    "--timeout",
    "timeout_s",
    type=Duration(TIMEOUT_MAX_S, bare=True),
    default="10m",
    show_default=True,
    metavar="TIME",
    help="How long to follow it. Then 75, and it goes on.",
)
@click.option("--no-wait", is_flag=True, help="Ask for it and come back at once.")
@verb
def flatten(context: Context, slot: str, yes: bool, reason: str, timeout_s: float, no_wait: bool) -> None:
    """Cancel every order of a slot, or of all, and sell what is held, inside the price band.

    Of all slots it is a halt as well. The slots stay out of their releases' hands until `foresightctl resume`. What
    cannot be sold now - a stale book, an unknown order - is told, and sold when it can be. Typed again, it goes on.
    """
    if not yes:
        _confirm(context, slot)
    begun = client.ask(context.state, "flatten", {"slot": slot, "reason": reason}, op=client.new_operation_id())
    if not begun.ok or no_wait:
        context.finish(begun)
    _watch(context, slot, set(begun.data), timeout_s)


def _confirm(context: Context, slot: str) -> None:
    """Let a person type which desk it is; without a terminal nobody is there to do so."""
    status = client.ask(context.state, "status").data
    again = f"foresightctl flatten {slot} --yes"
    if not sys.stdin.isatty():
        context.fail("DECLINED", f"flatten {slot} sells what is held, and nobody confirmed it", again)
    mode = str(status["mode"])
    held = [held for held in status["positions"] if slot in {"all", held["slot"]}]
    whose = "every slot" if slot == "all" else slot
    click.echo(f"This cancels every order of {whose} and sells {counted(len(held), 'position')} at once.", err=True)
    if click.prompt(f"Type {mode} to go on", default="", show_default=False, err=True).strip() != mode:
        context.fail("DECLINED", f"flatten {slot} was not confirmed", again)


def _watch(context: Context, slot: str, slots: set[str], timeout_s: float) -> NoReturn:
    """Tell what each slot waits for, and that it is flat, once; end when all are."""
    clock, told = SystemClock(), dict[str, str]()
    until_ns = clock.monotonic_ns() + int(timeout_s * NS)
    while True:
        reply = client.ask(context.state, "status")
        taken = {name: found for name, found in reply.data["flattening"].items() if name in slots}
        _tell(context, taken, told)
        if len(taken) < len(slots):
            context.fail("TEMPFAIL", f"somebody resumed before {slot} was flat", "foresightctl events")
        waiting = sorted(name for name, found in taken.items() if found["state"] != _FLAT)
        if not waiting:
            _done(context, slot, taken)
        if clock.monotonic_ns() > until_ns:
            text = f"the wait of {span(timeout_s)} is over; {', '.join(waiting)} go on being flattened"
            context.fail("TEMPFAIL", text, f"foresightctl flatten {slot}", data=taken)
        time.sleep(POLL_S)


def _tell(context: Context, taken: dict[str, Any], told: dict[str, str]) -> None:
    for name, found in sorted(taken.items()):
        news = f"{found['state']} {found['words']}"
        if told.get(name) != news:
            told[name] = news
            flat = found["state"] == _FLAT
            say(context, line("ok" if flat else "..", name, one_line(found["words"]) or (_FLAT if flat else "begun")))


def _done(context: Context, slot: str, taken: dict[str, Any]) -> NoReturn:
    left = {name: found["words"] for name, found in taken.items() if found["words"]}
    text = f"Flat: {counted(len(taken), 'slot')}."
    text += "".join(f"\n  left     {name}: {one_line(words)}" for name, words in sorted(left.items()))
    context.found(f"{text}\n  next     {context.typed('foresightctl resume')}", taken)
