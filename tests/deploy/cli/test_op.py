"""Verbs that look at operations: one of them whole, or all of them in a table."""

from __future__ import annotations

from kit.commands import ctl, document
from kit.desk_socket import BLUE, OP, PlayedDesk, a_gate, a_history, a_plan, a_reply, an_operation

from deploy.cli.op import operation_screen
from deploy.cli.plan import plan_words
from shared.paths import State


def test_an_operation_is_shown_whole(state: State) -> None:
    """From which release to which, by whom and why, its plan, its phases, its gates, the slowest modules, its end."""
    ended = an_operation(
        "OK",
        flips=10,
        plan=a_plan(),
        history=a_history("spawning", "flipping", "baking", "flipping", "retiring"),
        gates=[a_gate("trial", name="same"), a_gate("baking", "FAIL", ring=2)],
    )
    with PlayedDesk(state, operation=a_reply(data=ended)) as desk:
        result = ctl(state, "op", "show", OP)
        assert document(ctl(state, "op", "show", OP, "--json"))["data"] == ended
    assert desk.heard[0].args == {"op": OP}
    assert result.stdout.splitlines() == [
        f"deploy {OP}: r41 a1b2c3d4 -> r42 9f31c7e0  by uid:1000 ci:github-8841",
        "  reason   recalibrated",
        f"  plan     {plan_words(a_plan())}",
        "  ring 1   BTC/15m",
        "  ring 2   BTC/5m, ETH/5m",
        "           stage_copy   12 ms",
        "  00:01:27 spawn        93 ms",
        "  00:01:28 flip 1/2     93 ms",
        "  00:01:29 bake 1/2     93 ms",
        "  00:01:30 flip 2/2     93 ms",
        "  00:01:31 retire       93 ms",
        "  PASS         trial     same: 0 of 240 answers over 150 ms",
        "  FAIL         bake 2/2  late: 0 of 240 answers over 150 ms",
        "  loaded   worker.app aa11bb22 in 3.7 ms",
        "  loaded   worker.view dd44ee55 in 0.8 ms",
        "  OK, 10 slots passed",
    ]


def test_an_operation_says_why_it_failed_or_where_it_stands(state: State) -> None:
    """Whatever it is: the look itself is good."""
    failed, first = (
        an_operation("GATE_FAILED"),
        an_operation(blue="", blue_seq=0, waiting={"BTC/5m": "an order in flight"}),
    )
    with PlayedDesk(state, operation=[a_reply(data=failed), a_reply(data=first)]):
        assert ctl(state, "op", "show", OP).stdout.endswith(
            "  GATE_FAILED: it was not heard for 5.0 s, 0 slots passed\n"
        )
        result = ctl(state, "op", "show", OP)
    assert result.stdout.startswith(f"deploy {OP}: nothing -> r42 9f31c7e0")
    assert "  waiting  BTC/5m: an order in flight\n" in result.stdout
    assert result.stdout.endswith("  warming, 0 slots passed\n")
    assert result.exit_code == 0


def test_an_operation_that_is_held_says_before_what_and_why() -> None:
    """So that a person knows what promoting it means."""
    view = an_operation(phase="held", after="retiring", held_for="as asked", flips=18)
    assert operation_screen(view).endswith("\n  held before retire: as asked, 18 slots passed")


def test_an_operation_nobody_knows_is_not_found(state: State) -> None:
    """66, and who trades."""
    with PlayedDesk(state, operation=a_reply("NOINPUT", "no operation nope", hint=("foresightctl op list",))):
        result = ctl(state, "op", "show", "nope")
    assert result.exit_code == 66
    assert f"  trading  r41 {BLUE[:8]}, TRADING\n" in result.stderr


def test_operations_stand_in_a_table(state: State) -> None:
    """The oldest first, as the desk gives them; none is a table without rows."""
    data = [an_operation("OK", flips=18, verb="rollback", actor="uid:0"), an_operation()]
    with PlayedDesk(state, operations=[a_reply(data=data), a_reply(data=[])]):
        assert ctl(state, "op", "list").stdout.splitlines() == [
            "OP                          VERB      RELEASE       PASSED  BY                       STANDS",
            f"{OP}  rollback  r42 9f31c7e0  18      uid:0                    OK",
            f"{OP}  deploy    r42 9f31c7e0  0       uid:1000 ci:github-8841  warming",
        ]
        assert ctl(state, "op", "list").stdout == "OP  VERB  RELEASE  PASSED  BY  STANDS\n"


def test_words_of_others_cannot_steer_a_terminal() -> None:
    """A reason is what somebody typed, a gate's words may hold a release's own."""
    evil = "a\x1b[2Jb\nc"
    screen = operation_screen(
        an_operation(reason=evil, actor=evil, waiting={"BTC/5m": evil}, gates=[a_gate("shadow") | {"words": evil}])
    )
    assert "\x1b" not in screen
    assert "a [2Jb c" in screen
