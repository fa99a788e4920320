"""The pipeline's step, run for real against a foresightctl that says what the test wants it to say."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kit.releases import ROOT

from shared.outcomes import EXIT

CI = ROOT / "deploy" / "ci"
FAKE = """\
#!/bin/bash
cd {folder}
n=$(cat calls 2>/dev/null | wc -l)
echo "$*" >> calls
cat $n.reply
exit $(cat $n.code)
"""
OP = "01KAJ0000000000000000000OP"
NAMES = {code: name for name, code in EXIT.items()}


@dataclass
class Shipped:
    """What came of it: the exit code, what was printed, what was called, and the files it wrote."""

    exit: int
    out: str
    called: list[str]
    files: dict[str, str]


def ship(folder: Path, replies: list[tuple[int, dict[str, Any] | str]], **environ: str) -> Shipped:
    """Run the step against a foresightctl that gives these replies, one after the other."""
    for number, (code, document) in enumerate(replies):
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / f"{number}.reply").write_text(text)
        (folder / f"{number}.code").write_text(str(code))
    fake = folder / "foresightctl"
    fake.write_text(FAKE.format(folder=folder))
    fake.chmod(0o755)
    kept = {"PATH": os.environ["PATH"], "FORESIGHTCTL": str(fake)}
    ran = subprocess.run([CI / "ship", "a-branch"], env=kept | environ, capture_output=True, text=True, check=False)
    files = {path.name: path.read_text() for path in folder.glob("*.out")}
    return Shipped(ran.returncode, ran.stdout, (folder / "calls").read_text().splitlines(), files)


def a_reply(code: int, **more: Any) -> dict[str, Any]:
    """A document as foresightctl prints it."""
    data = {"green": "5e0f3c11aa00", "blue": "9f31c7e0bb11"}
    return {"ok": not code, "exit": code, "code": NAMES[code], "message": "as it is", "op": OP, "data": data} | more


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "the new release trades"),
        (10, "nothing changed, the old release trades"),
        (11, "nothing changed, the old release trades"),
        (16, "nothing changed, the old release trades"),
        (20, "put back, the old release trades again"),
        (30, "somebody is needed now"),
        (31, "somebody is needed now"),
        (69, "could not be asked for"),
        (1, "could not be asked for"),
    ],
)
def test_the_exit_code_is_the_deploys_and_one_line_says_what_it_means(tmp_path: Path, code: int, words: str) -> None:
    """A pipeline fails or passes by the code alone; a person reads one line."""
    shipped = ship(tmp_path, [(code, a_reply(code))])
    assert shipped.exit == code
    assert len(shipped.out.splitlines()) == 1
    assert f"exit {code} {NAMES[code]}" in shipped.out
    assert words in shipped.out


def test_it_waits_again_for_the_same_operation(tmp_path: Path) -> None:
    """75 says that the operation goes on; it is not asked for a second time."""
    late = '{"schema":"foresight.ctl/1","ok":false,"exit":75,"code":"TEMPFAIL","op":"' + OP + '"}'
    shipped = ship(tmp_path, [(75, late), (75, late), (0, a_reply(0))], SHIP_WAIT_S="7")
    assert shipped.exit == 0
    assert shipped.called == [
        "deploy --green a-branch --json --timeout 7",
        f"wait {OP} --json --timeout 7",
        f"wait {OP} --json --timeout 7",
    ]


@pytest.mark.parametrize("code", [0, 75])
def test_a_deploy_that_is_held_ends_the_step(tmp_path: Path, code: int) -> None:
    """A person decides; waiting again would not help, and nobody may believe that the new release trades."""
    data = {"green": "5e0f3c11aa00", "blue": "9f31c7e0bb11", "phase": "held", "history": [{"phase": "spawning"}]}
    shipped = ship(tmp_path, [(code, a_reply(code, data=data))])
    assert (shipped.exit, len(shipped.called)) == (code, 1)
    assert f"held; type: {tmp_path}/foresightctl promote {OP} or " in shipped.out
    assert "trades" not in shipped.out


def test_how_it_shall_go_is_passed_on(tmp_path: Path) -> None:
    """Further words for the deploy, and for nothing else."""
    late = a_reply(75)
    shipped = ship(
        tmp_path, [(75, late), (0, a_reply(0))], SHIP_FLAGS="--expect identical  --bake 10m", SHIP_WAIT_S="7"
    )
    assert shipped.called == [
        "deploy --green a-branch --expect identical --bake 10m --json --timeout 7",
        f"wait {OP} --json --timeout 7",
    ]


def test_its_patience_has_an_end(tmp_path: Path) -> None:
    """After the last wait the code stays 75, and the line says how to go on waiting."""
    shipped = ship(tmp_path, [(75, a_reply(75))] * 3, SHIP_WAITS_MAX="2")
    assert shipped.exit == 75
    assert len(shipped.called) == 3
    assert f"wait {OP}" in shipped.out


@pytest.mark.parametrize(
    ("code", "hooks"), [(0, []), (11, []), (20, ["put_back"]), (21, ["put_back"]), (31, ["alarm"])]
)
def test_hooks_are_called_for_what_a_person_has_to_hear(tmp_path: Path, code: int, hooks: list[str]) -> None:
    """20-29 tells, 30-39 calls somebody; the rest is the pipeline's own business."""
    asked = {
        "SHIP_ON_PUT_BACK": f"echo put_back $* >> {tmp_path}/hook.out;:",
        "SHIP_ON_ALARM": f"echo alarm $* >> {tmp_path}/hook.out;:",
    }
    shipped = ship(tmp_path, [(code, a_reply(code))], **asked)
    assert shipped.exit == code
    told = shipped.files.get("hook.out", "").splitlines()
    assert told == [f"{hook} {code} {NAMES[code]} {OP}" for hook in hooks]


