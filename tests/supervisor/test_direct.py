"""Everything cancelled past a supervisor that is gone: what is written first, what is asked, what is said of it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kit.answers import GOODBYE, Asked, Script, answering, ok, reply
from kit.recordings import recording
from kit.trading import a_placing, an_answer

from shared import entries as e
from shared.clock import SystemClock
from shared.config import Credentials, Settings
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import segments
from supervisor import direct
from supervisor.direct import Told, Wish
from supervisor.journal import Journal, lines
from supervisor.lock import locked
from supervisor.signatory import Signatory

ROOT = Path(__file__).parents[2]
KEY = "0x" + "11" * 32
WISH = Wish("uid:0", "it died")
CANCEL, LIST, DERIVE = "DELETE /cancel-all", "GET /data/orders", "GET /auth/derive-api-key"
NONE_LEFT = ok({"data": [], "next_cursor": "LTE="})
ONE_LEFT = ok({"data": [json.loads(recording("lookup_live"))], "next_cursor": "LTE="})
TWO_GONE = ok({"canceled": ["0x1", "0x2"], "not_canceled": {}})


async def a_journal(state: State, *entries: e.Entry) -> None:
    """A reign that ended without a word."""
    journal = Journal(state.journal, SystemClock(), 1 << 20)
    for entry in (e.Term(1, 7, "code", "rehearsal", "digest", 0), *entries):
        journal.append(entry, 1_000, 1)
    journal.close()


def acted(
    state: State, *entries: e.Entry, begun: bool = True, watched: bool = True, **answers: bytes | list[bytes]
) -> tuple[Told, Script]:
    """What comes of it at a venue that answers so, and what that was asked."""

    async def play() -> tuple[Told, Script]:
        async with answering() as venue:
            told = {"derive": ok(recording("api_key")), "cancel": TWO_GONE, "list": NONE_LEFT} | answers
            for what, given in zip((DERIVE, CANCEL, LIST), told.values(), strict=True):
                venue.on(what, *(given if isinstance(given, list) else [given]))
            if begun:
                await a_journal(state, *entries)
            heard = venue.answer
            if watched:
                venue.answer = lambda asked: heard(noted(state, asked))  # type: ignore[method-assign]
            signatory = Signatory(Credentials(KEY))
            return await direct._act(Settings(venue=venue.settings()), state, signatory, WISH), venue

    return asyncio.run(play())


def noted(state: State, asked: Asked) -> Asked:
    """Whatever is cancelled was written down by then."""
    if asked.method == "DELETE" and state.journal.is_dir():
        assert any(isinstance(line.entry, e.Control) for line in lines(state.journal))
    return asked


def said(state: State) -> list[e.Entry]:
    """What was added to the journal."""
    return [line.entry for line in lines(state.journal) if isinstance(line.entry, e.Control | e.Cancelling)]


def test_the_halt_and_each_cancel_are_durable_before_anything_is_cancelled(tmp_path: Path) -> None:
    """Under the person's operation, as a halt of the desk itself; the venue is asked until nothing rests."""
    state = State(tmp_path)
    told, venue = acted(state, a_placing(), an_answer("open"), list=[ONE_LEFT, NONE_LEFT])
    order = a_placing()
    control, cancel = said(state)
    assert control == e.Control(1, False, "uid:0", "it died", halted=True, op="halt-1")
    assert isinstance(cancel, e.Cancelling)
    assert (cancel.order_id, cancel.slot, cancel.cause, cancel.op) == (order.order_id, order.slot, "halt", "halt-1")
    assert len(venue.asked_for(CANCEL)) == 2
    assert (told.code, told.cancelled, told.left, told.changed) == ("OK", 4, 0, True)
    assert told.message == "4 orders were cancelled at the venue, none is left; the desk begins halted, positions stay"


def test_a_desk_that_is_halted_already_stays_under_its_operation(tmp_path: Path) -> None:
    """Nothing is wished twice; what rests is cancelled all the same."""
    halted = e.Control(3, True, "uid:7", "news", halted=True, op="halt-3")
    told, _ = acted(State(tmp_path), halted, a_placing(), an_answer("open"))
    assert (told.code, said(State(tmp_path))[0]) == ("OK", halted)
    assert [entry.op for entry in said(State(tmp_path))] == ["halt-3", "halt-3"]


