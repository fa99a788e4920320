"""What the exchange wants said."""

from __future__ import annotations

from deploy.rehearsal.outbox import Line, Outbox, ToEverybody


def test_things_leave_in_the_order_they_happened_and_once() -> None:
    """An outbox that was emptied is empty."""
    outbox, first, second = Outbox(), Line(1, "key", {}), ToEverybody({"a": 1})
    outbox.put(first)
    outbox.put(second)
    assert outbox.take() == [first, second]
    assert outbox.take() == []
