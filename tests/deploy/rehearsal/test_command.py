"""`foresight venue` as a person and a program meet it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kit.days import START_S, WINDOW_S, a_day, write_day
from kit.venue import Trader
from kit.venue_process import a_process, get

from deploy.rehearsal.command import (
    EX_CONFIG,
    EX_INTERNAL,
    EX_IOERR,
    EX_NOINPUT,
    EX_UNAVAILABLE,
    Settings,
    Stopped,
    _fatal,
    endpoints,
    flow_at,
    start_ms,
    venue,
)
from deploy.rehearsal.floor import Rules
from deploy.rehearsal.keys import Key
from deploy.rehearsal.memory import Memory
from deploy.rehearsal.record import Record, read_lines, write_keys
from deploy.rehearsal.seeded import SeededDay
from deploy.rehearsal.signatures import request_hmac
from shared.clock import SystemClock
from shared.outcomes import EXIT


def run(*options: str) -> Any:
    return CliRunner().invoke(venue, list(options))


def keyed(said: dict[str, Any], key: dict[str, str], method: str, path: str, body: Any = None) -> Any:
    raw = b"" if body is None else json.dumps(body).encode()
    stamp = str(SystemClock().wall_ns() // 10**9)
    headers = {
        "POLY_ADDRESS": Trader().address,
        "POLY_API_KEY": key["api_key"],
        "POLY_PASSPHRASE": key["passphrase"],
        "POLY_TIMESTAMP": stamp,
        "POLY_SIGNATURE": request_hmac(key["secret"], stamp, method, path.partition("?")[0], raw),
    }
    request = urllib.request.Request(said["clob"] + path, data=raw or None, headers=headers, method=method)
    return get(request)  # type: ignore[arg-type]


def a_key_on_disk(folder: Path) -> dict[str, str]:
    """Leave a key as an earlier run would have."""
    key = Key("00000000-0000-4000-8000-000000000001", "c2VjcmV0", "phrase", Trader().address, 0)
    record = Record(folder)
    record.add("key", 0, 0, {"owner": key.owner, "api_key": key.api_key, "wallet": "", "grant_micro": 10**9})
    record.close()
    write_keys(folder, [key])
    return {"api_key": key.api_key, "secret": key.secret, "passphrase": key.passphrase}


@pytest.mark.system
def test_one_line_says_where_everything_is_and_sigterm_ends_it_well(tmp_path: Path) -> None:
    """Endpoints answer as said; the record has a first and a last line."""
    with a_process(tmp_path, "--json", "--seed", "5") as process:
        said = process.said()
        assert said["pid"] == process.child.pid
        assert (said["day"], said["seed"], said["record"]) == (None, 5, str(tmp_path / "record.jsonl"))
        assert said["clock"].keys() == {"market_ns", "anchor_ns", "speed"}
        assert get(said["clob"] + "/ok") == "OK"
        assert get(said["gamma"] + "/markets?slug=nothing") == []
        assert process.end() == 0
    lines = list(read_lines(tmp_path))
    assert [lines[0]["kind"], lines[-1]["kind"]] == ["start", "stop"]
    assert (lines[0]["version"], lines[0]["seed"], lines[0]["clock"]) == (1, 5, said["clock"])


@pytest.mark.system
def test_a_person_is_told_in_words(tmp_path: Path) -> None:
    """And Ctrl-C ends it as well."""
    with a_process(tmp_path) as process:
        assert process.child.stdout
        words = [process.child.stdout.readline() for _ in range(len(endpoints("", 0)) + 3)]
        assert words[0].startswith("The rehearsal venue plays seed 1 at 1 times real time.")
        assert "clob" in words[1] and "Ctrl-C" in words[-1]
        assert process.end(signal.SIGINT) == 0


@pytest.mark.system
def test_a_killed_venue_goes_on_with_its_accounts(tmp_path: Path) -> None:
    """Killed without warning in the middle of a recorded day: order, key and time are there again."""
    day = write_day(tmp_path / "day", windows=12)
    folder = tmp_path / "record"
    key = a_key_on_disk(folder)
    options = ("--json", "--day", str(day), "--start", "00:01")
    slug = f"btc-updown-5m-{START_S + 10 * WINDOW_S}"
    with a_process(folder, *options) as process:
        said = process.said()
        assert said["clock"]["market_ns"] == (START_S + 60) * 10**9
        market = get(f"{said['gamma']}/markets?slug={slug}")[0]
        token = json.loads(market["clobTokenIds"])[0]
        proved = Key(key["api_key"], key["secret"], key["passphrase"], Trader().address, 0)
        order = keyed(said, key, "POST", "/order", Trader().limit(proved, token, "BUY", 50_000, 10))
        process.end(signal.SIGKILL)
    last_ms = max(line["t_ms"] for line in read_lines(folder))
    with a_process(folder, *options) as process:
        said = process.said()
        assert said["clock"]["market_ns"] == last_ms * 10**6
        listed = keyed(said, key, "GET", "/data/orders")["data"]
        assert [row["id"] for row in listed] == [order["orderID"]]
        assert keyed(said, key, "GET", "/balance-allowance?signature_type=0")["balance"] == "1000000000"
        assert process.end() == 0


@pytest.mark.system
def test_a_scenario_is_played(tmp_path: Path) -> None:
    """From its file, in market time, onto the record."""
    scenario = tmp_path / "bad.toml"
    scenario.write_text('[[fault]]\nkind = "clock_skew"\nskew_ms = -500_000\nafter_s = 0\nfor_s = 0\n')
    options = ("--json", "--speed", "5", "--scenario", str(scenario))
    with a_process(tmp_path / "record", *options) as process:
        said = process.said()
        behind_s = get(said["control"])["market_ms"] / 1_000 - get(said["clob"] + "/time")
        assert 400 < behind_s < 600
        assert process.end() == 0
    told = [line for line in read_lines(tmp_path / "record") if line["kind"] == "fault"]
    assert [(line["phase"], line["source"]) for line in told] == [("begins", "scenario")]


@pytest.mark.parametrize(
    ("text", "code", "lines"),
    [
        (None, 66, ["{path} cannot be read: No such file or directory; --scenario takes a TOML file"]),
        (b"\xff", 78, ["{path} is no text; --scenario takes a TOML file"]),
        (b"", 78, ["{path}: it names no fault; write [[fault]] and kind = ..."]),
        (
            b"[[fault]]\nkind = 'silense'\nat = '14:00'\n[[fault]]\nkind = 'close'\nfor_s = 5\nafter_s = -1\n",
            78,
            [
                "{path}: fault 1: 'silense' is no kind of fault; did you mean silence?",
                "{path}: fault 2: after_s lies between 0 and 86400, not at -1",
                "{path}: fault 2: close has no argument 'for_s'",
            ],
        ),
    ],
)
def test_a_scenario_that_cannot_be_played_gets_a_line_for_each_fault(
    tmp_path: Path, text: bytes | None, code: int, lines: list[str]
) -> None:
    """With the file, the place in it, and what is allowed; nothing was started."""
    path = tmp_path / "bad.toml"
    if text is not None:
        path.write_bytes(text)
    result = run("--scenario", str(path), "--record", str(tmp_path / "r"))
    assert result.exit_code == code
    assert result.output == "".join(f"foresight venue: {line.format(path=path)}\n" for line in lines)
    assert not (tmp_path / "r").exists()


def test_help_shows_how_to_begin() -> None:
    """Examples first, and every exit code."""
    help = run("--help").output
    assert help.index("foresight venue --day DIR") < help.index("Options:")
    assert all(str(code) in help for code in (EX_NOINPUT, EX_UNAVAILABLE, EX_IOERR, EX_CONFIG))


def test_exit_codes_are_those_of_every_command() -> None:
    """Although they are said twice."""
    codes = {"INTERNAL": EX_INTERNAL, "NOINPUT": EX_NOINPUT, "UNAVAILABLE": EX_UNAVAILABLE, "IOERR": EX_IOERR}
    assert {name: EXIT[name] for name in (*codes, "CONFIG")} == codes | {"CONFIG": EX_CONFIG}


def test_a_day_that_cannot_be_read_is_exit_66(tmp_path: Path) -> None:
    """One line: what, and what to do."""
    result = run("--day", str(tmp_path / "nothing"), "--record", str(tmp_path / "r"))
    assert result.exit_code == 66
    assert result.output.startswith("foresight venue: ") and result.output.count("\n") == 1
    assert "nothing is no folder; give a folder with a recorded day" in result.output


def test_a_taken_port_is_exit_69(tmp_path: Path) -> None:
    """With the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = run("--port", port, "--record", str(tmp_path))
    assert result.exit_code == 69
    assert f"port {port} of 127.0.0.1 is taken; choose another with --port" in result.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--start", "10:00"], "--start is a time of a recorded day"),
        (["--day", "x", "--start", "25:00"], "'25:00' is no time; write HH:MM"),
        (["--grant", "much"], "write dollars, such as 1000"),
        (["--speed", "0"], "--speed"),
        (["--speed", "nan"], "--speed"),
        (["--speed", "inf"], "--speed"),
        (["--port", "70000"], "--port"),
        (["--failing", "2"], "--failing"),
    ],
)
def test_usage_faults_are_exit_2(options: list[str], said: str) -> None:
    """Each names the option."""
    result = run(*options)
    assert (result.exit_code, said in result.output) == (2, True)


