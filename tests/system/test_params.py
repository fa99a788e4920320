"""Parameters change under a real desk that trades: real workers, a real stream, the command a person types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from kit.desks import TWO_ASSETS, UNHURRIED, Desk, a_desk, eventually
from kit.releases import STRATEGY

from deploy import client
from deploy.difference import PARAMETERS
from shared import entries as e
from shared.config import digest
from supervisor.control import replace_file

pytestmark = pytest.mark.system
CHANGES: Final = 10
SPEED: Final = 8.0
"""Less than others: what is looked at is not how much trades."""
KNOWS_MORE: Final = "    patience: int = 1\n\n    @property\n    def stake_micro"
"""Another parameter than those every release here has."""


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """One desk for all of it; at the end the judge finds nothing missed, doubled or lost."""
    with a_desk(settings=f"{TWO_ASSETS}{UNHURRIED}", speed=SPEED, opened=False) as made:
        yield made
        made.judged(lapsed=True)


def settle(desk: Desk, values: dict[str, Any]) -> None:
    """Let values be in force, and wait until every worker uses them. Asked again under its id, it is one change."""
    op = client.new_operation_id()
    asked = desk.ask("params_set", values=values, reason="test", op=op)
    assert asked.ok, asked
    eventually(lambda: how_it_stands(desk, op) == "used", f"the end of {op}")


def how_it_stands(desk: Desk, op: str) -> str:
    """Where a change stands; nothing while nobody says."""
    try:
        change = client.ask(desk.state, "params", {"op": op}).data["change"]
    except client.Unavailable:
        return ""
    assert change["state"] != "refused", change
    return str(change["state"])


def in_force(desk: Desk) -> dict[str, Any]:
    """The version in force."""
    version: dict[str, Any] = desk.ask("params").data["in_force"]
    return version


def test_parameters_change_under_a_trading_desk_and_no_tick_is_lost(desk: Desk) -> None:
    """Version after version: each decision names the set of the frame it was made on, and each tick has its outcome."""
    for number in range(CHANGES):
        settle(desk, {"stake_usd": 5 + number % 7, "min_momentum": number / 100})
    desk.until_decided()
    retuned = desk.said_by(e.Retuned)
    assert [change.number for change in retuned] == list(range(2, CHANGES + 2))
    outcomes = [entry for entry in desk.said_by(e.OutcomeOf) if entry.kind != "SKIP"]
    assert outcomes
    for outcome in outcomes:
        sets = [change.now for change in retuned if change.seq < outcome.read_seq]
        assert outcome.by.parameters == (sets[-1] if sets else retuned[0].was), outcome
    assert all(change.slots and change.actor.startswith("uid:") for change in retuned)


def test_what_the_release_refuses_changes_nothing(desk: Desk) -> None:
    """10, with key, value and bound in the release's own words; what was in force stays and the desk trades on."""
    before = in_force(desk)
    for typed, words in (
        ("stake_usd=1000", "stake_usd = 1000: Expected float <= 100.0"),
        ("stake_usd=much", "stake_usd = 'much': Expected float, got str"),
        ("stake_eur=7", "stake_eur: this release has no such parameter"),
    ):
        code, reply = desk.ctl("params", "set", typed, "--reason", "test")
        assert (code, words in reply["message"], reply["changed"]) == (10, True, False), reply
    assert desk.ctl("params", "set", "stake_usd=9", "--reason", "test", "--dry-run")[0] == 0
    assert desk.ctl("params", "set", "stake_usd=9", "--reason", "test", "--expect-digest", "0000")[0] == 16
    assert desk.ctl("params", "rollback", "p999", "--reason", "test")[0] == 66
    assert in_force(desk) == before
    desk.until_decided()


