"""Cells on this machine: bounded, stoppable, and one that kills its process takes no other with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.clocks import eventually
from kit.desks import runs
from kit.sweeps import a_hand, a_task

from deploy.analysis.sweep.pool import ATTEMPTS_MAX, Pool
from deploy.analysis.sweep.tasks import Answer
from shared.clock import NS, SystemClock


def _nets(answers: list[Answer]) -> dict[str, int | None]:
    return {answer.cell: answer.done.result.net_micro if answer.done else None for answer in answers}


def test_every_task_is_answered_once() -> None:
    """By however many processes."""
    hand = a_hand("answer(parameters['n'])")
    for processes in (1, 3):
        answers = list(Pool(processes, hand).run(a_task(f"c{n}", n=n) for n in range(20)))
        assert len(answers) == 20 and _nets(answers) == {f"c{n}": n for n in range(20)}


def test_there_are_never_more_processes_than_asked_for(tmp_path: Path) -> None:
    """Each leaves its number where all can see it."""
    hand = a_hand(f"open(f'{tmp_path}/{{os.getpid()}}', 'w').close(); answer()")
    assert len(list(Pool(2, hand).run(a_task(f"c{n}") for n in range(30)))) == 30
    assert 1 <= len(list(tmp_path.iterdir())) <= 2


def test_a_cell_that_kills_its_process_is_named_and_takes_no_other_with_it(tmp_path: Path) -> None:
    """It is tried a bounded number of times; how its process ended is told."""
    hand = a_hand(
        f"open('{tmp_path}/tried', 'a').write(task['cell']) if parameters['n'] == 3 else 0\n"
        "    os.kill(os.getpid(), signal.SIGKILL) if parameters['n'] == 3 else answer(parameters['n'])"
    )
    answers = {answer.cell: answer for answer in Pool(2, hand).run(a_task(f"c{n}", n=n) for n in range(9))}
    assert len(answers) == 9 and [cell for cell, answer in answers.items() if answer.done is None] == ["c3"]
    assert "SIGKILL" in answers["c3"].fault
    assert (tmp_path / "tried").read_text() == "c3" * ATTEMPTS_MAX


def test_a_process_that_dies_once_by_chance_costs_nothing(tmp_path: Path) -> None:
    """The second attempt counts."""
    marker = tmp_path / "once"
    hand = a_hand(f"os.path.exists('{marker}') or (open('{marker}', 'w').close(), sys.exit(3)); answer(4)")
    assert _nets(list(Pool(1, hand).run([a_task("c")]))) == {"c": 4}


class _Begun(SystemClock):
    """Time passes when a cell has begun, which leaves a file, and only then: a machine may be slow to start one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def monotonic_ns(self) -> int:
        return NS * len(list(self._folder.iterdir()))


def test_a_cell_that_takes_for_ever_is_ended(tmp_path: Path) -> None:
    """With whatever its process has started."""
    hand = a_hand(
        "import subprocess\n"
        f"    child = subprocess.Popen(['sleep', '600']); open(f'{tmp_path}/{{child.pid}}', 'w').close()\n"
        "    time.sleep(600)"
    )
    (answer,) = Pool(1, hand, cell_s=0.5, clock=_Begun(tmp_path)).run([a_task("c")])
    assert "not done after 0.5 s" in answer.fault
    children = [int(path.name) for path in tmp_path.iterdir()]
    assert len(children) == ATTEMPTS_MAX
    assert eventually(lambda: not any(map(runs, children)))


@pytest.mark.parametrize("said", ["print('hello', flush=True)", "task['cell'] = 'other'; answer()", "print('{')"])
def test_a_process_that_talks_nonsense_is_not_believed(said: str) -> None:
    """Its cell is answered for, with what it said."""
    (answer,) = Pool(1, a_hand(said + "\n    sys.stdout.flush()")).run([a_task("c")])
    assert answer.done is None and answer.fault.startswith("it ")


def test_whoever_stops_asking_leaves_no_process_behind(tmp_path: Path) -> None:
    """Ctrl-C comes as an exception where answers are taken."""
    hand = a_hand(f"open(f'{tmp_path}/{{os.getpid()}}', 'w').close(); answer()")
    answers = Pool(2, hand).run(a_task(f"c{n}") for n in range(100))
    assert next(answers).done is not None
    answers.close()  # type: ignore[attr-defined]
    pids = [int(path.name) for path in tmp_path.iterdir()]
    assert pids and not any(map(runs, pids))


def test_what_a_process_prints_last_is_told() -> None:
    """The line that names the fault."""
    (answer,) = Pool(1, a_hand("raise ValueError('no such thing')")).run([a_task("c")])
    assert "ended with 1: ValueError: no such thing" in answer.fault
