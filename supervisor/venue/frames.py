"""What every frame of the venue has in common: a size bound, JSON, and a name for what cannot be read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shared.units import NotANumber

MAX_FRAME: Final = 4 * 1024 * 1024
"""The largest frame taken from the venue, in bytes; a full book of both tokens is some 10 kB."""
PING_S: Final = 10.0
"""Market and user channel want a text PING this often, real seconds."""


class NotAnId(ValueError):
    """The text is blank, too long, or not in plain characters."""


UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, NotANumber, NotAnId)
"""What decoding raises when a frame is not of its kind's shape."""
ID_MAX: Final = 128
"""Characters of an id; an order's has 66, a trade's 36. What is longer is no id, and would not fit our own records."""
SAID_MAX: Final = 300
"""Characters kept of a text in which the venue explains itself."""


class BadFrame(ValueError):
    """The venue sent something this dialect cannot read; the text says what and where."""


def bounded(frame: bytes) -> bytes:
    """A frame without the white space around it. Raises: BadFrame: too large."""
    if len(frame) > MAX_FRAME:
        raise BadFrame(f"frame of {len(frame)} bytes is over the bound of {MAX_FRAME}")
    return frame.strip()


def an_id(text: str) -> str:
    """An id as the venue names orders, trades and keys. Raises: NotAnId."""
    if not 0 < len(text) <= ID_MAX or not (text.isascii() and text.isprintable()):
        raise NotAnId(f"an id has 1 to {ID_MAX} plain characters, this is {text[:20]!r} of {len(text)}")
    return text


def sample(text: bytes) -> str:
    """The beginning of a frame, for an error's text."""
    return repr(text[:120])


def to_json(value: Any) -> str:
    """A frame for the venue."""
    return msgspec.json.encode(value).decode()
