"""How fast a recorded day can be played."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from kit.load import Server, a_server, count_frames
from kit.shared_data import SETTLEMENT_DAY

SPEED = 60.0
READ_S = 10.0
SHARE_MAX = 0.6
"""Of one core, at sixty times real time, with somebody who reads every frame."""


def played(server: Server, wanted: int) -> tuple[float, int]:
    """What share of a core the venue needs while a client reads all its markets, and the frames read meanwhile."""
    tokens = [token for _, *pair in server.facts["markets"][:wanted] for token in pair]
    hello = json.dumps({"type": "market", "assets_ids": tokens, "custom_feature_enabled": True}).encode()
    frames, _, took_s, cpu_s = asyncio.run(count_frames(server.port, hello, 1, 1.0, READ_S, server.cpu_s))
    return cpu_s / took_s, frames


if SETTLEMENT_DAY:

    def test_a_recorded_day_plays_at_sixty_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With room to spare; the speed that would fill a core is told."""
        with a_server("venue", str(SPEED), str(tmp_path), str(SETTLEMENT_DAY)) as server:
            share, frames = played(server, 20)
        with capsys.disabled():
            print(
                f"\nthe recorded day at {SPEED:g} times: {share:.0%} of a core, {frames / READ_S:,.0f} frames a second,"
            )
            print(f"every recorded trade played; a core is full at {SPEED / share:,.0f} times")
        assert frames > 0
        assert share < SHARE_MAX


def test_a_made_up_day_of_ten_slots_costs_little_at_real_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every slot quoted, nobody listening: a twentieth of a core."""
    with a_server("venue", "1", str(tmp_path)) as server:
        before_s = server.cpu_s()
        asyncio.run(asyncio.sleep(READ_S))
        share = (server.cpu_s() - before_s) / READ_S
    with capsys.disabled():
        print(f"\nten slots at real time: {share:.1%} of a core, {server.facts['markets'][0][0]}")
    assert share < 0.05