def test_assets_that_the_day_lacks_cannot_move(tmp_path: Path) -> None:
    """One line names them and those it has."""
    result = run("--protocol-v2", "eth,BCT", "--record", str(tmp_path))
    assert result.exit_code == 2
    assert "--protocol-v2 names BCT, but this day has BTC, ETH" in result.output
    day = write_day(tmp_path / "day")
    result = run("--day", str(day), "--protocol-v2", "ETH", "--record", str(tmp_path / "r"))
    assert (result.exit_code, "names ETH, but this day has BTC" in result.output) == (2, True)


def test_a_record_of_another_world_is_not_gone_on_with(tmp_path: Path) -> None:
    """Positions of one day mean nothing in another."""
    line = {"kind": "start", "t_ms": 1, "wall_ms": 1, "day": None, "seed": 4}
    (tmp_path / "record.jsonl").write_text(json.dumps(line) + "\n")
    result = run("--seed", "5", "--record", str(tmp_path))
    assert result.exit_code == 74
    assert "is the record of a made-up day with seed 4; start that one again" in result.output


def test_a_record_of_other_positions_is_not_gone_on_with(tmp_path: Path) -> None:
    """The same day with other ids is another world."""
    line = {"kind": "start", "t_ms": 1, "wall_ms": 1, "day": None, "seed": 5, "protocol_v2": ["BTC", "ETH"]}
    (tmp_path / "record.jsonl").write_text(json.dumps(line) + "\n")
    result = run("--seed", "5", "--protocol-v2", "eth", "--record", str(tmp_path))
    assert result.exit_code == 74
    assert "a made-up day with --protocol-v2 BTC,ETH with seed 5; start that one again" in result.output


