"""Cells replayed on a Dask cluster that is there already: its scheduler's address is all that is needed.

Leaves what a machine of the cluster does to `node`. Releases are sent as files, tapes in pieces, each once to each
machine, and only if it has not got them by content. What always holds: nothing runs on a machine whose Foresight,
Python or Dask is another than ours; a machine that is lost costs its cells another attempt elsewhere; a cluster that
has no machine left is told after a while, not waited for.
"""

from __future__ import annotations

import contextlib
import logging
import queue
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from deploy.analysis.sweep import node
from deploy.analysis.sweep.cells import Cell, Release, Stretch
from deploy.analysis.sweep.stretches import files
from deploy.analysis.sweep.tasks import Answer, task
from deploy.running import CannotRun
from shared.clock import NS, SystemClock
from shared.fingerprint import modules

CONNECT_S: Final = 10.0
"""How long the scheduler may take to answer, real seconds."""
SEND_S: Final = 300.0
"""How long a machine may take to take something, or to make a release of it."""
LOST_S: Final = 60.0
"""How long a cluster may be without any machine, or without its scheduler."""
PIECE_BYTES: Final = 4 << 20
"""The most of a tape that travels at once."""
AHEAD: Final = 2
"""Cells that wait at the scheduler for each that runs: a machine that is free has its next one at once."""
SENDS_MAX: Final = 3
"""How often a cell may find that its machine lacks something."""
_LOOK_S: Final = 1.0
_INSTALL: Final = "make cluster"


