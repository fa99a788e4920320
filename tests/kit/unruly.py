"""How a release can misbehave: copied into one as `worker/unruly.py`, with a call of one of these behind it.

Each behaviour changes the worker from within and only when it is live, so that the self-check passes, unless that is
the point. What waits does so until a file named `go` is in the worker's scratch folder, or beside the tape for all of
them, those to come as well; it keeps beating meanwhile. What waits before it trades also goes on when `go-RELEASE` is
beside the tape: a release that took over is not held up any more when a worker of it is started anew.
What decides badly does so in one part of its life (`PARTS`) and well in all others: so it comes as far as that.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import sleep
from typing import Any

from msgspec import structs

from shared.messages import Attest, Attested, Beating, Decided, Decision, Place, Ready, Retire, Streamed, Tick
from shared.wire import MAX_FRAME
from worker import app, reading

LIVE = "--channel" in sys.argv
REPLAY = "--replay" in sys.argv
PAUSE_MS = 20
ANSWER_S = 60.0
"""How long the desk may take to answer a command."""
LEAK_MAX_MIB = 640
"""What one that leaks may hold in the end: it shall not take the machine with it."""
WILD_MICRO = 50_000, 5_000_000
"""A bid that harms nobody: a price in millionths and a size in millionths of a share."""
SAID: list[Attested] = []
"""What it has said of itself when it was asked as an owner."""
OWNED: list[Tick] = []
"""Ticks of its own, up to the one it decides now."""
PROVED_BY = 3
"""Own ticks that are answered well before it counts as proved; on a busy machine two may be read at once."""
PARTS: dict[str, Callable[[Tick], bool]] = {
    "replay": lambda tick: REPLAY,
    "shadow": lambda tick: LIVE and bool(tick.owner) and tick.owner != _uid(),
    "owner": lambda tick: LIVE and tick.owner == _uid(),
    "proved": lambda tick: LIVE and tick.owner == _uid() and bool(SAID) and len(OWNED) > PROVED_BY,
    "told": lambda tick: LIVE and tick.owner == _uid() and _may_go(),
}
"""Parts of a worker's life, by the tick it is asked. `proved`: it has said what it runs, and answered as an owner."""


def does_not_import() -> None:
    """A room of it is missing."""
    raise ImportError("a room is missing")


def takes_its_time() -> None:
    """Nothing is wrong with it; another note makes another release."""


def crashes_on_its_first_tick() -> None:
    """It raises on the first tick it is shown, whoever owns the slot."""
    crashes_on_tick(1, "shadow")


def crashes_when_it_owns() -> None:
    """It raises on the first tick that is its own to decide."""
    crashes_on_tick(1, "owner")


def crashes_on_tick(number: int, part: str) -> None:
    """It raises on a tick of a part of its life, counted from 1."""
    asked: list[Tick] = []

    def count(tick: Tick, decision: Decision) -> Decision:
        asked.append(tick)
        if len(asked) >= number:
            raise RuntimeError("this strategy cannot bear a live market")
        return decision

    _decides(part, count)


def answers_slowly(seconds: float, part: str = "owner", every: int = 1) -> None:
    """It thinks so long about every so many ticks of a part of its life."""
    asked: list[Tick] = []

    def think(tick: Tick, decision: Decision) -> Decision:
        asked.append(tick)
        sleep(0 if len(asked) % every else seconds)
        return decision

    _decides(part, think)


def leaks(mib: int, part: str) -> None:
    """It forgets nothing: each tick costs so much memory, up to LEAK_MAX_MIB."""
    held: list[bytes] = []

    def hold(tick: Tick, decision: Decision) -> Decision:
        if len(held) * mib < LEAK_MAX_MIB:
            held.append(b"x" * (mib << 20))
        return decision

    _decides(part, hold)


def orders_wrong_sizes(factor: int, part: str) -> None:
    """Its orders are so many times too large."""
    _wishes(part, lambda place: structs.replace(place, size_micro=factor * place.size_micro))


def inverts_its_signal(part: str) -> None:
    """It buys Down where Up was meant."""
    other = {"Up": "Down", "Down": "Up"}
    _wishes(part, lambda place: structs.replace(place, outcome=other[place.outcome]))


def never_holds(part: str) -> None:
    """It orders on every tick."""
    price_micro, size_micro = WILD_MICRO
    wild = Place("Down", "BUY", price_micro, size_micro, "GTC", post_only=True)

    def order(tick: Tick, decision: Decision) -> Decision:
        holds = not any(isinstance(wish, Place) for wish in decision.intents)
        return structs.replace(decision, intents=(*decision.intents, wild)) if holds else decision

    _decides(part, order)


def throws_dice(part: str) -> None:
    """What it decides depends on chance, if only in its words."""
    _decides(part, lambda tick, said: structs.replace(said, reasons={**said.reasons, "dice": os.urandom(4).hex()}))


def opens_a_socket(part: str) -> None:
    """It wants to know what others think of a tick."""

    def ask_others(tick: Tick, decision: Decision) -> Decision:
        socket.create_connection(("127.0.0.1", 9), timeout=1).close()
        return decision

    _decides(part, ask_others)


def lies_when_it_greets() -> None:
    """It says that it is another release."""
    if LIVE:
        _, modules = app.manifest.testimony(Path.cwd())
        app.manifest.testimony = lambda root: ("f" * 12, modules)


