"""worker.fair_value: the probability that Up wins, by the market's own rule."""

from __future__ import annotations

from functools import cache
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.price_days import DAYS, Forecast, forecasts, prices_of

from shared.messages import Rule
from worker.fair_value import WILD_SHARE, WILD_TIMES, known_mean, up_probability

STRIKE = 60_000_000_000


def probability(
    price_micro: int,
    left_s: float,
    rule: Rule = "twap60",
    known_micro: float | None = STRIKE,
    noise: float = 0.0,
    age_s: float = 0.0,
    volatility: float = 6e-5,
) -> float:
    return up_probability(
        price_micro=price_micro,
        strike_micro=STRIKE,
        volatility=volatility,
        noise=noise,
        left_s=left_s,
        age_s=age_s,
        rule=rule,
        known_micro=known_micro,
    )


def simulated(price: float, left_s: int, over_s: int, known: float) -> float:
    """The share of random walks, a step a second, calm or wild, that settle at the strike or above."""
    random, wins, runs = Random(7), 0, 4_000
    for _ in range(runs):
        volatility = 6e-5 * (WILD_TIMES if random.random() < WILD_SHARE else 1.0)
        walk, total = price, known * max(0, over_s - left_s)
        for second in range(left_s):
            walk += price * random.gauss(0.0, volatility)
            total += walk if left_s - second <= over_s else 0.0
        wins += (total / over_s if over_s else walk) >= STRIKE
    return wins / runs


@pytest.mark.parametrize(
    ("dollars", "left_s", "rule", "over_s", "known"),
    [
        (60_020, 40, "spot", 0, 0.0),
        (60_020, 90, "twap60", 60, 0.0),
        (60_010, 45, "twap60", 60, 59_995.0),
        (60_030, 20, "twap60", 60, 59_990.0),
        (59_985, 15, "twap30", 30, 60_010.0),
    ],
)
def test_the_formula_agrees_with_walking_it(dollars: int, left_s: int, rule: Rule, over_s: int, known: float) -> None:
    """The mean of a walk over the settling seconds, known part and forecast, within what chance allows."""
    price_micro = dollars * 1_000_000
    walked = simulated(price_micro, left_s, over_s, known * 1_000_000)
    assert probability(price_micro, left_s, rule, known * 1_000_000) == pytest.approx(walked, abs=0.035)


def test_the_settling_seconds_are_partly_decided() -> None:
    """With the mean far below the strike, a price just above it comes too late."""
    assert probability(STRIKE + 5_000_000, 10, "twap60", STRIKE - 60_000_000) < 0.01
    assert probability(STRIKE + 5_000_000, 10, "spot") > 0.6


def test_an_old_price_is_less_certain() -> None:
    """It has walked on since: ten seconds of age count like ten seconds to go."""
    assert probability(STRIKE + 9_000_000, 20, "spot", age_s=10) == probability(STRIKE + 9_000_000, 30, "spot")
    settling = [probability(STRIKE + 9_000_000, 20, "twap60", age_s=age) for age in (0, 5, 10)]
    assert settling == sorted(settling, reverse=True)
    assert settling[0] > settling[2]


def test_a_tie_is_up() -> None:
    """At the end, exactly at the strike, Up has won."""
    assert probability(STRIKE, 0, "spot") == pytest.approx(0.995)
    assert probability(STRIKE - 1, 0, "spot") == pytest.approx(0.005)


def test_noise_keeps_a_near_tie_uncertain() -> None:
    """Half a basis point of doubt about the feed is three dollars at this price: one dollar decides little."""
    assert 0.5 < probability(STRIKE + 1_000_000, 0, "spot", noise=5e-5) < 0.7


