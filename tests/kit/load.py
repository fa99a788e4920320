"""Load from the outside: prepared requests over many connections, and a reader that only counts frames."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("bench_server.py")


@dataclass(frozen=True)
class Server:
    """A measured process and what it said of itself."""

    process: psutil.Process
    facts: dict[str, Any]

    @property
    def port(self) -> int:
        return int(self.facts["port"])

    def cpu_s(self) -> float:
        """Processor time it used so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def memory_mb(self) -> float:
        """What of it is in memory."""
        return float(self.process.memory_info().rss) / 1e6


@contextmanager
def a_server(*arguments: str) -> Iterator[Server]:
    """Run `bench_server.py` with arguments until the block is left."""
    command = [sys.executable, str(SCRIPT), *arguments]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": paths}
    ) as child:
        assert child.stdout is not None
        try:
            yield Server(psutil.Process(child.pid), json.loads(child.stdout.readline()))
        finally:
            child.kill()


class _Posting(asyncio.Protocol):
    """One connection: sends a prepared request, waits for its answer, takes the next one."""

    def __init__(self, requests: deque[bytes], answers: list[bytes], done: asyncio.Future[None], count: int) -> None:
        self._requests, self._answers, self._done, self._count = requests, answers, done, count
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) >= length:
            self._answers.append(head[9:12] + b" " + body[:length])
            self._buffer = b""
            self._next()

    def _next(self) -> None:
        if self._requests and self._transport:
            self._transport.write(self._requests.popleft())
        elif len(self._answers) == self._count and not self._done.done():
            self._done.set_result(None)


async def post_all(port: int, requests: Sequence[bytes], connections: int) -> tuple[list[bytes], float]:
    """Send every request over so many connections; the answers (status, body), and the real seconds it took."""
    loop = asyncio.get_running_loop()
    waiting, answers, done = deque(requests), list[bytes](), loop.create_future()
    began = time.perf_counter()
    transports = []
    for _ in range(min(connections, len(requests))):
        transport, _ = await loop.create_connection(
            lambda: _Posting(waiting, answers, done, len(requests)), "127.0.0.1", port
        )
        transports.append(transport)
    await done
    took_s = time.perf_counter() - began
    await _close(transports)
    return answers, took_s


async def _close(transports: Sequence[asyncio.BaseTransport]) -> None:
    """Close connections, and let the loop do it."""
    for transport in transports:
        transport.close()
    await asyncio.sleep(0.1)


class _Counting(asyncio.Protocol):
    """A WebSocket reader that counts whole frames and drops them."""

    def __init__(self, hello: bytes) -> None:
        self.frames = 0
        self.octets = 0
        self._hello = hello
        self._buffer = bytearray()
        self._upgraded = False
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            b"GET /ws/market HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._upgraded:
            _, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            self._upgraded, self._buffer = True, bytearray(rest)
            assert self.transport
            self.transport.write(_masked(self._hello))
        self._count()

    def _count(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            length, head = buffer[at + 1] & 0x7F, 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4]), 4
            elif length == 127:
                length, head = int.from_bytes(buffer[at + 2 : at + 10]), 10
            if len(buffer) - at < head + length:
                break
            at += head + length
            self.frames += 1
        self.octets += at
        del buffer[:at]


def _masked(text: bytes) -> bytes:
    """A text frame from a client, its mask nothing."""
    head = bytes([0x81]) + (
        bytes([0x80 | len(text)]) if len(text) < 126 else bytes([0x80 | 126]) + len(text).to_bytes(2)
    )
    return head + bytes(4) + text


async def count_frames(port: int, hello: bytes, connections: int, warm_s: float, for_s: float, cpu: Any) -> Any:
    """Read for so long: frames counted, their octets, the real seconds, and how much `cpu()` grew meanwhile."""
    loop = asyncio.get_running_loop()
    readers = []
    for _ in range(connections):
        _, reader = await loop.create_connection(lambda: _Counting(hello), "127.0.0.1", port)
        readers.append(reader)
    await asyncio.sleep(warm_s)
    before = sum(reader.frames for reader in readers), sum(reader.octets for reader in readers), cpu()
    began = time.perf_counter()
    await asyncio.sleep(for_s)
    took_s = time.perf_counter() - began
    frames = sum(reader.frames for reader in readers) - before[0]
    octets = sum(reader.octets for reader in readers) - before[1]
    grown = cpu() - before[2]
    await _close([reader.transport for reader in readers if reader.transport])
    return frames, octets, took_s, grown
