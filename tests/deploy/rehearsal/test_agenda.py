"""What is to happen when."""

from __future__ import annotations

from deploy.rehearsal.agenda import Agenda


def test_actions_run_in_order_of_time_then_of_planning() -> None:
    """However they were added."""
    agenda, done = Agenda(), []
    for due_ms, name in ((5, "c"), (3, "a"), (5, "d"), (3, "b"), (9, "later")):
        agenda.add(due_ms, lambda name=name: done.append(name))  # type: ignore[misc]
    for _, action in agenda.due(5):
        action()
    assert done == ["a", "b", "c", "d"]
    assert agenda.next_ms == 9


def test_an_action_may_plan_one_that_is_due_as_well() -> None:
    """A late process catches up with all of it in one turn."""
    agenda, done = Agenda(), []

    def again() -> None:
        done.append(len(done))
        if len(done) < 4:
            agenda.add(len(done), again)

    agenda.add(0, again)
    for _, action in agenda.due(10):
        action()
    assert (done, agenda.next_ms) == ([0, 1, 2, 3], None)
