"""`foresight replay` as a person and a pipeline meet it."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.clocks import PATIENCE_S, eventually
from kit.days import START_S, WINDOW_S, write_day
from kit.lived import OUTCOME, live, planted
from kit.releases import ROOT, STRATEGY, a_checkout
from kit.tapes import Stream

from deploy.analysis.replay.command import replay
from deploy.analysis.replay.footage import Footage
from deploy.release import Stager
from shared.messages import Tick
from shared.paths import State


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, environments: Path) -> tuple[State, Stream, str]:
    """A desk whose one release answered every tick, and is staged."""
    folder = tmp_path_factory.mktemp("desk")
    state = State(folder / "s")
    state.root.mkdir()
    state.environments.symlink_to(environments)
    release = Stager(state).stage(str(a_checkout(folder / "checkout"))).indexed.release

    def who(seq: int, tick: Tick) -> Iterable[tuple[str, str]]:
        return [(release, OUTCOME)]

    return state, live(state, who), release


def run(state: State, *arguments: object) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(replay, ["--state-dir", str(state.root), *map(str, arguments)])


def told(result: Result) -> list[str]:
    """The lines of an error: what, who trades, what next."""
    what, trading, following = result.stderr.splitlines()
    assert what.startswith("foresight replay: ")
    assert trading.startswith("  trading  ")
    assert following.startswith("  next     ")
    return [what, following]


def test_a_staged_release_is_replayed_by_its_number(desk: tuple[State, Stream, str]) -> None:
    """0, and a few lines that say on what, how many, and what it earned."""
    state, stream, release = desk
    result = run(state, "--release", "r1", "--fills", "rehearsal")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"r1 {release[:8]} on 2027-01-15T08:00:00Z to ")
    assert lines[0].endswith(f"(frames 1 to {stream.seq:,}), accounts on paper")
    names = [line.split()[0] for line in lines[1:]]
    assert [name for name in names if name not in {"denied", "rejected"}] == [
        *("ticks", "orders", "caps", "windows", "money", "odds", "decisions")
    ]
    assert lines[names.index("caps") + 1].endswith("from the default settings")


def test_the_result_is_one_document(desk: tuple[State, Stream, str]) -> None:
    """Release, job and result, the same numbers; the range as frames."""
    state, stream, release = desk
    result = run(state, "--release", release[:6], "--from", "-10m", "--to", stream.seq - 20, "--json")
    document = msgspec.json.decode(result.stdout)
    assert document["release"] == f"r1 {release[:8]}"
    assert document["job"]["to_seq"] == stream.seq - 20
    assert stream.frames[document["job"]["from_seq"] - 1].at_ns >= stream.at_ns - 600 * 10**9
    assert document["result"]["ticks"] > 50


def test_without_a_name_it_is_the_active_release_or_this_checkout(
    desk: tuple[State, Stream, str], tmp_path: Path
) -> None:
    """As the desk's status says; where nobody traded, what the command itself stands in."""
    state, _, release = desk
    State(tmp_path).status.write_text(f'{{"release": {{"hash": "{release}", "seq": 1}}, "mode": "rehearsal"}}')
    for name in ("releases", "environments", "tape"):
        (tmp_path / name).symlink_to(state.root / name)
    assert run(State(tmp_path), "--to", "200").stdout.startswith(f"r1 {release[:8]} on")
    assert run(State(tmp_path / "nobody"), "--tape", state.tape, "--to", "200").stdout.startswith(f"{ROOT} on")


def test_other_parameters_ask_what_if(desk: tuple[State, Stream, str]) -> None:
    """On paper unless told otherwise; what the release cannot use it names itself."""
    state = desk[0]
    off = run(state, "--release", "r1", "--params", "mode=off", "--json")
    document = msgspec.json.decode(off.stdout)
    assert (document["job"]["parameters"], document["job"]["fills"]) == ({"mode": "off"}, "rehearsal")
    assert document["result"]["orders"] == 0
    wrong = run(state, "--release", "r1", "--params", "stake_usd=much")
    assert (wrong.exit_code, "stake_usd" in told(wrong)[0]) == (1, True)


