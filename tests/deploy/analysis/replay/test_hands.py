"""deploy.analysis.replay.hands: a release's process, and what it says when it cannot go on."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from kit.clocks import eventually
from kit.desks import runs
from kit.releases import MAIN, ROOT, a_checkout

from deploy.analysis.replay import hands as hands_room
from deploy.analysis.replay.hands import Hands, Line, ReleaseFailed, interpreter
from deploy.release import Stager
from shared.paths import State

PRINTS = 'import sys\nprint(sys.stdin.readline().strip() + "!", flush=True)\nprint("no answer", flush=True)\n'


def test_a_release_runs_its_own_code(tmp_path: Path) -> None:
    """From its own folder; what it reads is what it was handed."""
    with Hands(a_checkout(tmp_path / "r", {MAIN: PRINTS}), []) as hands:
        hands.hand(b"hello\n")
        assert hands.line() == b"hello!"


def test_what_is_no_answer_is_named(tmp_path: Path) -> None:
    """With its beginning."""
    with Hands(a_checkout(tmp_path / "r", {MAIN: PRINTS}), []) as hands:
        hands.hand(b"\n")
        with pytest.raises(ReleaseFailed, match="no answer"):
            hands.understood(hands.line(), Line)
            hands.understood(hands.line(), Line)


def test_a_release_that_fails_says_why(tmp_path: Path) -> None:
    """Its own words, as its worker puts them."""
    with (
        Hands(a_checkout(tmp_path / "r"), ["--replay", str(tmp_path / "nowhere")]) as hands,
        pytest.raises(ReleaseFailed, match="holds no segment"),
    ):
        hands.line()


def test_a_release_that_says_and_takes_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its answer is waited for, or its hands are full."""
    monkeypatch.setattr(hands_room, "SILENCE_S", 0.2)
    checkout = a_checkout(tmp_path / "r", {MAIN: "import time\ntime.sleep(600)\n"})
    with Hands(checkout, []) as hands:
        with pytest.raises(ReleaseFailed, match=r"nothing for 0\.2 s"):
            hands.line()
        with pytest.raises(ReleaseFailed, match=r"nothing for 0\.2 s"):
            hands.hand(bytes(1 << 20))


def test_a_line_without_an_end_is_given_up(tmp_path: Path) -> None:
    """It would fill the memory of whoever listens."""
    babbling = "import sys\nwhile True:\n    sys.stdout.write('x' * 65536)\n"
    with (
        Hands(a_checkout(tmp_path / "r", {MAIN: babbling}), []) as hands,
        pytest.raises(ReleaseFailed, match="a line of more than"),
    ):
        hands.line()


KILLED = """
import os, signal, sys
from pathlib import Path
from deploy.analysis.replay.hands import Hands
hands = Hands(Path(sys.argv[1]), [])
print(hands.line().decode(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_release_ends_with_whoever_has_started_it(tmp_path: Path) -> None:
    """However that ends: there is no moment at which Ctrl-C, or worse, would leave one that thinks for ever."""
    thinks = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"
    command = [sys.executable, "-c", KILLED, str(a_checkout(tmp_path / "r", {MAIN: thinks}))]
    pid = int(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=False).stdout)
    assert eventually(lambda: not runs(pid))


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    """Before anything is started."""
    with pytest.raises(ReleaseFailed, match="nowhere"):
        Hands(tmp_path / "nowhere", [])


def test_a_staged_release_runs_in_its_own_environment(state: State, tmp_path: Path) -> None:
    """A checkout in that of whoever asks."""
    staged = Stager(state).stage(str(a_checkout(tmp_path / "c"))).indexed
    python = interpreter(state.releases / staged.release)
    assert python == state.environments / staged.lock / "bin" / "python"
    assert interpreter(ROOT) == Path(sys.executable)
