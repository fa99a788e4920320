"""worker.channel: messages over a real SOCK_SEQPACKET pair."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from shared.messages import Attest, Beating, LastWords, Retire
from shared.wire import MAX_FRAME, BadFrame, decode_from_worker, encode
from worker.channel import Channel, Gone, TooLarge


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, Channel]]:
    """The supervisor's end, and ours."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    os.set_inheritable(ours.fileno(), True)  # as it was inherited from the supervisor
    channel = Channel(ours.detach())
    with theirs:
        yield theirs, channel
    channel.close()


def test_what_is_said_arrives_whole_and_in_order(pair: tuple[socket.socket, Channel]) -> None:
    """One message, one frame."""
    theirs, channel = pair
    channel.say(LastWords("a", ""))
    channel.say(LastWords("b", ""))
    heard = [decode_from_worker(theirs.recv(MAX_FRAME)) for _ in range(2)]
    assert heard == [LastWords("a", ""), LastWords("b", "")]


def test_everything_that_waits_is_heard_and_then_nothing(pair: tuple[socket.socket, Channel]) -> None:
    """Hearing never blocks."""
    theirs, channel = pair
    theirs.send(encode(Attest()))
    theirs.send(encode(Retire("enough")))
    assert list(channel.heard()) == [Attest(), Retire("enough")]
    assert list(channel.heard()) == []


def test_the_end_of_file_is_the_death_notice(pair: tuple[socket.socket, Channel]) -> None:
    """Hearing it, speaking into it, beating into it."""
    theirs, channel = pair
    theirs.close()
    with pytest.raises(Gone):
        list(channel.heard())
    with pytest.raises(Gone):
        channel.say(LastWords("a", ""))
    with pytest.raises(Gone):
        channel.beat(Beating(1, 1, 1))


@pytest.mark.parametrize("garbage", [b"\xc1", b"\x91\xa5hello", bytes(MAX_FRAME + 1)])
def test_words_without_sense_are_refused(pair: tuple[socket.socket, Channel], garbage: bytes) -> None:
    """Not MessagePack, no message of ours, or larger than any."""
    theirs, channel = pair
    theirs.send(garbage)
    with pytest.raises(BadFrame):
        list(channel.heard())


def test_what_is_too_large_to_be_said_is_a_fault_of_ours(pair: tuple[socket.socket, Channel]) -> None:
    """Named as such: it must not look like something senseless that was heard."""
    with pytest.raises(TooLarge, match="over the bound"):
        pair[1].say(LastWords("a", "x" * MAX_FRAME))


def test_a_heartbeat_is_dropped_when_nobody_reads(pair: tuple[socket.socket, Channel]) -> None:
    """The loop must not stop for it; what was said before it is all there."""
    theirs, channel = pair
    for number in range(5_000):
        channel.beat(Beating(number, 0, 0))
    theirs.setblocking(False)
    heard = 0
    with pytest.raises(BlockingIOError):
        while theirs.recv(MAX_FRAME):
            heard += 1
    assert 0 < heard < 5_000


def test_the_descriptor_is_not_handed_to_children(pair: tuple[socket.socket, Channel]) -> None:
    """Nobody else may hold the channel open: its end is the notice of our death."""
    assert not os.get_inheritable(pair[1].fileno())
