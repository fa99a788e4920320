"""foresightctl params: what it shows, what it asks for, and what its exit code says."""

from __future__ import annotations

from typing import Any

import click
import pytest
from kit.commands import ctl, document
from kit.desk_socket import BLUE, PlayedDesk, a_reply
from kit.releases import ROOT

from deploy.cli.params import _pair
from deploy.difference import PARAMETERS
from shared.paths import State

NS = 10**9


def version(number: int, **values: Any) -> dict[str, Any]:
    """A version as the desk tells it."""
    told = {"number": number, "digest": f"{number}7ab00112233", "values": values, "at_ns": 1_784_851_287 * NS}
    return told | {"actor": "uid:1000", "reason": f"because {number}", "op": f"c{number}", "generation": number}


def a_change(state: str = "used", **fields: Any) -> dict[str, Any]:
    """A change of them as the desk tells it."""
    return {
        "op": "c3",
        "state": state,
        "words": "",
        "number": 3,
        "seq": 4_711,
        "waits": [],
        "took_ms": {"w1-1": 12, "w1-2": 40},
    } | fields


def data(change: dict[str, Any] | None = None) -> dict[str, Any]:
    """Three versions, the last in force."""
    versions = [version(1), version(2, stake_usd=7), version(3, stake_usd=7, mode="off")]
    return {"in_force": versions[-1], "versions": versions, "change": change}


def answers(*states: dict[str, Any]) -> list[Any]:
    """How a change stands each time somebody looks."""
    return [a_reply(data=data(change)) for change in states]


def printed(state: State, *words: str) -> str:
    """What a command that ended well has printed."""
    ran = ctl(state, *words)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


BEGUN = a_reply(message="the releases that trade are asked", data=data(a_change("checking")), changed=True)


def test_what_is_in_force_is_shown_with_what_the_release_says_of_it(state: State) -> None:
    """Value, default and bounds of each parameter, which are changed, and the versions before."""
    folder = state.releases / BLUE / "worker"
    folder.mkdir(parents=True)
    (folder / "parameters.py").write_text((ROOT / PARAMETERS).read_text())
    with PlayedDesk(state, params=a_reply(data=data())):
        shown = printed(state, "params", "show").splitlines()
        known = document(ctl(state, "params", "show", "--json"))["data"]["known"]
    assert shown[0] == "p3 37ab0011  since 2026-07-24T00:01:27Z by uid:1000: because 3"
    rows = {line.split()[0]: line.split() for line in shown[3:] if line}
    assert rows["stake_usd"] == ["stake_usd", "7", "changed", "5.0", "(1", "to", "100)"]
    assert rows["mode"][1:3] == ["off", "changed"]
    assert rows["last_s"][1] == "4"
    assert rows["p2"][-1] == "stake_usd=7"
    assert rows["p1"][-1] == "defaults"
    assert known["stake_usd"] == "5.0 (1 to 100)"


def test_a_set_is_followed_until_every_worker_uses_it(state: State) -> None:
    """0, with the frame, how long it took, and what takes it back."""
    seen = answers(a_change("checking"), a_change("set", waits=["w1-1"], took_ms={}), a_change())
    with PlayedDesk(state, params_set=BEGUN, params=seen) as desk:
        said = printed(state, "params", "set", "stake_usd=7", "mode=off", "--unset", "last_s", "--reason", "calm")
    assert said == (
        "p3 is in force from frame 4711; 2 workers used it within 40 ms.\n"
        "  undo     foresightctl params rollback p2 --reason TEXT\n"
    )
    asked = next(request for request in desk.heard if request.verb == "params_set")
    assert asked.args == {
        "values": {"stake_usd": 7, "mode": "off"},
        "unset": ["last_s"],
        "reason": "calm",
        "expect_digest": "",
        "dry_run": False,
    }
    assert len(asked.op) == 26


def test_a_set_the_release_refuses_ends_with_10_and_its_words(state: State) -> None:
    """What happened, who trades, what to type."""
    words = "r41 a1b2c3d4 cannot use them: stake_usd = 900: Expected float <= 100.0"
    with PlayedDesk(state, params_set=BEGUN, params=answers(a_change("refused", words=words))):
        ran = ctl(state, "params", "set", "stake_usd=900", "--reason", "calm")
    assert ran.exit_code == 10
    assert ran.stderr.splitlines()[0] == f"foresightctl: {words}; nothing changed"
    assert ran.stderr.splitlines()[1].startswith("  trading  r41 ")


