"""The two older official clients, unmodified: fresh connections for each use, and keys that are public by design."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

POLYGON = 137
PRIVATE = "0x" + "11" * 32
"""A throwaway key; its address is the one of the recorded signing vectors."""
WAIT_S = 60.0
"""For an answer: the five seconds that are usual are less than a busy machine may keep the venue from its turn."""


def private(number: int) -> str:
    """Another trader's key."""
    return "0x" + f"{number:064x}"


@contextmanager
def own_connections(helpers: Any) -> Iterator[None]:
    """Both clients keep one connection pool per process, as a global: give it a new one, and close that at the end."""
    before, helpers._http_client = helpers._http_client, httpx.Client(http2=True, timeout=WAIT_S)
    try:
        yield
    finally:
        helpers._http_client.close()
        helpers._http_client = before
