"""The control socket and the control files, on a real socket and a real disk."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.clocks import eventually

from shared.messages import Reply, Request
from supervisor import control
from supervisor.control import FILE_MAX, REQUEST_MAX, ControlFile, ControlSocket, FileFault, Wish, write_status
from supervisor.verbs import Caller

PATIENCE_S = 60.0
MIB = 1024 * 1024
PEER = control._PEER


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="fs") as made:
        yield Path(made)


class Desk:
    """Answers every request with its verb, and remembers who asked."""

    def __init__(self, size: int = 0) -> None:
        self.asked: list[tuple[Caller, Request]] = []
        self.size = size
        self.workers: set[int] = set()

    async def answer(self, caller: Caller, request: Request) -> Reply:
        self.asked.append((caller, request))
        return self._reply("OK", request.verb)

    def refuse(self, code: str, text: str) -> Reply:
        return self._reply(code, text)

    def _reply(self, code: str, message: str) -> Reply:
        return Reply(code == "OK", 0, code, message, False, {}, 1, data="x" * self.size)


@asynccontextmanager
async def listening(folder: Path, desk: Desk) -> AsyncIterator[Path]:
    """A control socket that listens while the test runs."""
    path = folder / "control.sock"
    control_socket = ControlSocket(path, desk.answer, desk.refuse, desk.workers.__contains__)
    await control_socket.open()
    try:
        yield path
    finally:
        await control_socket.close()


async def said(path: Path, sent: bytes, *, more: bool = False) -> bytes:
    """Everything that comes back for these bytes. more: the caller does not say that this was all."""
    reader, writer = await asyncio.open_unix_connection(path, limit=64 * MIB)
    try:
        writer.write(sent)
        if not more:
            writer.write_eof()
        async with asyncio.timeout(PATIENCE_S):
            return await reader.readuntil(b"\n")
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    except ConnectionError:
        return b""
    finally:
        writer.close()


def exchange(folder: Path, desk: Desk, sent: bytes, *, more: bool = False) -> bytes:
    """Send bytes to a desk of their own; what comes back."""

    async def talk() -> bytes:
        async with listening(folder, desk) as path:
            return await said(path, sent, more=more)

    return asyncio.run(talk())


def test_a_request_is_one_line_and_so_is_the_reply(folder: Path) -> None:
    """The desk hears verb, arguments and who asks: as the kernel says, and as they say, cut to a bound."""
    desk = Desk()
    line = json.dumps({"verb": "pause", "args": {"reason": "x"}, "op": "1", "claimed": "c" * 500}).encode()
    reply = msgspec.json.decode(exchange(folder, desk, line + b"\n", more=True), type=Reply)
    assert (reply.code, reply.message) == ("OK", "pause")
    caller, request = desk.asked[0]
    assert caller == Caller(os.getuid(), os.getpid(), "c" * 200)
    assert (request.args, request.op) == ({"reason": "x"}, "1")


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b'{"verb":"pa', "ends after 11 bytes"),
        (b"", "ends after 0 bytes"),
        (b"hello\n", "cannot be read"),
        (b"\xff\xfe\n", "cannot be read"),
        (b"[]\n", "cannot be read"),
        (b"{}\n", "verb"),
        (b'{"verb":7}\n', "verb"),
        (b'{"verb":"pause","arguments":{}}\n', "unknown field `arguments`"),
        (b'{"verb":"pause","args":{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}}\n", "cannot be read"),
        (b'{"verb":"pause","args":{"a":"' + b"x" * REQUEST_MAX + b'"}}\n', f"over the bound of {REQUEST_MAX}"),
    ],
    ids=["torn", "empty", "text", "bytes", "list", "nothing", "number", "unknown field", "deep", "oversized"],
)
def test_what_is_no_request_is_refused_and_said_why(folder: Path, sent: bytes, why: str) -> None:
    """Whatever is sent; the desk hears nothing of it."""
    desk = Desk()
    reply = msgspec.json.decode(exchange(folder, desk, sent), type=Reply)
    assert reply.code == "USAGE"
    assert why in reply.message
    assert desk.asked == []


@given(sent=st.binary(max_size=200))
def test_no_bytes_are_left_without_an_answer(sent: bytes) -> None:
    """A line comes back for any; it is a reply."""
    with tempfile.TemporaryDirectory(prefix="fs") as made:
        reply = msgspec.json.decode(exchange(Path(made), Desk(), sent + b"\n"), type=Reply)
    assert reply.code == "USAGE"


def test_a_caller_that_says_nothing_holds_nobody_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are answered meanwhile; after a while it is let go without a word."""

    async def talk() -> tuple[bytes, bytes]:
        async with listening(folder, Desk()) as path:
            monkeypatch.setattr(control, "READ_S", PATIENCE_S)
            silent = asyncio.create_task(said(path, b'{"verb"', more=True))
            answered = await said(path, b'{"verb":"status"}\n')
            assert not silent.done()
            silent.cancel()
            monkeypatch.setattr(control, "READ_S", 0.1)
            return answered, await said(path, b'{"verb"', more=True)

    answered, silent = asyncio.run(talk())
    assert msgspec.json.decode(answered, type=Reply).message == "status"
    assert silent == b""


