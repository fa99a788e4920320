"""Whole desks that sign otherwise than they do by themselves: another wallet, another client, and the same promises."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from kit.desks import TWO_ASSETS, Desk, a_desk

pytestmark = pytest.mark.system


def at_the_old_venue(desk: Desk) -> None:
    """Bring a desk up at a venue of before CLOB V2."""
    desk.world = replace(desk.world, clob_version=1)
    desk.start()


@pytest.mark.parametrize(
    ("client", "signature_type", "start"),
    [("legacy-v1", 1, at_the_old_venue), ("unified", 2, Desk.start)],
    ids=["old client, proxy", "Safe"],
)
def test_a_desk_trades_with_the_orders_it_is_told_to_sign(client: str, signature_type: int, start: object) -> None:
    """Orders rest, fill and are accounted for to the millionth, and the venue knows the wallet by its type."""
    settings = f"{TWO_ASSETS}[exchange]\nclient = {json.dumps(client)}\nsignature_type = {signature_type}\n"
    with a_desk(settings=settings, unhurried=True, start=start) as desk:  # type: ignore[arg-type]
        desk.until_decided()
        (wallet,) = desk.venue_lines("wallet")
        assert wallet["signature_type"] == signature_type
        assert wallet["wallet"] != wallet["owner"]
        desk.judged()
        assert told_secrets(desk) == []


def told_secrets(desk: Desk) -> list[str]:
    """Files of the desk that hold its key, as text or as bytes: every log, record and status it left, but for one."""
    secret = json.loads(desk.state.credentials.read_text())["private_key"].removeprefix("0x")
    files = [path for path in desk.root.rglob("*") if path.is_file() and path != desk.state.credentials]
    found = [path for path in files if _holds(path.read_bytes(), secret)]
    assert desk.state.status in files
    return [str(path.relative_to(desk.root)) for path in found]


def _holds(content: bytes, secret: str) -> bool:
    return secret.encode() in content.lower() or bytes.fromhex(secret) in content
