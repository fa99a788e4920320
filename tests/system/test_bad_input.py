"""What comes in and is wrong: control files, requests, the exchange's frames, and a disk that is full."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from typing import Any, Final

import pytest
from kit.desks import PATIENCE_S, Desk, a_desk, eventually
from kit.disks import full
from kit.meddler import Meddler

from shared import entries as e

pytestmark = pytest.mark.system
TAPE_MIB: Final = 64
"""Room for more tape than a test can last, so that only the test fills it."""


def test_only_a_whole_newer_wish_of_the_control_file_acts() -> None:
    """Torn, of a shape nobody knows, of a past generation: named and ignored, and the last good wish stands."""
    with a_desk(unhurried=True) as desk:
        wish = {"generation": 1, "paused": True, "reason": "by file"}
        for text, words in (
            (json.dumps(wish)[:-7], "control.json"),
            (json.dumps(wish | {"wings": 2}), "wings"),
            (json.dumps(wish | {"schema": "foresight.control/9"}), "foresight.control/9"),
            (json.dumps(wish | {"reason": "x" * 70_000}), "larger than"),
        ):
            put_control(desk, text)
            eventually(lambda words=words: words in control_file(desk), f"a word on {words}")
            assert desk.ask("status").data["paused"] is False
        put_control(desk, json.dumps(wish))
        desk.until(lambda s: s["paused"], "the pause")
        assert desk.ask("resume", reason="by hand").ok
        put_control(desk, json.dumps(wish | {"reason": "once more"}))
        eventually(lambda: "older" in control_file(desk), "a word on its age")
        assert desk.ask("status").data["paused"] is False
        desk.until_decided()
        desk.judged()


def test_requests_that_cannot_be_read_are_refused_by_name() -> None:
    """Unknown verbs, broken JSON, lines without an end, lines without a bound: each gets an answer, none does harm."""
    with a_desk(opened=False, unhurried=True) as desk:
        assert said(desk, b'{"verb":"dance"}\n')["code"] == "USAGE"
        assert said(desk, b'{"verb":"status","wings":2\n')["code"] == "USAGE"
        assert said(desk, b'{"verb":7}\n')["code"] == "USAGE"
        assert said(desk, b'{"verb":"status"}')["code"] == "USAGE"
        assert said(desk, b'{"verb":"status","args":{"x":"' + b"y" * 100_000 + b'"}}\n')["code"] == "USAGE"
        assert said(desk, b"\xff\xfe\x00\n")["code"] == "USAGE"
        assert desk.ask("status").data["counters"]["request_refused:USAGE"] >= 4
        desk.until_decided()
        desk.judged()


def test_frames_of_the_exchange_that_cannot_be_read_are_counted_and_survived() -> None:
    """No JSON, a book that crosses itself, prices that are no numbers: each has its alarm, and trading goes on."""
    with Meddler() as meddler, a_desk(meddler=meddler, unhurried=True) as desk:
        for channel in ("market", "user", "prices"):
            meddler.say(channel, "this is no JSON")
            eventually(lambda channel=channel: channel in alarmed(desk, "bad_frame"), f"an alarm on {channel}")
        eventually(lambda: crossed(desk, meddler), "an alarm on a crossed book")
        desk.until_decided(40)
        desk.judged()


def test_a_frame_beyond_the_bound_costs_the_connection_and_no_more() -> None:
    """It is not read to its end; the channel is connected again, the gap is named, and every tick has its outcome."""
    with Meddler() as meddler, a_desk(meddler=meddler, unhurried=True) as desk:
        meddler.say("market", b"[" + b" " * (5 << 20) + b"]")
        eventually(lambda: [gap for gap in desk.said_by(e.Gap) if gap.what == "market"], "the end of the gap")
        desk.until_decided()
        desk.judged(reconnects=1)


def test_a_tape_that_cannot_be_written_closes_entries_and_nothing_else() -> None:
    """The fault is named, ticks are answered, what is held is kept; with room again it mends, and a deploy passes."""
    with a_desk(tape_mib=TAPE_MIB, unhurried=True) as desk:
        blue = desk.ask("status").data["release"]["hash"]
        with full(desk.state.tape):
            status = desk.until(lambda s: s["tape"] != "ok", "word of the full disk")
            assert str(desk.state.tape) in status["tape"]
            assert status["state"] == "DEGRADED"
            eventually(lambda: "entries are closed" in alarmed(desk, "tape_unavailable"), "the alarm")
            desk.until_decided()
            placed = desk.said_by(e.Placing)
            desk.until_decided()
            assert [order for order in desk.said_by(e.Placing)[len(placed) :] if order.side == "BUY"] == []
            op = desk.begin_deploy(desk.release("takes_its_time()"))
            assert desk.ask("status").data["release"]["hash"] == blue
        desk.until(lambda s: s["tape"] == "ok", "the end of the fault")
        assert [gap for gap in desk.said_by(e.Gap) if gap.what == "tape"]
        assert desk.result(op)[0] in {0, 11}
        assert desk.deploy(desk.release("answers_slowly(0.0)"))[0] == 0
        desk.until_decided()
        desk.judged()


def put_control(desk: Desk, text: str) -> None:
    """Put a control file there as an editor would, whole."""
    aside = desk.state.root / "control.new"
    aside.write_text(text)
    os.rename(aside, desk.state.control)


def control_file(desk: Desk) -> str:
    """What status.json says of the control file."""
    return str(json.loads(desk.state.status.read_text())["control_file"])


def said(desk: Desk, request: bytes) -> Any:
    """What the control socket answers to some bytes."""
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(PATIENCE_S)
        channel.connect(str(desk.state.control_socket))
        with suppress(ConnectionError):  # it may be answered, and left, before it was heard to its end
            channel.sendall(request)
            channel.shutdown(socket.SHUT_WR)
        return json.loads(channel.makefile("rb").readline())


def alarmed(desk: Desk, name: str) -> str:
    """What the alarms of a name say, all together."""
    return "\n".join(alarm.detail for alarm in desk.said_by(e.Alarm) if alarm.name == name)


def crossed(desk: Desk, meddler: Meddler) -> str:
    """Cross the book of the token that was traded last; the alarm, if it was noticed."""
    book = a_crossed_book(desk.said_by(e.Placing)[-1].token_id)
    meddler.say("market", json.dumps(book))
    meddler.say("market", json.dumps(book | {"bids": [{"price": "NaN", "size": "-1"}]}))
    return alarmed(desk, "crossed_book")


def a_crossed_book(token: str) -> dict[str, Any]:
    """A book whose best bid is above its best ask. The venue would take both orders out."""
    level = {"size": "100"}
    return {
        "event_type": "book",
        "asset_id": token,
        "market": "0x0",
        "timestamp": "1",
        "hash": "0",
        "bids": [{"price": "0.90"} | level],
        "asks": [{"price": "0.10"} | level],
    }
