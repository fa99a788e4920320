"""How a process of ours ended, and what is said of it."""

from __future__ import annotations

import signal

import pytest
from kit.deaths import CRASHED, GAVE_UP, KILLED

from supervisor.death import Death


@pytest.mark.parametrize(
    ("death", "sentence"),
    [
        (Death(0), "exit code 0"),
        (Death(7, output="out of luck"), "exit code 7; last output: out of luck"),
        (KILLED, "killed by SIGKILL"),
        (Death(-signal.SIGSEGV, output="oh"), "killed by SIGSEGV; last output: oh"),
        (Death(-40), "killed by signal 40"),
        (Death(1, "raised: boom", "Traceback"), "raised: boom"),
        (Death(None, "release r1 is not staged"), "release r1 is not staged"),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_an_end_is_told_in_one_sentence(death: Death, sentence: str) -> None:
    """In its own words, else by the kernel's account and the end of its output."""
    assert str(death) == sentence


@pytest.mark.parametrize("death", [KILLED, Death(-signal.SIGKILL, output="deciding")], ids=str)
def test_one_that_was_killed_without_a_word_was_ended_from_outside(death: Death) -> None:
    """Whatever it had printed before."""
    assert death.from_outside


@pytest.mark.parametrize(
    "death",
    [
        *(Death(0), Death(1), CRASHED, GAVE_UP, Death(None, "cannot start")),
        Death(1, "killed by SIGKILL"),
        Death(1, output="killed by SIGKILL"),
        Death(-signal.SIGKILL, "raised: boom"),
    ],
    ids=repr,
)
def test_any_other_end_is_its_own(death: Death) -> None:
    """Also where its own words are those that are said of one that was killed, and where it was killed after them."""
    assert not death.from_outside
