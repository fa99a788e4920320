"""The command that runs things."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from deploy.foresight import VERBS, main

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_a_command_of_its_name(verb: str) -> None:
    """With help."""
    result = CliRunner().invoke(main, [verb, "--help"])
    assert result.exit_code == 0
    assert f"{verb} [OPTIONS]" in result.output


def test_a_slip_of_the_finger_is_understood_by_a_person() -> None:
    """The nearest verb is named, and not done; an option that nobody knows is called one."""
    assert "Did you mean 'verify'?" in CliRunner().invoke(main, ["verfy"]).stderr
    assert "No such option '--verify'" in CliRunner().invoke(main, ["--verify"]).stderr


def test_help_lists_the_verbs() -> None:
    """And an unknown one is a usage fault."""
    result = CliRunner().invoke(main, ["--help"])
    assert (result.exit_code, all(verb in result.output for verb in VERBS)) == (0, True)
    assert CliRunner().invoke(main, ["dance"]).exit_code == 2
    assert isinstance(main, click.Group)


def test_asking_for_help_imports_no_room() -> None:
    """A verb's own imports wait until it is used."""
    code = "import sys, deploy.foresight; sys.exit(any(name.startswith('deploy.rehearsal') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
