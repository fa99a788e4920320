"""worker.gates: open, or shut with the number and the bound it missed."""

from __future__ import annotations

import pytest

from worker import gates


@pytest.mark.parametrize(
    ("gate", "shut"),
    [
        (gates.timing(120.0, 90, 4), "120.0 s left > snipe window of 90 s"),
        (gates.timing(3.5, 90, 4), "3.5 s left < last 4 s"),
        (gates.volatility(0.02, 0.05, 60.0), "volatility 0.02 bp < 0.05"),
        (gates.volatility(99.0, 0.05, 60.0), "volatility 99.00 bp > 60.00"),
        (gates.reaction(-5.25, 4.5), "jump 5.25 > 4.50"),
        (gates.price(50_000, 0.10, 0.96), "price 0.050 < 0.100"),
        (gates.price(970_000, 0.10, 0.96), "price 0.970 > 0.960"),
    ],
)
def test_a_shut_gate_says_why_in_numbers(gate: gates.Gate, shut: str) -> None:
    """An operator can check it against the parameters."""
    assert gate.shut == shut


def test_bounds_themselves_are_inside() -> None:
    """At its edge a gate is open."""
    at_edges = (
        gates.timing(90.0, 90, 4),
        gates.timing(4.0, 90, 4),
        gates.volatility(0.05, 0.05, 60.0),
        gates.volatility(60.0, 0.05, 60.0),
        gates.reaction(4.5, 4.5),
        gates.price(100_000, 0.10, 0.96),
        gates.price(960_000, 0.10, 0.96),
    )
    assert [gate.shut for gate in at_edges] == [""] * 7
