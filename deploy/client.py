"""One request, one reply over the control socket; and the status file for when nobody answers."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from shared.clock import NS, Clock, SystemClock
from shared.messages import Reply, Request
from shared.paths import State

ANSWER_S: Final = 10.0
"""How long to wait for a reply, real seconds."""
_REPLY_MAX: Final = 16 * 1024 * 1024
_STATUS_SCHEMA: Final = "foresight.status/1"
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Unavailable(Exception):
    """No supervisor answers on this state folder's socket; the text says how that showed.

    `heard`: it may have got the question, and have done what was asked.
    """

    def __init__(self, text: str, *, heard: bool = False) -> None:
        super().__init__(text)
        self.heard = heard


class Forbidden(Exception):
    """The desk belongs to somebody else: its socket may not be used by this user."""


def ask(state: State, verb: str, args: dict[str, Any] | None = None, *, op: str = "") -> Reply:
    """Ask the supervisor one thing. Raises: Unavailable, Forbidden, shared.paths.PathTooLong."""
    request = Request(verb, args or {}, op, claimed())
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as channel:
            until_ns = SystemClock().monotonic_ns() + int(ANSWER_S * NS)
            channel.settimeout(ANSWER_S)
            channel.connect(str(state.control_socket))
            with suppress(BrokenPipeError, ConnectionResetError):  # who refuses may have answered before it heard all
                channel.sendall(msgspec.json.encode(request) + b"\n")
            return msgspec.json.decode(_read(channel, until_ns), type=Reply)
    except FileNotFoundError:
        raise Unavailable(f"no supervisor runs in {state.root}") from None
    except PermissionError:
        raise Forbidden(f"uid {os.getuid()} may not command the desk of {state.root}") from None
    except ConnectionRefusedError:
        raise Unavailable(f"the supervisor of {state.root} is gone; its socket is left behind") from None
    except TimeoutError:
        raise Unavailable(f"the supervisor of {state.root} did not answer in {ANSWER_S:g} s", heard=True) from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"the supervisor of {state.root} broke off: {error}", heard=True) from error


def _read(channel: socket.socket, until_ns: int) -> bytes:
    """The line that is the reply, all of it in the time there is."""
    reply, clock = bytearray(), SystemClock()
    while not reply.endswith(b"\n"):
        left_ns = until_ns - clock.monotonic_ns()
        if left_ns <= 0:
            raise TimeoutError
        channel.settimeout(left_ns / NS)
        part = channel.recv(65_536)
        if not part or len(reply) > _REPLY_MAX:
            raise ConnectionError("the reply ends in the middle")
        reply += part
    return bytes(reply)


def last_status(path: Path) -> dict[str, Any] | None:
    """What status.json said last; None when there is none, or none that this release understands."""
    try:
        status = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return status if isinstance(status, dict) and status.get("schema") == _STATUS_SCHEMA else None


def claimed() -> str:
    """Who this command says it acts for, beside what the kernel says: a pipeline's run, or the person behind sudo."""
    environ = os.environ
    if environ.get("GITHUB_RUN_ID"):
        return f"ci:github-{environ['GITHUB_RUN_ID']}"
    if environ.get("CI_JOB_ID"):
        return f"ci:gitlab-{environ['CI_JOB_ID']}"
    return f"sudo:{environ['SUDO_USER']}" if environ.get("SUDO_USER") else ""


def new_operation_id(clock: Clock | None = None) -> str:
    """An id for an operation, made by whoever wants it: repeating a request under it repeats nothing.

    26 letters and digits: 48 bits of time in milliseconds, so that ids sort by age, and 80 of chance.
    """
    wall_ms = (clock or SystemClock()).wall_ns() // 1_000_000
    number = (wall_ms << 80) | int.from_bytes(os.urandom(10))
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))