def test_decisions_and_fills_are_written_as_a_table_and_a_page(desk: tuple[State, Stream, str], tmp_path: Path) -> None:
    """As many rows as ticks and fills."""
    files = ("--csv", tmp_path / "t.csv", "--html", tmp_path / "t.html")
    result = run(desk[0], "--release", "r1", "--fills", "rehearsal", *files, "--json")
    found = msgspec.json.decode(result.stdout)["result"]
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = [row["row"] for row in csv.DictReader(file)]
    assert (rows.count("decision"), rows.count("fill")) == (found["ticks"], found["fills"])
    assert found["decisions"] in (tmp_path / "t.html").read_text()


def test_live_decisions_that_are_the_same_are_verified(desk: tuple[State, Stream, str]) -> None:
    """0: all of them, release by release; also those of one release, or of a part."""
    state, _, release = desk
    result = run(state, "--verify")
    assert result.exit_code == 0
    assert f"r1 {release[:8]}" in result.stdout
    assert result.stdout.splitlines()[-1].endswith("decisions are identical, byte for byte")
    document = msgspec.json.decode(run(state, "--verify", "--of", "r1", "--from", "-5m", "--json").stdout)
    assert document["identical"] is True
    assert 0 < document["releases"][0]["ticks"] < int(result.stdout.splitlines()[-1].split()[0].replace(",", ""))


def test_code_that_would_have_decided_otherwise_is_shown_at_its_first_tick(
    desk: tuple[State, Stream, str], tmp_path: Path
) -> None:
    """1: which tick, which field, both values, and the frames before."""
    result = run(desk[0], "--verify", "--release", planted(tmp_path / "mutant", "1"))
    assert result.exit_code == 1
    assert "first difference: BTC/5m tick " in result.stdout
    assert "  rsi_e2  live      " in result.stdout
    assert result.stdout.splitlines()[-1] == "NOT IDENTICAL"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--tape", "/nowhere"], 66, "holds no segment"),
        (["--release", "r99"], 66, "no staged release"),
        (["--release", "/"], 66, "no checkout"),
        (["--from", "2030-01-01T00:00"], 66, "nothing of that is on the tape"),
        (["--from", "900", "--to", "800"], 2, "behind --to"),
        (["--from", "1", "--to", "1"], 66, "no tick"),
        (["--params", "mode"], 2, "is no parameter"),
        (["--verify", "--params", "a=1"], 2, "takes no --params"),
        (["--of", "r1"], 2, "--verify --of"),
        (["--verify", "--of", "r99"], 66, "no staged release"),
        (["--day", "/nowhere"], 66, "is no folder"),
        (["--csv", "/nowhere/t.csv"], 74, "/nowhere/t.csv"),
    ],
)
def test_what_cannot_be_done_is_said_with_what_to_do(
    desk: tuple[State, Stream, str], arguments: list[str], code: int, words: str
) -> None:
    """Three lines, and the code that says whose fault it is."""
    result = run(desk[0], *arguments)
    assert result.exit_code == code
    assert words in " ".join(told(result))


def test_a_time_that_is_none_is_a_fault_of_the_command_line(desk: tuple[State, Stream, str]) -> None:
    """With examples of what is one."""
    result = run(desk[0], "--from", "-2x")
    assert (result.exit_code, "write it like" in result.stderr) == (2, True)


def test_no_journal_proves_nothing(desk: tuple[State, Stream, str], tmp_path: Path) -> None:
    """66: there are no live decisions."""
    result = run(State(tmp_path), "--verify", "--tape", desk[0].tape)
    assert (result.exit_code, "no live decisions" in told(result)[0]) == (66, True)


