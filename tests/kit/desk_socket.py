"""A desk that a test plays: it answers on a real control socket what it was told to, and remembers what was asked.

And how its answers look, with good defaults: a reply, a status, a slot, an operation.
"""

from __future__ import annotations

import socket
import threading
from time import monotonic_ns, time_ns
from types import TracebackType
from typing import Any

import msgspec

from shared.messages import Reply, Request
from shared.outcomes import EXIT
from shared.paths import State

GREEN, BLUE = "9f31c7e0aa00", "a1b2c3d4bb00"
OP = "01K9XT00000000000000000000"
TRADING = {"seq": 41, "hash": BLUE, "state": "TRADING"}
_PIECE = 4_096
PATIENCE_S = 10.0

Answer = Reply | bytes | None
"""A reply; bytes that are sent as they are; or nothing at all, and the caller waits."""


class PlayedDesk:
    """Use it in a `with`. Args: answers: by verb, one or several in turn; the last one is given again and again."""

    def __init__(self, state: State, **answers: Answer | list[Answer]) -> None:
        self.state, self.heard = state, list[Request]()
        self._answers = {verb: given if isinstance(given, list) else [given] for verb, given in answers.items()}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._serve, name="played desk")
        self._held: list[socket.socket] = []

    def __enter__(self) -> PlayedDesk:
        self.state.control_socket.unlink(missing_ok=True)
        self._listener.bind(str(self.state.control_socket))
        self._listener.listen()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._listener.close()
        for channel in self._held:
            channel.close()
        assert not self._thread.is_alive()

    def asked(self, verb: str) -> list[Request]:
        """What was asked of one kind."""
        return [request for request in self.heard if request.verb == verb]

    def _serve(self) -> None:
        while True:
            try:
                channel, _ = self._listener.accept()
            except OSError:
                return
            channel.settimeout(PATIENCE_S)
            try:
                self._answer(channel)
            except OSError:
                channel.close()

    def _answer(self, channel: socket.socket) -> None:
        line = b""
        while not line.endswith(b"\n"):
            part = channel.recv(_PIECE)
            if not part:
                return channel.close()
            line += part
        request = msgspec.json.decode(line, type=Request)
        self.heard.append(request)
        answer = self._next(request.verb)
        if answer is None:
            return self._held.append(channel)
        channel.sendall(answer if isinstance(answer, bytes) else msgspec.json.encode(answer) + b"\n")
        return channel.close()

    def _next(self, verb: str) -> Answer:
        given = self._answers.get(verb) or [a_reply("USAGE", f"no verb {verb!r}")]
        return given.pop(0) if len(given) > 1 else given[0]


def a_reply(code: str = "OK", message: str = "", data: Any = None, **fields: Any) -> Reply:
    """What a desk answers on which r41 trades."""
    said = {"changed": False, "trading": TRADING, "generation": 7} | fields
    return Reply(ok=code == "OK", exit=EXIT[code], code=code, message=message or code, data=data, **said)


def a_status(**fields: Any) -> dict[str, Any]:
    """A quiet desk of eighteen slots, ten of them with a market."""
    return {
        "schema": "foresight.status/1",
        "mode": "rehearsal",
        "state": "TRADING",
        "pid": 4121,
        "term": 1,
        "at_ns": 1_784_851_287 * 10**9,
        "wall_ns": time_ns(),
        "generation": 7,
        "paused": False,
        "pause_reason": "",
        "release": {"seq": 41, "hash": BLUE},
        "parameters": "77ab00112233",
        "slots": {"configured": 18, "open": 10, "owned": 10},
        "feeds": {"market": "", "user": "", "prices": ""},
        "tape": "ok",
        "stream_seq": monotonic_ns(),
        "cash_micro": 987_654_321,
        "owed_micro": 0,
        "claimed_micro": 0,
        "exposure_micro": 15_000_000,
        "day_realized_micro": 11_480_000,
        "day_loss_limit_micro": 100_000_000,
        "positions": [{"slot": "BTC/5m"}, {"slot": "ETH/5m"}, {"slot": "BTC/15m"}],
        "orders": [{"slot": "BTC/5m"}],
        "unsettled_fills": 0,
        "reconciled": {"rounds": 118, "differences": 0, "at_ns": 1_784_851_280 * 10**9, "differs": [], "foreign": []},
        "decided": 235_872,
        "counters": {"orders_rejected": 2, "skip:deadline": 1, "skip:outage": 3},
        "operation": None,
        "workers": [],
    } | fields


