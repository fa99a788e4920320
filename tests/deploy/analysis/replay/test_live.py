"""deploy.analysis.replay.live: what was answered live, as the journal has it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from deploy.analysis.replay.live import Answer, NoJournal, decision, digest, gather
from shared import entries as e
from shared.records import Appender, segments

BY = e.By("aaaa", "p1", 3, "w1")
RAW = msgspec.Raw(b"\x92\x90\x80")
SAID: list[e.Entry] = [
    e.Active("aaaa", "op"),
    e.OutcomeOf("BTC/5m", 5_000, "HOLD", "", BY, 10, 900, RAW),
    e.Shadow("BTC/5m", 5_000, e.By("bbbb", "p1", 3, "w2"), 10, 900, RAW),
    e.OutcomeOf("BTC/5m", 10_000, "SKIP", "outage", BY, 0, 0, msgspec.Raw(b"\xc0")),
    e.OutcomeOf("BTC/5m", 15_000, "ORDER", "", BY, 30, 900, msgspec.Raw(b"\x92\x91\x90\x80")),
    e.Active("bbbb", "op"),
]


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Two decisions of an owner, one beside it, one tick that nobody decided."""
    appender = Appender(tmp_path / "journal", "journal")
    for n, entry in enumerate(SAID, 1):
        appender.append(e.encode_line(e.Line(n, n, n, 1, entry)))
    appender.close()
    return tmp_path / "journal"


def test_every_decision_is_found_with_who_made_it(journal: Path) -> None:
    """Owners and shadows; skipped ticks are counted."""
    live = gather(journal)
    name = digest(bytes(RAW))
    assert live.answers[0] == Answer(2, 10, "BTC/5m", 5_000, "aaaa", "p1", "w1", False, name)
    assert live.answers[1] == Answer(3, 10, "BTC/5m", 5_000, "bbbb", "p1", "w2", True, name)
    assert [answer.seq for answer in live.answers] == [10, 10, 30]
    assert (live.releases, live.skipped) == ({"aaaa": 2, "bbbb": 0}, 1)


def test_a_range_of_frames_is_both_ends_included(journal: Path) -> None:
    """What was decided on other frames is left out."""
    assert [answer.seq for answer in gather(journal, 11, 30).answers] == [30]
    assert [answer.seq for answer in gather(journal, 10, 29).answers] == [10, 10]


def test_the_decision_of_a_record_is_read_again(journal: Path) -> None:
    """Its bytes as they were sent; a record that has none is named."""
    assert decision(journal, 5) == b"\x92\x91\x90\x80"
    with pytest.raises(NoJournal, match="record 1"):
        decision(journal, 1)


def test_a_journal_that_cannot_be_believed_is_refused(journal: Path, tmp_path: Path) -> None:
    """Missing, or changed in the middle."""
    with pytest.raises(NoJournal, match="is not there"):
        gather(tmp_path / "nowhere")
    path = segments(journal)[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(NoJournal, match="does not check"):
        gather(journal)
