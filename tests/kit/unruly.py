"""How a release can misbehave: copied into one as `worker/unruly.py`, with a call of one of these behind it.

Each behaviour changes the worker from within and only when it is live, so that the self-check passes, unless that is
the point. What waits does so until a file named `go` is in the worker's scratch folder; it keeps beating meanwhile.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

from msgspec import structs

from shared.messages import Attest, Attested, Beating, Decided, Ready, Retire, Streamed
from shared.wire import MAX_FRAME
from worker import app, reading

LIVE = "--channel" in sys.argv
PAUSE_MS = 20


def does_not_import() -> None:
    """A room of it is missing."""
    raise ImportError("a room is missing")


def takes_its_time() -> None:
    """Nothing is wrong with it; another note makes another release."""


def crashes_on_its_first_tick() -> None:
    """It raises on the first tick it is shown, whoever owns the slot."""
    _on_tick(lambda tick: bool(tick.owner), _raise)


def crashes_when_it_owns() -> None:
    """It raises on the first tick that is its own to decide."""
    _on_tick(lambda tick: tick.owner == _uid(), _raise)


def answers_slowly(seconds: float) -> None:
    """It thinks so long about every tick that is its own."""
    _on_tick(lambda tick: tick.owner == _uid(), lambda: sleep(seconds))


def never_greets() -> None:
    """It starts, and says nothing."""
    app.Worker._greet = lambda self: sleep(3_600)  # type: ignore[method-assign,assignment,return-value]


def never_ready() -> None:
    """It greets, reads everything, beats, and never says that it is whole."""
    app.Worker._ready_if_whole = lambda self: None  # type: ignore[method-assign]


def sends_garbage() -> None:
    """Its heartbeats are no frames of ours."""
    _in_place_of_beats(b"\xc1 this is no frame")


def sends_too_much() -> None:
    """Its heartbeats are larger than a frame may be."""
    _in_place_of_beats(bytes(MAX_FRAME + 1))


def tries_to_escape(secrets: str) -> None:
    """It tries what no worker may, and writes down what came of it in `report.json` of its scratch folder.

    Args: secrets: the desk's state folder.
    """
    if LIVE:
        state = Path(secrets)
        attempts: dict[str, Callable[[], object]] = {
            "inet": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
            "inet6": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
            "netlink": lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
            "credentials": lambda: (state / "credentials.json").read_bytes(),
            "journal": lambda: list((state / "journal").iterdir()),
            "write_state": lambda: (state / "mine").write_text("mine"),
            "write_tape": lambda: (state / "tape" / "mine").write_text("mine"),
            "write_release": lambda: (Path.cwd() / "mine").write_text("mine"),
            "write_tmp": lambda: Path("/tmp/mine").write_text("mine"),
            "child": lambda: subprocess.run([sys.executable, "-c", ""], check=True),
            "command": lambda: _command(state / "control.sock"),
            "scratch": lambda: (_scratch() / "mine").write_text("mine"),
        }
        report = {name: _outcome(attempt) for name, attempt in attempts.items()}
        (_scratch() / "report.json").write_text(json.dumps(report))


def waits_while_importing() -> None:
    """It is not there before it may go on."""
    while LIVE and not _may_go():
        sleep(PAUSE_MS / 1_000)


def waits_while_warming() -> None:
    """It greets, and reads nothing of the tape before it may go on."""
    warm_up = app.Worker._warm_up

    def wait(self: app.Worker, first: Streamed) -> None:
        _wait(self)
        warm_up(self, first)

    app.Worker._warm_up = wait  # type: ignore[method-assign]


def waits_while_flipping() -> None:
    """It decides in the shadow, but does not say how far it has read, and reads no further before it may go on."""
    frames, say, beat = app.Subscription.frames, app.Channel.say, app.Channel.beat
    decided = False

    def held(self: app.Subscription, most: int) -> Iterator[Streamed]:
        if decided and not _may_go():
            sleep(PAUSE_MS / 1_000)
            return
        yield from frames(self, most)

    def modest(message: Any) -> Any:
        nonlocal decided
        decided = decided or isinstance(message, Decided)
        told = isinstance(message, Ready | Beating | Decided) and not _may_go()
        return structs.replace(message, read_seq=0) if told else message

    app.Subscription.frames = held  # type: ignore[method-assign]
    app.Channel.say = lambda self, message: say(self, modest(message))  # type: ignore[method-assign]
    app.Channel.beat = lambda self, message: beat(self, modest(message))  # type: ignore[method-assign]


def waits_while_attesting() -> None:
    """It does not say what it has loaded before it may go on; it goes on deciding."""
    asked: list[Any] = []
    attend = app.Worker._attend

    def obey(self: app.Worker, message: Any) -> None:
        if isinstance(message, Attest):
            asked.append(message)
        else:
            obeyed(self, message)

    def attending(self: app.Worker) -> None:
        attend(self)
        if asked and _may_go():
            asked.clear()
            self.channel.say(Attested(*app.manifest.testimony(self.root)))

    obeyed, app.Worker._obey = app.Worker._obey, obey  # type: ignore[method-assign]
    app.Worker._attend = attending  # type: ignore[method-assign]


def waits_while_retiring() -> None:
    """It does not end when it is told to before it may go on."""
    obeyed = app.Worker._obey

    def obey(self: app.Worker, message: Any) -> None:
        if isinstance(message, Retire):
            _wait(self)
        obeyed(self, message)

    app.Worker._obey = obey  # type: ignore[method-assign]


def _on_tick(which: Callable[[Any], bool], act: Callable[[], object]) -> None:
    calm = reading.decide

    def decide(view: Any, tick: Any) -> Any:
        if LIVE and which(tick):
            act()
        return calm(view, tick)

    reading.decide = decide


def _raise() -> None:
    raise RuntimeError("this strategy cannot bear a live market")


def _in_place_of_beats(frame: bytes) -> None:
    def beat(self: Any, beating: Beating) -> None:
        self._socket.send(frame)

    app.Channel.beat = beat  # type: ignore[method-assign]


def _command(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(5)
        channel.connect(str(path))
        with suppress(BrokenPipeError):  # it may be answered before it was heard
            channel.sendall(b'{"verb":"pause","args":{"reason":"a worker wants it"}}\n')
        return str(json.loads(channel.recv(65_536))["code"])


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        done = attempt()
    except OSError as error:
        return f"refused: {error.strerror}"
    return f"done: {done}"


def _wait(worker: app.Worker) -> None:
    while not _may_go():
        worker.channel.wait(PAUSE_MS)
        worker._attend()
        worker._go_if_asked()


def _may_go() -> bool:
    return (_scratch() / "go").exists()


def _scratch() -> Path:
    return Path(sys.argv[sys.argv.index("--scratch") + 1])


def _uid() -> str:
    return sys.argv[sys.argv.index("--uid") + 1]
