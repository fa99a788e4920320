"""A desk as processes: what is prepared, what is kept, and what is said when it cannot be. The processes are played."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.clocks import eventually
from kit.desk_socket import PlayedDesk, a_reply, a_status

from deploy import running
from deploy.release import Rejected
from deploy.running import CannotRun, RehearsalDesk, World
from shared.config import Faults, load, read_credentials
from shared.paths import State

WHERE = {
    "clob": "http://127.0.0.1:1",
    "gamma": "http://127.0.0.1:1/gamma",
    "relayer": "http://127.0.0.1:1/relayer",
    "rpc": "http://127.0.0.1:1/rpc",
    "geoblock": "http://127.0.0.1:1/api/geoblock",
    "market_ws": "ws://127.0.0.1:1/ws/market",
    "user_ws": "ws://127.0.0.1:1/ws/user",
    "price_ws": "ws://127.0.0.1:1/prices/ws",
    "clock": {"market_ns": 5, "anchor_ns": 7, "speed": 20.0},
}
STAYS = "import time; time.sleep(600)"
SPEAKS = f"print({json.dumps(json.dumps(WHERE))}, flush=True); {STAYS}"
DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', file=sys.stderr); {STAYS}"
Play = Callable[..., RehearsalDesk]


@pytest.fixture
def play(state: State, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """Makes desks whose venue and supervisor do what a test says; none is left afterwards."""
    made: list[RehearsalDesk] = []
    (state.root / "releases").mkdir()
    (state.root / "releases" / "index.jsonl").write_text('{"seq":1,"release":"a","lock":"b","modules":{},"at_ns":1}\n')

    def make(venue: str = SPEAKS, supervisor: str = STAYS, **world: Any) -> RehearsalDesk:
        code = {"deploy.foresight": venue, "supervisor": supervisor}
        monkeypatch.setattr(running, "_python", lambda module: [sys.executable, "-c", f"import sys; {code[module]}"])
        made.append(RehearsalDesk(state, World(**world), say=said.append))
        return made[-1]

    said: list[str] = []
    yield make
    monkeypatch.setattr(running, "STOP_S", 0.1)
    for desk in made:
        desk.stop()


def fails(desk: RehearsalDesk) -> CannotRun:
    """Why a desk cannot be started; nothing of it runs."""
    with pytest.raises(CannotRun) as caught:
        desk.start()
    for process in (desk._supervisor, desk._venue):
        assert process is None or process.poll() is not None
    return caught.value


def keeps_until_it_cannot(desk: RehearsalDesk) -> CannotRun:
    """Look after a desk until that is not possible any more."""
    found: list[CannotRun] = []

    def over() -> bool:
        try:
            desk.keep()
        except CannotRun as error:
            found.append(error)
        return bool(found)

    assert eventually(over)
    return found[0]


# --- what is prepared ---


def test_the_key_of_a_rehearsal_is_made_once_and_for_nobody_else(play: Play) -> None:
    """Play money has a throwaway key; it is read as a real one would be."""
    desk = play()
    desk.start()
    first = read_credentials(desk.state.credentials)
    desk.stop()
    desk.start()
    assert read_credentials(desk.state.credentials).private_key == first.private_key
    assert len(first.private_key) == 66


@pytest.mark.parametrize(("world", "made_up"), [({}, False), ({"speed": 20.0}, True), ({"day": Path("/d")}, True)])
def test_the_supervisor_is_told_where_the_venue_is(world: dict[str, Any], made_up: bool, play: Play) -> None:
    """And what time it is there, where that is not the world's; as settings that it can read."""
    desk = play(**world)
    desk.start()
    settings = load([desk.state.root / "rehearsal.toml"], environ={})
    assert (settings.mode, settings.venue.clob, settings.venue.price_ws) == (
        "rehearsal",
        WHERE["clob"],
        WHERE["price_ws"],
    )
    claims = settings.claims
    assert (claims.by, claims.relayer, claims.rpc) == ("auto", WHERE["relayer"], WHERE["rpc"])
    assert claims.poll_s == claims.retry_s == (2.0 if not made_up or "day" in world else 0.2)
    assert (settings.clock is not None) == made_up
    assert settings.clock is None or settings.clock.anchor_ns == 7


_TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x7f"))  # TOML has that escaped, no address holds it
_VALUES = _TEXTS | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_KEYS = st.from_regex(r"[a-z_]{1,8}", fullmatch=True)


@given(st.dictionaries(_KEYS, _VALUES | st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=4))
def test_settings_are_written_as_they_are_read(document: dict[str, Any]) -> None:
    """Texts, numbers and tables of them come back from TOML."""
    assert tomllib.loads(running._toml(document).decode()) == document


def test_a_checkout_that_is_no_release_is_told(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first release of a desk is this checkout, if it passes its own checks."""

    def reject(stager: object, wanted: str) -> None:
        raise Rejected("self-check: it decides nothing")

    monkeypatch.setattr(running.Stager, "stage", reject)
    error = fails(RehearsalDesk(state, World()))
    assert (error.code, str(error)) == ("REJECTED", "this checkout is no release: self-check: it decides nothing")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With its name."""
    (tmp_path / "file").write_text("in the way")
    error = fails(RehearsalDesk(State(tmp_path / "file" / "s"), World()))
    assert error.code == "IOERR"
    assert str(error) == f"{tmp_path / 'file' / 's'}: Not a directory"


# --- what the venue and the supervisor can do wrong ---


def test_a_venue_that_says_no_is_quoted(play: Play) -> None:
    """Its exit code is ours, its last word is ours, without its name before it."""
    refuses = "print('foresight venue: /d holds no day', file=sys.stderr); sys.exit(66)"
    error = fails(play(venue=refuses))
    assert error.lines("foresight run").splitlines() == [
        "foresight run: /d holds no day",
        "  next     foresight day FOLDER says what a recorded day holds",
    ]
    assert error.code == "NOINPUT"


def test_a_venue_whose_options_make_no_sense_is_quoted(play: Play) -> None:
    """They were the person's, to the desk; nothing of how the venue's command line says so is left."""
    refuses = "print('Usage: ...\\n\\nError: --start is a time', file=sys.stderr); sys.exit(2)"
    error = fails(play(venue=refuses))
    assert error.lines("foresight run") == "foresight run: --start is a time"
    assert error.code == "USAGE"


def test_everything_a_venue_has_against_a_scenario_is_quoted(play: Play) -> None:
    """A line for each thing, each under the name of the command; nothing of the times before."""
    complaint = "print('{}', file=sys.stderr); sys.exit(78)"
    fails(play(venue=complaint.format("foresight venue: from the past")))
    error = fails(play(venue=complaint.format(r"a stray line\nforesight venue: one\nforesight venue: two")))
    assert error.lines("foresight run").splitlines() == [
        "foresight run: one",
        "foresight run: two",
        "  next     mend the scenario, then the same command again; foresight fault says which faults there are",
    ]
    assert error.code == "CONFIG"


def test_a_scenario_that_is_not_there_is_no_day_that_is_not_there(play: Play) -> None:
    """What to do next is about what was wrong."""
    complaint = "foresight venue: /s cannot be read; --scenario takes a TOML file"
    error = fails(play(venue=f"print('{complaint}', file=sys.stderr); sys.exit(66)"))
    assert (error.code, error.hint) == ("NOINPUT", "foresight venue --help shows what a scenario looks like")


def test_a_scenario_is_given_to_the_venue(play: Play) -> None:
    """By its path."""
    tells = "print('foresight venue: ' + ' '.join(sys.argv[-2:]), file=sys.stderr); sys.exit(1)"
    assert str(fails(play(venue=tells, scenario=Path("/s.toml")))) == "--scenario /s.toml"


@pytest.mark.parametrize("clob_version", [1, 2])
def test_the_venue_is_of_the_time_that_is_wanted(clob_version: int, play: Play) -> None:
    """Today's, or the one whose orders the old client signs."""
    tells = "print('foresight venue: ' + ' '.join(sys.argv[-2:]), file=sys.stderr); sys.exit(1)"
    said = str(fails(play(venue=tells, clob_version=clob_version)))
    assert said == f"--clob-version {clob_version}"


@pytest.mark.parametrize(
    "venue", ["print('hello', flush=True); import os; os.close(1)", f"print('hello', flush=True); {STAYS}"]
)
def test_a_venue_that_does_not_say_where_it_is(venue: str, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and nothing is started on it."""
    monkeypatch.setattr(running, "EOF_S", 1.0)
    error = fails(play(venue=venue))
    assert (error.code, str(error)) == ("UNAVAILABLE", "the rehearsal venue said nothing")


def test_a_venue_that_says_nothing_is_not_waited_for_for_ever(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait has a bound."""
    monkeypatch.setattr(running, "VENUE_S", 0.2)
    assert fails(play(venue=STAYS)).code == "UNAVAILABLE"


def test_a_supervisor_that_cannot_be_started_takes_the_venue_with_it(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a desk is none."""
    desk = play()

    def refuse() -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(desk, "_start_supervisor", refuse)
    assert str(fails(desk)) == f"{desk.state.root}: Cannot allocate memory"


@pytest.mark.parametrize(("exit_code", "code"), [(2, "USAGE"), (14, "LOCKED"), (74, "IOERR"), (78, "CONFIG")])
def test_an_end_that_would_only_be_repeated_is_final(exit_code: int, code: str, play: Play) -> None:
    """With everything the supervisor has to say this time, and nothing of the times before."""
    complaint = "print('{}', file=sys.stderr); sys.exit({})"
    desk = play(supervisor=complaint.format("supervisor: from the past", exit_code))
    desk.start()
    keeps_until_it_cannot(desk)
    desk.stop()
    desk = play(supervisor=complaint.format(r"supervisor: one\nsupervisor: two", exit_code))
    desk.start()
    error = keeps_until_it_cannot(desk)
    assert (error.code, str(error)) == (code, f"the supervisor ended with {exit_code}: one\ntwo")


def test_a_supervisor_is_started_again_but_not_for_ever(play: Play) -> None:
    """After so many ends in a minute it is a matter for a person."""
    desk = play(supervisor="print('no reason', file=sys.stderr); sys.exit(1)")
    desk.start()
    error = keeps_until_it_cannot(desk)
    assert str(error) == "the supervisor keeps ending: no reason"
    assert (desk.state.root / "supervisor.log").read_text().count("no reason") == running.RESTARTS_MAX + 1


def test_a_folder_that_somebody_holds_for_a_moment_is_waited_for(
    play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A person who cancels everything past a killed supervisor holds it for seconds; whoever holds it longer has it."""
    starts = tmp_path / "starts"
    body = f"""
with open({str(starts)!r}, "a+") as file:
    file.write("x"); file.seek(0); nth = len(file.read())
sys.exit({{1: 1, 2: 14, 3: 14}}.get(nth, 2))
"""
    desk = play(supervisor=body)
    desk.start()
    assert keeps_until_it_cannot(desk).code == "USAGE"
    assert len(starts.read_text()) == 4
    desk.stop()
    starts.unlink()
    monkeypatch.setattr(running, "HELD_S", 0.0)
    desk = play(supervisor=body)
    desk.start()
    assert keeps_until_it_cannot(desk).code == "LOCKED"


def test_without_a_venue_there_is_no_desk(play: Play) -> None:
    """Its end is the desk's."""
    desk = play(venue=SPEAKS.replace(STAYS, "print('the record is full', file=sys.stderr); sys.exit(73)"))
    desk.start()
    assert str(keeps_until_it_cannot(desk)) == "the rehearsal venue ended with 73: the record is full"


# --- waiting ---


def test_a_wait_ends_when_it_is_so(play: Play) -> None:
    """A desk that does not answer yet is asked again."""
    desk = play()
    desk.start()
    answers = [b"", a_reply(data=a_status(decided=0)), a_reply(data=a_status(decided=3))]
    with PlayedDesk(desk.state, status=list(answers)):
        assert desk.wait_for(lambda status: status["decided"] > 0, 30, "the first decision")["decided"] == 3


def test_a_wait_that_is_in_vain_says_for_what(play: Play) -> None:
    """And the supervisor's last word."""
    desk = play(supervisor=f"print('still thinking', file=sys.stderr); sys.stderr.flush(); {STAYS}")
    desk.start()
    assert eventually(lambda: desk._tail("supervisor.log"))
    with pytest.raises(CannotRun) as caught:
        desk.wait_for(lambda status: True, 0.1, "the first decision")
    assert str(caught.value) == "the first decision did not happen in 0.1 s: still thinking"


def test_a_day_without_a_window_here_is_waited_through(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said once; then whoever decides may take as long again as ever."""
    desk = play()
    desk.world, said = World(Path("a-day")), list[str]()
    desk.say = said.append
    desk.start()
    closed, opened = {"configured": 2, "open": 0, "owned": 0}, {"configured": 2, "open": 1, "owned": 1}
    answers = [a_reply(data=a_status(decided=0, slots=closed))] * 20
    answers += [a_reply(data=a_status(decided=0, slots=opened)), a_reply(data=a_status(decided=1, slots=opened))]
    with PlayedDesk(desk.state, status=answers):
        assert desk.wait_for_first_decision(0.3)["decided"] == 1
    assert said[-1] == "a-day has no window here; waiting for its next one"


@pytest.mark.parametrize("day", [None, Path("a-day")])
def test_a_desk_with_a_market_has_to_decide(day: Path | None, play: Play) -> None:
    """And so has one on a made-up day, which always has one."""
    desk = play()
    desk.world = World(day)
    desk.start()
    status = a_status(decided=0, slots={"configured": 2, "open": 0 if day is None else 1, "owned": 1})
    with PlayedDesk(desk.state, status=a_reply(data=status)), pytest.raises(CannotRun, match="the first decision did"):
        desk.wait_for_first_decision(0.2)


# --- the end ---


def test_a_desk_that_ends_as_told_has_nothing_to_say(play: Play) -> None:
    """However often it is told."""
    desk = play()
    desk.start()
    assert (desk.stop(), desk.stop()) == ([], [])


def test_a_process_that_had_to_be_killed_is_told(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that only looks clean is a fault."""
    desk = play(supervisor=DEAF)
    desk.start()
    assert eventually(lambda: desk._tail("supervisor.log") == "deaf")
    assert desk._venue is not None
    desk._venue.kill()  # what it may say of itself is not asked here, however busy the machine is
    desk._venue.wait()
    monkeypatch.setattr(running, "STOP_S", 1.0)
    assert desk.stop() == ["the supervisor did not end in 1 s and was killed"]


def test_a_process_that_ends_badly_is_told(play: Play) -> None:
    """Its exit code says that something broke on the way out."""
    breaks = "import signal; signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); print('up', file=sys.stderr)"
    desk = play(supervisor=f"{breaks}; {STAYS}")
    desk.start()
    assert eventually(lambda: desk._tail("supervisor.log") == "up")
    assert desk.stop() == ["the supervisor ended with 1 when it was told to stop"]


def test_settings_of_the_user_come_after_the_rehearsals_own(state: State, play: Play, tmp_path: Path) -> None:
    """So that theirs win."""
    play()
    writes = "import json, time; print(json.dumps(sys.argv), file=sys.stderr); sys.stderr.flush(); time.sleep(600)"
    desk = play(supervisor=writes)
    desk.configs = (tmp_path / "mine.toml",)
    desk.start()
    assert eventually(lambda: desk._tail("supervisor.log"))
    words = json.loads(desk._tail("supervisor.log"))
    configs = [words[n + 1] for n, word in enumerate(words) if word == "--config"]
    assert configs == [str(state.root / "rehearsal.toml"), str(tmp_path / "mine.toml")]
    with pytest.raises(Faults):
        load([Path(configs[1])])
