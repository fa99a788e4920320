"""One question to the venue over HTTP: asked once, answered whole and within a bound, or not at all.

What question, and what the answer means, is the asker's business. No redirect is followed: it would send an order, or
the headers that prove our key, a second time and elsewhere. What always holds: a question that is said to have never
left had no connection, so that not a byte of it was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import aiohttp

from supervisor.venue.frames import MAX_FRAME

AGENT: Final = "foresight/1"
"""The venue's edge turns nameless clients away."""
BODY_MAX: Final = MAX_FRAME
"""Bytes of an answer that are read; what is longer is no answer."""
KEEP_S: Final = 75.0
"""Real seconds an idle connection is kept warm."""
CONNECT_S: Final = 2.0
"""Real seconds a question waits for a connection, free or made for it: what leaves later was asked too long before."""
NAMES_S: Final = 300
"""Real seconds for which an address that was looked up by its name is used again."""
WHY_MAX: Final = 300
"""Characters kept of why there is no answer."""
UNREACHED: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What asking raises when there is no answer: not reached, not in time, not whole, or not HTTP."""


class NeverLeft(aiohttp.ClientError):
    """There was no connection to ask on: none free in time, none made, or no agreement on how to encrypt it."""


@dataclass(slots=True)
class _Line:
    """Whether a question had a connection."""

    had: bool = False


def open_pool(answer_s: float, connections: int) -> aiohttp.ClientSession:
    """A pool of warm connections.

    Args: answer_s: real seconds an answer may take, the wait for a connection included; that alone has CONNECT_S.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_S, ttl_dns_cache=NAMES_S),
        trace_configs=[_traced()],
        headers={"User-Agent": AGENT},
        timeout=aiohttp.ClientTimeout(total=answer_s, connect=CONNECT_S),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


class Said(NamedTuple):
    """An answer: its status, its whole body, its headers."""

    status: int
    body: bytes
    headers: Mapping[str, str]


async def ask(
    pool: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    """Ask once; return the status and the whole body. Raises: as below."""
    said = await ask_with_headers(pool, method, url, headers, body)
    return said.status, said.body


async def ask_with_headers(
    pool: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: bytes = b""
) -> Said:
    """Ask once; return the whole answer.

    Raises: NeverLeft: it cannot have arrived. Others of UNREACHED: it may have.
    """
    if body:
        headers = {**headers, "Content-Type": "application/json"}
    line = _Line()
    asked = pool.request(method, url, data=body or None, headers=headers, allow_redirects=False, trace_request_ctx=line)
    try:
        async with asked as answer:
            return Said(answer.status, await _whole(answer), answer.headers)
    except UNREACHED as error:
        if line.had:
            raise
        raise NeverLeft(why(error)) from error


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    said = bytearray()
    async for part in answer.content.iter_any():
        said += part
        if len(said) > BODY_MAX:
            raise aiohttp.ClientPayloadError(f"the answer is over the bound of {BODY_MAX} bytes")
    return bytes(said)


def _traced() -> aiohttp.TraceConfig:
    """Take note of the moment from which on something may have been written."""

    async def had(session: aiohttp.ClientSession, context: Any, parameters: object) -> None:
        context.trace_request_ctx.had = True

    traced = aiohttp.TraceConfig()
    traced.on_connection_create_end.append(had)
    traced.on_connection_reuseconn.append(had)
    return traced


def why(error: BaseException) -> str:
    """What to call a missing answer."""
    return str(error)[:WHY_MAX] or type(error).__name__
