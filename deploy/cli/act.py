"""Verbs that close and open what releases may do. The safe direction never asks."""

from __future__ import annotations

from pathlib import Path

import click

from deploy import client
from deploy.cli.show import Context, verb

_FILE = click.Path(path_type=Path)
_REASON = click.option("--reason", default="", help="Why, for the journal.")


@click.command()
@_REASON
@verb
def pause(context: Context, reason: str) -> None:
    """No new entries; exits, cancels and open orders go on."""
    context.finish(client.ask(context.state, "pause", {"reason": reason}))


@click.command()
@click.option("--reason", default="", help="Why, for whoever finds the desk like that. Needed.")
@click.option("--direct", is_flag=True, help="Where no supervisor lives: cancel all at the venue past it.")
@click.option("--config", "configs", type=_FILE, multiple=True, help="With --direct: its settings, if not the usual.")
@click.option("--credentials", type=_FILE, help="With --direct: its key, if not the usual.")
@verb
def halt(context: Context, reason: str, direct: bool, configs: tuple[Path, ...], credentials: Path | None) -> None:
    """No order leaves any more, not even an exit, and resting ones are cancelled; until resume, over every restart.

    With --direct it is done past a supervisor that is dead, by whoever may read its key: every order of the key is
    cancelled at the venue, and the next supervisor begins halted. One that lives is never passed by.
    """
    context.needs(reason, 'foresightctl halt --reason "news"')
    if direct:
        from deploy.cli.direct import cancel_all  # a desk that answers needs none of it

        cancel_all(context, reason, configs, credentials)
    if configs or credentials is not None:
        context.fail("USAGE", "--config and --credentials belong to --direct", "foresightctl halt --direct ...")
    context.finish(client.ask(context.state, "halt", {"reason": reason}))


@click.command()
@_REASON
@verb
def resume(context: Context, reason: str) -> None:
    """Entries are open again, a halt is over, and flattened slots are their releases' again."""
    context.finish(client.ask(context.state, "resume", {"reason": reason}))
