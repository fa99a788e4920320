"""Prices, sizes and money as integer millionths."""

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import units

MICROS = st.integers(min_value=-(10**15), max_value=10**15)
PRICES = st.integers(min_value=0, max_value=units.MICRO)
SIZES = st.integers(min_value=0, max_value=10**12)


@given(MICROS)
def test_text_and_back_loses_nothing(value_micro: int) -> None:
    """What is shown is read back as the same integer."""
    assert units.parse_micro(units.show_micro(value_micro)) == value_micro


@pytest.mark.parametrize("text", ["", " 1", "1e3", "0x1", "1,5", "nan", "--1", ".5", "1.0000001", "½"])
def test_text_that_is_no_exact_decimal_is_refused(text: str) -> None:
    """Nothing is guessed and nothing is rounded on the way in."""
    with pytest.raises(units.NotANumber):
        units.parse_micro(text)


@pytest.mark.parametrize("text", ["9" * 5_000, "1" * 61, "9223372036854.775808", "-9223372036854.775808", "٣"])
def test_a_number_that_no_word_holds_is_refused(text: str) -> None:
    """By its size alone, before anything is computed with it; and so are digits that are not ours."""
    with pytest.raises(units.NotANumber):
        units.parse_micro(text)
    assert units.parse_micro("9223372036854.775807") == 2**63 - 1


def test_digits_beyond_the_unit_may_be_zero() -> None:
    """The venue writes 0.5300000000; that is exact."""
    assert units.parse_micro("0.5300000000") == 530_000


def test_a_reference_price_keeps_eighteen_decimals() -> None:
    """A window is decided in 1e-18; a chart sees millionths of it."""
    exact = units.parse_exact("65048.078902260626")
    assert exact == 65048078902260626000000
    assert units.micro_of_exact(exact) == 65048078902


@given(SIZES, PRICES)
def test_cost_is_rounded_down_as_the_contract_divides(size_micro: int, price_micro: int) -> None:
    """The exact product, floored to a millionth."""
    exact = Decimal(size_micro) * Decimal(price_micro) / units.MICRO
    assert units.cost_of(size_micro, price_micro) == int(exact.to_integral_value(ROUND_FLOOR))


@pytest.mark.parametrize(("value", "cents"), [(0, 0), (1, 10_000), (10_000, 10_000), (1_234_567, 1_240_000)])
def test_a_value_is_rounded_up_to_whole_cents(value: int, cents: int) -> None:
    """What an immediate order is for is never counted too low."""
    assert units.up_to_cent(value) == cents


@given(SIZES, PRICES, st.integers(0, 100_000), st.integers(1, 2))
def test_fee_is_the_venues_formula_to_five_decimals(size: int, price: int, rate: int, exponent: int) -> None:
    """shares x rate x (p (1-p))^e, half up; less than 0.00001 is nothing."""
    p = Decimal(price) / units.MICRO
    exact = Decimal(size) / units.MICRO * Decimal(rate) / units.MICRO * (p * (1 - p)) ** exponent
    expected = Decimal(0) if exact < Decimal("0.00001") else exact.quantize(Decimal("0.00001"), ROUND_HALF_UP)
    assert units.taker_fee(size, price, rate, exponent) == int(expected * units.MICRO)


@pytest.mark.parametrize(("price", "fee"), [(500_000, 17_500), (300_000, 14_700), (900_000, 6_300), (970_000, 2_040)])
def test_fee_of_a_share_is_what_the_venue_publishes(price: int, fee: int) -> None:
    """The table of the venue's fee page, per share at a rate of 0.07."""
    assert units.taker_fee(units.MICRO, price, 70_000, 1) == fee


@given(PRICES, st.sampled_from([1_000, 10_000]))
def test_rounding_to_the_grid_goes_down_and_stays_inside(price: int, tick: int) -> None:
    """The result is on the grid, not above the price, and a tick away from 0 and 1; else it is refused."""
    try:
        rounded = units.round_to_tick(price, tick)
    except units.OffGrid:
        assert price < tick or price > units.MICRO - tick
    else:
        assert rounded % tick == 0
        assert price - tick < rounded <= price
        assert tick <= rounded <= units.MICRO - tick


@pytest.mark.parametrize(
    ("micro", "text"), [(11_484_999, "11.48"), (11_485_000, "11.49"), (-5_000, "-0.01"), (-4_999, "0.00"), (0, "0.00")]
)
def test_dollars_round_half_away_from_zero(micro: int, text: str) -> None:
    """For people only."""
    assert units.show_usd(micro) == text
    assert units.show_usd(11_480_000, signed=True) == "+11.48"


@pytest.mark.parametrize(("micro", "text"), [(50_000_000, "+50"), (-20_500_000, "-20.5"), (0, "+0"), (1, "+0.000001")])
def test_a_signed_amount_is_exact_and_says_which_way(micro: int, text: str) -> None:
    """Every millionth of it, and its sign also where it is positive."""
    assert units.show_signed(micro) == text
