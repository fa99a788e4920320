"""Cells are named by everything their result depends on, and by nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from kit.sweeps import R1, R2, a_cell, a_stretch
from msgspec.structs import replace

from deploy.analysis.replay.job import Caps
from deploy.analysis.sweep.cells import cells
from shared.config import Risk
from shared.risk import limits


@pytest.mark.parametrize(
    "change",
    [
        {"release": R2},
        {"point": {"stake_usd": 5}},
        {"stretch": a_stretch(content="f" * 32)},
        {"stretch": a_stretch(from_seq=2)},
        {"stretch": a_stretch(to_seq=99)},
        {"stretch": a_stretch(until_seq=101)},
        {"stretch": a_stretch(caps=(Caps(0, limits(Risk(order_max_usd=1))),))},
        {"fills": "recorded"},
        {"seed": 2},
        {"engine": "f" * 12},
    ],
)
def test_an_input_that_changed_is_another_cell(change: dict[str, Any]) -> None:
    """What was replayed with the old one is not found under it."""
    assert replace(a_cell(), **change).name != a_cell().name


def test_where_things_are_and_what_they_are_called_is_no_input() -> None:
    """The same frames in another folder, or on another machine, are the same."""
    elsewhere = replace(R1, name="r7 aaaa", folder="other")
    moved = replace(a_cell(), release=elsewhere, stretch=a_stretch(folder="other", at="2026-11-01 00:00:00"))
    assert moved.name == a_cell().name
    assert a_cell({"a": 1, "b": 2}).name == a_cell({"b": 2, "a": 1}).name


def test_caps_are_no_input_where_nothing_fills_on_paper() -> None:
    """What was recorded was under the desk's own."""
    tight = a_stretch(caps=(Caps(0, limits(Risk(order_max_usd=1))),))
    recorded = replace(a_cell(), fills="recorded")
    assert replace(recorded, stretch=tight).name == recorded.name


def test_every_combination_comes_once() -> None:
    """Also when a release or a tape is named twice."""
    of = {"fills": "rehearsal", "seed": 1, "engine": ""}
    grid = cells([R1, R2, R1], [{}, {"a": 1}], [a_stretch(1), a_stretch(2)], **of)
    assert [(cell.release.name, dict(cell.point), cell.stretch.at[-1]) for cell in grid[:4]] == [
        ("r1 aaaa", {}, "1"),
        ("r1 aaaa", {}, "2"),
        ("r1 aaaa", {"a": 1}, "1"),
        ("r1 aaaa", {"a": 1}, "2"),
    ]
    assert len(grid) == 8