def test_a_caller_that_does_not_read_its_reply_is_let_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit into the kernel's buffers is dropped with the connection, not kept for ever."""
    monkeypatch.setattr(control, "REPLY_S", 0.2)

    desk = Desk(size=8 * MIB)

    async def talk() -> bytes:
        async with listening(folder, desk) as path:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
                caller.connect(str(path))
                caller.send(b'{"verb":"status"}\n')
                assert await asyncio.to_thread(eventually, lambda: desk.asked)
                async with asyncio.timeout(PATIENCE_S):
                    while others := asyncio.all_tasks() - {asyncio.current_task()}:
                        await asyncio.wait(others)
                return await asyncio.to_thread(_rest, caller)

    assert 0 < len(asyncio.run(talk())) < 8 * MIB


def _rest(caller: socket.socket) -> bytes:
    caller.settimeout(PATIENCE_S)
    parts = []
    while True:
        try:
            part = caller.recv(MIB)
        except ConnectionError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts)


def test_a_caller_that_goes_away_disturbs_nobody(folder: Path) -> None:
    """In the middle of its request, or before its reply: the next one is answered."""

    async def talk() -> bytes:
        async with listening(folder, Desk()) as path:
            for sent in (b"", b'{"verb', b'{"verb":"status"}\n'):
                _, writer = await asyncio.open_unix_connection(path)
                writer.write(sent)
                writer.close()
            return await said(path, b'{"verb":"slots"}\n')

    assert msgspec.json.decode(asyncio.run(talk()), type=Reply).message == "slots"


class Foreign:
    """A peer's identity as the kernel would give it for somebody else."""

    size = PEER.size

    def unpack(self, raw: bytes) -> tuple[int, int, int]:
        pid, uid, gid = PEER.unpack(raw)
        return pid, uid + 4_242, gid