def test_a_folder_without_a_journal_gets_none(tmp_path: Path) -> None:
    """A desk that never began has no books; its key may have orders."""
    told, _ = acted(State(tmp_path), begun=False)
    assert (told.code, told.cancelled, list(tmp_path.iterdir())) == ("OK", 2, [])


def test_a_journal_that_cannot_be_read_stops_no_cancel(tmp_path: Path) -> None:
    """Money first; that the halt does not last is said, and is no success."""
    state = State(tmp_path)
    asyncio.run(a_journal(state, *(e.Alarm("look", str(number)) for number in range(9))))
    (segment,) = segments(state.journal)
    data = bytearray(segment.read_bytes())
    data[data.index(b"look")] ^= 1
    segment.write_bytes(data)
    told, _ = acted(state, begun=False, watched=False)
    assert (told.code, told.cancelled) == ("IOERR", 2)
    assert "so the next supervisor trades" in told.message


@pytest.mark.parametrize(
    "answers",
    [
        {"cancel": GOODBYE},
        {"cancel": reply(503, "{}")},
        {"cancel": ok(b"nonsense")},
        {"list": reply(500, "{}")},
        {"derive": reply(401, "{}")},
    ],
)
def test_a_venue_that_does_not_say_what_rests_is_no_success(tmp_path: Path, answers: dict[str, bytes]) -> None:
    """30: a person has to look. The halt is in the journal all the same."""
    told, _ = acted(State(tmp_path), **answers)
    assert (told.code, told.changed) == ("UNKNOWN", True)
    assert told.message.startswith("nobody knows what rests at the venue: ")
    assert said(State(tmp_path))


def test_an_order_that_cannot_be_cancelled_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bounded time."""
    monkeypatch.setattr(direct, "LEFT_S", 0.1)
    told, _ = acted(State(tmp_path), list=ONE_LEFT)
    assert (told.code, told.left, told.changed) == ("UNKNOWN", 1, True)
    assert told.message.endswith("orders were cancelled at the venue, and 1 rest all the same")


# --- as a process ---


def ran(state: State, *more: str, key: str = KEY, clob: str = "http://127.0.0.1:9") -> dict[str, Any]:
    """Run it on a folder with settings and a key; its document, which agrees with its exit code."""
    names = ("clob", "gamma", "geoblock", "market_ws", "user_ws", "price_ws")
    (state.root / "c.toml").write_text("[venue]\n" + "".join(f'{name} = "{clob}"\n' for name in names))
    credentials = state.root / "k.json"
    credentials.write_text(json.dumps({"private_key": key}))
    credentials.chmod(0o600)
    command = [sys.executable, "-m", "supervisor.direct", "--state-dir", str(state.root), "--reason", "why"]
    command += ["--config", str(state.root / "c.toml"), "--credentials", str(credentials), *more]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, timeout=60)
    assert b"Traceback" not in process.stderr, process.stderr.decode()
    document: dict[str, Any] = json.loads(process.stdout)
    assert process.returncode == EXIT[document["code"]]
    return document


def test_a_supervisor_that_lives_is_never_passed_by(tmp_path: Path) -> None:
    """Its lock is held: it is named, and nothing is asked of anybody."""
    with locked(State(tmp_path).lock):
        document = ran(State(tmp_path))
    assert (document["code"], document["changed"]) == ("PRECONDITION", False)
    assert document["message"].startswith(f"supervisor {os.getpid()} holds ")


def test_who_we_are_is_proved_to_nobody_but_the_venue(tmp_path: Path) -> None:
    """A rehearsal's addresses are on this machine; and a key that is none is not shown."""
    assert "is not on this machine" in ran(State(tmp_path), clob="http://203.0.113.9")["message"]
    document = ran(State(tmp_path), key="hello")
    assert (document["code"], "hello" in str(document)) == ("CONFIG", False)
