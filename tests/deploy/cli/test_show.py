"""How answers look: for people in three lines, for programs in one document."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner
from kit.commands import ctl, document
from kit.desk_socket import BLUE, TRADING, PlayedDesk, a_reply, a_status

from deploy import client
from deploy.cli import show
from deploy.cli.show import (
    Context,
    ago,
    clock_time,
    counted,
    duration,
    one_line,
    release_words,
    span,
    table,
    trading_words,
    verb,
)
from deploy.client import Forbidden, Unavailable
from deploy.ranges import Duration, stamp
from shared.clock import NS, SystemClock
from shared.paths import State


def test_a_refusal_has_three_lines(state: State) -> None:
    """What happened, who trades, what to type; on standard error, and the code is the desk's."""
    with PlayedDesk(state, resume=a_reply("PRECONDITION", "the feeds are stale", hint=("foresightctl status",))):
        result = ctl(state, "resume")
    assert (result.exit_code, result.stdout) == (16, "")
    assert result.stderr.splitlines() == [
        "foresightctl: the feeds are stale",
        "  trading  r41 a1b2c3d4, TRADING",
        "  next     foresightctl status",
    ]


def test_a_document_holds_the_whole_answer(state: State) -> None:
    """One line on standard output, nothing beside it."""
    reply = a_reply("PRECONDITION", "the feeds are stale", hint=("foresightctl status",), op="01K9")
    with PlayedDesk(state, resume=reply):
        result = ctl(state, "resume", "--json")
    assert (result.exit_code, result.stderr) == (16, "")
    assert document(result) == msgspec.json.decode(msgspec.json.encode(reply))


def test_what_to_type_next_reaches_the_desk_that_was_named(state: State) -> None:
    """A folder named on the command line has to be named again; one from the environment has not."""
    folder = f"--state-dir {state.root}"
    result = ctl(State(Path("/nowhere")), "pause", "--state-dir", str(state.root))
    assert result.exit_code == 69
    assert f'  next     make run ARGS="{folder}"\n  next     systemctl status foresight\n' in result.stderr
    with PlayedDesk(state, resume=a_reply("PRECONDITION", "stale", hint=("foresightctl status",))):
        assert f"  next     foresightctl status {folder}\n" in ctl(state, "resume", *folder.split()).stderr
        assert "  next     foresightctl status\n" in ctl(state, "resume").stderr


def test_a_folder_with_odd_letters_can_be_typed() -> None:
    """It is quoted for the shell."""
    context = Context(State(Path("/a b/$c")), as_json=False, named=True)
    assert context.typed("foresightctl status") == "foresightctl status --state-dir '/a b/$c'"


def test_a_desk_of_somebody_else_may_not_be_commanded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """77, whatever the verb; and nobody is told who trades that may not know."""

    def refuse(*arguments: object, **named: object) -> None:
        raise Forbidden("uid 1000 may not command the desk of s")

    monkeypatch.setattr(client, "ask", refuse)
    monkeypatch.setattr(show, "ask", refuse)
    for words in (["status"], ["pause"], ["wait", "01K"], ["deploy"], ["op", "list"]):
        result = ctl(state, *words)
        assert (result.exit_code, result.stdout) == (77, "")
        assert result.stderr.startswith("foresightctl: uid 1000 may not command the desk of s\n  trading  not known\n")


def test_an_answer_that_cannot_be_read_is_a_fault_of_ours(state: State) -> None:
    """1, with what is wrong and who trades, not a traceback: the desk may be older or newer than this command."""
    with PlayedDesk(state, status=a_reply(data=a_status()), operation=a_reply(data={"op": "01K", "verb": 7})):
        for words in (["op", "show", "01K"], ["wait", "01K"]):
            result = ctl(state, *words)
            assert (result.exit_code, result.stdout) == (1, "")
            assert "another version of Foresight: Expected `str`, got `int`" in result.stderr
            assert "  trading  r41 a1b2c3d4, TRADING\n" in result.stderr


def test_nobody_answers(state: State) -> None:
    """Then nobody knows who trades; a status from before is told with its age, and as the past."""
    result = ctl(state, "pause")
    assert (result.exit_code, result.stdout) == (69, "")
    assert result.stderr.splitlines() == [
        f"foresightctl: no supervisor runs in {state.root}",
        "  trading  not known",
        "  next     make run",
        "  next     systemctl status foresight",
    ]
    state.status.write_bytes(msgspec.json.encode(a_status(wall_ns=SystemClock().wall_ns() - 300 * NS)))
    assert "  trading  not known now; 5 min ago it was r41 a1b2c3d4, TRADING\n" in ctl(state, "pause").stderr
    said = document(ctl(state, "pause", "--json"))
    assert (said["exit"], said["code"], said["changed"]) == (69, "UNAVAILABLE", False)
    assert 300 <= said["trading"].pop("age_s") < 400
    assert said["trading"] == TRADING


def test_a_path_that_is_too_long_is_a_matter_of_settings(state: State) -> None:
    """Which is not the desk's fault, and has a way out."""
    result = ctl(State(Path("/" + "x" * 120)), "status")
    assert result.exit_code == 78
    assert "is longer than the 107 bytes a socket's path may have" in result.stderr
    assert "  next     export FORESIGHT_STATE_DIR=" in result.stderr
    assert document(ctl(State(Path("/" + "x" * 120)), "status", "-j"))["code"] == "CONFIG"


@click.command()
@verb
def _left(context: Context) -> None:
    raise KeyboardInterrupt


@click.command()
@verb
def _left_deploying(context: Context) -> None:
    context.op = "01OP"
    raise KeyboardInterrupt


