"""`foresight rehearse`: deploy after deploy on a day at speed, judged afterwards."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from kit.days import DATE, WINDOW_S, write_day
from kit.desk_socket import PlayedDesk, a_reply, a_status
from kit.desks import PROMISES, processes_of
from kit.rehearsals import rehearsed, was_slow
from kit.releases import ROOT
from kit.venue_books import venue_books

from deploy import rehearse as room
from deploy.analysis.explain import explain
from deploy.analysis.report import report
from deploy.analysis.verify import Verdict
from deploy.rehearse import PLAYBOOK, Deployed, Rehearsal, rehearse
from deploy.running import World
from shared.fingerprint import modules, release_hash
from shared.paths import State

DEPLOYS, MINUTES, SPEED, MOST_S = 3, 6, 60, 240
VERIFIED = {"ticks": 10, "outcomes": 10, "verified": True}


def run(state: State, *options: str) -> Result:
    """Run it in this process."""
    return CliRunner().invoke(rehearse, ["--state-dir", str(state.root), *options])


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Rehearsals that do nothing but what a test says came of them."""

    def play(*deployed: Deployed, **verdict: Any) -> None:
        def act(rehearsal: Rehearsal) -> Verdict:
            rehearsal.deployed.extend(deployed)
            return Verdict(**VERIFIED | verdict)

        monkeypatch.setattr(Rehearsal, "run", act)

    return play


def a_deploy(exit_code: int = 0, code: str = "OK", fault: str = "") -> Deployed:
    """One deploy of a rehearsal."""
    return Deployed("fade", "9f31c7e0aa00", exit_code, code, 3, 1, 440, {"flipping": 3}, fault)


# --- the whole of it, small ---


