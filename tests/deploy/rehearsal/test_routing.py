"""What every route stands on: JSON out, and a proof before anything is looked at."""

from __future__ import annotations

from pathlib import Path

from kit.venue_http import Desk, play

from deploy.rehearsal import refusals
from deploy.rehearsal.routing import JSON, answered


def test_an_answer_is_compact_json() -> None:
    """With its status and headers."""
    made = answered({"a": [1, None]}, 429, {"Retry-After": "1"})
    assert (made.body, made.status, made.content_type) == (b'{"a":[1,null]}', 429, JSON)
    assert made.headers["Retry-After"] == "1"


def test_a_proof_covers_method_path_and_body(tmp_path: Path) -> None:
    """Signed for something else, it proves nothing; the query is not signed."""

    async def scenario(desk: Desk) -> None:
        proof = desk.proof("GET", "/data/orders", b"")
        assert (await desk.ask("GET", "/data/orders?market=0x5", headers=proof))[0] == 200
        for method, path, body in (
            ("GET", "/data/trades", b""),
            ("DELETE", "/cancel-all", b""),
            ("GET", "/data/orders", b"{}"),
        ):
            assert await desk.ask(method, path, body, proof) == (401, {"error": refusals.UNAUTHORIZED})

    play(tmp_path, scenario)


def test_every_proof_header_is_needed(tmp_path: Path) -> None:
    """Their names carry underscores."""

    async def scenario(desk: Desk) -> None:
        proof = desk.proof("GET", "/data/orders", b"")
        for name in proof:
            rest = {each: value for each, value in proof.items() if each != name}
            assert (await desk.ask("GET", "/data/orders", headers=rest))[0] == 401

    play(tmp_path, scenario)
