"""What every frame of the venue has in common."""

import pytest

from supervisor.venue.frames import ID_MAX, MAX_FRAME, BadFrame, NotAnId, an_id, bounded, sample, to_json


def test_a_frame_is_taken_up_to_its_bound() -> None:
    """One byte more is refused, in numbers, before anything reads it."""
    assert bounded(b" {}\n") == b"{}"
    assert len(bounded(b"x" * MAX_FRAME)) == MAX_FRAME
    with pytest.raises(BadFrame, match=rf"frame of {MAX_FRAME + 1} bytes is over the bound of {MAX_FRAME}"):
        bounded(b"x" * (MAX_FRAME + 1))


@pytest.mark.parametrize("text", ["", "x" * (ID_MAX + 1), "a\nb", "a\0", "é"])
def test_what_is_no_id_is_refused(text: str) -> None:
    """An id goes into headers, records and log lines: plain, not blank, and no longer than any the venue has."""
    with pytest.raises(NotAnId, match="an id has 1 to"):
        an_id(text)


@pytest.mark.parametrize("text", ["0x" + "ab" * 32, "7a000000-0000-4000-8000-000000000001", "x" * ID_MAX])
def test_ids_of_the_venue_pass(text: str) -> None:
    """Order hashes, trade ids, keys."""
    assert an_id(text) == text


def test_an_errors_sample_is_short_and_printable() -> None:
    """Whatever came."""
    assert sample(b"\xff\n" * 500) == repr(b"\xff\n" * 60)


def test_what_is_sent_is_json() -> None:
    """Quotes in an id do not end its text."""
    assert to_json({"heartbeat_id": 'a"b'}) == '{"heartbeat_id":"a\\"b"}'
