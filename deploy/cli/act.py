"""Verbs that close and open what releases may do. The safe direction never asks."""

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
@click.option("--reason", default="", help="Why, for whoever finds the desk like that. Needed.")
@verb
def halt(context: Context, reason: str) -> None:
    """No order leaves any more, not even an exit, and resting ones are cancelled; until resume, over every restart."""
    context.needs(reason, 'foresightctl halt --reason "news"')
    context.finish(client.ask(context.state, "halt", {"reason": reason}))


@click.command()
@_REASON
@verb
def resume(context: Context, reason: str) -> None:
    """Entries are open again, a halt is over, and flattened slots are their releases' again."""
    context.finish(client.ask(context.state, "resume", {"reason": reason}))
