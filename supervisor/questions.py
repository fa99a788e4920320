"""One question to the venue over HTTP: asked once, answered whole and within a bound, or not at all.

What question, and what the answer means, is the asker's business. No redirect is followed: it would send an order, or
the headers that prove our key, a second time and elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import Final

import aiohttp

from supervisor.venue.frames import MAX_FRAME

AGENT: Final = "foresight/1"
"""The venue's edge turns nameless clients away."""
BODY_MAX: Final = MAX_FRAME
"""Bytes of an answer that are read; what is longer is no answer."""
KEEP_S: Final = 75.0
"""Real seconds an idle connection is kept warm."""
WHY_MAX: Final = 300
"""Characters kept of why there is no answer."""
UNREACHED: Final = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""What asking raises when there is no answer: not reached, not in time, not whole, or not HTTP."""


def open_pool(answer_s: float, connections: int) -> aiohttp.ClientSession:
    """A pool of warm connections.

    Args: answer_s: real seconds an answer may take, the wait for a free connection included.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=KEEP_S),
        headers={"User-Agent": AGENT},
        timeout=aiohttp.ClientTimeout(total=answer_s),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


async def ask(
    pool: aiohttp.ClientSession, method: str, url: str, headers: dict[str, str], body: bytes = b""
) -> tuple[int, bytes]:
    """Ask once; return the status and the whole body. Raises: those of UNREACHED."""
    if body:
        headers = {**headers, "Content-Type": "application/json"}
    asked = pool.request(method, url, data=body or None, headers=headers, allow_redirects=False)
    said = bytearray()
    async with asked as answer:
        async for part in answer.content.iter_any():
            said += part
            if len(said) > BODY_MAX:
                raise aiohttp.ClientPayloadError(f"the answer is over the bound of {BODY_MAX} bytes")
        return answer.status, bytes(said)


def why(error: BaseException) -> str:
    """What to call a missing answer."""
    return str(error)[:WHY_MAX] or type(error).__name__
