"""The control socket and the control files: one verb in, one reply out; and wishes and status as files beside it.

Trading goes on when nobody calls, when a file is torn, old or missing, and when a caller sends what cannot be read: the
last good wish stands, and the fault is named. Who calls is what the kernel says of the socket's peer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from shared import files
from shared.messages import Reply, Request
from supervisor.tuning import Values
from supervisor.verbs import Caller

REQUEST_MAX: Final = 64 * 1024
"""A request is one line of JSON, at most this many bytes."""
READ_S: Final = 5.0
"""How long a caller may take to say what it wants, real seconds."""
REPLY_S: Final = 5.0
"""How long a caller may take to read most of a reply, real seconds."""
CLAIMED_MAX: Final = 200
"""Characters kept of whom a caller says it acts for."""
FILE_MAX: Final = 64 * 1024
GENERATION_MAX: Final = 2**53
"""Beyond it a generation would not survive a reader with floating point numbers, and one day not the journal."""
FILE_SCHEMA: Final = "foresight.control/1"
_PEER: Final = struct.Struct("3i")


class BadRequest(Exception):
    """What came over the control socket is no request."""


class ControlSocket:
    """Args: answer: called with who asks and what; its reply is sent back. refuse: makes a reply of a fault's text.

    worker: whether a process id is a worker's: those decide about slots, never about releases.
    """

    def __init__(
        self,
        path: Path,
        answer: Callable[[Caller, Request], Awaitable[Reply]],
        refuse: Callable[[str, str], Reply],
        worker: Callable[[int], bool],
    ) -> None:
        self._path, self._answer, self._refuse, self._worker = path, answer, refuse, worker
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen; the socket is its owner's alone. The caller holds the state folder's lock."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path, limit=REQUEST_MAX)
        self._path.chmod(stat.S_IRUSR | stat.S_IWUSR)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            reply = await self._handled(reader, writer)
            writer.write(msgspec.json.encode(reply) + b"\n")
            async with asyncio.timeout(REPLY_S):
                await writer.drain()
        except (ConnectionError, TimeoutError):
            writer.transport.abort()
        finally:
            writer.close()

    async def _handled(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Reply:
        pid, uid, _ = _PEER.unpack(
            writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        )
        if uid not in {0, os.getuid()}:
            return self._refuse("NOPERM", f"uid {uid} may not command this desk")
        if self._worker(pid):
            return self._refuse("NOPERM", f"process {pid} is a worker, and a worker may not command its desk")
        try:
            request = await _read_request(reader)
        except BadRequest as error:
            return self._refuse("USAGE", str(error))
        return await self._answer(Caller(uid, pid, request.claimed[:CLAIMED_MAX]), request)


async def _read_request(reader: asyncio.StreamReader) -> Request:
    try:
        async with asyncio.timeout(READ_S):
            line = await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise BadRequest(f"the request is over the bound of {REQUEST_MAX} bytes") from None
    except asyncio.IncompleteReadError as error:
        raise BadRequest(f"the request ends after {len(error.partial)} bytes, without a line's end") from None
    try:
        return msgspec.json.decode(line, type=Request)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the request cannot be read: {error}") from error


class Wish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """control.json: the desired state. It acts when `generation` is greater than the one in force, and only then.

    `halted`, `parameters`: as they are when missing, so that who knows nothing of halts ends none. `parameters`: the
    whole set, not a difference.
    """

    generation: Annotated[int, msgspec.Meta(ge=0, le=GENERATION_MAX)]
    paused: bool
    reason: str = ""
    halted: bool | None = None
    parameters: Values | None = None
    schema: str = FILE_SCHEMA


@dataclass(frozen=True, slots=True)
class FileFault:
    """Why the control file is not followed; the last good wish stands."""

    text: str


class ControlFile:
    """The wish on disk, read when it changed; torn, foreign, oversized or of another schema, it changes nothing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def changed(self) -> Wish | FileFault | None:
        """The wish, or what is wrong with it; None when the file is as it was at the last look, or is not there."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._once((0, 0, error.errno or 0), FileFault(f"{self._path.name}: {error.strerror}"))
        try:
            facts = os.fstat(fd)
            seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)
            return None if seen == self._seen else self._once(seen, self._read(fd, facts))
        except OSError as error:
            return self._once((0, 0, error.errno or 0), FileFault(f"{self._path.name}: {error.strerror}"))
        finally:
            os.close(fd)

    def write(self, wish: Wish) -> None:
        """Put a wish there, whole or not at all. One that somebody puts there right after it is news."""
        facts = replace_file(self._path, msgspec.json.format(msgspec.json.encode(wish)) + b"\n")
        self._seen = (facts.st_ino, facts.st_mtime_ns, facts.st_size)

    def _once(self, seen: tuple[int, int, int], found: Wish | FileFault) -> Wish | FileFault | None:
        if seen == self._seen:
            return None
        self._seen = seen
        return found

    def _read(self, fd: int, facts: os.stat_result) -> Wish | FileFault:
        if not stat.S_ISREG(facts.st_mode) or facts.st_uid not in {0, os.getuid()}:
            return FileFault(f"{self._path.name}: not a file of ours")
        content = os.read(fd, FILE_MAX + 1)
        if len(content) > FILE_MAX:
            return FileFault(f"{self._path.name}: larger than {FILE_MAX} bytes")
        try:
            wish = msgspec.json.decode(content, type=Wish)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return FileFault(f"{self._path.name}: {error}; the last good wish stands")
        if wish.schema != FILE_SCHEMA:
            return FileFault(f"{self._path.name}: schema is {wish.schema!r}, not {FILE_SCHEMA!r}")
        return wish


def replace_file(path: Path, content: bytes) -> os.stat_result:
    """Put a control file there, whole or not at all; its facts. Nobody waits for the disk. Raises: OSError."""
    return files.replace(path, content, aside=path.with_name(f".{path.name}.{os.getpid()}"), durable=False)


def write_status(path: Path, status: dict[str, Any]) -> None:
    """status.json: what is, for whoever looks; its age is in it. Raises: OSError."""
    replace_file(path, msgspec.json.encode(status) + b"\n")