def test_a_change_in_the_middle_of_a_deploy_is_blues_and_greens(desk: Desk) -> None:
    """Green is asked as well; its grants are under the new set."""
    op = desk.begin_deploy(changed(desk.release(), STRATEGY, "decide", "decide"), "--hold-before", "flip")
    workers = desk.until_phase("held")["workers"]
    code, reply = desk.ctl("params", "set", "stake_usd=6", "--reason", "test")
    assert code == 0, reply
    assert len(reply["data"]["change"]["asked"]) == 2
    assert set(reply["data"]["change"]["took_ms"]) == {worker["uid"] for worker in workers}
    assert desk.ctl("promote", op)[0] == 0
    assert desk.result(op)[0] == 0
    grants = [grant for grant in desk.said_by(e.Grant) if grant.op == op]
    assert {grant.parameters for grant in grants} == {in_force(desk)["digest"]}


def test_a_release_that_cannot_use_what_is_in_force_is_discarded(desk: Desk) -> None:
    """11, in its own words, before it owns a slot."""
    settle(desk, {"stake_usd": 8})
    folder = changed(desk.release(), PARAMETERS, "Meta(ge=1, le=100)", "Meta(ge=1, le=5)")
    code, reply = desk.deploy(folder)
    assert code == 11, reply
    assert "it cannot use the parameters in force" in reply["message"] + str(reply["data"])
    assert "stake_usd = 8: Expected float <= 5.0" in reply["message"] + str(reply["data"])
    desk.until_decided()


def test_a_rollback_takes_the_parameters_back_with_the_release(desk: Desk) -> None:
    """One command, also where the release before does not know a parameter that is set: both come back, and it says so.

    Each of its slots is granted under the set that came back, and is asked with no other.
    """
    settle(desk, {"stake_usd": 7})
    before = in_force(desk)
    folder = changed(desk.release(), PARAMETERS, "    @property\n    def stake_micro", KNOWS_MORE)
    code, reply = desk.deploy(folder)
    assert code == 0, reply
    settle(desk, {"patience": 3})
    code, reply = desk.ctl("rollback", "--reason", "it waits too long")
    assert (code, reply["data"]["retuned_from"]) == (0, before["number"] + 1), reply
    assert f"foresightctl params diff p{before['number'] + 1}" in reply["message"]
    back = in_force(desk)
    assert (back["digest"], back["number"]) == (before["digest"], before["number"] + 2)
    assert "patience: this release has no such parameter" in back["reason"]
    grants = [grant for grant in desk.said_by(e.Grant) if grant.op == reply["op"]]
    assert {grant.parameters for grant in grants} == {before["digest"]}
    desk.until_decided()


def changed(folder: Path, name: str, was: str, now: str) -> Path:
    """A checkout with another text in a file, and a line more: another release whatever they are."""
    path = folder / name
    path.write_text(path.read_text().replace(was, now) + "\n# another release\n")
    return folder


def test_the_set_of_the_journal_outlives_the_supervisor_and_the_control_file_wishes_another(desk: Desk) -> None:
    """What a person set is in force again; a newer wish of the file is asked about, and a bad one is named."""
    settle(desk, {"stake_usd": 9})
    before = in_force(desk)
    desk.supervisor.kill()
    desk.until_dead()
    desk.start_again()
    desk.until(lambda status: status["state"] == "TRADING", "trading")
    assert in_force(desk) == before
    wish(desk, {"stake_usd": 11})
    eventually(lambda: in_force(desk)["values"] == {"stake_usd": 11}, "the wish")
    assert (in_force(desk)["actor"], in_force(desk)["reason"]) == ("control.json", "by file")
    wish(desk, {"stake_usd": 1_100})
    eventually(lambda: "Expected float <= 100.0" in control_file(desk), "a word on the wish")
    assert in_force(desk)["digest"] == digest({"stake_usd": 11})
    desk.until_decided()


def wish(desk: Desk, parameters: dict[str, Any]) -> None:
    """Write the control file under the next generation."""
    known = json.loads(desk.state.control.read_text())
    text = known | {"generation": desk.ask("status").generation + 1, "reason": "by file", "parameters": parameters}
    replace_file(desk.state.control, json.dumps(text).encode())


def control_file(desk: Desk) -> str:
    """What the status says of the control file."""
    return str(json.loads(desk.state.status.read_text())["control_file"])
