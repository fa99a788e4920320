"""Verbs of the person who lets a desk trade real money: arm and disarm.

Typed at a terminal, on the desk's own machine, into a file of its own; the desk reads it when it starts. There is no
flag for it and no verb of the desk, so that no script, page or worker can do it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from deploy.cli.show import Context, verb
from shared import arming
from shared.clock import SystemClock
from shared.messages import Reply
from shared.outcomes import EXIT


@click.command()
@verb
def arm(context: Context) -> None:
    """Let the desk of this state folder trade real money from one wallet, whose address you type."""
    if not sys.stdin.isatty():
        context.fail("DECLINED", "a desk is armed by a person at a terminal", "foresightctl arm")
    click.echo(f"The desk of {context.state.root} will trade real money.", err=True)
    wallet = click.prompt("Type the address of its wallet", default="", show_default=False, err=True).strip()
    if not arming.is_wallet(wallet):
        context.fail("DECLINED", "that is no address of a wallet: 0x and 40 hex digits", "foresightctl arm")
    word = arming.Arming(wallet=wallet, machine=arming.this_machine(), uid=os.getuid(), at_ns=SystemClock().wall_ns())
    try:
        context.state.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        arming.write(context.state.arming, word)
    except OSError as error:
        context.fail("IOERR", f"{context.state.arming}: {error.strerror}", f"ls -ld {context.state.root}")
    _done(context, f"armed for {wallet}; it takes effect when the desk starts. Undo: foresightctl disarm", True)


@click.command()
@verb
def disarm(context: Context) -> None:
    """Let no desk of this state folder start with real money any more; one that runs goes on until it ends."""
    armed = context.state.arming.exists()
    try:
        context.state.arming.unlink(missing_ok=True)
    except OSError as error:
        context.fail("IOERR", f"{context.state.arming}: {error.strerror}", f"ls -ld {context.state.root}")
    text = "disarmed; a desk that runs goes on, foresightctl halt stops it" if armed else "it was not armed"
    _done(context, text, armed)


def _done(context: Context, text: str, changed: bool) -> Any:
    context.finish(Reply(True, EXIT["OK"], "OK", text, changed, context.trading(), 0))
