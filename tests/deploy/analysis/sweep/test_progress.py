"""How far a sweep is, said without a terminal."""

from __future__ import annotations

import pytest

from deploy.analysis.sweep.progress import Progress, told
from shared.clock import NS, SystemClock


class _Stopwatch(SystemClock):
    """Somebody else says how late it is."""

    now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


def test_the_rest_is_foretold_from_what_was_done() -> None:
    """And not before anything was."""
    assert told(0, 40, 0, 0.0) == "0 of 40 cells"
    assert told(10, 40, 0, 5.0) == "10 of 40 cells, 15 s left"
    assert told(40, 40, 2, 60.0) == "40 of 40 cells, 2 failed in 60 s"


def test_a_pipeline_gets_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """The last one always, and none is drawn anew."""
    clock = _Stopwatch()
    with Progress(100, clock) as progress:
        for done in range(1, 101):
            clock.now_ns = done * NS
            progress(done, 0)
    said = capsys.readouterr()
    assert said.out == "" and "\r" not in said.err and "\x1b" not in said.err
    assert [line.split()[0] for line in said.err.splitlines()] == ["30", "60", "90", "100"]


def test_of_nothing_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Every cell was done before."""
    with Progress(0):
        pass
    assert not capsys.readouterr().err
