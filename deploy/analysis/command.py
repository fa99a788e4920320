"""`foresight verify`: judge what a desk did, offline."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deploy import client
from deploy.analysis import verify as judge
from deploy.refusal import end
from shared.outcomes import EXIT
from shared.paths import PathTooLong, State, default_state


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.option("--state-dir", type=click.Path(path_type=Path), help="The same as FOLDER, as every other verb has it.")
@click.option("-j", "--json", "as_json", is_flag=True, help="Print one JSON document.")
def verify(folder: Path | None, state_dir: Path | None, as_json: bool) -> None:
    """Judge what the desk of a state folder did, from journal, tape and the venue's own record alone.

    Exit codes: 0 every promise held; 1 one did not, and the text says which; 66 there is nothing to judge; 74 a file
    cannot be read. A desk that runs may owe an outcome or two just then: verify it when it has stopped.
    """
    state = State(folder or state_dir or default_state())
    try:
        verdict = judge.verify(state)
    except judge.NotThere as error:
        hint = "foresight verify FOLDER, the --state-dir of a desk that has run"
        end("foresight verify", "NOINPUT", str(error), hint)
    except OSError as error:
        end("foresight verify", "IOERR", f"{error.filename}: {error.strerror}")
    click.echo(judge.as_json(verdict).decode() if as_json else judge.as_text(verdict, state.root))
    if not verdict.verified and _runs(state):
        click.echo(
            "  next     this desk runs, and what is under way is not written down yet; stop it, then again", err=True
        )
    sys.exit(EXIT["OK"] if verdict.verified else EXIT["INTERNAL"])


def _runs(state: State) -> bool:
    """Whether a supervisor answers in this folder: its records have no end yet."""
    try:
        client.ask(state, "status")
    except client.Forbidden:
        return True
    except (client.Unavailable, PathTooLong):
        return False
    return True
