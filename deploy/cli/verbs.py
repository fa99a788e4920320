"""A command made of verbs that are known by name, each imported when it is used: help and `status` have to be quick.

Leaves what the verbs do to their rooms. What always holds: a verb is the command of its own name in its room.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click
from click.exceptions import NoSuchCommand

from deploy.refusal import asked_for_document, document, refused
from shared.outcomes import EXIT

_DOCUMENT: Final = "deploy.cli.verbs: a document was asked for"


class Verbs(click.Group):
    """Args: rooms: the module of each verb, in the order in which help lists them. beside: the module of the command
    beside this one, whose verbs, its `VERBS`, are easily typed here.
    """

    def __init__(self, *arguments: Any, rooms: dict[str, str], beside: str = "", **attributes: Any) -> None:
        super().__init__(*arguments, **attributes)
        self.rooms, self.beside = rooms, beside

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.rooms)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.rooms:
            return None
        command: click.Command = getattr(import_module(self.rooms[cmd_name]), cmd_name)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_DOCUMENT] = asked_for_document(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but a command line that is wrong is a document for whoever asked with --json.

        And Ctrl-C while a verb is still being imported ends as a signal, not as a fault of ours.
        """
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if not ctx.meta[_DOCUMENT]:
                raise
            where = error.ctx.command_path if error.ctx is not None else ctx.command_path
            click.echo(document(refused("USAGE", error.format_message(), (f"{where} --help",))))
            ctx.exit(EXIT["USAGE"])
        except KeyboardInterrupt:
            if ctx.meta[_DOCUMENT]:
                click.echo(document(refused("INTERRUPTED", "interrupted before anything was asked")))
            else:
                click.echo("interrupted before anything was asked", err=True)
            ctx.exit(EXIT["INTERRUPTED"])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but a slip of the finger is held against verbs that are not imported yet."""
        if args[0] not in self.rooms and not args[0].startswith("-"):
            self._refuse_neighbour(ctx, args[0])
            raise NoSuchCommand(args[0], possibilities=self.rooms, ctx=ctx)
        return super().resolve_command(ctx, args)

    def _refuse_neighbour(self, ctx: click.Context, verb: str) -> None:
        """Say so if a verb is the other command's. Raises: click.UsageError."""
        if self.beside and verb in import_module(self.beside).VERBS:
            command = self.beside.rpartition(".")[2]
            raise click.UsageError(f"'{verb}' is a verb of {command}; type: {command} {verb}", ctx)
