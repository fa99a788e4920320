"""Verbs that close and open entries. The safe direction never asks."""

from __future__ import annotations

import click

from deploy import client
from deploy.cli.show import Context, verb

_REASON = click.option("--reason", default="", help="Why, for the journal.")


@click.command()
@_REASON
@verb
def pause(context: Context, reason: str) -> None:
    """No new entries; exits, cancels and open orders go on."""
    context.finish(client.ask(context.state, "pause", {"reason": reason}))


@click.command()
@_REASON
@verb
def resume(context: Context, reason: str) -> None:
    """Entries are open again."""
    context.finish(client.ask(context.state, "resume", {"reason": reason}))
