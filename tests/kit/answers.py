"""A venue's HTTP side on loopback that answers what a test says, down to the bytes, and remembers what was asked.

The ways not to answer are: nothing at all, the connection closed, half an answer, something else than HTTP.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from shared.config import Venue

SILENCE: Final = b"silence"
"""No answer; the connection stays open."""
GOODBYE: Final = b""
"""The connection is closed without a byte."""


@dataclass(frozen=True)
class Asked:
    """One request as it came. `headers` by lower-case name."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


@dataclass
class Script:
    """What is answered, by default and by method and path; and everything that was asked."""

    answers: dict[str, Callable[[Asked], bytes]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def on(self, what: str, *answers: bytes) -> None:
        """Answer a request such as "POST /order" with these one after the other, the last one ever after."""
        waiting = list(answers)
        self.answers[what] = lambda asked: waiting.pop(0) if len(waiting) > 1 else waiting[0]

    def answer(self, asked: Asked) -> bytes:
        """The bytes to send back."""
        self.asked.append(asked)
        found = self.answers.get(f"{asked.method} {asked.path}")
        return found(asked) if found is not None else reply(404, b"{}")

    def asked_for(self, what: str) -> list[Asked]:
        """Every request for a method and path."""
        return [asked for asked in self.asked if f"{asked.method} {asked.path}" == what]

    def settings(self, answer_s: float = 20.0) -> Venue:
        """The venue's settings that lead here."""
        return Venue(clob=self.url, gamma=self.url, geoblock=f"{self.url}/api/geoblock", answer_s=answer_s)


def reply(status: int, body: bytes | str, **headers: str) -> bytes:
    """A whole answer."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def ok(body: Any) -> bytes:
    """The answer that all is well: bytes as they are, anything else as JSON."""
    return reply(200, body if isinstance(body, bytes) else json.dumps(body))


def cut(answer: bytes, missing: int = 5) -> bytes:
    """An answer whose end never comes: the connection closes before."""
    return answer[:-missing]


@asynccontextmanager
async def answering() -> AsyncIterator[Script]:
    """Serve a script on a free port."""
    script = Script()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                answer = script.answer(await _request(reader))
                if answer == SILENCE:
                    await reader.read()
                    return
                writer.write(answer)
                await writer.drain()
                if not _whole(answer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield script
    finally:
        server.close()


async def _request(reader: asyncio.StreamReader) -> Asked:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
    return Asked(method, target, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


def _whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    return bool(found) and b"Content-Length: %d" % len(body) in head
