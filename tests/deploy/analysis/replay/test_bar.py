"""deploy.analysis.replay.bar: how far something is."""

from __future__ import annotations

import io

import pytest

from deploy.analysis.replay.bar import EVERY_NS, Bar
from shared.clock import NS, SystemClock


class ManualClock(SystemClock):
    """Time passes when it is told to."""

    now_ns = NS

    def monotonic_ns(self) -> int:
        return self.now_ns

    def advance(self, seconds: float) -> None:
        self.now_ns += round(seconds * NS)


def test_nothing_is_drawn_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No terminal; or a terminal in a pipeline."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    plain, piped = io.StringIO(), Terminal()
    monkeypatch.setenv("CI", "true")
    for out in (plain, piped):
        with Bar("replaying", out) as bar:
            bar(1, 2)
    assert plain.getvalue() == piped.getvalue() == ""
    monkeypatch.delenv("CI")
    monkeypatch.setenv("TERM", "xterm")
    with Bar("replaying", piped) as bar:
        bar(1, 2)
    assert "50%" in piped.getvalue()


def test_a_bar_says_how_far_it_is_and_when_it_will_be_done() -> None:
    """A quarter after ten seconds: thirty more."""
    out, clock = io.StringIO(), ManualClock()
    with Bar("replaying r7", out, clock, animated=True) as bar:
        clock.advance(10)
        bar(1, 4)
    assert out.getvalue().startswith("\r\x1b[Kreplaying r7 [########...")
    assert " 25% 30 s left" in out.getvalue()


def test_it_draws_now_and_then_and_takes_its_line_away() -> None:
    """Not for every word it is told; at the end nothing is left."""
    out, clock = io.StringIO(), ManualClock()
    with Bar("x", out, clock, animated=True) as bar:
        for done in range(100):
            bar(done, 100)
        clock.advance(EVERY_NS / NS)
        bar(100, 100)
    assert out.getvalue().count("x [") == 2
    assert out.getvalue().endswith("\r\x1b[K")


def test_nothing_to_do_is_no_bar() -> None:
    """A share of nothing is not drawn."""
    out = io.StringIO()
    with Bar("x", out, animated=True) as bar:
        bar(0, 0)
    assert out.getvalue() == ""
