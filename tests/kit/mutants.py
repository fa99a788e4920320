"""Safeguards of the desk taken away, for runs that have to notice it: what more than one kind of run is tried with."""

from __future__ import annotations

from typing import Any

import pytest

from shared import entries as e
from supervisor.board import Board


def intent_not_durable(patch: pytest.MonkeyPatch) -> None:
    """An order leaves while its intent is on the way to the disk."""

    def write_first(board: Board, entries: tuple[e.Entry, ...], then: tuple[Any, ...]) -> None:
        placing = any(isinstance(entry, e.Placing) for entry in entries)
        first(board, entries, () if placing else then)
        board.effects.extend(then if placing else ())

    first = Board.write_first
    patch.setattr(Board, "write_first", write_first)