@pytest.mark.system
def test_a_rehearsal_proves_itself(state: State, tmp_path: Path) -> None:
    """Release after release takes over a desk that trades, nothing is lost, and one document says so."""
    day = write_day(tmp_path / DATE, windows=MOST_S * SPEED // WINDOW_S)  # as long as it may take
    options = ("--day", str(day), "--deploys", str(DEPLOYS), "--minutes", str(MINUTES), "--speed", str(SPEED))
    state, ran = rehearsed(state.root, *options, most_s=MOST_S)
    assert ran.returncode == 0, ran.stderr
    (line,) = ran.stdout.splitlines()
    told = msgspec.json.decode(line)
    assert told["verified"] is True
    assert told["ticks"] == told["outcomes"] > 100
    assert {name: told[name] for name in PROMISES} == dict.fromkeys(PROMISES, 0)
    assert (told["deploys"], told["deploys_failed"], told["releases"]) == (DEPLOYS, 0, DEPLOYS + 1)
    assert [deployed["strategy"] for deployed in told["deployed"]] == ["breakout", "fade", "ladder"]
    assert {deployed["code"] for deployed in told["deployed"]} == {"OK"}
    assert told["flips"] == DEPLOYS * 18
    assert (told["day"], told["minutes"], told["speed"], told["seed"]) == (str(day), MINUTES, SPEED, 1)
    assert told["state_dir"] == str(state.root)
    for words in ("its records will be in", "deploy 3/3 ladder ", "entries paused; waiting", "judging the records"):
        assert words in ran.stderr
    assert not processes_of(state.root)
    assert run(state).exit_code == 2
    _is_reported_as_the_venue_has_it(state)
    _is_explained(state)


@pytest.mark.parametrize(
    ("exit_code", "fault", "faults", "slow"),
    [
        (11, "late: 3 of 20 later than 1000 ms (15.0 % > 2 %)", [], True),
        (20, "its worker w1-3 is gone: no heartbeat for 5.1 s", [], True),
        (20, "its worker w1-3 is gone: no heartbeat for 5.1 s", ["tick 7 has no outcome"], False),
        (11, "agreement: 3 hold->order", [], False),
        (0, "", [], False),
    ],
)
def test_a_machine_that_is_too_busy_is_told_from_a_desk_at_fault(
    exit_code: int, fault: str, faults: list[str], slow: bool
) -> None:
    """Only where deploys failed for their lateness, and nothing else is wrong, is it rehearsed anew."""
    told = {"deployed": [{"exit": 0, "fault": ""}, {"exit": exit_code, "fault": fault}], "faults": faults}
    assert was_slow(msgspec.json.encode(told).decode()) is slow
    assert not was_slow("")


def _is_reported_as_the_venue_has_it(state: State) -> None:
    """Each release has its row, and together they earned and paid what the venue's own record adds up to."""
    asked = CliRunner().invoke(report, ["--state-dir", str(state.root), "--json"])
    assert asked.exit_code == 0, asked.output
    told, books = msgspec.json.decode(asked.stdout), venue_books(state)
    assert books.orders, "a rehearsal in which nothing traded proves nothing here"
    earned = sum(row["gross_micro"] - row["fee_micro"] for row in told["rows"])
    unresolved = told["money"]["open_flow_micro"]  # of a window that was sold out of before its end: no row has it yet
    assert earned + unresolved == books.gross_micro - books.fee_micro
    if not unresolved:
        assert sum(row["fee_micro"] for row in told["rows"]) == books.fee_micro
    assert told["holds"] is True
    assert told["cadence"]["missing"] == 0
    assert len([each for each in told["boundaries"] if each["kind"] == "CODE"]) == DEPLOYS
    assert {row["release"] for row in told["rows"]} == {row["release"] for row in told["rows"] if row["decisions"]}


def _is_explained(state: State) -> None:
    """An order that the venue has leads to its decision, and the first release says what it would have done there."""
    order_id = venue_books(state).orders[-1]
    asked = CliRunner().invoke(explain, [order_id, "--with", "r1", "--state-dir", str(state.root), "--json"])
    assert asked.exit_code == 0, asked.output
    told = msgspec.json.decode(asked.stdout)
    assert order_id in [order["order_id"] for order in told["decision"]["orders"]]
    assert told["seen"] and told["otherwise"]["verdict"]


# --- what it says ---


def test_a_rehearsal_that_held_says_so(state: State, played: Callable[..., None]) -> None:
    """0, a screen for people."""
    played(flips=54, fills=7)
    result = run(state)
    assert result.exit_code == 0
    assert "10 ticks, 10 outcomes: 0 missed, 0 doubled, 0 skipped" in result.stdout
    assert result.stdout.endswith(f"Verified. Records: {state.root}\n")


def test_deploys_that_met_nothing_open_say_so(state: State, played: Callable[..., None]) -> None:
    """Everything held, and what it was about was not tried."""
    idle = Deployed("fade", "9f31c7e0aa00", 0, "OK", 0, 0, 440)
    played(idle, idle)
    assert "nothing was open at any deploy: what a flip does to orders and positions was not tried" in run(state).stdout
    assert msgspec.json.decode(run(state, "--json").stdout)["deploys_while_open"] == 0
    played(idle, a_deploy())
    assert "nothing was open" not in run(state).stdout
    assert msgspec.json.decode(run(state, "--json").stdout)["deploys_while_open"] == 1


def test_a_broken_promise_fails_a_rehearsal(state: State, played: Callable[..., None]) -> None:
    """1, with the judge's words."""
    played(missed=1, faults=["BTC/5m tick 5 has no outcome (owed)"], verified=False)
    result = run(state)
    assert result.exit_code == 1
    assert "! BTC/5m tick 5 has no outcome (owed)" in result.stdout.splitlines()
    assert result.stdout.endswith(f"NOT VERIFIED. Records: {state.root}\n")


def test_a_deploy_that_failed_fails_a_rehearsal(state: State, played: Callable[..., None]) -> None:
    """However good the records are."""
    failed = a_deploy(11, "GATE_FAILED", "it was not heard for 5.0 s")
    played(a_deploy(), failed)
    result = run(state)
    assert result.exit_code == 1
    assert "! deploy of fade ended GATE_FAILED: it was not heard for 5.0 s" in result.stdout.splitlines()
    assert "2 deploys (1 failed), " in result.stdout
    told = msgspec.json.decode(run(state, "--json").stdout)
    assert (told["verified"], told["deploys_failed"]) == (False, 1)
    assert told["deployed"] == [asdict(a_deploy()), asdict(failed)]


def test_ctrl_c_keeps_what_was_recorded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """130, and where it is."""

    def interrupt(rehearsal: Rehearsal) -> Verdict:
        raise KeyboardInterrupt

    monkeypatch.setattr(Rehearsal, "run", interrupt)
    result = run(state)
    assert result.exit_code == 130
    assert result.stderr == f"foresight rehearse: stopped; what was recorded is in {state.root}\n"


def test_a_folder_with_records_is_left_alone(state: State) -> None:
    """2: a rehearsal judges one desk and no other."""
    state.journal.mkdir()
    result = run(state)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"foresight rehearse: {state.root} holds the records of another desk",
        "  next     name a folder that is not there yet, or none",
    ]


