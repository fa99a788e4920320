"""The strategy author's guide, followed to the letter: its commands are run as they stand, on a real desk."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.desks import Desk, a_desk
from kit.releases import ROOT

pytestmark = pytest.mark.system

GUIDE = (ROOT / "worker" / "README.md").read_text()
STEP_S = 300.0
SPEED = 5.0


def commands(*steps: int) -> str:
    """What the guide says to type up to its first headline, and under headlines of these numbers."""
    parts = re.split(r"^## (\d)\. .*$", GUIDE, flags=re.MULTILINE)
    numbered = {int(number): part for number, part in zip(parts[1::2], parts[2::2], strict=True)}
    told = [parts[0], *(numbered[step] for step in steps)]
    return "\n".join(block for part in told for block in re.findall(r"```sh\n(.*?)```", part, re.DOTALL))


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A desk that decides; slower than most, because what is typed takes its time."""
    with a_desk(speed=SPEED, opened=False, unhurried=True) as desk:
        yield desk


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the author's folder is made."""
    return tmp_path_factory.mktemp("home")


def typed(script: str, home: Path, desk: Desk) -> subprocess.CompletedProcess[str]:
    """Type it at the top of the checkout, as a person would; the first command that fails ends it."""
    environ = {**os.environ, "HOME": str(home), "FORESIGHT_STATE_DIR": str(desk.state.root)}
    command = ["bash", "-c", f"set -eu -o pipefail\n{script}"]
    return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=STEP_S, check=False)


def test_a_strategy_is_written_tested_replayed_and_deployed_by_the_guide(desk: Desk, home: Path) -> None:
    """Folder, unit test, self-check, replay of the desk's own tape, deploy, and back: all as it stands there."""
    blue = desk.ask("status").data["release"]["hash"]
    made = typed(commands(1, 3), home, desk)
    assert made.returncode == 0, made.stdout + made.stderr
    assert re.search(r"\d passed", made.stdout)
    replayed = typed(commands(4), home, desk)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert re.search(r"^ticks +[\d,]+ decided", replayed.stdout, re.MULTILINE), replayed.stdout
    script = commands(5)
    deployed = typed(script[: script.index("foresightctl rollback")], home, desk)
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    green = desk.ask("status").data["release"]["hash"]
    assert green != blue
    assert green[:8] in deployed.stdout
    desk.until_decided()
    rolled = typed(commands() + "foresightctl rollback", home, desk)
    assert rolled.returncode == 0, rolled.stdout + rolled.stderr
    assert desk.ask("status").data["release"]["hash"] == blue
