"""Worker processes: started in their cell, spoken to over one channel each, watched, ended.

A worker's channel is one end of an AF_UNIX SOCK_SEQPACKET pair, inherited at exec; end-of-file is the death notice,
both ways. Processes are started by exec only and are waited for, and signalled, by pidfd: a number that is never
recycled.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared import wire
from shared.messages import FromWorker, LastWords, ToWorker
from shared.paths import State
from supervisor.child import end_at_once
from supervisor.death import Death

CELL: Final = Path(__file__).with_name("cell.py")
READ_MAX: Final = 64
"""Messages taken from one worker before somebody else has a turn."""
LOG_TAIL: Final = 400
"""Bytes of a dead worker's output that are told with its death."""
SURROUNDINGS: Final = {"PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
"""All that a worker sees of the environment: nothing of ours."""
TRIAL: Final = "trial"
"""The folder beside the workers' own in which the newest trial left its output."""
_KEPT: Final = 8


class CannotStart(Exception):
    """A worker could not be started: its release or its environment is not there, or the system refused."""


@dataclass
class Process:
    """A worker process and our end of its channel."""

    uid: str
    popen: subprocess.Popen[bytes]
    pidfd: int
    channel: socket.socket
    folder: Path
    last_words: str = ""


class Workers:
    """Args: heard: called with every message, (uid, pid, message). breached: with what no worker may send.

    lost: called once when a process is gone, (uid, death).
    """

    def __init__(
        self,
        state: State,
        heard: Callable[[str, int, FromWorker], None],
        breached: Callable[[str, str], None],
        lost: Callable[[str, Death], None],
    ) -> None:
        self._state, self._heard, self._breached, self._lost = state, heard, breached, lost
        self._loop = asyncio.get_running_loop()
        self._processes: dict[str, Process] = {}
        self._end_orphans()

    def spawn(self, uid: str, release: str, lock: str) -> int:
        """Start a worker; return its pid. Raises: CannotStart: nothing of it is left, no process and no descriptor."""
        with contextlib.ExitStack() as undo:
            try:
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                undo.enter_context(ours)
                with theirs:
                    started = self._start(uid, release, lock, theirs.fileno())
                undo.callback(end_at_once, started)
                pidfd = os.pidfd_open(started.pid)
            except OSError as error:
                raise CannotStart(f"{release}: {error}") from error
            undo.pop_all()
        self._watch(Process(uid, started, pidfd, ours, self._state.workers / uid))
        self._forget_old()
        return started.pid

    def tell(self, uid: str, message: ToWorker) -> None:
        """Send a message; a worker that is gone or does not read is noticed elsewhere."""
        process = self._processes.get(uid)
        if process is not None:
            with contextlib.suppress(OSError):
                process.channel.send(wire.encode(message))

    def kill(self, uid: str) -> None:
        """End a worker at once."""
        process = self._processes.get(uid)
        if process is not None:
            signal.pidfd_send_signal(process.pidfd, signal.SIGKILL)

    def kill_all(self) -> None:
        """End every worker at once; their deaths are still told."""
        for uid in list(self._processes):
            self.kill(uid)

    @property
    def living(self) -> int:
        """How many processes there are."""
        return len(self._processes)

    def owns(self, pid: int) -> bool:
        """Whether a process is one of the workers; its cell lets it start no other."""
        return any(process.popen.pid == pid for process in self._processes.values())

    def _start(self, uid: str, release: str, lock: str, fd: int) -> subprocess.Popen[bytes]:
        folder = self._state.workers / uid
        arguments = ["--uid", uid, "--channel", str(fd), "--scratch", str(folder)]
        ledger = Path("/dev/shm") / self._state.ledger_name
        command = confined(self._state, release, lock, arguments, readable=(ledger,), writable=str(folder))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "output.log").open("ab") as output:
            return subprocess.Popen(
                command,
                cwd=self._state.releases / release,
                env={**SURROUNDINGS, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(fd,),
                start_new_session=True,
            )

    def _end_orphans(self) -> None:
        """End workers of a reign that was cut off and that did not notice: no service manager swept them away.

        Nobody else starts workers here, because the caller holds the state folder's lock.
        """
        end_strays("cmdline", b"--scratch\0" + os.fsencode(self._state.workers) + b"/")

    def _watch(self, process: Process) -> None:
        process.channel.setblocking(False)
        self._processes[process.uid] = process
        self._loop.add_reader(process.channel, self._read, process)
        self._loop.add_reader(process.pidfd, self._ended, process)

    def _read(self, process: Process) -> None:
        """Take what is there, up to a bound: whoever floods its channel waits like everybody else."""
        for _ in range(READ_MAX):
            if not self._read_one(process):
                return

    def _read_one(self, process: Process) -> bool:
        """Take the next message; whether there was one."""
        try:
            frame, _, flags, _ = process.channel.recvmsg(wire.MAX_FRAME + 1)
        except BlockingIOError:
            return False
        except OSError:
            frame, flags = b"", 0
        if not frame:
            self._loop.remove_reader(process.channel)
            return False
        self._take(process, frame, bool(flags & socket.MSG_TRUNC))
        return True

    def _take(self, process: Process, frame: bytes, truncated: bool) -> None:
        try:
            if truncated:
                raise wire.BadFrame(f"frame is over the bound of {wire.MAX_FRAME} bytes")
            message = wire.decode_from_worker(frame)
        except wire.BadFrame as error:
            self._breached(process.uid, str(error))
            return
        if isinstance(message, LastWords):
            process.last_words = f"{message.reason}: {message.detail}"
        else:
            self._heard(process.uid, process.popen.pid, message)

    def _ended(self, process: Process) -> None:
        """The process is gone: hear what it still had said, reap it, tell."""
        self._loop.remove_reader(process.pidfd)
        while self._read_one(process):
            pass
        self._loop.remove_reader(process.channel)
        status = process.popen.wait()
        process.channel.close()
        os.close(process.pidfd)
        del self._processes[process.uid]
        self._lost(process.uid, Death(status, process.last_words, last_line(process.folder / "output.log")))

    def _forget_old(self) -> None:
        """Keep the scratch folders of the last few workers for people who look."""
        dead = [path for path in self._state.workers.iterdir() if path.name not in {TRIAL, *self._processes}]
        for path in sorted(dead, key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def confined(
    state: State, release: str, lock: str, arguments: list[str], *, readable: tuple[Path, ...] = (), writable: str = ""
) -> list[str]:
    """The command that runs a release's `python -m worker` in its cell.

    Args: readable: beside the release, its environment and the tape. writable: the folder it may write in, if any.
    Raises: CannotStart: it is not all there.
    """
    environment = state.environments / lock
    python = environment / "bin" / "python"
    if not python.exists() or not (state.releases / release / "worker").is_dir():
        raise CannotStart(f"release {release} is not staged completely; type: foresightctl stage PATH")
    read = (state.releases / release, environment, state.tape, *readable, CELL, python.resolve())
    cell = [str(python), "-I", "-S", str(CELL), ":".join(map(str, read)), writable, "--"]
    return [*cell, str(python), "-m", "worker", *arguments]


def end_strays(where: str, said: bytes) -> None:
    """End every process that has these bytes in a file of /proc: its "cmdline" or its "environ"."""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pidfd = os.pidfd_open(int(entry.name))
            try:
                if said in (entry / where).read_bytes():
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            finally:
                os.close(pidfd)


def last_line(log: Path) -> str:
    """The last line of what a process said, as far as LOG_TAIL goes; empty where it said nothing."""
    try:
        lines = log.read_bytes()[-LOG_TAIL:].decode(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


if sys.platform != "linux":
    raise ImportError("Foresight's workers need Linux: pidfds, seccomp and landlock")
