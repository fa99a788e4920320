"""What is worth a line of an operation: each part that ended, each gate that did not pass, each wait, all once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.desk_socket import a_gate, a_history, an_operation

from deploy.cli.progress import NAMES, WAITS_MAX, Progress, some

RING = ("flipping", "attesting", "baking")
WALK = ("spawning", "warming", "trial", "shadow", *RING, *RING, "retiring")


def lines(*views: dict[str, Any]) -> list[str]:
    """What is told of an operation that is seen like this, one view after the other."""
    progress = Progress()
    return [line for view in views for line in progress.news(view)[1]]


def seen(number: int) -> dict[str, Any]:
    """The walk when it is in its phase of this number; after the last it has ended."""
    over = number >= len(WALK)
    phase = "idle" if over else WALK[number]
    return an_operation("OK" if over else "", phase=phase, history=a_history(*WALK[: number + 1]), flips=3)


@given(st.lists(st.integers(0, len(WALK)), max_size=12).map(sorted))
def test_each_part_is_told_once_however_often_and_seldom_one_looks(looks: list[int]) -> None:
    """In the order in which they ended; what runs is not over, and what is over was told."""
    told = lines(*map(seen, looks))
    assert told == lines(seen(len(WALK)))[: looks[-1] if looks else 0]


def test_a_part_has_a_line_with_its_ring_and_its_time() -> None:
    """Parts that come once for each ring say which."""
    assert lines(seen(len(WALK)))[:8] == [
        "  ok   spawn      greeted with the staged hash, 2 modules loaded      93 ms",
        "  ok   warm       read the tape, misses nothing, decides              93 ms",
        "  ok   trial                                                          93 ms",
        "  ok   shadow                                                         93 ms",
        "  ok   flip 1/2   BTC/15m passed                                      93 ms",
        "  ok   attest 1/2 says it runs what was staged, decides               93 ms",
        "  ok   bake 1/2                                                       93 ms",
        "  ok   flip 2/2   BTC/5m, ETH/5m passed                               93 ms",
    ]


def test_one_ring_is_not_counted() -> None:
    """All slots at once is not the first of one."""
    view = an_operation("OK", rings=[["BTC/5m"]], history=a_history("flipping"), flips=18)
    assert lines(view) == ["  ok   flip       18 slots passed                                     93 ms"]


def test_a_part_whose_gates_pass_has_one_line_with_what_says_most() -> None:
    """Of this part and ring, and no others; how alike both decide says more than that nothing was late."""
    agreement = a_gate("shadow", name="agreement") | {"words": "97.3 % of 2160 agree"}
    gates = [a_gate("shadow"), agreement, a_gate("baking"), a_gate("baking", "FAIL", ring=2)]
    view = an_operation(phase="flipping", history=a_history("shadow", *RING), gates=gates)
    assert lines(view) == [
        "  ok   shadow     97.3 % of 2160 agree; 2 gates pass                  93 ms",
        "  ok   flip 1/2   BTC/15m passed                                      93 ms",
        "  ok   attest 1/2 says it runs what was staged, decides               93 ms",
        "  ok   bake 1/2   0 of 240 answers over 150 ms                        93 ms",
    ]


def test_a_gate_that_does_not_pass_has_a_line_of_its_own() -> None:
    """What failed, and what nobody can know yet; how many did pass is in the part's line."""
    gates = [a_gate("shadow"), a_gate("shadow", "FAIL", name="side"), a_gate("shadow", "INCONCLUSIVE", name="pairs")]
    view = an_operation("GATE_FAILED", history=a_history("spawning", "warming", "shadow"), gates=gates)
    assert lines(view)[2:] == [
        "  FAIL shadow     1 of 3 gates pass                                   93 ms",
        "  FAIL shadow     side: 0 of 240 answers over 150 ms",
        "  ?    shadow     pairs: 0 of 240 answers over 150 ms",
    ]


@pytest.mark.parametrize(
    ("history", "result", "marks"),
    [
        (("spawning", "warming"), "GATE_FAILED", ["ok", "FAIL"]),
        (("spawning", "warming", "held"), "ABORTED", ["ok", "ok", "FAIL"]),
        (("spawning", "flipping", "restoring"), "ROLLED_BACK", ["ok", "FAIL", "ok"]),
        (("spawning", "flipping", "restoring"), "ROLLBACK_FAILED", ["ok", "FAIL", "FAIL"]),
        (("spawning", "flipping", "restoring"), "", ["ok", "FAIL"]),
        (("spawning", "flipping", "retiring"), "OK", ["ok", "ok", "ok"]),
    ],
)
def test_only_what_led_on_is_called_ok(history: tuple[str, ...], result: str, marks: list[str]) -> None:
    """A part after which the operation went back, or ended badly, did not go well."""
    phase = "idle" if result else history[-1]
    view = an_operation(result, phase=phase, history=a_history(*history))
    assert [line.split()[0] for line in lines(view)] == marks


def test_a_rollback_does_not_claim_that_green_decided() -> None:
    """It waits for no tick."""
    view = an_operation("OK", verb="rollback", history=a_history("warming", "attesting"))
    assert not any("decides" in line for line in lines(view))


def test_slots_that_wait_for_the_same_share_a_line() -> None:
    """Each slot's reason once; the first few slots by name."""
    slots = [f"{asset}/5m" for asset in ("BTC", "ETH", "SOL", "XRP", "DOGE", "SPX")]
    same = an_operation(history=[], waiting=dict.fromkeys(slots, "an order in flight"))
    other = an_operation(history=[], waiting={"BTC/5m": "an order in flight", "ETH/5m": "its window closes in 12 s"})
    assert lines(same, other, same) == [
        "  ..   waiting for BTC/5m, ETH/5m, SOL/5m, XRP/5m and 2 more: an order in flight",
        "  ..   waiting for ETH/5m: its window closes in 12 s",
    ]


def test_a_number_that_runs_makes_no_new_reason() -> None:
    """Else a countdown would be told second by second."""
    views = [an_operation(history=[], waiting={"BTC/5m": f"its window closes in {left} s"}) for left in range(30)]
    assert len(lines(*views)) == 1


def test_waits_that_are_told_have_a_bound() -> None:
    """A desk that names a new reason in every turn does not fill a pipeline's log."""
    views = [an_operation(history=[], waiting={"BTC/5m": "x" * number}) for number in range(WAITS_MAX + 50)]
    assert len(lines(*views)) == WAITS_MAX


def test_words_of_others_stay_on_their_line() -> None:
    """And steer no terminal."""
    view = an_operation(history=[], waiting={"BTC/5m": "a\x1b[2Jb\nc"})
    assert lines(view) == ["  ..   waiting for BTC/5m: a [2Jb c"]


def test_of_a_reign_before_only_the_end_is_known() -> None:
    """Its phases were told then; that is no reason to fail now."""
    kept = ("op", "verb", "green", "blue", "phase", "result", "fault", "flips")
    past = {name: value for name, value in an_operation("OK").items() if name in kept}
    assert lines(past) == []


def test_every_phase_of_the_supervisor_has_a_name() -> None:
    """A walk can be in no phase that is passed over in silence, but in none at all."""
    from supervisor.rollout import PHASES

    assert set(NAMES) == set(PHASES) - {"idle"}


def test_some_names_are_enough() -> None:
    """The rest is a number."""
    assert some(["a"]) == "a"
    assert some(list("abcdef")) == "a, b, c, d and 2 more"
