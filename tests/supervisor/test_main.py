"""The supervisor as a process: what it does with what it cannot use, and how it ends. Nobody answers as its venue."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from kit.supervisors import Running, Start, has_journal, supervisor
from msgspec.structs import replace

from shared import arming
from shared.clock import SystemClock
from shared.config import Credentials, Faults, load
from shared.entries import Release, Snapshot
from shared.fingerprint import release_hash
from shared.messages import Pulse, Streamed
from shared.outcomes import EXIT
from shared.paths import State
from shared.records import Appender
from shared.tape_index import KIND
from shared.wire import encode
from supervisor.__main__ import _Lossy, newest_staged
from supervisor.app import App
from supervisor.journal import JOURNAL, lines

ROOT = Path(__file__).parents[2]
PATIENCE_S = 60.0
KEY = "0x" + "11" * 32
NOBODY = "http://127.0.0.1:9"
"""The discard port: nobody answers there."""
CONFIG = f"""
[venue]
clob = "{NOBODY}"
gamma = "{NOBODY}"
geoblock = "{NOBODY}"
market_ws = "ws://127.0.0.1:9"
user_ws = "ws://127.0.0.1:9"
price_ws = "ws://127.0.0.1:9"
[slots]
assets = ["BTC"]
[records]
journal_segment_mib = 1
"""


@pytest.fixture
def state() -> Iterator[State]:
    """A state folder with settings and credentials that can be used, and a path that is short enough."""
    with tempfile.TemporaryDirectory(prefix="fs") as folder:
        made = State(Path(folder))
        (made.root / "config.toml").write_text(CONFIG)
        made.credentials.write_text(json.dumps({"private_key": KEY}))
        made.credentials.chmod(0o600)
        yield made


def usual(state: State) -> list[str]:
    """The arguments a service manager gives."""
    return ["--state-dir", str(state.root), "--config", str(state.root / "config.toml")]


def ended(state: State, *more: str, **how: Any) -> tuple[str, str]:
    """The name of the exit code of one that cannot begin, and what it says to people: lines, and no traceback."""
    with supervisor(state, Start([*usual(state), *more], **how)) as process:
        code = process.ended()
        text, log = process.complained(), process.said()
    (state.root / "errors").unlink()
    assert "Traceback" not in text + log, text + log
    assert all(line.startswith("supervisor: ") for line in text.splitlines()), text
    return code, text


@contextmanager
def running(state: State) -> Iterator[Running]:
    """A supervisor that has begun its reign and answers; it never writes a traceback."""
    with supervisor(state, Start(usual(state))) as process:
        process.began()
        yield process
        assert "Traceback" not in process.said() + process.complained()


# --- what it cannot begin with ---


def test_every_fault_of_the_settings_is_named_with_its_file(state: State) -> None:
    """All at once, each on a line; and nothing was begun."""
    (state.root / "config.toml").write_text("mode = 'paper'\n[risk]\norder_max_usd = -1\n[ticks]\nfast = 1\n")
    code, text = ended(state)
    assert code == "CONFIG"
    assert len(text.splitlines()) == 3
    assert all("config.toml" in line for line in text.splitlines())
    assert not has_journal(state)


@pytest.mark.parametrize("missing", ["config.toml", "credentials.json"])
def test_a_file_that_is_not_there_is_named(state: State, missing: str) -> None:
    """Settings that were asked for, or the key."""
    (state.root / missing).unlink()
    code, text = ended(state)
    assert code == "CONFIG"
    assert missing in text


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"private_key": "hello"}, "private_key is no key"),
        ({"private_key": KEY, "wallet": KEY}, "wallet is no address"),
        ({"private_key": KEY, "password": "x"}, "not JSON with private_key"),
        ([KEY], "not JSON with private_key"),
    ],
    ids=["no key", "no wallet", "unknown", "no object"],
)
def test_credentials_that_cannot_be_used_are_named_and_never_shown(state: State, content: object, why: str) -> None:
    """What is in them is in no line."""
    state.credentials.write_text(json.dumps(content))
    code, text = ended(state)
    assert code == "CONFIG"
    assert why in text
    assert "1111" not in text
    assert "hello" not in text


def test_credentials_that_others_can_read_are_refused(state: State) -> None:
    """With what to type."""
    state.credentials.chmod(0o644)
    code, text = ended(state)
    assert code == "CONFIG"
    assert f"chmod 600 {state.credentials}" in text


def test_credentials_come_from_the_service_manager_where_it_passes_them(state: State, tmp_path: Path) -> None:
    """In their own folder, under our name; those on the command line come before."""
    (tmp_path / "foresight.json").write_text("{}")
    (tmp_path / "foresight.json").chmod(0o600)
    passed = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    code, text = ended(state, environ=passed)
    assert code == "CONFIG"
    assert str(tmp_path / "foresight.json") in text
    code, text = ended(state, "--credentials", str(state.root / "named.json"), environ=passed)
    assert code == "CONFIG"
    assert "named.json: No such file" in text


def test_real_money_waits_for_everything_it_takes(state: State) -> None:
    """What is missing is named, all at once, with what to type; nothing was begun."""
    (state.root / "config.toml").write_text(f"mode = 'live'\n{CONFIG}")
    code, text = ended(state)
    assert code == "CONFIG"
    assert "were not named for live trading" in text
    assert f"foresightctl arm --state-dir {state.root}" in text
    assert sum("is not the exchange's" in line for line in text.splitlines()) == 6
    assert not has_journal(state)


def test_real_money_takes_an_arming_for_the_very_wallet(state: State, tmp_path: Path) -> None:
    """A key that was brought and the exchange's own addresses are not enough, nor is another wallet's arming."""
    (state.root / "config.toml").write_text("mode = 'live'\n")
    key = tmp_path / "real.json"
    key.write_text(state.credentials.read_text())
    key.chmod(0o600)
    code, text = ended(state, "--credentials", str(key))
    assert code == "CONFIG"
    assert text.startswith("supervisor: nobody has armed this desk") and len(text.splitlines()) == 1
    other = arming.Arming(wallet="0x" + "ab" * 20, machine=arming.this_machine(), uid=0, at_ns=0)
    arming.write(state.arming, other)
    code, text = ended(state, "--credentials", str(key))
    assert (code, len(text.splitlines())) == ("CONFIG", 1)
    assert "is armed for wallet 0xabab" in text
    assert not has_journal(state)


def test_a_rehearsal_that_would_reach_the_exchange_is_refused(state: State) -> None:
    """Its defaults are real: it must be told where the play venue is."""
    (state.root / "config.toml").write_text("")
    code, text = ended(state)
    assert code == "CONFIG"
    assert "venue.clob = https://clob.polymarket.com is not on this machine, and mode is rehearsal" in text
    assert not has_journal(state)


def test_a_folder_that_rehearsed_stays_a_rehearsals(state: State) -> None:
    """Its journal says so; play money and real money never share a book."""
    with running(state):
        pass
    clock, key = SystemClock(), Credentials(KEY)
    app = App(load([state.root / "config.toml"], {}), state, clock, key)
    app.settings = replace(app.settings, mode="live")
    with pytest.raises(Faults, match="is a rehearsal desk's, and stays one"):
        asyncio.run(app.run(None))


def test_a_second_supervisor_never_beats(state: State) -> None:
    """The heartbeat's one owner is whoever holds the state folder: the other one ends before it asks for a key."""
    with socket.create_server(("127.0.0.1", 0)) as venue:
        venue.settimeout(0)
        address = f"http://127.0.0.1:{venue.getsockname()[1]}"
        (state.root / "config.toml").write_text(CONFIG.replace(NOBODY, address))
        with state.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert ended(state)[0] == "LOCKED"
        with pytest.raises(BlockingIOError):
            venue.accept()


