"""worker.parameters: a set is whole and within bounds, or it is refused by name."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.parameters import BadParameters, Parameters, read, read_json


def test_the_empty_set_is_valid() -> None:
    """Every parameter has a default, and the bet is five dollars."""
    assert read({}) == Parameters()
    assert read({}).stake_micro == 5_000_000


def test_a_set_changes_what_it_names_and_nothing_else() -> None:
    """An integer is as good as a float for a number of dollars."""
    assert read({"stake_usd": 7, "mode": "exit-only"}) == Parameters(stake_usd=7.0, mode="exit-only")


def test_an_unknown_key_is_named_beside_those_that_exist() -> None:
    """A misspelt parameter must not silently be the default."""
    with pytest.raises(BadParameters, match=r"stake_eur: this release has no such parameter; it has mode, stake_usd"):
        read({"stake_eur": 5})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stake_usd", 5_000),
        ("stake_usd", 0.5),
        ("stake_usd", math.nan),
        ("stake_usd", "5"),
        ("stake_usd", True),
        ("snipe_5m_s", 301),
        ("snipe_5m_s", 90.5),
        ("mode", "maybe"),
        ("max_price", 1.0),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_its_key_and_itself(key: str, value: object) -> None:
    """A person reads which key, what it was and what it may be."""
    with pytest.raises(BadParameters, match=rf"^{key} = {value!r}: .+"):
        read({key: value})


@given(st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.floats() | st.text(max_size=4), max_size=4))
def test_any_values_give_a_set_or_one_kind_of_error(values: dict[str, object]) -> None:
    """Whatever an operator types, the worker is not surprised."""
    try:
        assert isinstance(read(values), Parameters)
    except BadParameters as error:
        assert str(error)


def test_a_timeframe_has_its_own_snipe_window() -> None:
    """Five minutes and fifteen are different games."""
    assert (Parameters().snipe_s(5), Parameters().snipe_s(15)) == (90, 240)


@pytest.mark.parametrize("text", ["[1]", "{", "5"])
def test_text_that_is_no_object_is_refused_with_an_example(text: str) -> None:
    """Parameters on the command line are a JSON object."""
    with pytest.raises(BadParameters, match="JSON object such as"):
        read_json(text)
    assert read_json('{"stake_usd": 6}').stake_usd == 6.0
