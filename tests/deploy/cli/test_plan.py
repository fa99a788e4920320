"""How a deploy shall go: rings as people write them, a plan in a sentence, and a dry run on one screen."""

from __future__ import annotations

from typing import Any

import click
import pytest
from kit.desk_socket import a_forecast, a_plan

from deploy.cli.plan import FEW_WINDOWS, WIDTH, Rings, forecast_screen, plan_words


@pytest.mark.parametrize(
    ("said", "sizes"), [("1,4,all", (1, 4)), ("1,4", (1, 4)), ("all", ()), ("2,all", (2,)), ("18", (18,))]
)
def test_rings_are_sizes_and_the_last_takes_the_rest(said: str, sizes: tuple[int, ...]) -> None:
    """All is what is left, and need not be said."""
    assert Rings().convert(said, None, None) == sizes


@pytest.mark.parametrize(
    "said", ["", "0", "1,0,all", "-1", "1;4", "all,1", "1,,4", "one", "1, 4", "99999", "٣", ",all"]
)
def test_what_are_no_rings_is_refused_with_an_example(said: str) -> None:
    """A ring has at least one slot, and all of them can only come last."""
    with pytest.raises(click.BadParameter, match="like 1,4,all"):
        Rings().convert(said, None, None)


def test_rings_have_a_bound() -> None:
    """Nobody wants to wait for a hundred bakes."""
    assert len(Rings().convert(",".join("1" * 31), None, None)) == 31
    with pytest.raises(click.BadParameter, match="bound of 32"):
        Rings().convert(",".join("1" * 32), None, None)


def test_a_plan_is_a_sentence() -> None:
    """What it has, and what it was told to leave out."""
    assert plan_words(a_plan()) == (
        "replayed twice, shadow 240 pairs, expect change, rings of 1, 4 and the rest, baked 10m, flips calm, "
        "within 2m, trailing 12h"
    )
    bare = a_plan(trial=False, shadow_pairs=0, rings=[], bake_s=0.0, trail_s=0.0, take_back=False, hold_before="flip")
    assert plan_words(bare) == (
        "no shadow, expect change, one ring, no bake, flips calm, within 2m, held before flip, no taking back by itself"
    )
    assert plan_words({}) == ""


def test_a_dry_run_is_one_screen() -> None:
    """What changes, what is open, what is known of blue, the plan, the policies, and each slot's reason to wait."""
    assert forecast_screen(a_forecast()).splitlines() == [
        "would      deploy r42 9f31c7e0 over r41 a1b2c3d4: it would start",
        "changes    worker/strategy.py",
        "open       1 position (BTC/5m Up 5); 1 order (BTC/5m SELL 5)",
        "measured   r41 a1b2c3d4 decided 28512 ticks, 317 windows of it resolved since",
        "           2026-07-23T09:46:40Z",
        "plan       replayed twice, shadow 240 pairs, expect change, rings of 1, 4 and",
        "           the rest, baked 10m, flips calm, within 2m, trailing 12h",
        "policy     reason agrees: a reason is given",
        "",
        "RING      SLOT     EXPOSURE  CLOSES  WOULD WAIT NOW FOR",
        "1 canary  BTC/15m  0.00      10:00   -",
        "2         BTC/5m   3.10      3:07    an order in flight",
        "2         ETH/5m   0.00      10:00   -",
    ]


def test_a_dry_run_says_what_refuses_and_how_to_go_on() -> None:
    """With the code it would end with, and what that means."""
    policy = {"name": "cool_down", "words": "the last deploy was 3 min ago, 10 are wanted", "refuses": True}
    lines = forecast_screen(a_forecast("POLICY", policies=[policy])).splitlines()
    assert lines[0] == "would      deploy r42 9f31c7e0 over r41 a1b2c3d4: 15, a policy refuses now;"
    assert "policy     cool_down refuses: the last deploy was 3 min ago, 10 are wanted;" in lines
    assert "           --override WHY" in lines


def test_a_release_that_was_hardly_measured_is_called_so() -> None:
    """Whoever replaces it learns nothing from it any more."""
    few, enough = ({"windows": n, "decisions": 9, "since_ns": 0} for n in (FEW_WINDOWS - 1, FEW_WINDOWS))
    assert "too few to say what it is worth" in forecast_screen(a_forecast(measured=few)).replace("\n           ", " ")
    assert "too few" not in forecast_screen(a_forecast(measured=enough))


def test_the_first_release_of_all_replaces_nothing() -> None:
    """There is no blue to name."""
    first = a_forecast(blue={}, changed=[], positions=[], orders=[], policies=[], rings=[[]])
    lines = forecast_screen(first).splitlines()
    assert lines[:3] == [
        "would      deploy r42 9f31c7e0 over nothing: it would start",
        "changes    no file",
        "open       0 positions; 0 orders",
    ]


def test_a_full_desk_fits_a_terminal() -> None:
    """80 columns, whatever others wrote; and nothing of it steers the terminal."""
    long: dict[str, Any] = {"slot": "MATIC/15m", "exposure_micro": 10**9, "closes_in_s": 899, "waits": "x\x1b" * 100}
    policy = {"name": "minimum_windows", "words": "w" * 70 + " " + "w\x1b" * 60, "refuses": True}
    screen = forecast_screen(
        a_forecast(
            changed=[f"worker/a_long_name_of_a_room_{number}.py" for number in range(40)],
            rings=[[long], [long] * 4, [long] * 13],
            policies=[policy] * 4,
        )
    )
    assert max(map(len, screen.splitlines())) <= WIDTH
    assert "\x1b" not in screen
