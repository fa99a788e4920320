"""worker.failure: an exception in one line, with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from worker.failure import summary

ROOT = Path(__file__).parents[2]


def raised(message: str) -> ValueError:
    try:
        int(message)
    except ValueError as error:
        return error
    raise AssertionError("a number was raised")


def test_a_summary_names_kind_message_and_place() -> None:
    """The last line of our own that it passed through, not the library's."""
    error = raised("four")
    line = error.__traceback__.tb_lineno  # type: ignore[union-attr]
    expected = f"ValueError: invalid literal for int() with base 10: 'four' at tests/worker/test_failure.py:{line}"
    assert summary(error, ROOT) == expected


def test_a_summary_is_one_line_wherever_it_was_raised() -> None:
    """Line breaks in the message, and a place outside the release."""
    assert "\n" not in summary(raised("a\nb"), ROOT)
    assert summary(KeyError("x"), ROOT) == "KeyError: 'x'"


def test_an_uncaught_exception_ends_with_a_line_for_a_person() -> None:
    """Traceback first, for whoever wrote the release; last, what happened."""
    code = "import sys; from worker.failure import explain; sys.excepthook = explain; raise OSError('no luck')"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback")
    assert ended.stderr.splitlines()[-1] == "worker: this release raised OSError: no luck"
