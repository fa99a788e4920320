"""What the journal says."""

import typing

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import entries as e
from shared import wire
from shared.messages import Decision


def test_a_line_is_read_back_as_it_was() -> None:
    """An outcome carries who decided and the decision to the byte."""
    decision = wire.encode(Decision((), {"verdict": "hold: quiet"}))
    outcome = e.OutcomeOf("BTC/5m", 5_000, "HOLD", "", e.By("9f31", "77ab", 118, "w1-2"), 42, 70, msgspec.Raw(decision))
    line = e.decode_line(e.encode_line(e.Line(1, 2, 3, 4, outcome)))
    assert line.entry == outcome
    assert isinstance(line.entry, e.OutcomeOf)
    assert bytes(line.entry.decision) == decision


def test_no_two_kinds_share_a_name() -> None:
    """The tag alone says what an entry is."""
    tags = [kind.__struct_config__.tag for kind in typing.get_args(e.Entry)]
    assert len(set(tags)) == len(tags)
    assert all(tag.isupper() for tag in tags)


@given(st.binary(max_size=100))
def test_a_record_nobody_understands_is_refused_by_name(noise: bytes) -> None:
    """A newer release may have written it: it is an error with a name, not a crash."""
    with pytest.raises(e.UnknownEntry, match=str(len(noise))):
        e.decode_line(noise)