def lies_when_it_attests() -> None:
    """It says of one of its files that it is another one, when it is asked again."""
    honest, greeted = app.manifest.testimony, list[str]()

    def lie(root: Path) -> Any:
        release, modules = honest(root)
        if greeted:
            modules = (structs.replace(modules[0], digest="f" * 12), *modules[1:])
        greeted.append(release)
        return release, modules

    if LIVE:
        app.manifest.testimony = lie


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
        _wait(self, _may_go)
        warm_up(self, first)

    app.Worker._warm_up = wait  # type: ignore[method-assign]


def waits_while_tried() -> None:
    """Its replay does not decide before it may go on."""

    def wait(tick: Tick, decision: Decision) -> Decision:
        while not _may_go():
            sleep(PAUSE_MS / 1_000)
        return decision

    _decides("replay", wait)


def waits_while_watched() -> None:
    """It does not tell how much memory it holds before it may go on: no gate passes without that, and none fails."""
    beat = app.Channel.beat

    def modest(self: app.Channel, message: Beating) -> None:
        beat(self, message if _may_go() else structs.replace(message, rss_kib=0))

    app.Channel.beat = modest  # type: ignore[method-assign]


def waits_while_restoring() -> None:
    """Once it has lost a slot it does not say how far it has read before it may go on: it is given none."""
    owned, lost = set[str](), set[str]()

    def own(tick: Tick, decision: Decision) -> Decision:
        owned.add(tick.slot)
        lost.discard(tick.slot)
        return decision

    def follow(tick: Tick, decision: Decision) -> Decision:
        lost.update({tick.slot} & owned)
        return decision

    _decides("owner", own)
    _decides("shadow", follow)
    _says_no_progress(lambda: bool(lost) and not _all_may_go())


def waits_while_flipping() -> None:
    """It decides in the shadow, but does not say how far it has read, and reads no further before it may go on."""
    frames, decided, let_go = app.Subscription.frames, list[Decided](), list[bool]()

    def waits() -> bool:
        if not let_go and _may_go():
            let_go.append(True)  # for good: it may own slots by now
        return not let_go

    def held(self: app.Subscription, most: int) -> Iterator[Streamed]:
        if decided and waits():
            sleep(PAUSE_MS / 1_000)
            return
        yield from frames(self, most)

    app.Subscription.frames = held  # type: ignore[method-assign]
    _says_no_progress(waits)
    _notes(Decided, decided)


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
            _wait(self, _all_may_go)
        obeyed(self, message)

    app.Worker._obey = obey  # type: ignore[method-assign]


def _decides(part: str, change: Callable[[Tick, Decision], Decision]) -> None:
    """In a part of its life, change what it decides."""
    calm, belongs = reading.decide, PARTS[part]

    def decide(view: Any, tick: Tick) -> Decision:
        decision = calm(view, tick)
        return change(tick, decision) if belongs(tick) else decision

    reading.decide = decide


def _wishes(part: str, change: Callable[[Place], Place]) -> None:
    """In a part of its life, change what it orders."""

    def wish(tick: Tick, decision: Decision) -> Decision:
        intents = tuple(change(wish) if isinstance(wish, Place) else wish for wish in decision.intents)
        return structs.replace(decision, intents=intents)

    _decides(part, wish)


def _notes(kind: type[Any], said: list[Any]) -> None:
    """Keep what it says of one kind."""
    say = app.Channel.say

    def noted(self: app.Channel, message: Any) -> None:
        say(self, message)
        if isinstance(message, kind):
            said.append(message)

    app.Channel.say = noted  # type: ignore[method-assign]


def _says_no_progress(when: Callable[[], bool]) -> None:
    """At times, say nothing of how far it has read."""
    say, beat = app.Channel.say, app.Channel.beat

    def modest(message: Any) -> Any:
        telling = isinstance(message, Ready | Beating | Decided)
        return structs.replace(message, read_seq=0) if telling and when() else message

    app.Channel.say = lambda self, message: say(self, modest(message))  # type: ignore[method-assign]
    app.Channel.beat = lambda self, message: beat(self, modest(message))  # type: ignore[method-assign]


def _in_place_of_beats(frame: bytes) -> None:
    def beat(self: Any, beating: Beating) -> None:
        self._socket.send(frame)

    app.Channel.beat = beat  # type: ignore[method-assign]


def _command(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(ANSWER_S)
        channel.connect(str(path))
        with suppress(ConnectionError):  # it may be answered before it was heard
            channel.sendall(b'{"verb":"pause","args":{"reason":"a worker wants it"}}\n')
        return str(json.loads(channel.recv(65_536))["code"])


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        done = attempt()
    except OSError as error:
        return f"refused: {error.strerror}"
    return f"done: {done}"


def _wait(worker: app.Worker, may: Callable[[], bool]) -> None:
    while not may():
        worker.channel.wait(PAUSE_MS)
        worker._attend()
        worker._go_if_asked()


def _may_go() -> bool:
    return _all_may_go() or (_tape() / f"go-{Path.cwd().name}").exists()


def _all_may_go() -> bool:
    return (_tape() / "go").exists() or (LIVE and (_scratch() / "go").exists())


def _tape() -> Path:
    return Path(_argument("--replay")) if REPLAY else _scratch().parents[1] / "tape"


def _scratch() -> Path:
    return Path(_argument("--scratch"))


def _uid() -> str:
    return _argument("--uid")


def _argument(name: str) -> str:
    return sys.argv[sys.argv.index(name) + 1]


def _own(tick: Tick, decision: Decision) -> Decision:
    OWNED.append(tick)
    return decision


_notes(Attested, SAID)
_decides("owner", _own)