class Cluster:
    """Args: address: of the scheduler, like tcp://10.0.0.7:8786. warm_s: market seconds before a stretch that count.

    say: told what is sent where. Raises: CannotRun: here and while it runs.
    """

    def __init__(self, address: str, warm_s: int, say: Callable[[str], None] = lambda line: None) -> None:
        self._client, self._gone = _connected(address)
        self._address, self._warm_s, self._say, self._clock = address, warm_s, say, SystemClock()
        self._over: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._running: dict[Any, Cell] = {}
        self._waiting: deque[Cell] = deque()
        self._sends: Counter[str] = Counter()
        self._there_ns = self._clock.monotonic_ns()

    def run(self, cells: Iterable[Cell]) -> Iterator[Answer]:
        """An answer for every cell, as they come. Raises: CannotRun."""
        self._waiting.extend(cells)
        try:
            places = self._places()
            self._supply(places, list(self._waiting))
            while self._submit(self._threads()):
                yield from self._heard()
        except self._gone as error:
            if getattr(error, "errno", None) is not None:
                raise  # of our own disk; Dask's have no number
            raise CannotRun("UNAVAILABLE", f"the scheduler at {self._address} has gone: {error}", _AGAIN) from error
        finally:
            self._leave()

    def _leave(self) -> None:
        """Take back what nobody waits for any more, if there is somebody to be told."""
        with contextlib.suppress(*self._gone):
            self._client.cancel(list(self._running))
        self._client.close()

    # --- machines -------------------------------------------------------------------------------------------------

    def _threads(self) -> int:
        """How many cells the cluster does at a time."""
        return sum(self._client.nthreads().values())

    def _places(self) -> dict[str, str]:
        """One worker's address for each machine. Raises: CannotRun: there is none, or one is not like us."""
        if not self._threads():
            raise CannotRun(
                "UNAVAILABLE", f"{self._address} has no worker", "start some: .venv/bin/dask worker ADDRESS"
            )
        ours = node.testimony()
        said = self._client.run(node.testimony, on_error="return")
        others = [f"{address}: {_differs(words, ours)}" for address, words in said.items() if _differs(words, ours)]
        others += _dask_differs(self._client.get_versions(check=False))
        if others:
            raise CannotRun("PRECONDITION", "\n".join(others), f"the same checkout there, then {_INSTALL}")
        return {words["place"]: address for address, words in said.items()}

    def _supply(self, places: dict[str, str], cells: Iterable[Cell]) -> None:
        """Send every machine what it lacks."""
        wanted = list(cells)
        releases = {cell.release.hash: cell.release for cell in wanted}
        stretches = {(each.content, each.from_seq): each for each in (cell.stretch for cell in wanted)}
        for place, address in places.items():
            for release in releases.values():
                if self._ask(address, node.lacks_release, release):
                    self._say(f"sending {release.name} to {place}")
                    self._send_release(address, release)
            for stretch in stretches.values():
                if self._ask(address, node.lacks_tape, stretch):
                    self._say(f"sending the tape of {stretch.at} to {place}")
                    self._send_tape(address, stretch)

    def _send_release(self, address: str, release: Release) -> None:
        folder = Path(release.folder)
        self._ask(address, node.take_release, release, {name: (folder / name).read_bytes() for name in modules(folder)})

    def _send_tape(self, address: str, stretch: Stretch) -> None:
        for path in files(Path(stretch.folder), stretch, self._warm_s):
            with path.open("rb") as file:
                offset = 0
                while data := file.read(PIECE_BYTES):
                    self._ask(address, node.take_piece, stretch, path.name, offset, data)
                    offset += len(data)
        self._ask(address, node.tape_is_whole, stretch)

    def _ask(self, address: str, what: Callable[..., Any], *arguments: object) -> Any:
        """One machine's answer. Raises: CannotRun: it could not do that, or is gone."""
        future = self._client.submit(what, *arguments, workers=[address], allow_other_workers=False, pure=False)
        try:
            return future.result(timeout=SEND_S)
        except Exception as error:  # whatever another machine's disk or network can bring
            raise CannotRun("UNAVAILABLE", f"{address}: {type(error).__name__}: {error}", _AGAIN) from error

    # --- cells ----------------------------------------------------------------------------------------------------

    def _submit(self, threads: int) -> bool:
        """Let the scheduler have as many cells as keep its machines busy; whether any is under way."""
        while self._waiting and len(self._running) < max(1, threads) * AHEAD:
            cell = self._waiting.popleft()
            future = self._client.submit(node.replay, task(cell), cell.release, cell.stretch, pure=False)
            self._running[future] = cell
            future.add_done_callback(self._over.put)
        return bool(self._running)

    def _heard(self) -> Iterator[Answer]:
        """Wait until a cell is over. Raises: CannotRun: there is no machine, or no scheduler, any more."""
        try:
            future = self._over.get(timeout=_LOOK_S)
        except queue.Empty:
            self._look_after()
            return
        cell = self._running.pop(future)
        if future.status in {"cancelled", "lost"}:
            raise CannotRun("UNAVAILABLE", f"the scheduler at {self._address} has gone", _AGAIN)
        if future.status == "error":
            error = future.exception()
            yield Answer(cell.name, fault=f"{type(error).__name__}: {error}")
            return
        answer = future.result()
        if answer is not None:
            yield msgspec.json.decode(answer, type=Answer)
        else:
            yield from self._lacking(cell)

    def _lacking(self, cell: Cell) -> Iterator[Answer]:
        """A machine that came later, or lost its cache, has to be supplied first."""
        self._sends[cell.name] += 1
        if self._sends[cell.name] > SENDS_MAX:
            yield Answer(cell.name, fault=f"its machine lacked what was sent, {SENDS_MAX} times")
            return
        self._supply(self._places(), [cell])
        self._waiting.append(cell)

    def _look_after(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if self._client.status == "running" and self._client.nthreads():
            self._there_ns = now_ns
        elif now_ns - self._there_ns > LOST_S * NS:
            raise CannotRun("UNAVAILABLE", f"{self._address} has had no machine for {LOST_S:g} s", _AGAIN)


_CHATTY: Final = ("distributed", "distributed.client", "distributed.core", "distributed.comm")
"""Loggers that print a traceback for what is told here in a sentence."""
_AGAIN: Final = "the same command again goes on with what is left"


def _connected(address: str) -> tuple[Any, tuple[type[Exception], ...]]:
    """A client of the scheduler, and all that it raises when that has gone, by what it was doing then.

    The client has no type that could be checked: Dask has few. Raises: CannotRun.
    """
    try:
        distributed = import_module("distributed")
    except ImportError as error:
        raise CannotRun("CONFIG", f"--cluster needs Dask, which is not installed: {error}", _INSTALL) from error
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        text = f"no Dask scheduler answers at {address}: {error}"
        raise CannotRun("UNAVAILABLE", text, "its address stands in what `dask scheduler` prints") from error
    return client, (OSError, CancelledError, distributed.client.ClosedClientError)


def _differs(words: object, ours: dict[str, str]) -> str:
    """How a machine differs from this one; empty when it does not."""
    if not isinstance(words, dict):
        return f"its Foresight is none, or another one: {type(words).__name__}: {words}"
    if words["code"] != ours["code"]:
        return f"its Foresight is {words['code']}, ours {ours['code']}"
    return "" if words["python"] == ours["python"] else f"its Python is {words['python']}, ours {ours['python']}"


def _dask_differs(versions: dict[str, Any]) -> Iterator[str]:
    """Machines whose Dask is another than ours, the scheduler's among them."""
    ours = versions["client"]["packages"]["distributed"]
    for name, there in {"scheduler": versions["scheduler"], **versions["workers"]}.items():
        theirs = there["packages"]["distributed"]
        if theirs != ours:
            yield f"{name}: its Dask is {theirs}, ours {ours}"
