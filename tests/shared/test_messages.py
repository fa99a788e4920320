"""What crosses a process border."""

import typing

from shared import messages as m


def test_every_message_is_frozen_and_travels_as_an_array() -> None:
    """A frame cannot be changed after it was made, and costs no field names on the wire."""
    kinds = [*typing.get_args(m.Event), *typing.get_args(m.FromWorker), *typing.get_args(m.ToWorker), m.Streamed]
    for kind in kinds:
        assert kind.__struct_config__.frozen, kind
        assert kind.__struct_config__.array_like, kind


def test_no_two_kinds_of_a_border_share_a_name() -> None:
    """The tag alone says what a frame is."""
    for union in (m.Event, m.FromWorker, m.ToWorker, m.Intent):
        tags = [kind.__struct_config__.tag for kind in typing.get_args(union)]
        assert len(set(tags)) == len(tags)
        assert all(tags)


def test_the_newest_protocol_is_the_one_we_are() -> None:
    """The range ends with our own version."""
    assert m.PROTOCOLS[0] <= m.PROTOCOLS[1] == m.PROTOCOL_VERSION
