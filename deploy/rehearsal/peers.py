"""The other end of a stream, as the rooms that feed streams see it: something to send to, something that speaks.

Leaves sockets to `sockets.py`. What always holds: nothing here knows what a frame means.
"""

from __future__ import annotations

from typing import Protocol


class Peer(Protocol):
    """The other end of a connection."""

    number: int

    def send(self, frame: bytes) -> None:
        """Queue a text frame."""

    def end(self, code: int, reason: str) -> None:
        """Close after what is queued."""

    def waiting(self) -> int:
        """Frames that are queued and not yet out."""


class Guest(Protocol):
    """A connection of a stream that has a room of its own."""

    def heard(self, text: str) -> None:
        """A text frame came in."""

    def left(self) -> None:
        """The connection is gone."""
