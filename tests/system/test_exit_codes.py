"""Every exit code of foresightctl, given by a real desk; and what the code promises, held against that desk afterwards.

A code says first who is trading now. So each row is asked for as a person would, and then the desk itself is looked at:
who owns the slots, under which epochs, what the journal has of it, what status.json says.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from kit.desks import CTL, CTL_S, PATIENCE_S, TWO_ASSETS, Desk, a_desk, ended, eventually, processes_of, stopped
from kit.releases import ROOT

from shared import entries as e
from shared.outcomes import EXIT

pytestmark = pytest.mark.system

NOT_GIVEN: Final = {
    "INTERNAL": "a fault of ours, or a desk of another version: tests/deploy/cli/test_show.py plays one",
    "RE_PAUSED": "no guard pauses again what was resumed: risk denies order by order, a feed that is away degrades",
    "SPLIT": "a worker that says it runs something else is refused when it greets or put back when it attests: 11, 20",
    "DRIFT": "no verb compares our books with the venue's: the desk does, all along, and closes entries",
}
"""Codes that no verb can give yet, and why."""
SETTINGS: Final = f"""{TWO_ASSETS}
[deploy]
warm_s = 300
shadow_s = 2
[gates]
p99_ms = 10_000
late_ms = 10_000
[policy]
reason_required = true
"""
"""A release that is held while it warms up waits for as long as the commands beside it take; none is too slow here."""
STUBBORN: Final = f"{TWO_ASSETS}[deploy]\nboundary_s = 2\n"
"""A desk that gives up on its slots long before it gives up on a worker that stands still."""
WHY: Final = ("--reason", "a test of the codes")
SPEED: Final = 10.0
"""Half of what other desks have: what takes time here are commands, and a desk with less to do leaves them more."""
STRANGER_UID: Final = 65_534

Answer = tuple[int, dict[str, Any]]


@dataclass(frozen=True)
class Facts:
    """What a code makes promises about: the active release, each slot's owner and epoch, whether entries are open."""

    release: str
    owners: dict[str, str]
    epochs: dict[str, int]
    paused: bool
    boundaries: int = field(compare=False)


@dataclass(frozen=True)
class Row:
    """A way to a code, and what it promises. `settings`: of a desk of its own; empty for the common one."""

    code: str
    way: str
    give: Callable[[Desk], Answer]
    promise: Callable[[Desk, Facts, dict[str, Any]], None]
    settings: str = ""


def facts(desk: Desk) -> Facts:
    """The desk as it is now."""
    status, slots = desk.ask("status").data, desk.ask("slots").data
    owners = {slot["slot"]: slot["release"] for slot in slots}
    epochs = {slot["slot"]: slot["epoch"] for slot in slots}
    return Facts(status["release"]["hash"], owners, epochs, status["paused"], len(desk.said_by(e.Boundary)))


# --- what codes promise ---