def test_a_day_that_is_none(state: State, tmp_path: Path) -> None:
    """66."""
    result = run(state, "--day", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stdout) == (66, "")
    assert f"foresight rehearse: {tmp_path / 'nowhere'} is no folder" in result.stderr
    assert result.stderr.endswith("\n  next     foresight day FOLDER says what a recorded day holds\n")


# --- its parts ---


def test_a_process_that_had_to_be_killed_is_a_fault(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The records may be good, the end was not."""
    rehearsal = Rehearsal(state, World(speed=1_000.0), minutes=0, deploys=0)
    monkeypatch.setattr(rehearsal.desk, "start", lambda: None)
    monkeypatch.setattr(rehearsal.desk, "keep", lambda: None)
    monkeypatch.setattr(rehearsal.desk, "stop", lambda: ["the supervisor did not end in 15 s and was killed"])
    monkeypatch.setattr(room, "verify", lambda state: Verdict(**VERIFIED))
    still = a_reply(data=a_status(positions=[], orders=[]))
    with PlayedDesk(state, status=still, pause=a_reply()) as desk:
        verdict = rehearsal.run()
    assert (verdict.verified, verdict.faults) == (False, ["the supervisor did not end in 15 s and was killed"])
    assert [request.args for request in desk.asked("pause")] == [{"reason": "the rehearsal ends"}]


def test_every_strategy_of_the_playbook_is_a_release_of_its_own(state: State) -> None:
    """And again when it comes a second time; the folder is gone when it was used."""
    rehearsal, found = Rehearsal(state, World(), 5, 1), set()
    strategies = sorted(path.stem for path in PLAYBOOK.glob("*.py"))
    for strategy in strategies:
        for revision in (0, 1):
            with rehearsal._variant(strategy, revision) as folder:
                found.add(release_hash(modules(folder)))
            assert not folder.exists()
    assert len(found) == 2 * len(strategies) > 10
    assert release_hash(modules(ROOT)) not in found


@pytest.mark.parametrize("text", [b"", b"Traceback", b"[]"])
def test_a_command_that_says_nothing_useful_is_a_failed_deploy(
    text: bytes, state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the end of what it said for people."""
    rehearsal = Rehearsal(state, World(), 5, 1)
    ran = subprocess.CompletedProcess([], 1, stdout=text, stderr=b"it broke")
    monkeypatch.setattr(room.subprocess, "run", lambda *_, **__: ran)
    rehearsal._deploy("fade", tmp_path, a_status())
    (deployed,) = rehearsal.deployed
    assert (deployed.exit, deployed.code, deployed.fault) == (1, "INTERNAL", "it broke")
    assert (deployed.open_positions, deployed.open_orders) == (3, 1)
