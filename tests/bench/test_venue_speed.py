"""How much the rehearsal venue does on one core, beside the bare web server doing nothing.

Rates are of processor time, so that a machine busy with other things measures the same; the clock's are shown as well.
"""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from kit.load import Server, a_server, count_frames, post_all
from kit.venue import Trader

from deploy.rehearsal.keys import Key
from deploy.rehearsal.signatures import request_hmac

ORDERS = 8_000
CONNECTIONS = 384
"""Half of the orders wait 150 ms for their match, so there have to be many at a time."""
ORDERS_PER_S = 2_000
KINDS = ("matched", "live", "unmatched")
FRAMES_PER_S = 20_000
READ_S = 5.0
BUSY_SPEED = 60.0
"""Fast enough to be at work for most of the time."""


def a_request(path: str, key: Key, body: bytes, stamp: str) -> bytes:
    """A prepared POST with everything that production wants of it."""
    signature = request_hmac(key.secret, stamp, "POST", path, body)
    head = (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"POLY_ADDRESS: {key.owner}\r\nPOLY_API_KEY: {key.api_key}\r\nPOLY_PASSPHRASE: {key.passphrase}\r\n"
        f"POLY_TIMESTAMP: {stamp}\r\nPOLY_SIGNATURE: {signature}\r\n\r\n"
    )
    return head.encode() + body


def crossing_orders(server: Server) -> list[bytes]:
    """Orders that trade with one another: Up at 0.40 from some, Down at 0.60 from the others, five shares each.

    In a market that the crowd has not come to yet.
    """
    keys = [Key(**fields) for fields in server.facts["keys"]]
    _, up, down = server.facts["markets"][-1]
    stamp = str(int(time.time()))
    requests = []
    for number in range(ORDERS):
        who = number % len(keys)
        token, price_micro = (up, 400_000) if who % 2 else (down, 600_000)
        body = Trader(who + 1).limit(keys[who], token, "BUY", price_micro, 5, salt=number + 1)
        requests.append(a_request("/order", keys[who], json.dumps(body).encode(), stamp))
    return requests


def orders_a_second(server: Server, requests: list[bytes]) -> tuple[float, float, list[bytes]]:
    """Answers a second of the server's processor, and a second of the clock."""
    before_s = server.cpu_s()
    answers, took_s = asyncio.run(post_all(server.port, requests, CONNECTIONS))
    return len(answers) / (server.cpu_s() - before_s), len(answers) / took_s, answers


def test_orders_are_taken_and_matched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over HTTP, with HMAC and signature, from another process: half of them match after the taker delay.

    Some few may find, after the delay, that others were quicker: those are taken and rest unmatched.
    """
    with a_server("venue", "1", str(tmp_path)) as server:
        requests = crossing_orders(server)
        by_cpu, by_clock, answers = orders_a_second(server, requests)
    with a_server("bare") as server:
        bare_cpu, bare_clock, _ = orders_a_second(server, requests)
    with capsys.disabled():
        print(f"\norders: {by_cpu:,.0f} a second of its core ({by_clock:,.0f} by the clock); ", end="")
        print(f"a bare server {bare_cpu:,.0f} ({bare_clock:,.0f}); {by_cpu / bare_cpu:.2f} of it")
    kinds = {kind: sum(f'"status":"{kind}"'.encode() in answer for answer in answers) for kind in KINDS}
    assert all(answer.startswith(b"200") for answer in answers)
    assert kinds["matched"] > 0.4 * ORDERS and sum(kinds.values()) == ORDERS
    assert by_cpu >= ORDERS_PER_S


def frames_a_second(server: Server, hello: bytes, connections: int) -> tuple[float, float, float]:
    """Frames a second of the server's processor, of the clock, and octets of a frame."""
    counted = asyncio.run(count_frames(server.port, hello, connections, 1.0, READ_S, server.cpu_s))
    frames, octets, took_s, cpu_s = counted
    return frames / cpu_s, frames / took_s, octets / max(1, frames)


@pytest.mark.parametrize("connections", [1, 10])
def test_market_frames_are_sent(tmp_path: Path, capsys: pytest.CaptureFixture[str], connections: int) -> None:
    """Books, changes and trades of ten busy markets, made and sent to one reader, or to ten."""
    with a_server("venue", str(BUSY_SPEED), str(tmp_path)) as server:
        tokens = [token for _, *pair in server.facts["markets"][:20] for token in pair]
        hello = json.dumps({"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}).encode()
        by_cpu, by_clock, octets = frames_a_second(server, hello, connections)
    with a_server("bare") as server:
        bare_cpu, bare_clock, _ = frames_a_second(server, b"{}", connections)
    with capsys.disabled():
        print(f"\nframes to {connections}: {by_cpu:,.0f} a second of its core ({by_clock:,.0f} by the clock), ", end="")
        print(f"{octets:.0f} octets each; a bare server {bare_cpu:,.0f} ({bare_clock:,.0f})")
    assert by_cpu >= FRAMES_PER_S * (1 if connections > 1 else 0.5)
