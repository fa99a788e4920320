"""Both ends of a stream."""

from __future__ import annotations

from kit.hall import Ear, Hall

from deploy.rehearsal.peers import Guest, Peer
from deploy.rehearsal.sockets import Wire


def test_a_socket_and_a_test_are_peers_alike() -> None:
    """What a room sends to one it may send to the other; each counts what waits."""
    peers: list[Peer] = [Wire(1), Ear(1, backlog=1)]
    for peer in peers:
        peer.send(b"1")
    assert [peer.waiting() for peer in peers] == [1, 1]


def test_every_stream_of_its_own_has_guests() -> None:
    """They hear and leave by themselves."""
    hall = Hall()
    streams = hall.subscriptions
    guests: list[Guest] = [streams.polybolt.join(Ear()), streams.rtds.join(Ear()), streams.binance.join(Ear(), "/ws")]
    for guest in guests:
        guest.heard("5")
        guest.left()
    assert not (streams.polybolt.listeners or streams.rtds.listeners or streams.binance.listeners)
