"""Our end of the stream: one SUB socket on everything the supervisor publishes.

Leaves to others what the frames mean and whether one is missing. What always holds: nothing is dropped on our side -
no high-water mark, a slow reader is the supervisor's business to notice - and nothing here blocks but `wait`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import zmq

from shared.messages import Streamed
from shared.wire import decode_streamed

RECONNECT_MS: Final = 10
"""A successor supervisor binds the stream anew; what is missed until then comes from the tape."""


class Subscription:
    """See the room's docstring. Args: beside_fd: another descriptor whose news ends a `wait`."""

    def __init__(self, address: str, beside_fd: int) -> None:
        self._socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
        for option, value in ((zmq.RCVHWM, 0), (zmq.LINGER, 0), (zmq.RECONNECT_IVL, RECONNECT_MS)):
            self._socket.setsockopt(option, value)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"")
        self._socket.connect(address)
        self._poller = zmq.Poller()
        self._poller.register(self._socket, zmq.POLLIN)
        self._poller.register(beside_fd, zmq.POLLIN)

    def wait(self, most_ms: int) -> None:
        """Wait until a frame or the other descriptor is there to be read, or so long."""
        self._poller.poll(most_ms)

    def frames(self, most: int) -> Iterator[Streamed]:
        """What has arrived, up to so many frames. Raises: BadFrame: the stream makes no sense."""
        for _ in range(most):
            try:
                frame = self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            yield decode_streamed(frame)

    def close(self) -> None:
        """Leave the stream."""
        self._socket.close()