def test_another_user_may_not_command(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by the identity that the kernel gives, before anything is read."""
    monkeypatch.setattr(control, "_PEER", Foreign())
    desk = Desk()
    reply = msgspec.json.decode(exchange(folder, desk, b'{"verb":"status"}\n'), type=Reply)
    assert reply.code == "NOPERM"
    assert str(os.getuid() + 4_242) in reply.message
    assert desk.asked == []


def test_a_worker_may_not_command(folder: Path) -> None:
    """It runs as the desk's own user and can reach the socket: refused by the process that the kernel names."""
    desk = Desk()
    desk.workers = {os.getpid()}
    reply = msgspec.json.decode(exchange(folder, desk, b'{"verb":"resume"}\n'), type=Reply)
    assert reply.code == "NOPERM"
    assert f"process {os.getpid()} is a worker" in reply.message
    assert desk.asked == []


def test_the_socket_is_its_owners_alone_and_goes_with_its_desk(folder: Path) -> None:
    """Also where one was left behind by a reign that was killed; when it ends nothing is left."""
    (folder / "control.sock").write_text("left behind")

    async def modes() -> int:
        async with listening(folder, Desk()) as path:
            return path.stat().st_mode

    mode = asyncio.run(modes())
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert list(folder.iterdir()) == []


# --- control.json ---


def a_file(folder: Path, content: bytes | None = None) -> tuple[ControlFile, Path]:
    """A control file that is looked at, and its path."""
    path = folder / "control.json"
    if content is not None:
        path.write_bytes(content)
    return ControlFile(path), path


def wish_text(**fields: object) -> bytes:
    """A wish as a person would write it."""
    return json.dumps({"generation": 3, "paused": True, "reason": "news", **fields}).encode()


def test_a_wish_is_found_once(tmp_path: Path) -> None:
    """When it is new, and not again until the file changes."""
    looked_at, path = a_file(tmp_path)
    assert looked_at.changed() is None
    path.write_bytes(wish_text())
    assert looked_at.changed() == Wish(3, True, "news")
    assert looked_at.changed() is None
    control.replace_file(path, wish_text(generation=4, paused=False))
    assert looked_at.changed() == Wish(4, False, "news")


@pytest.mark.parametrize(("said", "halted"), [({}, None), ({"halted": True}, True), ({"halted": False}, False)])
def test_a_wish_may_say_something_of_a_halt_or_not(tmp_path: Path, said: dict[str, bool], halted: bool | None) -> None:
    """Who says nothing of it changes nothing of it."""
    looked_at, path = a_file(tmp_path)
    path.write_bytes(wish_text(**said))
    assert looked_at.changed() == Wish(3, True, "news", halted)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "the last good wish stands"),
        (wish_text()[:-5], "the last good wish stands"),
        (b"\xff" * 8, "the last good wish stands"),
        (wish_text(pause=True), "unknown field `pause`"),
        (wish_text(paused="yes"), "the last good wish stands"),
        (wish_text(generation=-1), "generation"),
        (wish_text(generation=2**70), "generation"),
        (wish_text(generation=1.5), "generation"),
        (wish_text(reason="\ud800"), "the last good wish stands"),
        (b'{"generation":' + b"[" * 30_000, "generation"),
        (wish_text(schema="foresight.control/2"), "schema is 'foresight.control/2'"),
        (wish_text(reason="x" * FILE_MAX), f"larger than {FILE_MAX} bytes"),
    ],
    ids=[
        "empty",
        "torn",
        "bytes",
        "foreign",
        "wrong",
        "negative",
        "huge",
        "half",
        "surrogate",
        "deep",
        "schema",
        "large",
    ],
)
def test_a_wish_that_cannot_be_followed_is_named_once(tmp_path: Path, content: bytes, why: str) -> None:
    """With the file's name and the reason; and a good one after it is found."""
    looked_at, path = a_file(tmp_path, content)
    found = looked_at.changed()
    assert isinstance(found, FileFault)
    assert found.text.startswith("control.json: ")
    assert why in found.text
    assert looked_at.changed() is None
    control.replace_file(path, wish_text())
    assert looked_at.changed() == Wish(3, True, "news")


def a_link(path: Path) -> None:
    """A link to a wish that is good."""
    path.with_name("elsewhere").write_bytes(wish_text())
    path.symlink_to(path.with_name("elsewhere"))


def a_bound_socket(path: Path) -> None:
    """A socket under the file's name."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(os.path.relpath(path))


@pytest.mark.parametrize("make", [a_link, Path.mkdir, os.mkfifo, a_bound_socket])
def test_what_is_no_plain_file_is_not_followed(
    tmp_path: Path, make: Callable[[Path], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link, a folder, a pipe, a socket: named once, nothing waits for it, and a real file in its place is found."""
    monkeypatch.chdir(tmp_path)
    looked_at, path = a_file(tmp_path)
    make(path)
    assert isinstance(looked_at.changed(), FileFault)
    assert looked_at.changed() is None
    path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    path.write_bytes(wish_text())
    assert looked_at.changed() == Wish(3, True, "news")


def test_our_own_wish_is_not_news(tmp_path: Path) -> None:
    """What was written by the desk is not found by it, and is read by anybody else as it was meant."""
    looked_at, path = a_file(tmp_path)
    looked_at.write(Wish(7, True, "said by socket"))
    assert looked_at.changed() is None
    assert ControlFile(path).changed() == Wish(7, True, "said by socket")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_wish_that_follows_our_own_at_once_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's file takes the place of ours in the moment it is there: it is not taken for ours."""
    looked_at, path = a_file(tmp_path)
    theirs, rename = tmp_path / "theirs", os.rename
    theirs.write_bytes(wish_text(generation=8))

    def overtaken(*names: Path) -> None:
        rename(*names)
        rename(theirs, path)

    monkeypatch.setattr(os, "rename", overtaken)
    looked_at.write(Wish(7, False))
    assert looked_at.changed() == Wish(8, True, "news")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """Where it cannot be put, the old one stands and nothing is left beside it."""
    path = tmp_path / "status.json"
    write_status(path, {"state": "trading"})
    assert json.loads(path.read_bytes()) == {"state": "trading"}
    path.unlink()
    path.mkdir()
    (path / "kept").touch()
    with pytest.raises(OSError, match="directory"):
        write_status(path, {"state": "gone"})
    assert [found.name for found in tmp_path.iterdir()] == ["status.json"]
    assert (path / "kept").exists()