def test_the_old_clients_orders_are_refused_at_the_exchange(state: State) -> None:
    """Before anything is begun, with the day they ended and what to set."""
    away = CONFIG.replace(f'clob = "{NOBODY}"', 'clob = "https://clob.polymarket.com"')
    (state.root / "config.toml").write_text(f"exchange.client = 'legacy-v1'\n{away}")
    code, text = ended(state)
    assert code == "CONFIG"
    assert "exchange.client: clob.polymarket.com" in text
    assert "2026-04-28" in text
    assert not has_journal(state)


def test_a_client_that_signs_otherwise_than_it_was_tested_ends_it(state: State) -> None:
    """The installed client differs in one letter of the domain: nothing was begun, and starting again is no way out."""
    other = "import polymarket._internal.actions.orders.typed_data as client; client._PROTOCOL_NAME = 'Other Exchange'"
    program = f"import sys; {other}; from supervisor.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, *usual(state)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert ran.returncode == EXIT["CONFIG"]
    assert ran.stderr.startswith("supervisor: signing: the prepared signer and the installed polymarket-client give")
    assert "nothing was sent" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1
    assert not has_journal(state)


def test_a_state_folder_has_one_supervisor(state: State) -> None:
    """The second one says who holds it, and changes nothing."""
    with state.lock.open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, text = ended(state)
    assert code == "LOCKED"
    assert text == f"supervisor: supervisor 4711 holds {state.root}\n"
    assert not has_journal(state)


def test_a_path_too_long_for_a_socket_is_said(state: State) -> None:
    """With the path and the bound."""
    long = state.root / ("x" * 100)
    code, text = ended(state, "--state-dir", str(long), "--credentials", str(state.credentials))
    assert code == "IOERR"
    assert f"{long}/stream.sock is longer than the 107 bytes" in text


def spoil_journal(state: State) -> str:
    """A journal whose past was changed."""
    state.journal.mkdir()
    (state.journal / f"{1:016d}.seg").write_bytes(b"hello" * 100)
    return "not a journal segment"


def newer_journal(state: State) -> str:
    """A journal with a fact that only newer code understands."""
    appender = Appender(state.journal, JOURNAL)
    appender.append(b"\x93\x01\x02\x03")
    appender.close()
    return "journal record of 4 bytes"


