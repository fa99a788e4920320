"""Bytes to messages and back: the size bound, the shape, and whether two processes speak the same protocol.

Frames are MessagePack. Whatever does not fit is refused by name with BadFrame; nothing is guessed and nothing crashes.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from shared.messages import PROTOCOLS, Decision, FromWorker, Streamed, ToWorker

MAX_FRAME: Final = 64 * 1024
"""No frame between our processes is larger, in bytes."""


class BadFrame(ValueError):
    """The bytes are no frame of ours: too large, not MessagePack, or of an unknown shape."""


class NoCommonProtocol(ValueError):
    """The two processes share no protocol version."""


_T = TypeVar("_T")

_encoder = msgspec.msgpack.Encoder()
_streamed: msgspec.msgpack.Decoder[Streamed] = msgspec.msgpack.Decoder(Streamed)
_from_worker: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
_to_worker: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
_decision: msgspec.msgpack.Decoder[Decision] = msgspec.msgpack.Decoder(Decision)


def encode(message: Streamed | FromWorker | ToWorker | Decision) -> bytes:
    """The bytes of a message. Raises: BadFrame: larger than MAX_FRAME."""
    frame = _encoder.encode(message)
    if len(frame) > MAX_FRAME:
        raise BadFrame(f"{type(message).__name__} of {len(frame)} bytes is over the bound of {MAX_FRAME}")
    return frame


def _decode(decoder: msgspec.msgpack.Decoder[_T], frame: bytes) -> _T:
    if len(frame) > MAX_FRAME:
        raise BadFrame(f"frame of {len(frame)} bytes is over the bound of {MAX_FRAME}")
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadFrame(f"frame of {len(frame)} bytes: {error}") from error


def decode_streamed(frame: bytes) -> Streamed:
    """A frame of the stream or the tape. Raises: BadFrame."""
    return _decode(_streamed, frame)


def decode_from_worker(frame: bytes) -> FromWorker:
    """What a worker says. Raises: BadFrame."""
    return _decode(_from_worker, frame)


def decode_to_worker(frame: bytes) -> ToWorker:
    """What the supervisor says. Raises: BadFrame."""
    return _decode(_to_worker, frame)


def decode_decision(frame: bytes) -> Decision:
    """A decision, as the journal keeps it. Raises: BadFrame."""
    return _decode(_decision, frame)


def common_protocol(theirs: tuple[int, int], ours: tuple[int, int] = PROTOCOLS) -> int:
    """The highest protocol that both ranges contain. Raises: NoCommonProtocol."""
    highest = min(theirs[1], ours[1])
    if highest < max(theirs[0], ours[0]):
        raise NoCommonProtocol(f"they speak {theirs[0]} to {theirs[1]}, we speak {ours[0]} to {ours[1]}")
    return highest
