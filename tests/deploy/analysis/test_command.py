"""`foresight verify` as a person and a pipeline meet it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.desk_socket import PlayedDesk, a_reply, a_status
from kit.desks import PROMISES

from deploy.analysis.command import verify
from shared import entries as e
from shared.paths import State
from shared.records import Appender

UID, RELEASE = "w1-1", "9f31c7e0aa00"
BY = e.By(RELEASE, "77ab", 1, UID)
TERM = e.Term(1, 4121, "abc", "rehearsal", "def", 0)
GRANT = e.Grant("BTC/5m", 1, UID, RELEASE, "77ab", "op")
DECIDED = e.OutcomeOf("BTC/5m", 1_784_851_205_000, "HOLD", "", BY, 0, 800, msgspec.Raw(b"\xc0"))


@pytest.fixture
def kept(tmp_path: Path) -> State:
    """A desk that decided once, and kept its promises."""
    return a_desk_that_said(tmp_path / "kept", TERM, GRANT, DECIDED)


@pytest.fixture
def broke(tmp_path: Path) -> State:
    """A desk that decided the same tick twice."""
    return a_desk_that_said(tmp_path / "broke", TERM, GRANT, DECIDED, DECIDED)


def a_desk_that_said(folder: Path, *entries: e.Entry) -> State:
    """A state folder with a journal."""
    journal = Appender(State(folder).journal, "journal")
    for n, entry in enumerate(entries, 1):
        journal.append(e.encode_line(e.Line(n, 1_784_851_200_000_000_000 + n, n, 1, entry)))
    journal.close()
    return State(folder)


def run(*arguments: object, **environ: str) -> Result:
    """Run it in this process."""
    return CliRunner(env=environ).invoke(verify, list(map(str, arguments)))


def test_a_desk_that_kept_its_promises_is_verified(kept: State) -> None:
    """0, and every count on the screen."""
    result = run(kept.root)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == f"{kept.root}: verified"
    assert {line.split()[0]: int(line.split()[1]) for line in result.stdout.splitlines()[1:]}.items() >= {
        "ticks": 1,
        "outcomes": 1,
        **dict.fromkeys(PROMISES, 0),
    }.items()


def test_a_desk_that_broke_one_is_not(broke: State) -> None:
    """1, with what and where."""
    result = run(broke.root)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0] == f"{broke.root}: NOT VERIFIED"
    assert "  ! BTC/5m tick 1784851205000 has 2 outcomes" in result.stdout.splitlines()


def test_a_desk_that_runs_may_owe_what_is_under_way(broke: State) -> None:
    """So whoever judges one too early is told what to do; the verdict stays what it is, and so does its document."""
    assert "this desk runs" not in run(broke.root).stderr
    with PlayedDesk(broke, status=a_reply(data=a_status())):
        result = run(broke.root, "--json")
    assert (result.exit_code, msgspec.json.decode(result.stdout)["verified"]) == (1, False)
    assert "this desk runs, and what is under way is not written down yet" in result.stderr


def test_the_verdict_is_one_document(kept: State, broke: State) -> None:
    """The code says the same as `verified`."""
    for state, verified in ((kept, True), (broke, False)):
        result = run(state.root, "--json")
        (line,) = result.stdout.splitlines()
        assert msgspec.json.decode(line)["verified"] is verified
        assert (result.exit_code == 0) is verified


def test_the_desk_nobody_named_is_the_default(kept: State) -> None:
    """As for every other command; and named as for every other one, it is that."""
    assert run("--state-dir", kept.root).stdout == run(kept.root).stdout
    assert run(FORESIGHT_STATE_DIR=str(kept.root)).stdout.startswith(f"{kept.root}: verified\n")


def test_nothing_to_judge_is_not_found(tmp_path: Path) -> None:
    """66, and what to name."""
    result = run(tmp_path)
    assert (result.exit_code, result.stdout) == (66, "")
    assert result.stderr.splitlines() == [
        f"foresight verify: {tmp_path} holds no journal",
        "  next     foresight verify FOLDER, the --state-dir of a desk that has run",
    ]


def test_a_file_that_cannot_be_read_is_named(kept: State) -> None:
    """74: that is no verdict."""
    (kept.journal / "0000000000000009.seg").mkdir()
    result = run(kept.root)
    assert result.exit_code == 74
    assert result.stderr == f"foresight verify: {kept.journal / '0000000000000009.seg'}: Is a directory\n"


def test_a_record_that_cannot_be_believed_is_a_verdict(kept: State) -> None:
    """1, with the place of the damage."""
    (kept.journal / "0000000000000001.seg").write_bytes(b"no segment at all, but long enough for one's header")
    result = run(kept.root)
    assert result.exit_code == 1
    assert "not a journal segment, or not under its own name" in result.stdout