def test_a_recorded_day_is_made_once_and_replayed(tmp_path: Path) -> None:
    """On paper; the second time its tape is there, and gives the same."""
    day, state = write_day(tmp_path / "day", windows=2), State(tmp_path / "s")
    arguments = ("--day", day, "--release", ROOT, "--to", "00:09", "--json")
    first, again = (msgspec.json.decode(run(state, *arguments).stdout) for _ in range(2))
    assert first["job"]["fills"] == "rehearsal"
    assert first["result"]["ticks"] > 30
    assert first["result"]["windows"] == 2
    assert first["result"] | {"took_ms": 0} == again["result"] | {"took_ms": 0}
    (tape,) = (state.root / "tapes").iterdir()
    assert tape.name.startswith("day-1-")
    assert START_S % 86_400 == 0
    part = msgspec.json.decode(run(state, *arguments[:4], "--from", "-5m", "--json").stdout)["job"]
    [made] = [path for path in (state.root / "tapes").iterdir() if path != tape]
    footage = Footage(made)
    assert footage.at(part["from_seq"]) // 10**9 == START_S + 2 * WINDOW_S + 60 - 301
    beyond = run(state, "--day", day, "--from", "2027-01-01T00:00")
    assert (beyond.exit_code, "the day has prices from" in told(beyond)[0]) == (66, True)


@pytest.mark.system
def test_interrupted_it_leaves_nothing_behind(desk: tuple[State, Stream, str], tmp_path: Path) -> None:
    """130, and no process of the release lives on."""
    slow = (
        ROOT / STRATEGY
    ).read_text() + f"\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(__import__('os').getpid()))\n"
    slow += "while True:\n    pass\n"
    checkout = a_checkout(tmp_path / "slow", {STRATEGY: slow})
    command = [sys.executable, "-m", "deploy.foresight", "replay", "--release", str(checkout), "--tape", desk[0].tape]
    with subprocess.Popen([*map(str, command)], cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert eventually(lambda: (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text())
        running.send_signal(signal.SIGINT)
        _, said = running.communicate(timeout=PATIENCE_S)
    assert (running.returncode, said) == (130, "foresight replay: stopped; nothing was changed\n")
    pid = int((tmp_path / "pid").read_text())
    assert eventually(lambda: not os.path.exists(f"/proc/{pid}"))


def test_what_the_caps_of_a_file_deny_is_counted_and_told(desk: tuple[State, Stream, str], tmp_path: Path) -> None:
    """In text, on the page and in the document: what, how often, and under which caps."""
    state, _, _ = desk
    tight, page = tmp_path / "tight.toml", tmp_path / "page.html"
    tight.write_text("[risk]\norder_max_usd = 1\n")
    on_paper = ("--release", "r1", "--fills", "rehearsal")
    free = msgspec.json.decode(run(state, *on_paper, "--json").stdout)
    assert (free["caps"], free["result"]["orders"] > 0) == ("the default settings", True)
    said = run(state, *on_paper, "--config", tight, "--html", page)
    assert (said.exit_code, said.stderr) == (0, "")
    [denied] = [line for line in said.stdout.splitlines() if line.startswith("denied")]
    [caps] = [line for line in said.stdout.splitlines() if line.startswith("caps")]
    assert denied.startswith("denied     by the desk: order_cap ") and caps.endswith(f"; from {tight}")
    assert caps.startswith("caps       order 1.00, slot 50.00")
    assert "by the desk: order_cap " in page.read_text() and str(tight) in page.read_text()
    document = msgspec.json.decode(run(state, *on_paper, "--config", tight, "--json").stdout)
    assert document["result"]["denied"]["order_cap"] > 0 and document["caps"] == str(tight)
    assert document["job"]["caps"][0]["limits"]["order_micro"] == 1_000_000
    assert (document["result"]["orders"], document["result"]["fills"]) == (0, 0)


def test_caps_that_cannot_be_used_are_refused(desk: tuple[State, Stream, str], tmp_path: Path) -> None:
    """A file with faults (78); one where nothing fills on paper (2)."""
    faulty = tmp_path / "faulty.toml"
    faulty.write_text("[risk]\nordr_max_usd = 1\n")
    refused = run(desk[0], "--fills", "rehearsal", "--config", faulty)
    assert refused.exit_code == 78 and "did you mean risk.order_max_usd?" in told(refused)[0]
    for words in (("--fills", "recorded"), ("--verify",)):
        refused = run(desk[0], *words, "--config", faulty)
        assert refused.exit_code == 2 and "--config" in told(refused)[0]
