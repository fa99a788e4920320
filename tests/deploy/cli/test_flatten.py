"""foresightctl flatten: who has to confirm it, what it tells, and what its exit code says."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import Any

import pytest
from kit.clocks import PATIENCE_S
from kit.commands import ctl, document, told
from kit.desk_socket import PlayedDesk, a_reply, a_status
from kit.desks import CTL
from kit.releases import ROOT

from shared.paths import State

BTC, ETH = "BTC/5m", "ETH/5m"


def taken(**words: str) -> dict[str, Any]:
    """Slots under a flatten, with what each waits for; none is flat."""
    return {
        name: {
            "op": "op9",
            "state": "flattening" if said != "flat" else "flat",
            "words": "" if said == "flat" else said,
        }
        for name, said in ((name.replace("_", "/"), said) for name, said in words.items())
    }


def looks(*each: dict[str, Any]) -> list[Any]:
    """What the desk says each time somebody looks."""
    return [a_reply(data=a_status(flattening=found)) for found in each]


def begun(**words: str) -> Any:
    """The desk's answer to the wish itself."""
    return a_reply(message="flattening", changed=True, data=taken(**words))


def on_a_terminal(state: State, typed: str) -> tuple[int, str]:
    """Run it where a person sits; the exit code, and what the person saw."""
    ours, theirs = pty.openpty()
    command = [*CTL, "flatten", "--state-dir", str(state.root)]
    with subprocess.Popen(command, cwd=ROOT, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as ran:
        os.write(ours, typed.encode() + b"\n")
        said = ran.communicate(timeout=PATIENCE_S)[0].decode()
    os.close(ours)
    os.close(theirs)
    return ran.returncode, said


def test_each_slot_is_told_when_it_waits_and_when_it_is_flat(state: State) -> None:
    """Each word once; 0 when all are flat, with what is left and what to type."""
    waits = taken(BTC_5m="the book of Up is stale", ETH_5m="flat")
    last = taken(BTC_5m="flat", ETH_5m="flat")
    last[BTC]["words"] = "3 Up: too few"
    with PlayedDesk(state, flatten=begun(BTC_5m="x", ETH_5m="x"), status=looks(waits, waits, last)) as desk:
        result = ctl(state, "flatten", "--yes", "--reason", "news")
    assert result.exit_code == 0
    assert told(result.stderr) == [
        "  ..   BTC/5m     the book of Up is stale",
        "  ok   ETH/5m     flat",
        "  ok   BTC/5m     3 Up: too few",
    ]
    assert result.stdout == "Flat: 2 slots.\n  left     BTC/5m: 3 Up: too few\n  next     foresightctl resume\n"
    (request,) = desk.asked("flatten")
    assert (request.args, len(request.op)) == ({"slot": "all", "reason": "news"}, 26)


def test_nobody_confirms_where_no_terminal_is(state: State) -> None:
    """17, and the desk is asked for nothing."""
    with PlayedDesk(state, status=a_reply(data=a_status())) as desk:
        answer = document(ctl(state, "flatten", BTC, "--json"))
    assert (answer["exit"], answer["hint"]) == (17, [f"foresightctl flatten {BTC} --yes"])
    assert not desk.asked("flatten")


@pytest.mark.parametrize(("typed", "code", "wishes"), [("rehearsal", 0, 1), ("yes", 17, 0), ("", 17, 0)])
def test_a_person_types_which_desk_it_is(state: State, typed: str, code: int, wishes: int) -> None:
    """On a real terminal; anything else declines."""
    flat = a_reply(data=a_status(flattening=taken(BTC_5m="flat")))
    with PlayedDesk(state, status=flat, flatten=begun(BTC_5m="x")) as desk:
        exit_code, said = on_a_terminal(state, typed)
    assert (exit_code, len(desk.asked("flatten"))) == (code, wishes), said
    assert "This cancels every order of every slot and sells 3 positions at once." in said
    assert "Type rehearsal to go on" in said


def test_the_wait_may_end_before_the_flatten_does(state: State) -> None:
    """75, with what is not flat yet and what to type."""
    with PlayedDesk(state, flatten=begun(BTC_5m="x"), status=looks(taken(BTC_5m="nobody bids for Up"))):
        answer = document(ctl(state, "flatten", BTC, "--yes", "--timeout", "0.2", "--json"))
    assert (answer["exit"], answer["hint"]) == (75, [f"foresightctl flatten {BTC}"])
    assert answer["message"] == "the wait of 0.2s is over; BTC/5m go on being flattened"


def test_somebody_else_may_resume_meanwhile(state: State) -> None:
    """Then it is not called done."""
    with PlayedDesk(state, flatten=begun(BTC_5m="x"), status=looks({})):
        answer = document(ctl(state, "flatten", "--yes", "--json"))
    assert (answer["exit"], answer["message"]) == (75, "somebody resumed before all was flat")


def test_who_does_not_wait_is_told_what_began(state: State) -> None:
    """And a refusal is passed on."""
    with PlayedDesk(state, flatten=[begun(BTC_5m="x"), a_reply("NOINPUT", "no slot X")]):
        assert ctl(state, "flatten", "--yes", "--no-wait").stdout == "flattening\n"
        assert ctl(state, "flatten", "X", "--yes").exit_code == 66