def an_operation(result: str = "", **fields: Any) -> dict[str, Any]:
    """A deploy of r42 over r41; with a result it has ended."""
    return {
        "op": OP,
        "verb": "deploy",
        "green": GREEN,
        "green_seq": 42,
        "blue": BLUE,
        "blue_seq": 41,
        "actor": "uid:1000 ci:github-8841",
        "reason": "recalibrated",
        "phase": "idle" if result else "warming",
        "steps_ms": {"stage_copy": 12},
        "waiting": {},
        "loaded": {
            "worker.app": {"digest": "aa11bb22cc33", "load_us": 3_700},
            "worker.view": {"digest": "dd44ee55ff66", "load_us": 800},
        },
        "flips": 0,
        "result": result,
        "fault": "" if result in {"", "OK"} else "it was not heard for 5.0 s",
        "rings": [["BTC/15m"], ["BTC/5m", "ETH/5m"]],
        "ring": 0,
        "held_for": "",
        "after": "idle",
        "plan": {},
        "gates": [],
        "history": a_history("spawning", "warming"),
    } | fields


def a_history(*phases: str) -> list[dict[str, Any]]:
    """Phases one after the other, each 93 ms long, a second apart."""
    return [
        {"phase": phase, "at_ns": (1_784_851_287 + number) * 10**9, "took_ms": 93}
        for number, phase in enumerate(phases)
    ]


def a_gate(phase: str, verdict: str = "PASS", *, name: str = "late", ring: int = 1) -> dict[str, Any]:
    """What one gate found in a phase."""
    numbers = {"late": 0, "answers": 240}
    return {
        "phase": phase,
        "ring": ring,
        "name": name,
        "verdict": verdict,
        "words": "0 of 240 answers over 150 ms",
        "numbers": numbers,
    }


def a_forecast(would: str = "OK", **fields: Any) -> dict[str, Any]:
    """What a dry run of r42 over r41 says, three slots in two rings."""
    place = {"slot": "BTC/15m", "exposure_micro": 0, "closes_in_s": 600, "waits": ""}
    busy = {"slot": "BTC/5m", "exposure_micro": 3_100_000, "closes_in_s": 187, "waits": "an order in flight"}
    return {
        "green": {"seq": 42, "hash": GREEN},
        "blue": {"seq": 41, "hash": BLUE},
        "plan": a_plan(),
        "changed": ["worker/strategy.py"],
        "positions": [{"slot": "BTC/5m", "outcome": "Up", "size_micro": 5_000_000}],
        "orders": [{"slot": "BTC/5m", "side": "SELL", "open_micro": 5_000_000}],
        "rings": [[place], [busy, place | {"slot": "ETH/5m"}]],
        "measured": {"windows": 317, "decisions": 28_512, "since_ns": 1_784_800_000 * 10**9},
        "policies": [{"name": "reason", "words": "a reason is given", "refuses": False}],
        "would": would,
    } | fields


def a_plan(**fields: Any) -> dict[str, Any]:
    """A plan as the desk resolves it."""
    return {
        "expect": "change",
        "trial": True,
        "shadow_pairs": 240,
        "bake_s": 600.0,
        "rings": [1, 4],
        "hold_before": "",
        "flip_policy": "calm",
        "boundary_s": 120.0,
        "take_back": True,
        "trail_s": 43_200.0,
    } | fields


def a_slot(**fields: Any) -> dict[str, Any]:
    """A slot that holds nothing."""
    return {
        "slot": "BTC/5m",
        "state": "SCAN",
        "phase": "owned",
        "epoch": 12,
        "owner": "w3-1",
        "release": BLUE,
        "closes_in_s": 187,
        "positions": [],
        "open_orders": 0,
        "bid": "0.61",
        "ask": "0.62",
        "book": "ok",
    } | fields
