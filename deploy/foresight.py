"""The command `foresight`: things that run.

Every verb's own room is imported when the verb is used, so that asking for help stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

VERBS: Final = {
    "run": "deploy.run",
    "venue": "deploy.rehearsal.command",
    "rehearse": "deploy.rehearse",
    "day": "deploy.analysis.day",
    "fit": "deploy.analysis.fit",
    "verify": "deploy.analysis.command",
}
"""The module of each verb; the command in it has the verb's name."""


class Verbs(click.Group):
    """A group that knows its commands by name and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(import_module(VERBS[cmd_name]), cmd_name)
        return command


@click.command(cls=Verbs)
def main() -> None:
    """Foresight: trade, rehearse, verify."""


if __name__ == "__main__":
    main()
