"""A process that replays one cell after the other: `python -m deploy.analysis.sweep.hand`.

A task comes as a line on standard input, its answer goes as a line to standard output; whatever else is printed goes to
standard error. What always holds: it ends when nobody is left to tell it anything, also in the middle of a cell, and
what it had started ends with it.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import BinaryIO, NoReturn

import msgspec

from deploy.analysis.replay import replayed
from deploy.analysis.replay.engine import Nobody
from deploy.analysis.replay.footage import NoTape
from deploy.analysis.replay.hands import ReleaseFailed
from deploy.analysis.sweep.tasks import Answer, Done, Task


def main() -> None:
    """Answer every task that comes."""
    signal.signal(signal.SIGTERM, _end)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    tasks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, tasks), daemon=True).start()
    while True:
        answer = answered(msgspec.json.decode(tasks.get(), type=Task))
        answers.write(msgspec.json.encode(answer) + b"\n")
        answers.flush()


class Nets(Nobody):
    """An audience that writes down what each window earned."""

    def __init__(self) -> None:
        self.micro: list[int] = []

    def ended(self, at_ns: int, net_micro: int) -> None:
        """A window in which something had filled was resolved."""
        self.micro.append(net_micro)


def answered(task: Task) -> Answer:
    """Replay one cell. What cannot be replayed is an answer as well; a fault of ours ends the process."""
    nets = Nets()
    try:
        return Answer(task.cell, Done(replayed(task.job, audience=nets), tuple(nets.micro)))
    except (NoTape, ReleaseFailed) as error:
        return Answer(task.cell, fault=str(error))


def _listen(lines: BinaryIO, tasks: queue.SimpleQueue[bytes]) -> None:
    for line in lines:
        tasks.put(line)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