def test_a_hook_that_fails_changes_nothing(tmp_path: Path) -> None:
    """Who trades does not depend on whether somebody could be told."""
    assert ship(tmp_path, [(20, a_reply(20))], SHIP_ON_PUT_BACK="false").exit == 20


def test_results_are_written_for_the_next_step(tmp_path: Path) -> None:
    """To the file a GitHub step passes on, and to a dotenv file for others."""
    wanted = f"FORESIGHT_EXIT=0\nFORESIGHT_CODE=OK\nFORESIGHT_OP={OP}\nFORESIGHT_GREEN=5e0f3c11aa00\n"
    files = {"GITHUB_OUTPUT": f"{tmp_path}/github.out", "SHIP_DOTENV": f"{tmp_path}/dotenv.out"}
    shipped = ship(tmp_path, [(0, a_reply(0))], **files)
    assert shipped.files == dict.fromkeys(("github.out", "dotenv.out"), f"{wanted}FORESIGHT_BLUE=9f31c7e0bb11\n")


def test_it_says_what_is_shipped_and_over_what(tmp_path: Path) -> None:
    """The journal gets commit and run; a release that is not the expected one is refused by the desk."""
    environ = {"GITHUB_SHA": "0123456789abcdef", "GITHUB_RUN_ID": "77", "SHIP_EXPECT": "9f31c7e0"}
    shipped = ship(tmp_path, [(0, a_reply(0))], **environ)
    assert "--reason 0123456789ab run 77" in shipped.called[0]
    assert "--expect-active 9f31c7e0" in shipped.called[0]


def test_words_in_the_reply_cannot_be_taken_for_its_fields(tmp_path: Path) -> None:
    """A message is a person's text: quotes and names of fields in it are nothing but text."""
    said = 'it said "code": "OK" and left'
    shipped = ship(tmp_path, [(11, a_reply(11, message=said))], SHIP_DOTENV=f"{tmp_path}/dotenv.out")
    assert "FORESIGHT_CODE=GATE_FAILED" in shipped.files["dotenv.out"]
    assert "and left" in shipped.out


def test_no_reply_at_all_is_a_failure(tmp_path: Path) -> None:
    """A connection that broke off says nothing about who trades; neither does the step."""
    shipped = ship(tmp_path, [(255, "")])
    assert shipped.exit == 255
    assert "NO_REPLY" in shipped.out


def test_pipelines_never_cancel_a_deploy_and_outlast_the_step() -> None:
    """Both files parse, ship after the tests and one at a time, and give the step longer than it can take."""
    github = yaml.safe_load((CI / "github.yml").read_text())["jobs"]["ship"]
    gitlab = yaml.safe_load((CI / "gitlab.yml").read_text())["ship"]
    assert github["concurrency"] == {"group": "foresight-ship", "cancel-in-progress": False}
    assert github["needs"] == "test"
    assert gitlab["resource_group"] == "foresight-ship"
    assert gitlab["interruptible"] is False
    step = next(step for step in github["steps"] if step.get("id") == "ship")
    assert step["run"] == gitlab["script"][0] == "deploy/ci/ship ."
    assert _longest_min(step["env"]) < github["timeout-minutes"]
    assert _longest_min({"SHIP_WAITS_MAX": "5"} | gitlab["variables"]) < int(gitlab["timeout"].split()[0])


def _longest_min(variables: dict[str, str]) -> float:
    return int(variables["SHIP_WAIT_S"]) * (int(variables["SHIP_WAITS_MAX"]) + 1) / 60