def test_nothing_is_ever_certain() -> None:
    """Feeds stall and fills fail, however far away the strike."""
    assert probability(2 * STRIKE, 1) == 0.995
    assert probability(STRIKE // 2, 1) == pytest.approx(0.005)


@given(
    st.integers(-(10**9), 10**9),
    st.integers(0, 10**8),
    st.floats(0, 900),
    st.sampled_from(["spot", "twap30", "twap60"]),
)
def test_a_higher_price_never_makes_up_less_likely(offset: int, rise: int, left_s: float, rule: Rule) -> None:
    """Monotone, within bounds, for every rule and moment."""
    lower = probability(STRIKE + offset, left_s, rule)
    higher = probability(STRIKE + offset + rise, left_s, rule)
    assert 0.004 < lower <= higher + 1e-9 <= 0.996


def test_a_known_mean_weighs_each_price_by_how_long_it_held() -> None:
    """10 for one second and 20 for three: 17.5; what came before or after does not count."""
    samples = [(0, 99), (900, 10), (2_000, 20), (6_000, 50)]
    assert known_mean(samples, 1_000, 5_000) == 17.5


@pytest.mark.parametrize("samples", [[], [(1_500, 10)], [(6_000, 10)]])
def test_no_price_at_the_beginning_means_no_mean(samples: list[tuple[int, int]]) -> None:
    """Half a memory is not a mean."""
    assert known_mean(samples, 1_000, 5_000) is None
    assert known_mean([(0, 10)], 1_000, 1_000) is None


def test_volatility_and_time_trade_off_as_a_root() -> None:
    """Four times the time is twice the spread: the same probability at twice the distance."""
    near = probability(STRIKE + 10_000_000, 25, "spot")
    far = probability(STRIKE + 20_000_000, 100, "spot")
    assert near == pytest.approx(far, abs=1e-3)
    assert sqrt(100 / 25) == 2


# --- calibration: what is promised comes true -----------------------------------------------------------------------

Moment = tuple[float, float]
"""A promise, and what came of it: 1.0 or 0.0."""


def made_up_window(random: Random, left_s: int, over_s: int, rule: Rule, volatility: float) -> Moment:
    """A window walked from its beginning, judged with `left_s` to go by what could be seen, and walked to its end."""
    wild = WILD_TIMES if random.random() < WILD_SHARE else 1.0
    walk, seen = [float(STRIKE)], 120
    for second in range(seen):
        calm = second < seen - left_s
        walk.append(walk[-1] * (1.0 + random.gauss(0.0, volatility * (1.0 if calm else wild))))
    settling = walk[-over_s:] if over_s else walk[-1:]
    known = walk[:-left_s][-(over_s - left_s) :] if left_s < over_s else []
    promised = up_probability(
        price_micro=round(walk[-1 - left_s]),
        strike_micro=STRIKE,
        volatility=volatility,
        noise=0.0,
        left_s=left_s,
        age_s=0.0,
        rule=rule,
        known_micro=sum(known) / len(known) if known else None,
    )
    return promised, float(sum(settling) / len(settling) >= STRIKE)


@pytest.mark.parametrize(
    ("left_s", "rule", "over_s"),
    [(60, "spot", 0), (20, "spot", 0), (90, "twap60", 60), (40, "twap60", 60), (15, "twap30", 30)],
)
def test_what_is_promised_comes_true(left_s: int, rule: Rule, over_s: int) -> None:
    """In each tenth of the scale the share of windows that went Up is the mean promise, within what chance allows."""
    random = Random(11)
    moments = [made_up_window(random, left_s, over_s, rule, 6e-5) for _ in range(2_000)]
    checked = 0
    for tenth in range(10):
        there = [moment for moment in moments if tenth <= moment[0] * 10 < tenth + 1]
        if len(there) >= 50:
            promised, happened = (sum(column) / len(there) for column in zip(*there, strict=True))
            chance = 4 * sqrt(promised * (1 - promised) / len(there)) + 0.02
            assert abs(promised - happened) <= chance, (tenth, promised, happened, len(there))
            checked += 1
    assert checked >= 4


@pytest.mark.parametrize(("rule", "over_s"), [("twap30", 30), ("twap60", 60)])
def test_the_price_matters_less_the_more_of_the_mean_is_known(rule: Rule, over_s: int) -> None:
    """In a still market the same move counts less with every settling second gone by, and not at all at the end."""
    moved = []
    for left_s in range(over_s, -1, -5):
        sides = (STRIKE - 9_000_000, STRIKE + 9_000_000)
        low, high = (probability(price, left_s, rule, float(STRIKE), noise=1e-4, volatility=0.0) for price in sides)
        moved.append(high - low)
    assert moved == sorted(moved, reverse=True)
    assert len(set(moved)) == len(moved)
    assert moved[0] > 0.8 and moved[-1] == 0.0


@given(st.integers(-(10**8), 10**8), st.integers(0, 10**8), st.floats(0, 59), st.floats(0, 30))
def test_a_higher_known_part_never_makes_up_less_likely(known: int, more: int, left_s: float, age_s: float) -> None:
    """What is already in the mean counts for its side."""
    lower = probability(STRIKE, left_s, "twap60", float(STRIKE + known), age_s=age_s)
    higher = probability(STRIKE, left_s, "twap60", float(STRIKE + known + more), age_s=age_s)
    assert lower <= higher + 1e-9


@given(st.integers(-(10**8), 10**8), st.floats(0.5, 600), st.sampled_from(["spot", "twap30", "twap60"]))
def test_up_and_down_share_one_dollar(offset: int, left_s: float, rule: Rule) -> None:
    """A market turned upside down about its strike has the probabilities the other way round."""
    up = probability(STRIKE + offset, left_s, rule, float(STRIKE + offset))
    down = probability(STRIKE - offset, left_s, rule, float(STRIKE - offset))
    assert up + down == pytest.approx(1.0, abs=2e-3)


# --- whole days, through the scene a strategy decides on ------------------------------------------------------------

RULES: tuple[Rule, ...] = ("spot", "twap60")
LEFTS_S = (90, 45, 15)


@cache
def made(day: str, rule: Rule, left_s: int) -> list[Forecast]:
    return list(forecasts(prices_of(day), rule, left_s))


def brier(given: list[Forecast]) -> float:
    return sum((forecast.promised - forecast.happened) ** 2 for forecast in given) / len(given)


@pytest.mark.parametrize("day", DAYS)
def test_a_days_forecasts_are_worth_more_the_nearer_the_end(day: str) -> None:
    """By either rule; and a mean that is partly known is known better than a price that may still move."""
    errors = {rule: [brier(made(day, rule, left_s)) for left_s in LEFTS_S] for rule in RULES}
    assert all(worth == sorted(worth, reverse=True) for worth in errors.values())
    assert all(mean < price for price, mean in zip(errors["spot"], errors["twap60"], strict=True))
    assert errors["spot"][0] < 0.2 and errors["twap60"][-1] < 0.03


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("left_s", LEFTS_S)
@pytest.mark.parametrize("rule", RULES)
def test_a_days_forecasts_come_true(day: str, rule: Rule, left_s: int) -> None:
    """In each fifth of the scale, within what chance allows and a tenth: the tails are fatter than any one day's."""
    given = made(day, rule, left_s)
    assert len(given) > 80
    for fifth in range(5):
        there = [forecast for forecast in given if fifth <= forecast.promised * 5 < fifth + 1]
        if there:
            promised, happened = (sum(column) / len(there) for column in zip(*there, strict=True))
            chance = 3 * sqrt(promised * (1 - promised) / len(there)) + 0.1
            assert abs(promised - happened) <= chance, (fifth, promised, happened, len(there))