@click.command()
@click.argument("heard", type=bool)
@verb
def _unheard(context: Context, heard: bool) -> None:
    context.op = "01OP"
    raise Unavailable("nobody answers", heard=heard)


@click.command()
@verb
def _asking(context: Context) -> None:
    click.prompt("Type rehearsal to go on", err=True)


@click.command()
@verb
def _lost(context: Context) -> None:
    context.fail("IOERR", "the disk is full", data={"bytes": 0})


def test_ctrl_c_is_no_traceback(state: State) -> None:
    """It ends with 130, as a shell expects, and says that no answer came."""
    result = CliRunner().invoke(_left, ["--state-dir", str(state.root)])
    assert result.exit_code == 130
    assert result.stderr.startswith("foresightctl: interrupted before an answer came\n  trading  ")


def test_a_question_that_a_person_leaves_is_declined(state: State) -> None:
    """Ctrl-C or an end of input where something has to be typed: 17, nothing was done, and no fault of ours."""
    left = CliRunner().invoke(_asking, ["--state-dir", str(state.root)], input="")
    assert left.exit_code == 17
    assert "foresightctl: nobody answered what was asked, and nothing was done\n  trading  " in left.stderr
    assert document(CliRunner().invoke(_asking, ["--state-dir", str(state.root), "--json"], input=""))["exit"] == 17


def test_ctrl_c_names_the_operation_that_may_have_begun(state: State) -> None:
    """Its id is known before it is asked for, so whoever left can come back to it."""
    arguments = ["--state-dir", str(state.root)]
    people = CliRunner().invoke(_left_deploying, arguments)
    assert people.stderr.startswith("foresightctl: interrupted before an answer came; 01OP may have begun\n")
    assert f"  next     foresightctl wait 01OP --state-dir {state.root}\n" in people.stderr
    assert document(CliRunner().invoke(_left_deploying, [*arguments, "--json"]))["op"] == "01OP"


@pytest.mark.parametrize(("heard", "op"), [("true", "01OP"), ("false", "")])
def test_a_desk_that_fell_silent_may_have_begun_what_was_asked(heard: str, op: str, state: State) -> None:
    """One that was never reached has begun nothing."""
    answer = document(CliRunner().invoke(_unheard, [heard, "--json", "--state-dir", str(state.root)]))
    assert (answer["code"], answer["op"]) == ("UNAVAILABLE", op)
    assert any("wait 01OP" in hint for hint in answer["hint"]) == bool(op)


def test_an_error_of_our_own_says_which_wish_was_in_force_last(state: State) -> None:
    """The generation of status.json, for programs that compare it."""
    state.status.write_bytes(msgspec.json.encode(a_status(generation=9)))
    assert document(CliRunner().invoke(_lost, ["--json", "--state-dir", str(state.root)]))["generation"] == 9


def test_what_others_wrote_steers_no_terminal() -> None:
    """A reason or a release's last words may hold anything; a line stays a line."""
    assert one_line("a\nb\x1b[2Jc\td \u20ac") == "a b [2Jc d \u20ac"


def test_an_error_of_our_own_asks_who_trades(state: State) -> None:
    """The desk knows better than its file, which may be a second old."""
    state.status.write_bytes(msgspec.json.encode(a_status(release={"seq": 40, "hash": "0ld0ld0ld0ld"})))
    arguments = ["--json", "--state-dir", str(state.root)]
    with PlayedDesk(state, status=a_reply(data=a_status())):
        alive = document(CliRunner().invoke(_lost, arguments))
    assert (alive["exit"], alive["trading"], alive["data"]) == (74, TRADING, {"bytes": 0})
    gone = document(CliRunner().invoke(_lost, arguments))
    assert (gone["trading"]["seq"], "age_s" in gone["trading"]) == (40, True)


def test_who_trades_in_words() -> None:
    """The release by number and hash, and what the desk does."""
    assert trading_words(TRADING) == "r41 a1b2c3d4, TRADING"
    assert trading_words({"state": "NO RELEASE"}) == "no release, NO RELEASE"
    assert trading_words({"state": "UNKNOWN", "age_s": None}) == "not known"
    assert release_words({"hash": BLUE}) == "a1b2c3d4"


def test_times_are_utc() -> None:
    """A time of day for events, a whole stamp for what outlives the day."""
    at_ns = 1_784_851_287 * NS
    assert (clock_time(at_ns), stamp(at_ns)) == ("00:01:27", "2026-07-24T00:01:27Z")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (61_250, "1m 01s"),
        (3_599_900, "1h 00m"),
        (5_400_000, "1h 30m"),
    ],
)
def test_short_times_for_people(ms: int, text: str) -> None:
    """Milliseconds until they are a second, tenths until they are a minute, then as a clock would."""
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(0.44, "0.4 s"), (119, "119.0 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"), (259_200, "3 days")],
)
def test_long_times_for_people(age_s: float, text: str) -> None:
    """In the unit a person would use."""
    assert ago(age_s) == text


def test_columns_stand_under_one_another() -> None:
    """As wide as their widest cell, without spaces at the end."""
    assert table([("A", "LONG"), ("wide", "b"), ("c", "")]) == "A     LONG\nwide  b\nc"


def test_one_thing_is_not_many() -> None:
    """And none are many."""
    assert [counted(number, "slot") for number in (0, 1, 2)] == ["0 slots", "1 slot", "2 slots"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (0.5, "0.5s"), (90, "90s"), (600, "10m"), (5_400, "90m"), (7_200, "2h")]
)
def test_a_span_can_be_typed_again(seconds: float, text: str) -> None:
    """It is read back as what it was."""
    assert span(seconds) == text
    assert Duration().convert(text, None, None) == seconds
