"""`foresight sweep`, as somebody types it, with a real release and a real tape."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner, Result
from kit.clocks import eventually
from kit.days import write_day
from kit.releases import ROOT, another_checkout
from kit.sweeps import a_held_sweep
from kit.tapes import Market, Stream

from deploy.analysis.sweep.command import sweep
from deploy.foresight import main
from deploy.release import Stager
from shared.paths import State

GRID: Final = ("--param", "stake_usd=2,4", "--piece", "5m")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """A desk's folder with two releases and a quarter of an hour of tape."""
    state = State(tmp_path_factory.mktemp("state"))
    Market(Stream(state.tape), slots=("BTC/5m",)).run(900)
    for folder in (ROOT, another_checkout(tmp_path_factory.mktemp("other") / "checkout")):
        Stager(state).stage(str(folder))
    return state


def _swept(state: State, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["sweep", "--state-dir", str(state.root), *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "\x1b" not in result.output and "Traceback" not in result.output
    return result


def test_a_sweep_is_one_table(state: State, tmp_path: Path) -> None:
    """For people, for programs and for a spreadsheet the same; the second time nothing is replayed."""
    both = ("--release", "r1", "--release", "r2", *GRID, "--store", str(tmp_path / "s.jsonl"))
    first = _swept(state, *both, "--csv", str(tmp_path / "t.csv"), "--html", str(tmp_path / "t.html"))
    assert first.exit_code == 0, first.stderr
    assert "12 cells: 2 releases x 2 parameter sets x 3 pieces of tape" in first.stderr
    assert "12 of 12 cells" in first.stderr
    assert first.stdout.count("stake_usd=") == 4
    again = _swept(state, *both, "--json")
    assert "of 12 cells" not in again.stderr
    document = json.loads(again.stdout)
    assert [row["missing"] for row in document["rows"]] == [0] * 4 and not document["faults"]
    nets = [row["chosen"]["net_micro"] for row in document["rows"]]
    assert nets == sorted(nets, reverse=True)
    with (tmp_path / "t.csv").open() as file:
        assert [int(row["net_micro"]) for row in csv.DictReader(file)] == nets
    assert _swept(state, *both).stdout == first.stdout
    page = (tmp_path / "t.html").read_text()
    assert page.count("<tr>") == 5 and page.count("<circle") == 4 and page.endswith("</html>\n")


def test_the_number_of_processes_changes_no_byte(state: State, tmp_path: Path) -> None:
    """Nor does the order in which cells end."""
    told = [
        _swept(state, "--release", "r1", *GRID, "--store", str(tmp_path / n), "--processes", n).stdout
        for n in ("1", "3")
    ]
    assert told[0] == told[1] and "stake_usd=2" in told[0]


def test_a_stake_above_the_cap_trades_nothing_and_says_so(state: State, tmp_path: Path) -> None:
    """The desk would have denied every order of it; under its usual caps the same set trades."""
    tight, store = tmp_path / "tight.toml", ("--store", str(tmp_path / "s.jsonl"))
    tight.write_text("[risk]\norder_max_usd = 7\n")
    of = ("--release", "r1", "--param", "stake_usd=5,20", *store)
    usual = json.loads(_swept(state, *of, "--json").stdout)
    assert usual["caps"].endswith("from the default settings")
    assert all(row["chosen"]["orders"] > 0 for row in usual["rows"])
    document = json.loads(_swept(state, *of, "--config", str(tight), "--json").stdout)
    chosen = {row["parameters"]["stake_usd"]: row["chosen"] for row in document["rows"]}
    assert (chosen[20]["orders"], chosen[20]["fills"], chosen[20]["net_micro"]) == (0, 0, 0)
    assert set(chosen[20]["denied"]) == {"order_cap"} and chosen[5]["orders"] > 0
    told = _swept(state, *of, "--config", str(tight)).stdout
    assert f"{chosen[20]['denied']['order_cap']:,} order_cap" in told
    assert "1 of 2 rows traded nothing: the desk would have denied every order" in told
    assert "on paper under these caps: order 7.00, slot 50.00, asset 100.00" in told and str(tight) in told


def test_caps_are_of_accounts_on_paper(state: State, tmp_path: Path) -> None:
    """Settings with faults are refused before anything is replayed, and so are any beside recorded fills."""
    faulty = tmp_path / "faulty.toml"
    faulty.write_text("[risk]\nordr_max_usd = 3\n")
    refused = _swept(state, "--release", "r1", "--config", str(faulty))
    assert refused.exit_code == 78 and "did you mean" in refused.stderr
    assert _swept(state, "--release", "r1", "--fills", "recorded", "--config", str(faulty)).exit_code == 2


def test_a_split_reports_on_days_that_did_not_choose(state: State, tmp_path: Path) -> None:
    """Two pieces choose, the third is held out."""
    of = ("--release", "r1", *GRID, "--store", str(tmp_path / "s.jsonl"), "--split")
    document = json.loads(_swept(state, *of, "2", "--json").stdout)
    assert (len(document["chosen_on"]), len(document["held_out_on"])) == (2, 1)
    refused = _swept(state, *of, "3")
    assert refused.exit_code == 2 and "there are 3 pieces of tape" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--param", "stake_usd=5:500:99"), 2, "stake_usd = 104: Expected"),
        (("--param", "steak_usd=5"), 2, "steak_usd: this release has no such parameter"),
        (("--param", "stake_usd"), 2, "write it like stake_usd=1:5:1"),
        (("--release", "r77"), 66, "'r77' is no folder here"),
        (("--tape", "nowhere"), 66, "nowhere holds no"),
        (("--to", "2001-01-01"), 66, "has no frame of the time"),
        (("--release", "."), 10, "is no checkout of Foresight"),
        (("--csv", "/proc/none/t.csv", "--param", "mode=off"), 74, "/proc/none/t.csv"),
    ],
)
def test_what_cannot_be_swept_is_refused_first(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """In a sentence, with what to type next."""
    monkeypatch.chdir(tmp_path)
    result = _swept(state, *arguments)
    assert result.exit_code == code, result.stderr
    assert words in result.stderr and result.stderr.splitlines()[0].startswith(
        ("foresight sweep: ", "1 cells", "1 cell:")
    )
    assert not result.stdout


def test_a_sweep_that_is_interrupted_goes_on_where_it_was(state: State, tmp_path: Path) -> None:
    """Ctrl-C keeps what is done, and the table is the one of a sweep that nobody interrupted."""
    of = ["--release", "r1", "--param", "stake_usd=1:4:1", "--piece", "5m"]
    store = tmp_path / "s.jsonl"
    (tmp_path / "1").touch()
    command = a_held_sweep(tmp_path, "--state-dir", str(state.root), *of, "--store", str(store), "--processes", "1")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as swept:
        assert eventually(lambda: store.exists() and store.read_bytes().count(b"\n") >= 2)
        os.kill(swept.pid, signal.SIGINT)
        _, said = swept.communicate(timeout=60)
    assert swept.returncode == 130, said
    done = store.read_bytes().splitlines()
    assert len(done) == 2 and b"the same command goes on with them" in said
    resumed = _swept(state, *of, "--store", str(store))
    assert resumed.exit_code == 0 and "of 10 cells" in resumed.stderr
    assert store.read_bytes().splitlines()[: len(done)] == done
    assert resumed.stdout == _swept(state, *of, "--store", str(tmp_path / "other.jsonl")).stdout


def test_a_release_whose_code_changed_is_replayed_again(state: State, tmp_path: Path) -> None:
    """And what did not change is not."""
    store = ("--store", str(tmp_path / "s.jsonl"), "--param", "mode=off")
    assert "1 of 1 cells" in _swept(state, "--release", "r1", *store).stderr
    assert "1 of 1 cells" in _swept(state, "--release", "r1", "--release", "r2", *store).stderr


def test_recorded_days_are_swept_as_tapes_are(state: State, tmp_path: Path) -> None:
    """Their tapes are made first; two folders with the same day are one cell."""
    days = [write_day(tmp_path / name, windows=1) for name in ("one", "two")]
    of = [word for day in days for word in ("--day", str(day))]
    store = ("--store", str(tmp_path / "s.jsonl"), "--param", "mode=off", "--release", "r1")
    swept = _swept(state, *of, "--to", "00:04", "--json", *store)
    assert swept.exit_code == 0, swept.stderr
    assert "1 cell: " in swept.stderr and json.loads(swept.stdout)["rows"][0]["chosen"]["ticks"] > 30


def test_help_is_short_and_says_what_codes_mean() -> None:
    """As every verb's does."""
    said = " ".join(CliRunner().invoke(sweep, ["--help"]).output.split())  # lines end where the terminal does
    assert "130 interrupted" in said and "--param" in said