@pytest.mark.parametrize("line", ["nonsense", '{"kind": "cancel", "t_ms": 1, "wall_ms": 1, "order_id": "x"}'])
def test_a_record_that_does_not_add_up_is_not_gone_on_with(tmp_path: Path, line: str) -> None:
    """It is named, and another folder is asked for."""
    (tmp_path / "record.jsonl").write_text(line + "\n")
    result = run("--record", str(tmp_path))
    assert result.exit_code == 74
    assert "choose another folder with --record" in result.output


def some_settings(**changes: Any) -> Settings:
    fields: dict[str, Any] = {
        "day": None,
        "speed": 1.0,
        "seed": 1,
        "start_s": None,
        "host": "127.0.0.1",
        "port": 0,
        "record": Path("r"),
        "rules": Rules(),
        "scenario": (),
        "as_json": True,
    }
    return Settings(**(fields | changes))


@pytest.mark.parametrize(
    ("recorded", "changes", "last_ms", "begins_ms"),
    [
        (False, {}, 0, 9_000),
        (False, {}, 5_000, 9_000),
        (False, {}, 12_000, 12_000),
        (False, {"speed": 60.0}, 0, 9_000),
        (False, {"speed": 60.0}, 5_000, 5_000),
        (True, {}, 0, (START_S - 300) * 1_000),
        (True, {"start_s": 90}, 0, (START_S + 90) * 1_000),
        (True, {"start_s": 86_100}, 0, (START_S - 300) * 1_000),
        (True, {"start_s": 90}, 5_000, 5_000),
    ],
)
def test_where_market_time_begins(recorded: bool, changes: dict[str, Any], last_ms: int, begins_ms: int) -> None:
    """A made-up day at speed 1 is now; a recorded one starts with its first market or price; a record is gone on with.

    A time of day is one of the day's own, also where its prices begin before midnight.
    """
    day = a_day(windows=1) if recorded else SeededDay(1)
    assert start_ms(some_settings(**changes), day, Memory(last_ms=last_ms), 9_000) == begins_ms


def test_a_broken_promise_stops_the_venue_with_exit_1() -> None:
    """The first fault is the one that is told."""

    async def scenario() -> None:
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        fatal = _fatal(ended)
        fatal(ValueError("first"))
        fatal(ValueError("second"))
        with pytest.raises(Stopped, match="first") as stopped:
            await ended
        assert stopped.value.code == 1

    asyncio.run(scenario())


def test_endpoints_share_one_port() -> None:
    """Under the paths that were agreed."""
    assert endpoints("127.0.0.1", 5) == {
        "clob": "http://127.0.0.1:5",
        "geoblock": "http://127.0.0.1:5/api/geoblock",
        "gamma": "http://127.0.0.1:5/gamma",
        "relayer": "http://127.0.0.1:5/relayer",
        "data": "http://127.0.0.1:5/data-api",
        "rpc": "http://127.0.0.1:5/rpc",
        "binance": "http://127.0.0.1:5/binance",
        "market_ws": "ws://127.0.0.1:5/ws/market",
        "user_ws": "ws://127.0.0.1:5/ws/user",
        "price_ws": "ws://127.0.0.1:5/prices/ws",
        "rtds_ws": "ws://127.0.0.1:5/rtds",
        "binance_ws": "ws://127.0.0.1:5/binance",
        "control": "http://127.0.0.1:5/control",
    }


def test_at_high_speed_the_crowd_trades_less_never_more() -> None:
    """The trades of a real second stay as many; fewer of them fill fewer orders."""
    assert [flow_at(speed) for speed in (0.1, 1, 15, 60, 1_000)] == [1, 1, 1, 0.25, 0.015]
