"""`foresight tape` as a person and a pipeline meet it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.clocks import eventually
from kit.releases import ROOT
from kit.tapes import NS, Market, Stream

from deploy.foresight import main
from shared.messages import FeedGap, Pulse, Streamed
from shared.records import Appender, segments
from shared.tape_index import KIND
from shared.wire import encode
from supervisor.tending import Policy, tend


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with six minutes of tape, the older segments packed, and a gap through the network."""
    root = tmp_path_factory.mktemp("desk")
    stream = Stream(root / "tape", segment_keyframes=1)
    Market(stream, slots=("BTC/5m",)).run(360)
    gap = FeedGap("user", stream.at_ns - 2_500_000_000, stream.at_ns, "no route to host", "network")
    stream.say(stream.at_ns, gap)
    stream.flush()
    list(tend(root / "tape", Policy(plain_s=60, keep_days=1_000, keep_mib=1_000)))
    return root


def run(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(main, ["tape", *map(str, arguments)])


def test_a_sound_tape_is_told_so(desk: Path) -> None:
    """0; the desk's by default, any folder by name, and the same as a document."""
    result = run("check", "--state-dir", desk)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("the tape is sound: ")
    assert "3 of them packed" in result.stdout
    document = msgspec.json.decode(run("check", "--tape", desk / "tape", "-j").stdout)
    assert document["sound"] and document["digest"] in result.stdout


def test_frames_that_are_missing_end_with_1(tmp_path: Path) -> None:
    """And are named."""
    appender = Appender(tmp_path, KIND)
    for seq in (1, 5):
        appender.append(encode(Streamed(seq, 1, Pulse())))
    appender.close()
    result = run("check", "--tape", tmp_path)
    assert result.exit_code == 1
    assert "the tape is NOT SOUND" in result.stdout
    assert "  ! frames 2 to 4 are missing, and nothing on the tape says why" in result.stdout


def test_a_broken_tape_ends_with_74_and_its_place(desk: Path, tmp_path: Path) -> None:
    """Whichever verb meets it; nothing is made of it."""
    folder = tmp_path / "tape"
    folder.mkdir()
    for path in segments(desk / "tape"):
        (folder / path.name).write_bytes(path.read_bytes())
    second = segments(folder)[1]
    second.write_bytes(second.read_bytes()[:-1])
    for verb in (["check"], ["info"], ["cut", tmp_path / "part"], ["export", tmp_path / "out"]):
        result = run(*verb, "--tape", folder)
        assert result.exit_code == 74, verb
        assert result.stderr.startswith("foresight tape: the tape cannot be believed: ")
        assert second.name in result.stderr
        assert f"  next     keep {folder} as it is" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["tape"]


def test_no_tape_ends_with_66(tmp_path: Path) -> None:
    """With what to type."""
    for verb in (["check"], ["info"], ["cut", tmp_path / "part"], ["export", tmp_path / "out"]):
        result = run(*verb, "--state-dir", tmp_path)
        assert result.exit_code == 66, verb
        assert "next     foresight tape info --tape FOLDER" in result.stderr
    assert not list(tmp_path.iterdir())


def test_what_a_tape_holds_is_told(desk: Path) -> None:
    """Kinds, sizes, segments, and each gap with its cause, through whom, and its length."""
    result = run("info", "--state-dir", desk)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "packed segments are " in result.stdout
    assert "user              " in result.stdout
    assert "     2.5  network    no route to host" in result.stdout
    document = msgspec.json.decode(run("info", "--state-dir", desk, "--json").stdout)
    assert document["gaps_by_whose"] == {"network": {"count": 1, "seconds": 2.5, "open": 0}}
    assert [part["file"] for part in document["segments"]] == [path.name for path in segments(desk / "tape")]
    assert sum(part["records"] for part in document["segments"]) == sum(document["events"].values())
    assert document["packed_ratio"] > 3


def test_a_part_is_cut_and_is_a_tape(desk: Path, tmp_path: Path) -> None:
    """How it begins is said; it can be checked and looked at like any other."""
    arguments = "cut", tmp_path / "part", "--state-dir", desk, "--from", "2027-01-15T08:03:00Z", "--to", 1_000
    result = run(*arguments, "--lookback", "60s")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "  begins   with the keyframe " in result.stdout
    assert run("check", "--tape", tmp_path / "part").exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 74
    assert "nothing is overwritten" in again.stderr


def test_a_part_without_a_frame_is_not_made(desk: Path, tmp_path: Path) -> None:
    """66."""
    result = run("cut", tmp_path / "part", "--state-dir", desk, "--from", "2030-01-01T00:00:00Z")
    assert result.exit_code == 66
    assert not list(tmp_path.iterdir())


def test_a_place_that_makes_no_sense_is_a_usage_error(desk: Path, tmp_path: Path) -> None:
    """Before anything is read."""
    result = run("cut", tmp_path / "part", "--state-dir", desk, "--from", "yesterday")
    assert result.exit_code == 2
    assert "no place on a tape; write it like 2026-07-24T14:00, 14:00, -2h or 4711" in result.stderr


def test_the_end_of_a_tape_is_a_place_to_count_from(desk: Path, tmp_path: Path) -> None:
    """Its last minute is what lies in it, whatever time that was."""
    result = run("cut", tmp_path / "part", "--state-dir", desk, "--from", "-60s", "--lookback", "0s", "--json")
    assert result.exit_code == 0, result.stderr
    whole = msgspec.json.decode(run("info", "--state-dir", desk, "--json").stdout)
    made = msgspec.json.decode(result.stdout)
    assert (made["to_seq"], made["from_seq"] < made["to_seq"]) == (whole["last_seq"], True)
    assert 59 * NS < made["to_ns"] - made["from_ns"] <= 60 * NS


def test_a_part_begins_where_a_replay_would(desk: Path, tmp_path: Path) -> None:
    """One way to write places: a time of the tape's day, and one before its end, name the same frames as a moment."""
    folders = []
    for number, begin in enumerate(("2027-01-15T08:05:00Z", "08:05")):
        folders.append(tmp_path / str(number))
        assert run("cut", folders[-1], "--state-dir", desk, "--from", begin, "--lookback", "0").exit_code == 0
    assert len({run("check", "--tape", folder).stdout.splitlines()[-1] for folder in folders}) == 1
    assert run("export", tmp_path / "end", "--state-dir", desk, "--from", "-30s", "--to", "-20s").exit_code == 0


def test_a_place_before_an_end_needs_a_tape(tmp_path: Path) -> None:
    """66 where there is none."""
    assert run("cut", tmp_path / "part", "--tape", tmp_path, "--from", "-1m").exit_code == 66


def test_tables_are_exported(desk: Path, tmp_path: Path) -> None:
    """One file each, told with their rows; also as a document."""
    result = run("export", tmp_path / "out", "--state-dir", desk, "--table", "ticks", "--table", "gaps")
    assert (result.exit_code, result.stderr) == (0, "")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"ticks.parquet", "gaps.parquet"}
    document = msgspec.json.decode(
        run("export", tmp_path / "csv", "--state-dir", desk, "--table", "gaps", "--format", "csv", "-j").stdout
    )
    assert document == {"folder": str(tmp_path / "csv"), "format": "csv", "rows": {"gaps": 1}}


