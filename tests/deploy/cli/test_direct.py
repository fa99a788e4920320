"""foresightctl halt --direct: how it reaches the supervisor's own program, and what it makes of its words."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.commands import ctl, document

from deploy.cli import direct
from shared.paths import State

TOLD = {"code": "OK", "message": "2 orders", "hint": [], "cancelled": 2, "left": 0, "changed": True}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Commands that were started; none of them runs."""
    commands = list[list[str]]()

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, msgspec.json.encode(TOLD), b"")

    monkeypatch.setattr(direct.subprocess, "run", run)
    return commands


def test_the_folders_own_settings_and_key_are_the_usual_ones(state: State, asked: list[list[str]]) -> None:
    """Of a rehearsal; others are named, and then they alone count."""
    (state.root / "rehearsal.toml").touch()
    state.credentials.touch()
    answer = document(ctl(state, "halt", "--direct", "--reason", "it died", "--json"))
    assert (answer["exit"], answer["changed"], answer["data"]) == (0, True, {"cancelled": 2, "left": 0})
    (command,) = asked
    assert command[1:3] == ["-m", "supervisor.direct"]
    assert command[command.index("--config") + 1] == str(state.root / "rehearsal.toml")
    assert command[command.index("--credentials") + 1] == str(state.credentials)
    named = ("--config", "/a.toml", "--config", "/b.toml", "--credentials", "/k.json")
    ctl(state, "halt", "--direct", "--reason", "x", *named)
    assert asked[-1][-6:] == ["--credentials", "/k.json", "--config", "/a.toml", "--config", "/b.toml"]


def test_the_services_files_are_used_where_the_folder_has_none(
    state: State, asked: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the units have them."""
    monkeypatch.setattr(direct, "SERVICE", tmp_path)
    for name in ("foresight.toml", "credentials.json"):
        (tmp_path / name).touch()
    ctl(state, "halt", "--direct", "--reason", "x")
    assert {str(tmp_path / "foresight.toml"), str(tmp_path / "credentials.json")} <= set(asked[0])


@pytest.mark.parametrize("arguments", [["--config", "a.toml"], ["--credentials", "k.json"], ["--direct"]])
def test_what_belongs_together_is_asked_for(state: State, asked: list[list[str]], arguments: list[str]) -> None:
    """Files only where no supervisor reads them; a reason in any case."""
    reason = [] if "--direct" in arguments else ["--reason", "x"]
    assert document(ctl(state, "halt", *arguments, *reason, "--json"))["exit"] == 2
    assert not asked


def test_a_program_that_breaks_off_is_no_success(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last word is told; nobody knows what rests then."""
    broken = subprocess.CompletedProcess([], 1, b"", b"one\nRuntimeError: two\n")
    monkeypatch.setattr(direct.subprocess, "run", lambda *_, **__: broken)
    answer = document(ctl(state, "halt", "--direct", "--reason", "x", "--json"))
    assert (answer["code"], answer["message"]) == ("INTERNAL", "what rests is not known: RuntimeError: two")
