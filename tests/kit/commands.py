"""foresightctl as a person or a pipeline runs it, in this process; and what its answers always are."""

from __future__ import annotations

from typing import Any

import msgspec
from click.testing import CliRunner, Result

from deploy.foresightctl import main
from shared.paths import State

NEVER = ("\x1b", "\r", "Traceback")
"""What no answer has in it when it is not for a terminal."""


def ctl(state: State, *arguments: str) -> Result:
    """Run a verb on a state folder, named by the environment."""
    result = CliRunner(env={"FORESIGHT_STATE_DIR": str(state.root)}).invoke(main, arguments)
    assert not any(word in result.output for word in NEVER), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document(result: Result) -> dict[str, Any]:
    """The answer of a verb with --json: one document, which says who trades and agrees with the exit code."""
    (line,) = result.stdout.splitlines()
    answer: dict[str, Any] = msgspec.json.decode(line)
    assert answer["schema"] == "foresight.ctl/1"
    assert answer["exit"] == result.exit_code
    assert answer["ok"] == (result.exit_code == 0)
    assert isinstance(answer["changed"], bool)
    assert "state" in answer["trading"]
    return answer


def told(stderr: str) -> list[str]:
    """Lines of progress, without their time stamps, which they have where nobody watches."""
    stamped = [line.split(" ", 1) for line in stderr.splitlines() if line.startswith("20")]
    assert all(at[-1] == "Z" and len(at) == 20 for at, _ in stamped)
    return [line for _, line in stamped]