def test_a_disk_that_refuses_is_74(desk: Path, tmp_path: Path) -> None:
    """The folder it should be made in is not there."""
    for verb in ("cut", "export"):
        result = run(verb, tmp_path / "missing" / "out", "--state-dir", desk)
        assert (result.exit_code, list(tmp_path.iterdir())) == (74, [])
        assert "No such file or directory" in result.stderr


def started(desk: Path, target: Path, *, ci: str = "") -> tuple[subprocess.Popen[bytes], int]:
    """An export whose standard error is a terminal; the process, and our end of it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "deploy.foresight", "tape", "export", str(target), "--state-dir", str(desk)]
    environ = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": ci} if ci else {})
    process = subprocess.Popen(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    return process, ours


def shown(terminal: int) -> bytes:
    """Everything a terminal has shown, to the end."""
    text = b""
    try:
        while piece := os.read(terminal, 4_096):
            text += piece
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return text


@pytest.mark.parametrize("ci", ["", "true"])
def test_progress_is_drawn_on_a_terminal_alone(desk: Path, tmp_path: Path, ci: str) -> None:
    """Not into a pipeline's log, even where that looks like one."""
    process, terminal = started(desk, tmp_path / "out", ci=ci)
    text = shown(terminal)
    out, _ = process.communicate()
    assert process.returncode == 0
    assert (b"exporting" in text and b"%" in text) == (not ci), text
    assert b"rows" in out


def test_ctrl_c_leaves_nothing_half_done(desk: Path, tmp_path: Path) -> None:
    """130, a sentence, and no folder; whenever it comes after the export was begun.

    The folder is there once it is whole: then there was nothing left to interrupt.
    """
    process, terminal = started(desk, tmp_path / "out")
    assert eventually(lambda: any(tmp_path.iterdir()) or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    text = shown(terminal)
    process.communicate()
    if (tmp_path / "out").exists():
        assert run("export", tmp_path / "again", "--state-dir", desk).exit_code == 0
        assert sizes(tmp_path / "out") == sizes(tmp_path / "again")
    else:
        assert process.returncode == 130
        assert b"interrupted; nothing is left half done" in text
        assert not list(tmp_path.iterdir())


def sizes(folder: Path) -> dict[str, int]:
    """The files of an export."""
    return {path.name: path.stat().st_size for path in folder.iterdir()}