def done(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """The requested end state holds: the new release owns every slot, and the journal has a boundary for each."""
    now, green = facts(desk), answer["data"]["green"]
    assert set(now.owners.values()) == {now.release} == {green} != {before.release}
    assert all(now.epochs[slot] > epoch for slot, epoch in before.epochs.items())
    assert now.boundaries == before.boundaries + len(now.owners)
    assert desk.said_by(e.Active)[-1].release == green
    assert answer["changed"]


def nothing(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """Nothing changed: the same owners under the same epochs, and not one boundary or pause in between."""
    now = facts(desk)
    assert (now, now.boundaries) == (before, before.boundaries)
    assert desk.said_by(e.Active)[-1].release == before.release
    assert not answer.get("changed")
    desk.until_decided(5)


def put_back(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """Something changed and is back: slots went to green and came home, each time under a higher epoch."""
    now = facts(desk)
    assert (now.release, now.owners, now.paused) == (before.release, before.owners, False)
    moved = desk.said_by(e.Boundary)[before.boundaries :]
    gone = {boundary.slot for boundary in moved if boundary.now.release != before.release}
    back = {boundary.slot for boundary in moved if boundary.now.release == before.release}
    assert gone
    assert gone <= back
    assert all(now.epochs[slot] >= before.epochs[slot] + 2 for slot in gone)
    assert answer["changed"]
    desk.until_decided(5)


def goes_on(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """The command is over, the operation is not, and until it is the release before trades."""
    running = desk.ask("status").data["operation"]
    assert (running["op"], running["result"]) == (answer["op"], "")
    nothing(desk, before, answer)
    assert desk.ctl("abort", answer["op"])[0] == 0


def stuck(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """When it ended some slot was not back; so the supervisor itself paused entries, and they stay so until resumed."""
    owners = dict(before.owners)
    for entry in desk.said_by(e.Boundary, e.Step):
        if isinstance(entry, e.Step) and entry.detail.get("result") == "ROLLBACK_FAILED":
            break
        if isinstance(entry, e.Boundary):
            owners[entry.slot] = entry.now.release
    assert set(owners.values()) != {before.release}
    last = desk.said_by(e.Control)[-1]
    assert (last.paused, last.actor, last.reason) == (True, "supervisor", "a rollback failed")
    assert answer["trading"]["state"] == "PAUSED"
    assert facts(desk).paused
    assert desk.ctl("resume")[0] == 0


def nobody(desk: Desk, before: Facts, answer: dict[str, Any]) -> None:
    """No supervisor and no worker lives, so nothing can leave; started again it trades the release before."""
    eventually(lambda: ended(desk.supervisor), "the end of the supervisor")
    workers = {str(desk.state.workers / uid.uid) for uid in desk.said_by(e.Worker)}
    eventually(lambda: workers.isdisjoint(_running(desk)), "the workers' ends")
    assert not answer["changed"]
    desk.until_decided(5)
    assert facts(desk).release == before.release


# --- how codes are given ---


def ctl(*arguments: str) -> Callable[[Desk], Answer]:
    """A command that is all there is to it."""
    return lambda desk: desk.ctl(*arguments)


def deploy(behaviour: str, *arguments: str) -> Callable[[Desk], Answer]:
    """A deploy of a release that behaves like this."""
    return lambda desk: desk.deploy(_release(desk, behaviour), *WHY, *arguments)


def aborted(desk: Desk) -> Answer:
    """An operator refuses; whoever waits learns it."""
    op = desk.begin_deploy(_release(desk, "waits_while_warming()"), *WHY)
    with desk.begun("wait", op) as waiting:
        desk.until_phase("warming")
        assert desk.ctl("abort", op)[0] == 0
        out, _ = waiting.communicate(timeout=PATIENCE_S)
    return waiting.returncode, msgspec.json.decode(out)


def locked(desk: Desk) -> Answer:
    """A second deploy while the first one runs."""
    op = desk.begin_deploy(_release(desk, "waits_while_warming()"), *WHY)
    answer = desk.deploy(_release(desk, "answers_slowly(0.0)"), *WHY)
    assert desk.ctl("abort", op)[0] == 0
    return answer


def without_reason(desk: Desk, *, dry: bool = False) -> Answer:
    """The desk's policy wants one; a dry run says so as well."""
    return desk.deploy(_release(desk, "answers_slowly(0.03)"), *(["--dry-run"] if dry else []))


def promoted(desk: Desk) -> Answer:
    """Held first, then let go on."""
    op = desk.begin_deploy(_release(desk, "answers_slowly(0.0)"), *WHY, "--hold-before", "flip")
    desk.until_phase("held")
    return desk.ctl("promote", op)


def not_held(desk: Desk) -> Answer:
    """What runs cannot be promoted."""
    op = desk.begin_deploy(_release(desk, "waits_while_warming()"), *WHY)
    answer = desk.ctl("promote", op)
    assert desk.ctl("abort", op)[0] == 0
    return answer


def not_given_back(desk: Desk) -> Answer:
    """Every slot is green's when it is aborted, and blue cannot take them: its process stands still."""
    op = desk.begin_deploy(_release(desk, "waits_while_attesting()"), "--boundary-timeout", "60s")
    desk.until_phase("attesting")
    with stopped(desk.worker()):
        desk.until_decided(2 * len(facts(desk).owners))  # each slot is shown a tick that blue has not read
        return desk.ctl("abort", op)


def supervisor_gone(desk: Desk, *arguments: str) -> Answer:
    """In the middle of an operation the supervisor is killed, and nobody starts it again."""
    op = desk.begin_deploy(_release(desk, "waits_while_warming()"), *WHY)
    desk.until_phase("warming")
    desk.supervisor.kill()
    return desk.ctl(*(arguments or ("wait", op)))


def full_disk(desk: Desk) -> Answer:
    """No file of the command can grow."""
    command = [*CTL, "deploy", "--green", str(_release(desk, "answers_slowly(0.02)")), *WHY, "--json"]
    return _ran([*command, "--state-dir", str(desk.state.root)], no_room=True)


def stranger(desk: Desk) -> Answer:
    """Another user of the machine: the desk's folder and socket are its owner's alone."""
    code = (
        f"import os, sys, deploy.cli.look; from deploy.foresightctl import main; os.setgroups([]); "
        f"os.setgid({STRANGER_UID}); os.setuid({STRANGER_UID}); main()"
    )
    return _ran([sys.executable, "-c", code, "status", "--json", "--state-dir", str(desk.state.root)])


def long_path(desk: Desk) -> Answer:
    """A folder whose sockets could not be named."""
    return _ran([*CTL, "status", "--json", "--state-dir", "/tmp/" + "x" * 120])


def left(desk: Desk) -> Answer:
    """Ctrl-C while it waits."""
    command = [*CTL, "deploy", "--green", str(_release(desk, "waits_while_warming()")), *WHY, "--json"]
    command += ["--state-dir", str(desk.state.root)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        desk.until_phase("warming")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE_S)
    return process.returncode, msgspec.json.decode(out)


def _calm_desk(settings: str) -> AbstractContextManager[Desk]:
    """A desk that trades our own strategy: no code depends on an order being under way."""
    return a_desk(settings=settings, speed=SPEED, strategy=None, opened=False, unhurried=True)


def _running(desk: Desk) -> set[str]:
    """Every word of its processes' command lines, as they were found by: one that has ended since has none."""
    return {word for process in processes_of(desk.root) for word in process.info["cmdline"]}


def _release(desk: Desk, behaviour: str) -> Path:
    """A checkout that behaves like this and decides as ours does."""
    return desk.release(behaviour, strategy=None)


def _ran(command: list[str], *, no_room: bool = False) -> Answer:
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (0, 0)) if no_room else None
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    ran = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, preexec_fn=limit, check=False, timeout=CTL_S
    )
    assert b"Traceback" not in ran.stderr, ran.stderr.decode()
    return ran.returncode, msgspec.json.decode(ran.stdout)


ROWS: Final = (
    Row("OK", "deployed", deploy("takes_its_time()"), done),
    Row("OK", "already active", deploy("takes_its_time()"), nothing),
    Row("OK", "held as asked", deploy("answers_slowly(0.0)", "--hold-before", "flip"), goes_on),
    Row("OK", "promoted", promoted, done),
    Row("OK", "rolled back", ctl("rollback", *WHY), done),
    Row("USAGE", "a bad flag", ctl("deploy", "--bake", "soon"), nothing),
    Row("REJECTED", "does not import", deploy("does_not_import()"), nothing),
    Row("GATE_FAILED", "crashes in the shadow", deploy("crashes_on_its_first_tick()"), nothing),
    Row("NO_BOUNDARY", "never calm", deploy("waits_while_flipping()", "--boundary-timeout", "1s"), nothing),
    Row("ABORTED", "by an operator", aborted, nothing),
    Row("LOCKED", "by another deploy", locked, nothing),
    Row("POLICY", "no reason given", without_reason, nothing),
    Row("POLICY", "no reason given, dry", partial(without_reason, dry=True), nothing),
    Row("PRECONDITION", "another is active", deploy("answers_slowly(0.01)", "--expect-active", "r99"), nothing),
    Row("PRECONDITION", "nothing is held", not_held, nothing),
    Row("DECLINED", "nobody confirmed a flatten", ctl("flatten"), nothing),
    Row("ROLLED_BACK", "crashes as the owner", deploy("waits_while_attesting(); crashes_when_it_owns()"), put_back),
    Row("UNKNOWN", "no supervisor any more", supervisor_gone, nobody),
    Row("ROLLBACK_FAILED", "blue stands still", not_given_back, stuck, STUBBORN),
    Row("NOINPUT", "no such operation", ctl("op", "show", "01NOBODYKNOWSTHISONE"), nothing),
    Row("UNAVAILABLE", "nobody answers", lambda desk: supervisor_gone(desk, "status"), nobody),
    Row("IOERR", "no room on the disk", full_disk, nothing),
    Row("TEMPFAIL", "patience is over", deploy("waits_while_warming()", "--timeout", "0.5s"), goes_on),
    Row("TEMPFAIL", "a person has to decide", deploy("answers_slowly(0.01)", "--shadow", "100000"), goes_on),
    Row("NOPERM", "another user", stranger, nothing),
    Row("CONFIG", "a folder too deep", long_path, nothing),
    Row("INTERRUPTED", "Ctrl-C", left, goes_on),
)


def test_every_code_has_a_row_or_a_reason() -> None:
    """A code that is new needs one of the two before it is used."""
    given = {row.code for row in ROWS}
    assert given | set(NOT_GIVEN) == set(EXIT)
    assert not given & set(NOT_GIVEN)


@pytest.fixture(scope="module")
def common() -> Iterator[Desk]:
    """A desk that trades, or trades again when it is started again; judged when all codes have been given."""
    with _calm_desk(SETTINGS) as desk:
        yield desk
        desk.judged(lapsed=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.code}: {row.way}")
def test_a_code_keeps_its_promise(row: Row, request: pytest.FixtureRequest) -> None:
    """The command ends with it, its document names it, and the desk is as it says."""
    if row.settings:
        with _calm_desk(row.settings) as desk:
            _kept(desk, row)
    else:
        _kept(request.getfixturevalue("common"), row)


def _kept(desk: Desk, row: Row) -> None:
    desk.until(lambda status: _has_owners(desk), "an owner for every slot")  # who has just begun is still granting them
    before = facts(desk)
    exit_code, answer = row.give(desk)
    assert exit_code == EXIT[row.code], answer
    if row.code != "USAGE":  # what cannot be understood is told by click, to a person
        assert (answer["code"], answer["exit"], answer["ok"]) == (row.code, exit_code, row.code == "OK")
    row.promise(desk, before, answer)
    eventually(lambda: _on_file(desk) == facts(desk).release, "a status.json that says who trades")
    if "hash" in answer.get("trading", {}) and "age_s" not in answer["trading"]:
        assert answer["trading"]["hash"] == facts(desk).release


def _has_owners(desk: Desk) -> bool:
    return all(slot["owner"] for slot in desk.ask("slots").data)


def _on_file(desk: Desk) -> str:
    """The release named by the file; empty where it was written before one traded."""
    return str(json.loads(desk.state.status.read_text())["release"].get("hash", ""))
