"""`foresight index` and `foresight export`, as they are typed: results, exit codes, words."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from kit.indexes import a_journal, a_line, simulated, write
from kit.permissions import bound_by_modes
from kit.trading import a_fill

from deploy.analysis.index import update
from deploy.foresight import main
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import segments

ROOT = Path(__file__).resolve().parents[4]
WAIT_S = 60.0
FILE_MAX = 48 * 1024


def typed(*arguments: str | Path) -> Result:
    """A command as a person types it."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def state(tmp_path: Path) -> State:
    """A simulated desk's state folder."""
    return a_journal(tmp_path / "desk", simulated())


def test_index_says_how_far_it_read_and_why_anew(state: State) -> None:
    """And the second time that there was nothing to do."""
    first, again = typed("index", "--state-dir", state.root), typed("index", "--state-dir", state.root, "--json")
    assert first.exit_code == EXIT["OK"], first.output
    assert re.search(rf"{len(simulated())} records read, .* made anew because there was none", first.stdout)
    told = json.loads(again.stdout)
    assert (told["added"], told["anew"], told["last_n"]) == (0, "", len(simulated()))
    assert "it was asked for" in typed("index", "--state-dir", state.root, "--rebuild").stdout


def test_without_a_journal_it_says_what_to_type(tmp_path: Path) -> None:
    """What happened, that trading is not touched, and what next."""
    for verb in (["index"], ["export", "--out", tmp_path / "out"]):
        failed = typed(*verb, "--state-dir", tmp_path)
        assert failed.exit_code == EXIT["NOINPUT"]
        assert "holds no journal" in failed.stderr
        assert f"next     foresight {verb[0]} --state-dir FOLDER" in failed.stderr
        assert not failed.stdout


def test_a_damaged_journal_is_an_error_with_its_place(state: State) -> None:
    """And the audit is what to type."""
    path = segments(state.journal)[0]
    raw = bytearray(path.read_bytes())
    raw[2_000] ^= 1
    path.write_bytes(raw)
    failed = typed("index", "--state-dir", state.root)
    assert failed.exit_code == EXIT["IOERR"]
    assert re.search(r"record \d+ at byte \d+ does not check", failed.stderr)
    assert f"foresightctl audit verify --state-dir {state.root}" in failed.stderr


def test_another_builder_is_named_and_not_waited_for_in_vain(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes too long: try again."""
    monkeypatch.setattr("deploy.analysis.index.store.LOCK_WAIT_S", 0.0)
    monkeypatch.setattr("deploy.analysis.index.command.update", lambda *_, **more: update(state, wait_s=0.0))
    results: list[Result] = []
    update(state, tell=lambda _: results.append(typed("index", "--state-dir", state.root)))
    assert results[0].exit_code == EXIT["TEMPFAIL"]
    assert "another process" in results[0].stderr


def test_export_makes_the_folder_and_counts_its_rows(state: State, tmp_path: Path) -> None:
    """For a person and for programs."""
    out = tmp_path / "out"
    made = typed("export", "--state-dir", state.root, "--out", out, "--tables", "trades,ops", "--json")
    assert made.exit_code == EXIT["OK"], made.output
    told = json.loads(made.stdout)
    assert told["out"] == str(out)
    assert set(told["rows"]) == {"trades", "ops"}
    assert told["rows"]["ops"] > 0
    assert (out / "schema.json").is_file()
    refused = typed("export", "--state-dir", state.root, "--out", out)
    assert refused.exit_code == EXIT["IOERR"]
    assert "--force" in refused.stderr
    assert (
        typed("export", "--state-dir", state.root, "--out", out, "--tables", "fills", "--force").exit_code == EXIT["OK"]
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tables", "trades,nothing"], "there is no table nothing; there are terms"),
        (["--since", "yesterday"], "'--since': 'yesterday' is no time"),
        (["--format", "excel"], "'excel' is not one of 'parquet', 'csv'"),
    ],
)
def test_wrong_flags_are_named(flags: list[str], said: str, tmp_path: Path) -> None:
    """Before anything is read."""
    failed = typed("export", "--out", tmp_path / "out", *flags)
    assert failed.exit_code == EXIT["USAGE"]
    assert said in failed.stderr


def limited(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command of a process that may write no file larger than this: what a full disk is to it."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))

    command = [sys.executable, "-m", "deploy.foresight", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=limit)


@pytest.mark.parametrize(
    ("verb", "name", "mode"),
    [
        ("index", "index.sqlite", 0o000),
        ("index", "index.sqlite", 0o400),
        ("index", "", 0o500),
        ("index", "journal", 0o000),
        ("report", "index.sqlite", 0o000),
    ],
)
def test_without_permission_it_says_so(tmp_path: Path, verb: str, name: str, mode: int) -> None:
    """77 and not 74: the disk is sound, and its owner may do it. Root is held to the modes as well."""
    state = a_journal(tmp_path / "desk", [a_line(1, a_fill())])
    update(state)
    write(state, [a_line(2, a_fill(trade_id="new"))])
    (state.root / name).chmod(mode)
    command = [sys.executable, "-m", "deploy.foresight", verb, "--state-dir", str(state.root)]
    failed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=bound_by_modes)
    (state.root / name).chmod(0o700)
    assert failed.returncode == EXIT["NOPERM"], failed.stderr
    assert str(state.root / name) in failed.stderr and "next     the same as the user whose desk it is" in failed.stderr
    assert not failed.stdout


def test_a_disk_that_is_full_is_told_and_leaves_nothing_half_made(state: State, tmp_path: Path) -> None:
    """The index keeps what was committed and goes on when there is room; an export is there whole or not at all."""
    failed = limited("index", "--state-dir", state.root)
    assert failed.returncode == EXIT["IOERR"], failed.stderr
    assert "index.sqlite" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert update(state).last_n == len(simulated())
    failed = limited("export", "--state-dir", state.root, "--out", tmp_path / "out", "--format", "csv")
    assert failed.returncode == EXIT["IOERR"], failed.stderr
    assert "Traceback" not in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_an_interrupted_export_leaves_nothing(state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the middle of it."""

    def interrupted(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("deploy.analysis.index.export.parquet.write", interrupted)
    failed = typed("export", "--state-dir", state.root, "--out", tmp_path / "out")
    assert failed.exit_code == EXIT["INTERRUPTED"]
    assert "nothing half made is left" in failed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["desk"]


def test_follow_goes_on_until_it_is_interrupted(state: State) -> None:
    """A real process: it sees what a journal gains, and Ctrl-C ends it with nothing half done."""
    command = [sys.executable, "-m", "deploy.foresight", "index", "--follow", "--state-dir", str(state.root)]
    following = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert following.stdout is not None
        assert following.stderr is not None
        assert "records read" in following.stdout.readline()
        write(state, [a_line(len(simulated()) + 1, a_fill(trade_id="late"))])
        assert select.select([following.stderr], [], [], WAIT_S)[0]
        assert f"1 more, up to record {len(simulated()) + 1}" in following.stderr.readline()
        os.kill(following.pid, signal.SIGINT)
        _, said = following.communicate(timeout=WAIT_S)
    finally:
        following.kill()
        following.communicate()
    assert following.returncode == EXIT["INTERRUPTED"]
    assert "nothing half made is left" in said
    assert not update(state).added
