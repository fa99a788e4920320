"""worker.__main__: the three ways to run, and what a lean process loads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kit.releases import stage

from worker.__main__ import BadArguments, parse

pytestmark = pytest.mark.system

HEAVY = {
    "aiohttp",
    "asyncio",
    "click",
    "eth_account",
    "multiprocessing",
    "polymarket",
    "pydantic",
    "structlog",
    "uvloop",
    "websockets",
}


def run(release: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "worker", *arguments]
    return subprocess.run(command, cwd=release, capture_output=True, text=True, check=False)


def test_the_options_of_each_way() -> None:
    """What is live, what is a check, what is a replay."""
    assert parse(["--uid", "w1", "--channel", "7"]) == ("--channel", {"--uid": "w1", "--channel": 7})
    assert parse(["--self-check"]) == ("--self-check", {"--self-check": True})
    replay = {"--replay": Path("t"), "--from": 5, "--parameters": "{}"}
    assert parse(["--replay", "t", "--from", "5", "--parameters", "{}"]) == ("--replay", replay)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "one of --channel, --self-check, --replay is needed, 0 were given"),
        (["--self-check", "--replay", "t"], "one of --channel, --self-check, --replay is needed, 2 were given"),
        (["--channel"], "--channel needs a value"),
        (["--channel", "x"], "--channel x: not a number"),
        (["--self-check", "--from", "1"], "--from does not go with --self-check"),
        (["--speed", "1"], "--speed is no option"),
    ],
)
def test_other_arguments_are_refused_by_name(arguments: list[str], why: str) -> None:
    """A misspelt option is never silently ignored."""
    with pytest.raises(BadArguments, match=f"^{why}$"):
        parse(arguments)


def test_bad_arguments_show_the_usage(release: Path) -> None:
    """Exit code 2, and no traceback."""
    ended = run(release, "--help")
    assert ended.returncode == 2
    assert "python -m worker --self-check" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_sound_release_passes_its_self_check(release: Path) -> None:
    """One JSON line and exit code 0; every room of the release has been imported."""
    ended = run(release, "--self-check")
    assert (ended.returncode, ended.stderr) == (0, "")
    report = json.loads(ended.stdout)
    loaded = {module["module"] for module in report["modules"]}
    rooms = {f"worker.{path.stem}" for path in (release / "worker").glob("*.py")} - {"worker.__init__"}
    assert rooms <= loaded
    assert sum(module["load_us"] for module in report["modules"]) > 0


def test_parameters_a_release_does_not_know_fail_its_self_check(release: Path) -> None:
    """Exit code 1 with the key, and what to do; no traceback."""
    ended = run(release, "--self-check", "--parameters", '{"stake_eur": 5}')
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("worker: stake_eur: this release has no such parameter")
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("strategy", "why"),
    [
        ("def decide(view, tick):\n    return 1 / 0\n", "ZeroDivisionError: division by zero at worker/strategy.py:2"),
        ("import no_such_thing\n", "ModuleNotFoundError: No module named 'no_such_thing' at worker/strategy.py:1"),
        ("def decide(view, tick):\n    return 5\n", "BadFrame: "),
        ("def decide(view tick):\n", "SyntaxError: invalid syntax"),
    ],
)
def test_a_broken_strategy_fails_its_self_check(tmp_path: Path, strategy: str, why: str) -> None:
    """Exit code 1, nothing on stdout, and the last line of stderr says what happened where."""
    (tmp_path / "strategy.py").write_text(strategy)
    ended = run(stage(tmp_path / "r", tmp_path / "strategy.py"), "--self-check")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith(f"worker: this release raised {why}")


def test_a_replay_of_nothing_is_refused(release: Path, tmp_path: Path) -> None:
    """Exit code 1, the folder, and what to type."""
    ended = run(release, "--replay", str(tmp_path / "nowhere"))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "holds no segment of a tape" in ended.stderr
    assert "next" in ended.stderr


def test_a_replay_with_bad_parameters_says_to_correct_those(release: Path, tmp_path: Path) -> None:
    """The tape is not to blame, and is not named."""
    ended = run(release, "--replay", str(tmp_path), "--parameters", '{"stake_eur": 5}')
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("worker: stake_eur: this release has no such parameter")
    assert "next     correct the parameters" in ended.stderr and "tape" not in ended.stderr


def test_a_worker_loads_nothing_heavy(release: Path) -> None:
    """No loop, no client, no framework: they would be most of its start, and it has no use for them."""
    code = (
        "import runpy, sys\n"
        "sys.argv = ['worker', '--self-check']\n"
        "try:\n    runpy.run_module('worker', run_name='__main__')\n"
        "except SystemExit:\n    print('\\n'.join(sys.modules))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=release, capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in ended.stdout.splitlines()}
    assert {"worker", "shared", "zmq", "msgspec"} <= loaded
    assert loaded & HEAVY == set()
