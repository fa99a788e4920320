"""A command made of verbs that are imported when they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy import foresight, foresightctl
from deploy.cli.verbs import Verbs

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("command", [foresight, foresightctl], ids=["foresight", "foresightctl"])
def test_every_verb_is_in_its_room(command: object) -> None:
    """Under its own name."""
    main = command.main  # type: ignore[attr-defined]
    context = click.Context(main)
    for verb in main.list_commands(context):
        found = main.get_command(context, verb)
        assert found is not None
        assert found.name == verb
    assert main.get_command(context, "dance") is None


def test_verbs_are_listed_as_they_are_given() -> None:
    """Not by the alphabet."""
    command = Verbs("a", rooms={"zebra": "deploy.cli.look", "ant": "deploy.cli.look"})
    assert command.list_commands(click.Context(command)) == ["zebra", "ant"]


def test_a_verb_that_is_not_used_is_not_imported() -> None:
    """Pausing loads nothing that staging needs, and nothing of the venue."""
    code = "import sys; from click.testing import CliRunner; from deploy.foresightctl import main\n"
    code += "CliRunner().invoke(main, ['pause', '--help']); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(ran.stdout.split())
    assert "deploy.cli.act" in loaded
    assert not {"deploy.cli.look", "deploy.cli.ship", "deploy.release", "deploy.rehearsal"} & loaded


def test_nearest_verbs_are_named() -> None:
    """One, several, or none."""
    command = Verbs("a", rooms=dict.fromkeys(("start", "stop"), "nowhere"))
    assert "Did you mean one of: 'start', 'stop'?" in CliRunner().invoke(command, ["stap"]).stderr
    assert CliRunner().invoke(command, ["xyz"]).stderr.endswith("Error: No such command 'xyz'.\n")


def test_a_verb_of_the_other_command_is_told_where_it_is() -> None:
    """2, and what to type: there are two commands, and nobody remembers whose `report` is."""
    for mine, other, verb in ((foresight, "foresightctl", "status"), (foresightctl, "foresight", "report")):
        result = CliRunner().invoke(mine.main, [verb])
        assert result.exit_code == 2
        assert result.stderr.endswith(f"Error: '{verb}' is a verb of {other}; type: {other} {verb}\n")


def test_ctrl_c_while_a_verb_is_imported_is_no_fault_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as a shell expects: nothing was asked yet."""

    def left(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.cli.verbs.import_module", left)
    result = CliRunner().invoke(Verbs("a", rooms={"start": "nowhere"}), ["start"])
    assert (result.exit_code, result.stderr) == (130, "interrupted before anything was asked\n")
