"""What every frame of the venue has in common: a size bound, JSON, and a name for what cannot be read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.units import NotANumber

MAX_FRAME: Final = 4 * 1024 * 1024
"""The largest frame taken from the venue, in bytes; a full book of both tokens is some 10 kB."""
PING_S: Final = 10.0
"""Market and user channel want a text PING this often, real seconds."""

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, NotANumber)
"""What decoding raises when a frame is not of its kind's shape."""


class BadFrame(ValueError):
    """The venue sent something this dialect cannot read; the text says what and where."""


def bounded(frame: bytes) -> bytes:
    """A frame without the white space around it. Raises: BadFrame: too large."""
    if len(frame) > MAX_FRAME:
        raise BadFrame(f"frame of {len(frame)} bytes is over the bound of {MAX_FRAME}")
    return frame.strip()


def sample(text: bytes) -> str:
    """The beginning of a frame, for an error's text."""
    return repr(text[:120])


def to_json(value: Any) -> str:
    """A frame for the venue."""
    return msgspec.json.encode(value).decode()
