"""The service manager's notify socket, as a real one."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from supervisor.notify import notify

MOST_WAITING = 10_000
"""More datagrams than any kernel queues on one socket."""


@pytest.fixture
def manager() -> Iterator[tuple[socket.socket, str]]:
    """Where a service manager listens, and its address; the path is short enough for a socket."""
    with (
        tempfile.TemporaryDirectory(prefix="fs") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening,
    ):
        address = str(Path(folder) / "notify")
        listening.bind(address)
        yield listening, address


def test_a_message_is_one_datagram(manager: tuple[socket.socket, str]) -> None:
    """As it was written, and nothing behind it."""
    listening, address = manager
    assert notify("READY=1\nSTATUS=trading", {"NOTIFY_SOCKET": address})
    assert listening.recv(1_000) == b"READY=1\nSTATUS=trading"
    with pytest.raises(BlockingIOError):
        listening.recv(1_000)


def test_an_abstract_address_begins_with_an_at_sign() -> None:
    """As container managers pass it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as listening:
        listening.bind("")  # the kernel picks a free abstract name
        name = listening.getsockname().decode().removeprefix("\0")
        assert notify("WATCHDOG=1", {"NOTIFY_SOCKET": f"@{name}"})
        assert listening.recv(1_000) == b"WATCHDOG=1"


def test_the_address_comes_from_the_environment(
    manager: tuple[socket.socket, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the process, where the caller names none."""
    listening, address = manager
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    assert notify("STOPPING=1")
    assert listening.recv(1_000) == b"STOPPING=1"


def test_without_a_manager_nothing_happens(tmp_path: Path) -> None:
    """None is named, or nobody listens where it was: said, not raised."""
    assert not notify("READY=1", {})
    assert not notify("READY=1", {"NOTIFY_SOCKET": ""})
    assert not notify("READY=1", {"NOTIFY_SOCKET": str(tmp_path / "gone")})
    assert not notify("READY=1", {"NOTIFY_SOCKET": "/" + "x" * 200})


def test_a_manager_that_does_not_read_stops_nobody(manager: tuple[socket.socket, str]) -> None:
    """Its queue is full, what does not fit is lost at once; when it reads again the next one arrives."""
    listening, address = manager
    environment = {"NOTIFY_SOCKET": address}
    taken = next(count for count in range(MOST_WAITING) if not notify(f"WATCHDOG={count}", environment))
    for count in range(taken):
        assert listening.recv(1_000) == f"WATCHDOG={count}".encode()
    assert notify("WATCHDOG=again", environment)
    assert listening.recv(1_000) == b"WATCHDOG=again"
