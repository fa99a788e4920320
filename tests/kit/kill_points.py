"""Kill a supervisor exactly where it is about to enter a system call on its journal: strace counts, and kills.

Two threads touch the journal: the loop, which writes, and the one that waits for the disk and then wakes the loop. A
point names the thread, the call, and which one of these it is. A process that is killed on entering a call has not made
it. So that a write can also be caught half done, or done and nothing after it, strace prints the bytes it did not let
through, and `finish` puts as many of them where they belong: what a kernel leaves that was interrupted in the middle.

The points are read off a trace, never listed by hand: whatever the code does to its journal is in it. Between two runs
the turns of the loop fall differently, so the same point finds other facts being written: the place is exact, what the
desk was doing there is chance.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kit.clocks import eventually

from shared.records import Segment, segments

JOURNAL: Final = "journal"
LOOP: Final = "loop"
COMMIT: Final = "commit"
CALLS: Final = ("pwrite64", "fdatasync", "fsync", "fallocate", "ftruncate", "openat", "rename", "unlink")
WAKE: Final = "write"
"""What the commit thread does when the disk is done: a number written to the loop's event descriptor."""
EVENTS: Final = "anon_inode:[eventfd]"
CAUGHT: Final = {"before": 0.0, "torn": 0.5, "after": 1.0}
"""How a write is caught, and how much of it is in the file then."""
STRACE_S: Final = 60.0
"""How long strace may take to hold on to a process, and to write down that it is gone."""
KILLED: Final = "+++ killed by SIGKILL +++"
PIDS: Final = int(Path("/proc/sys/kernel/pid_max").read_text())
_STRING_MAX: Final = 1 << 24
_CALL: Final = re.compile(r"(?:(\d+) +)?(\w+)\(")
_WRITE: Final = re.compile(r'pwrite64\(\d+<([^>]+)>, "([^"]*)", (\d+), (\d+)')


@dataclass(frozen=True, order=True)
class Point:
    """Before the `nth` such call of a thread; `caught` is how much of a write is in the file all the same."""

    thread: str
    call: str
    nth: int
    caught: str = "before"

    def __str__(self) -> str:
        return f"{self.thread}:{self.call}:{self.nth}:{self.caught}"


def of_one_thread(trace: Path) -> list[Point]:
    """Every call of a traced process that has one thread, in order; lines that are none are signals and ends."""
    counts, found = Counter[str](), list[Point]()
    for line in trace.read_text().splitlines():
        if match := re.match(r"(\w+)\(", line):
            counts[match[1]] += 1
            found.append(Point("loop", match[1], counts[match[1]]))
    return found


def point(text: str) -> Point:
    """The point that a test has printed."""
    thread, call, nth, caught = text.split(":")
    return Point(thread, call, int(nth), caught)


def spread(points: Sequence[Point], wanted: int, seed: int) -> list[Point]:
    """So many points, evenly over all of them; the seed says where to begin. All of them, if there are no more."""
    if len(points) <= wanted:
        return list(points)
    stride = len(points) / wanted
    return [points[int((i + seed * 0.618 % 1) * stride) % len(points)] for i in range(wanted)]


@contextmanager
def attached(pid: int, journal: Path, trace: Path, at: Point | None = None) -> Iterator[None]:
    """Watch a running supervisor's calls on its journal; it dies at a point, if one is named."""
    known = threads(pid)
    wanted = list(known.values()) if at is None else [known[at.thread]]
    command = [*strace([journal, segments(journal)[-1], Path(EVENTS)], trace, at), *(f"--attach={t}" for t in wanted)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert eventually(lambda: process.poll() is not None or _held(wanted, process.pid), STRACE_S)
            assert process.poll() is None, process.communicate()
            yield
        finally:
            process.terminate()


def under(journal: Path, trace: Path, at: Point | None = None) -> list[str]:
    """What a supervisor is started under so that its loop is traced from its first call on, and may die at a point.

    The segments it will make are named for a record's number: it begins with one, and the next may be in a new one.
    """
    paths, next_number = [journal], 1
    for path in segments(journal)[-1:]:
        last = Segment(path, JOURNAL)
        next_number = max((number for number, _ in last), default=last.first - 1) + 1
        paths += [path, path.with_suffix(f".{last.end}.torn")]
    numbers = (next_number, next_number + 1)
    paths += [journal / f"{number:016d}.{kind}" for number in numbers for kind in ("new", "seg")]
    return [*strace(paths, trace, at), "--daemonize=grandchild"]


def strace(paths: Sequence[Path], trace: Path, at: Point | None = None) -> list[str]:
    """The command, up to whom it shall trace: every call on these paths, to a file, and what to do at a point."""
    command = ["strace", "-qq", "-y", "-xx", f"--string-limit={_STRING_MAX}", f"--output={trace}"]
    command += [f"--trace={','.join((*CALLS, WAKE))}", *(f"--trace-path={path}" for path in paths)]
    return command if at is None else [*command, f"--inject={at.call}:signal=KILL:when={at.nth}"]


def threads(pid: int) -> dict[str, int]:
    """The thread ids of a supervisor's two threads; the others belong to libraries, or were begun later.

    Numbers begin anew behind the greatest there is, also between two threads of one process.
    """
    tasks = [task for task in Path(f"/proc/{pid}/task").iterdir() if "ZMQ" not in (task / "comm").read_text()]
    loop, commit, *_ = sorted((int(task.name) for task in tasks), key=lambda thread: (thread - pid) % PIDS)
    return {LOOP: loop, COMMIT: commit}


def points(trace: Path, threads: dict[str, int]) -> list[Point]:
    """Every point of a trace, in its order; a write three times, once for each way to catch it.

    Args: threads: as above; where only one was traced its lines name none, and it is the loop.
    """
    names = {str(thread): name for name, thread in threads.items()} | {None: LOOP}
    counts, found = Counter[tuple[str, str]](), list[Point]()
    for line in trace.read_text().splitlines():
        match = _CALL.match(line)
        key = (names.get(match[1], ""), match[2]) if match else ("", "")
        if key[0] and key != (LOOP, WAKE):
            counts[key] += 1
            found += [Point(*key, counts[key], caught) for caught in (CAUGHT if key[1] == "pwrite64" else ("before",))]
    return found


def finish(at: Point, trace: Path) -> None:
    """Put into the file what a write that was caught had put there.

    The process is gone for others before its tracer has written down with what.
    """
    assert eventually(lambda: KILLED in trace.read_text(), STRACE_S), f"strace did not see it killed at {at}"
    last = [line for line in trace.read_text().splitlines() if f"{at.call}(" in line][-1]
    write = _WRITE.search(last)
    if write is not None:
        path, content = (bytes.fromhex(text.replace(r"\x", "")) for text in write.group(1, 2))
        assert len(content) == int(write[3]), "strace has cut the bytes short"
        with open(path, "r+b") as file:
            file.seek(int(write[4]))
            file.write(content[: round(len(content) * CAUGHT[at.caught])])


def _held(threads: Sequence[int], tracer: int) -> bool:
    """Whether each of the threads is traced by now."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return all(f"TracerPid:\t{tracer}\n" in Path(f"/proc/{thread}/status").read_text() for thread in threads)
    return False
