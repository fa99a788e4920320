"""Texts of the wire and integers inside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.rehearsal.quantities import NotANumber, e18_of, e18_text, micro_of, text_of


@given(st.integers(0, 10**15))
def test_millionths_survive_their_text(micro: int) -> None:
    """What is written is read back exactly."""
    assert micro_of(text_of(micro)) == micro


@given(st.integers(0, 10**24))
def test_a_reference_price_survives_its_text(value: int) -> None:
    """All eighteen places are kept."""
    assert e18_of(e18_text(value)) == value


def test_texts_are_as_short_as_production_writes_them() -> None:
    """No trailing zeros, no bare dot."""
    assert [text_of(micro) for micro in (520_000, 10_000_000, 194_220_000, 0)] == ["0.52", "10", "194.22", "0"]


def test_a_reference_price_always_shows_eighteen_places() -> None:
    """As in the price socket's full_accuracy_value."""
    assert e18_text(78_803_610_000_000_000_000_000) == "78803.610000000000000000"


@pytest.mark.parametrize("text", ["", ".", "1e3", "-1", "0.1234567", "1.2.3", "٣"])
def test_what_is_no_plain_number_is_refused(text: str) -> None:
    """A sign, an exponent or a seventh place is no amount of ours."""
    with pytest.raises(NotANumber):
        micro_of(text)
