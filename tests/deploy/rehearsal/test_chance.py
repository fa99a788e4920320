"""Chance without history."""

from __future__ import annotations

from statistics import mean, pstdev

import pytest

from deploy.rehearsal.chance import normal, word


def test_the_same_name_gives_the_same_number() -> None:
    """And another name another one."""
    assert word(7, "BTC", 1) == word(7, "BTC", 1) != word(7, "BTC", 2)
    assert 0 <= word("x") < 2**64


def test_numbers_of_many_names_are_standard_normal() -> None:
    """Mean nothing, deviation one."""
    found = [normal("x", number) for number in range(4_000)]
    assert mean(found) == pytest.approx(0, abs=0.05)
    assert pstdev(found) == pytest.approx(1, abs=0.04)