def newer_tape(state: State) -> str:
    """A tape with a frame that only newer code understands."""
    appender = Appender(state.tape, KIND)
    appender.append(encode(Streamed(1, 1, Pulse())))
    appender.append(b"\x93\x02\x01\x91\xa6future")
    appender.close()
    return "frame of 11 bytes"


def no_folder(state: State) -> str:
    """A file where the journal's folder should be."""
    state.journal.write_text("")
    return "journal"


@pytest.mark.parametrize("spoil", [spoil_journal, newer_journal, newer_tape, no_folder])
def test_records_that_cannot_be_read_end_it_before_it_begins(state: State, spoil: Any) -> None:
    """It is said which and why; nothing is mended by guessing."""
    why = spoil(state)
    code, text = ended(state)
    assert code == "IOERR"
    assert why in text


def test_without_room_for_the_journal_it_does_not_begin(state: State) -> None:
    """A disk that takes less than a segment."""
    code, text = ended(state, file_max=500_000)
    assert code == "IOERR"
    assert "journal: File too large" in text


# --- how it ends ---


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_when_it_is_told_to(state: State, number: signal.Signals) -> None:
    """Also while its venue does not answer: where it stands is written down, and nothing is left to clean up."""
    with running(state) as process:
        for harmless in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            process.signal(harmless)
        assert process.ask(b'{"verb":"status"}').code == "OK"
        process.signal(number)
        assert process.ended() == "OK"
    assert json.loads(state.status.read_text())["state"] == "STOPPED"
    assert any(isinstance(line.entry, Snapshot) for line in lines(state.journal))
    assert not state.control_socket.exists()


def test_it_is_started_by_its_package(state: State) -> None:
    """As the service manager does: a process of its own, to the same end."""
    command = [sys.executable, "-m", "supervisor", *usual(state)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        began = next(line for line in process.stdout if "reign_began" in line)
        process.terminate()
        assert '"reign_ended"' in process.stdout.read()
        assert process.wait(PATIENCE_S) == 0
    assert json.loads(began)["term"] == 1


def test_a_journal_that_cannot_be_written_ends_it(state: State) -> None:
    """At once, with the code that says so: nothing leaves without the truth. Its log is on the same full disk."""
    with running(state) as process:
        process.no_file_beyond(1_000)
        process.answer(b'{"verb":"pause","args":{"reason":"so that something has to be written"}}')
        assert process.ended() == "IOERR", process.complained()


def test_a_killed_reign_is_followed_by_another(state: State) -> None:
    """Everything it left behind, socket and lock included, is taken over."""
    with running(state) as process:
        process.signal(signal.SIGKILL)
        assert process.ended() == "-9"
    assert state.control_socket.exists()
    with running(state) as process:
        assert process.ask(b'{"verb":"status"}').data["term"] == 2


REFUSED: list[dict[str, Any]] = [
    {"verb": "register", "args": {"seq": 2**70, "release": release_hash({}), "lock": "y", "modules": {}}},
    {"verb": "register", "args": {"seq": 1, "release": "x", "lock": "y", "modules": {}}},
    {"verb": "deploy", "args": {"release": "x", "steps_ms": {"a": 2**70}}, "op": "1"},
    {"verb": "events", "args": {"after_ns": 2**70}},
    {"verb": "events", "args": {"limit": True}},
    {"verb": "pause", "args": {"reason": "x" * 501}},
    {"verb": "pause", "args": {"reason": 7}},
    {"verb": "abort"},
    {"verb": "dance"},
]


def test_requests_that_cannot_be_done_change_nothing(state: State) -> None:
    """Each is refused by name, none ends the desk."""
    with running(state) as process:
        before = process.ask(b'{"verb":"status"}').generation
        for request in REFUSED:
            reply = process.ask(json.dumps(request).encode())
            assert (reply.ok, reply.changed) == (False, False), request
        assert process.ask(b'{"verb":"status"}').generation == before


def test_a_log_that_nobody_takes_is_lost_and_no_more() -> None:
    """A reader that is gone is no fault; while there is one, every line arrives at once."""
    read, write = os.pipe()
    log = _Lossy(write)
    log.write("told\n")
    log.flush()
    assert os.read(read, 100) == b"told\n"
    os.close(read)
    log.write("lost\n")
    os.close(write)
    log.write("lost too\n")


# --- what it begins with ---


def staged(**changes: Any) -> bytes:
    """A line of the index of releases."""
    return json.dumps({"seq": 1, "release": "a", "lock": "b", "modules": {"x.py": "d"}} | changes).encode()


def test_the_newest_release_is_what_a_new_desk_begins_with(state: State) -> None:
    """The last line of the index that can be read; a torn one, or one of other shape, is passed over."""
    assert newest_staged(state) is None
    state.releases.mkdir()
    index = state.releases / "index.jsonl"
    index.write_bytes(b"")
    assert newest_staged(state) is None
    torn = [b'{"seq": 3, "rel', b"\xff", b"[]", b'{"more":' + b"[" * 30_000]
    index.write_bytes(b"\n".join([staged(), staged(seq=2, note="more is known of it"), *torn]))
    assert newest_staged(state) == Release(2, "a", "b", {"x.py": "d"})
