"""Our end of the channel: one SOCK_SEQPACKET socket, one message a frame, end-of-file both ways the death notice.

Leaves to others what to say and what to do about what is heard. What always holds: what is said is never dropped - a
full channel is waited for, since a decision that nobody receives is a tick lost - except a heartbeat, which says
nothing that the next one does not.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator

from shared.messages import Beating, FromWorker, ToWorker
from shared.wire import MAX_FRAME, BadFrame, decode_to_worker, encode


class Gone(Exception):
    """The supervisor's end is closed: nobody is there to work for."""


class TooLarge(Exception):
    """What was to be said is larger than a frame may be: a fault of this release."""


class Channel:
    """See the room's docstring. Args: fd: an inherited descriptor; it is closed to further children."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._socket.set_inheritable(False)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def fileno(self) -> int:
        """The descriptor, for a poller."""
        return self._socket.fileno()

    def say(self, message: FromWorker) -> None:
        """Send a message. Raises: Gone, TooLarge."""
        try:
            self._socket.send(encode(message))
        except BadFrame as error:
            raise TooLarge(str(error)) from error
        except ConnectionError as error:
            raise Gone from error

    def beat(self, beating: Beating) -> None:
        """Send a heartbeat if there is room. Raises: Gone."""
        try:
            self._socket.send(encode(beating), socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except ConnectionError as error:
            raise Gone from error

    def heard(self) -> Iterator[ToWorker]:
        """Every message that is waiting. Raises: Gone; BadFrame: the words make no sense."""
        while True:
            try:
                frame = self._socket.recv(MAX_FRAME + 1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError as error:
                raise Gone from error
            if not frame:
                raise Gone
            yield decode_to_worker(frame)

    def wait(self, most_ms: int) -> None:
        """Wait until something is heard, or so long."""
        self._poll.poll(most_ms)

    def close(self) -> None:
        """Let go; the other end sees the end of file."""
        self._socket.close()
