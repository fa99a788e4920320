"""The venue's own control, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from kit.days import START_S, a_day
from kit.venue import Running, running_venue

from deploy.rehearsal.control import SCHEMA
from deploy.rehearsal.faults import KINDS

DAY = a_day()
NOW_MS = (START_S + 20) * 1_000
Ask = Callable[..., Coroutine[Any, Any, Any]]
Scenario = Callable[[Running, Ask], Coroutine[Any, Any, None]]


def play(folder: Path, scenario: Scenario) -> None:
    async def whole() -> None:
        async with running_venue(folder, DAY, NOW_MS) as running, ClientSession() as http:

            async def ask(method: str, path: str, body: Any = None, kind: str = "application/json") -> Any:
                raw = body if isinstance(body, bytes) else json.dumps(body).encode()
                headers = {"Content-Type": kind}
                url = running.where["control"] + path
                async with http.request(method, url, data=raw, headers=headers) as answer:
                    return answer.status, json.loads(await answer.read())

            await scenario(running, ask)

    asyncio.run(whole())


def test_it_says_what_it_is_and_can(tmp_path: Path) -> None:
    """A name in every answer, every kind of fault with its arguments, the market's time."""

    async def scenario(running: Running, ask: Ask) -> None:
        before_ms = running.venue.now_ms()
        status, said = await ask("GET", "")
        assert (status, said["schema"], said["ok"]) == (200, SCHEMA, True)
        assert "Polymarket has no such thing" in said["is"]
        assert [kind["kind"] for kind in said["kinds"]] == list(KINDS)
        assert before_ms <= said["market_ms"] <= running.venue.now_ms()

    play(tmp_path, scenario)


def test_a_fault_is_begun_seen_and_ended(tmp_path: Path) -> None:
    """By its number, or all of them together."""

    async def scenario(running: Running, ask: Ask) -> None:
        status, said = await ask("POST", "/faults", {"kind": "silence", "for_s": 60})
        assert (status, said["fault"]["number"], said["fault"]["over"]) == (200, 1, False)
        await ask("POST", "/faults", {"kind": "clock_skew"})
        assert [fault["kind"] for fault in (await ask("GET", "/faults"))[1]["faults"]] == ["silence", "clock_skew"]
        status, said = await ask("DELETE", "/faults/1")
        assert [fault["over"] for fault in said["faults"]] == [True, False]
        assert (await ask("DELETE", "/faults/1"))[0] == 404
        assert (await ask("DELETE", "/faults/one"))[1]["errors"] == ["no fault one is in force"]
        await ask("DELETE", "/faults")
        assert running.exchange.floor.mischief.quiet
        assert [line["phase"] for line in running.record("fault")] == ["begins", "begins", "ends", "ends"]
        assert {line["source"] for line in running.record("fault") if line["phase"] == "begins"} == {"command"}

    play(tmp_path, scenario)


@pytest.mark.parametrize(
    ("body", "kind", "status", "error"),
    [
        (b"{", "application/json", 400, "the body is no JSON object"),
        ([1], "application/json", 400, "the body is no JSON object"),
        ({"kind": "nothing"}, "application/json", 400, "'nothing' is no kind of fault"),
        ({"kind": "silence", "for_s": "x"}, "application/json", 400, "silence: for_s is a whole number, not 'x'"),
        ({"kind": "silence"}, "text/plain", 415, "the body has to be declared as application/json"),
    ],
)
def test_what_cannot_be_followed_is_told_in_lines(
    tmp_path: Path, body: Any, kind: str, status: int, error: str
) -> None:
    """And changes nothing."""

    async def scenario(running: Running, ask: Ask) -> None:
        answered, said = await ask("POST", "/faults", body, kind)
        assert (answered, said["ok"], said["schema"]) == (status, False, SCHEMA)
        assert said["errors"][0].startswith(error)
        assert running.exchange.floor.mischief.all() == []

    play(tmp_path, scenario)


def test_no_fault_reaches_the_control_itself(tmp_path: Path) -> None:
    """Else nobody could end it."""

    async def scenario(running: Running, ask: Ask) -> None:
        await ask("POST", "/faults", {"kind": "refuse", "route": "all", "for_s": 0})
        assert (await ask("GET", ""))[0] == 200
        assert (await ask("DELETE", "/faults"))[0] == 200

    play(tmp_path, scenario)


def test_callers_of_other_machines_are_turned_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue that was told to listen elsewhere is steered only from its own machine."""

    async def scenario(running: Running, ask: Ask) -> None:
        monkeypatch.setattr("aiohttp.web.Request.remote", "192.0.2.7")
        status, said = await ask("POST", "/faults", {"kind": "silence"})
        assert (status, said["ok"]) == (403, False)
        assert running.exchange.floor.mischief.quiet

    play(tmp_path, scenario)
