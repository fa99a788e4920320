"""The supervisor's side of one real worker process: channel, stream and tape, and nothing that decides."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic
from typing import TypeVar

import zmq
from kit.tapes import Stream

from shared.messages import Beating, Event, FromWorker, Hello, Ready, Streamed, ToWorker, Welcome
from shared.wire import MAX_FRAME, decode_from_worker, encode

PATIENCE_S = 30.0
"""A real process on a busy machine may be slow; it may not be silent for so long."""
_T = TypeVar("_T")


class LiveWorker:
    """A worker process under a supervisor that a test plays. Use it in a `with`; it leaves no process behind.

    Args: release: a staged folder. stream: what is published, with its tape.
    """

    def __init__(self, release: Path, stream: Stream, *arguments: str, ledger: str = "") -> None:
        self.stream, self.ledger, self.heard = stream, ledger, list[FromWorker]()
        self._scratch = tempfile.TemporaryDirectory(prefix="fsw")
        self.scratch = Path(self._scratch.name)
        self.address = f"ipc://{self.scratch}/s"
        self.context = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        for option in (zmq.SNDHWM, zmq.RCVHWM, zmq.LINGER):
            self.publisher.setsockopt(option, 0)
        self.publisher.bind(self.address)
        self.channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.settimeout(PATIENCE_S)
        command = [sys.executable, "-m", "worker", "--uid", "w1", "--channel", str(theirs.fileno()), *arguments]
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed with the process
        self.process = subprocess.Popen(command, cwd=release, pass_fds=[theirs.fileno()], stderr=self.errors)
        theirs.close()

    def __enter__(self) -> LiveWorker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self.channel.close()
        self.publisher.close(0)
        self.context.term()
        self.errors.close()
        self._scratch.cleanup()

    def say(self, message: ToWorker) -> None:
        """Send a message on the channel."""
        self.channel.send(encode(message))

    def hear(self, kind: type[_T]) -> _T:
        """The next message of a kind; heartbeats in between are passed over, anything else is a surprise."""
        deadline = monotonic() + PATIENCE_S
        while monotonic() < deadline:
            frame = self.channel.recv(MAX_FRAME)
            assert frame, f"the worker is gone: {self.stderr()}"
            message = decode_from_worker(frame)
            self.heard.append(message)
            if isinstance(message, kind):
                return message
            assert isinstance(message, Beating), f"{message} instead of {kind.__name__}"
        raise AssertionError(f"nothing but heartbeats for {PATIENCE_S} s instead of {kind.__name__}")

    def greet(self) -> Hello:
        """Hear the greeting and answer it."""
        hello = self.hear(Hello)
        assert self.stream.tape is not None
        self.say(Welcome(1, self.address, str(self.stream.tape.folder), self.ledger))
        return hello

    def subscribed(self) -> None:
        """Wait for the worker's subscription to arrive."""
        assert self.publisher.poll(PATIENCE_S * 1_000), self.stderr()
        assert self.publisher.recv() == b"\x01"

    def publish(self, event: Event, *, at_ns: int | None = None, sent: bool = True, written: bool = True) -> Streamed:
        """One frame to the stream and the tape; not `sent`: the worker sees a hole. Not `written`: flushed later."""
        frame = self.stream.say(self.stream.at_ns if at_ns is None else at_ns, event)
        if sent:
            self.publisher.send(encode(frame))
        if written:
            self.stream.flush()
        return frame

    def ready(self, event: Event) -> Ready:
        """From greeting to ready, the given event being the first live frame."""
        self.greet()
        self.subscribed()
        self.publish(event)
        return self.hear(Ready)

    def ended(self) -> int:
        """Wait for the end of the process; its exit code."""
        return self.process.wait(PATIENCE_S)

    def at_end_of_file(self) -> bool:
        """Whether nothing more comes on the channel but heartbeats that were on their way, and its end."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.channel, selectors.EVENT_READ)
            while selector.select(PATIENCE_S):
                frame = self.channel.recv(MAX_FRAME)
                if not frame or not isinstance(decode_from_worker(frame), Beating):
                    return not frame
        return False

    def stderr(self) -> str:
        """What the process has written for people."""
        self.errors.seek(0)
        return self.errors.read()
