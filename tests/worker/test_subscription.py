"""worker.subscription: a real SUB socket on a real XPUB."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq
from kit.tapes import START_S

from shared.messages import Pulse, Streamed
from shared.wire import BadFrame, encode
from worker.subscription import Subscription


class Desk:
    """A publisher, a subscriber, and a pipe whose news ends a wait as well."""

    def __init__(self, folder: str) -> None:
        self.context = zmq.Context()
        self.publisher = self.context.socket(zmq.XPUB)
        self.publisher.setsockopt(zmq.SNDHWM, 0)
        self.publisher.bind(f"ipc://{folder}/s")
        self.beside, self.news = os.pipe()
        self.subscription = Subscription(f"ipc://{folder}/s", self.beside)
        assert self.publisher.recv() == b"\x01"

    def publish(self, *numbers: int) -> None:
        for number in numbers:
            self.publisher.send(encode(Streamed(number, START_S, Pulse())))

    def read(self, until: int) -> list[int]:
        """The numbers that arrive, until a certain one."""
        got: list[int] = []
        while until not in got:
            self.subscription.wait(10_000)
            got += [frame.seq for frame in self.subscription.frames(1_000)]
        return got

    def close(self) -> None:
        self.subscription.close()
        self.publisher.close(0)
        self.context.term()
        os.close(self.beside)
        os.close(self.news)


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Connected and subscribed."""
    with tempfile.TemporaryDirectory(prefix="fsw") as folder:
        desk = Desk(folder)
        yield desk
        desk.close()


def test_frames_come_in_order_and_then_no_more(desk: Desk) -> None:
    """Reading never blocks."""
    desk.publish(1, 2, 3)
    assert desk.read(until=3) == [1, 2, 3]
    assert list(desk.subscription.frames(10)) == []


def test_no_more_is_read_than_asked_for(desk: Desk) -> None:
    """The rest is there at the next turn, without waiting for more to arrive."""
    desk.publish(*range(1, 11))
    turns: list[int] = []
    while sum(turns) < 10:
        desk.subscription.wait(10_000)
        turns.append(len(list(desk.subscription.frames(4))))
    assert max(turns) <= 4


def test_nothing_is_dropped_while_nobody_reads(desk: Desk) -> None:
    """Far beyond any default mark."""
    desk.publish(*range(1, 20_001))
    assert desk.read(until=20_000) == list(range(1, 20_001))


def test_news_on_the_other_descriptor_end_a_wait(desk: Desk) -> None:
    """The channel must not starve while the stream is silent."""
    os.write(desk.news, b"x")
    desk.subscription.wait(60_000)
    assert os.read(desk.beside, 1) == b"x"


def test_a_senseless_frame_is_refused(desk: Desk) -> None:
    """By name, not by a guess."""
    desk.publisher.send(b"\xc1")
    desk.subscription.wait(10_000)
    with pytest.raises(BadFrame):
        list(desk.subscription.frames(1))


def test_a_subscription_may_end(tmp_path: Path) -> None:
    """And lets go of its socket."""
    subscription = Subscription(f"ipc://{tmp_path}/nobody", 0)
    subscription.close()
    with pytest.raises(zmq.ZMQError):
        list(subscription.frames(1))