def test_a_wait_that_is_over_says_who_is_waited_for(state: State) -> None:
    """75: the set is in force, and goes on being told."""
    seen = answers(a_change("set", waits=["w1-1"]))
    with PlayedDesk(state, params_set=BEGUN, params=seen):
        answer = document(ctl(state, "params", "set", "stake_usd=7", "--reason", "calm", "--timeout", "1s", "--json"))
    assert (answer["exit"], answer["op"]) == (75, "c3")
    assert answer["message"] == "the wait of 1s is over; p3 is in force, and w1-1 did not say so yet"


def test_a_dry_run_says_what_the_release_would(state: State) -> None:
    """0 and nothing changed."""
    with PlayedDesk(state, params_set=BEGUN, params=answers(a_change("valid"))):
        said = printed(state, "params", "set", "stake_usd=7", "--reason", "calm", "--dry-run")
    assert said == "The releases that trade can use these values. Nothing changed.\n"


def test_what_is_in_force_already_is_said_and_nothing_waited_for(state: State) -> None:
    """0: the requested end state holds."""
    already = a_reply(message="p3 has these values already", data=data())
    with PlayedDesk(state, params_rollback=already) as desk:
        said = printed(state, "params", "rollback", "p3", "--reason", "x")
    assert said == "p3 has these values already; nothing changed\n"
    assert desk.heard[0].args["version"] == 3


def test_two_versions_are_compared_value_by_value(state: State) -> None:
    """As one would type them; with the one in force when only one is named."""
    with PlayedDesk(state, params=a_reply(data=data())):
        assert printed(state, "params", "diff", "p1") == (
            "p1 17ab0011 -> p3 37ab0011\n  ~ mode  default -> off\n  ~ stake_usd  default -> 7\n"
        )
        assert printed(state, "params", "diff", "p3", "p2").splitlines()[1:] == ["  ~ mode  off -> default"]
        assert printed(state, "params", "diff", "p2", "p2").startswith("p2 27ab0011 and p2 27ab0011 have the same")
        assert document(ctl(state, "params", "diff", "p1", "p2", "--json"))["data"]["changed"] == {
            "stake_usd": [None, 7]
        }
        assert ctl(state, "params", "diff", "p9").exit_code == 66


@pytest.mark.parametrize(
    "words", [["set", "a=7"], ["rollback"], ["set", "--reason", "x"], ["set", "a", "--reason", "x"], ["diff", "x1"]]
)
def test_what_cannot_be_understood_is_refused_before_anything_is_asked(state: State, words: list[str]) -> None:
    """2, and the usage."""
    with PlayedDesk(state, params=a_reply(data=data())) as desk:
        assert ctl(state, "params", *words).exit_code == 2
    assert {request.verb for request in desk.heard} <= {"params", "status"}


@pytest.mark.parametrize(
    ("words", "missing"),
    [(("set", "stake"), "stake is not NAME=VALUE, such as stake_usd=7"), (("rollback", "x"), "x is no version")],
)
def test_what_is_missing_is_said_before_the_reason_is_asked_for(
    state: State, words: tuple[str, ...], missing: str
) -> None:
    """One who is asked why has typed the rest right."""
    said = ctl(state, "params", *words).stderr
    assert missing in said and "--reason" not in said


def test_what_was_typed_without_a_reason_is_shown_with_one(state: State) -> None:
    """Ready to be typed again."""
    said = ctl(state, "params", "set", "stake_usd=8", "--unset", "last_s").stderr
    assert "foresightctl params set stake_usd=8 --unset last_s --reason TEXT" in said


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        *(("a=7", 7), ("a=7.0", 7), ("a=0.5", 0.5), ("a=-2", -2), ("a=true", True), ("a=off", "off")),
        *(
            ('a="7"', "7"),
            ("a=x=y", "x=y"),
            ("a=null", "null"),
            ("a=[1]", "[1]"),
            ("a=1e400", "1e400"),
            ("a=nan", "nan"),
        ),
    ],
)
def test_a_value_is_what_it_reads_as(typed: str, value: Any) -> None:
    """A number, true or false, else text; a whole number has one name."""
    name, read = _pair(typed)
    assert (name, read, type(read)) == ("a", value, type(value))


@pytest.mark.parametrize("typed", ["a", "=7", "a=", ""])
def test_what_is_no_pair_is_refused(typed: str) -> None:
    """With an example of one."""
    with pytest.raises(click.UsageError, match="such as stake_usd=7"):
        _pair(typed)
