"""Tasks and answers, as they travel."""

from __future__ import annotations

import msgspec
from kit.sweeps import a_cell, done

from deploy.analysis.sweep.tasks import Answer, Task, task


def test_a_task_is_where_its_machine_has_things() -> None:
    """Here unless another place is named; a point of no parameters leaves those that were recorded."""
    cell = a_cell({"stake_usd": 2})
    assert (task(cell).job.release, task(cell).job.tape) == ("releases/a", "tape")
    assert (task(cell, "x", "y").job.release, task(cell, "x", "y").job.tape) == ("x", "y")
    assert task(cell).job.parameters == {"stake_usd": 2}
    assert task(a_cell()).job.parameters is None


def test_a_task_ends_where_its_name_ends() -> None:
    """Winners that are told behind the stretch's content are of another cell: a desk may write on meanwhile."""
    cell = a_cell()
    job = task(cell).job
    assert (job.from_seq, job.to_seq, job.until_seq) == (1, 90, 100)


def test_both_travel_as_json() -> None:
    """Byte for byte what they were."""
    asked, answered = task(a_cell({"a": 1.5})), Answer("c", done(7, 1, -2, holes=((1, 2),)))
    assert msgspec.json.decode(msgspec.json.encode(asked), type=Task) == asked
    assert msgspec.json.decode(msgspec.json.encode(answered), type=Answer) == answered
