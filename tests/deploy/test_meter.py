"""A line that says how far something has come: for a person at a terminal, and for nobody else."""

from __future__ import annotations

import io
import sys

import pytest

from deploy import meter
from deploy.meter import WIDTH, Meter, bar
from shared.clock import NS, SystemClock


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class _Stopped(SystemClock):
    """No time passes between two words, however slow the machine is."""

    def monotonic_ns(self) -> int:
        return NS


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, **environ: str) -> str:
    """What a meter that is told twice writes."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(meter, "SystemClock", _Stopped)
    with Meter("index") as told:
        told.tell(0.5, "100 records")
        told.tell(0.6, "120 records")
    return stream.getvalue()


def test_it_moves_on_a_terminal_and_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most ten times a second."""
    said = written(monkeypatch, Terminal())
    assert said.count("records") == 1
    assert "index  ###" in said
    assert said.endswith("\r\x1b[K")


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"TERM": "dumb"}])
def test_it_is_silent_in_a_pipeline(monkeypatch: pytest.MonkeyPatch, environ: dict[str, str]) -> None:
    """Also where that has a terminal."""
    assert written(monkeypatch, Terminal(), **environ) == ""


def test_it_is_silent_when_it_is_written_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks."""
    assert written(monkeypatch, io.StringIO()) == ""


@pytest.mark.parametrize(("part", "full", "text"), [(-1.0, 0, "0%"), (0.5, WIDTH // 2, "50%"), (2.0, WIDTH, "100%")])
def test_a_bar_never_leaves_its_frame(part: float, full: int, text: str) -> None:
    """Whatever it is told."""
    assert bar(part).count("#") == full
    assert bar(part).endswith(text)
