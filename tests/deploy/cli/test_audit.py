"""The journal's chain, walked from the disk: what holds is said in numbers, what does not is named with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from kit.commands import ctl, document
from kit.desk_socket import PlayedDesk, a_reply

from shared import entries as e
from shared.clock import NS
from shared.paths import State
from shared.records import HEADER, Appender, Segment, segments

BEGAN_NS = 1_784_851_200 * NS
RECORDS = 9
IN_A_SEGMENT = 3


def a_journal(state: State, records: int = RECORDS, *, n_of: dict[int, int] | None = None) -> list[str]:
    """A journal of alarms, a second and a segment of three apart; the digest after each of its records.

    Args: n_of: records that say they are another one.
    """
    appender, digests = Appender(state.journal, "journal"), []
    for number in range(1, records + 1):
        n, wall_ns = (n_of or {}).get(number, number), BEGAN_NS + number * NS
        appender.append(e.encode_line(e.Line(n, wall_ns, wall_ns, 1 + number // 5, e.Alarm("drill", f"no {number}"))))
        appender.flush()
        digests.append(Segment(appender.path, "journal"))
        if number % IN_A_SEGMENT == 0 and number < records:
            appender.roll()
    appender.close()
    return [_last_chain(segment) for segment in digests]


def _last_chain(segment: Segment) -> str:
    list(segment)
    return segment.chain.hex()


def flip(path: Path, at: int) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def broken(state: State, *arguments: str) -> dict[str, Any]:
    """The answer of `audit verify` about a journal that does not hold: 74, and what to do about it."""
    answer = document(ctl(state, "audit", "verify", "--json", *arguments))
    assert (answer["exit"], answer["code"]) == (74, "IOERR")
    assert answer["hint"]
    return answer


# --- it holds ---------------------------------------------------------------------------------------------------------


def test_a_whole_journal_is_told_in_numbers(state: State) -> None:
    """Records, segments, reigns, first and last time, and the digest that stands for all of it."""
    digest = a_journal(state)[-1]
    result = ctl(state, "audit", "verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "the chain holds: 9 records in 3 segments, 2 reigns",
        "  from    2026-07-24T00:00:01Z",
        "  to      2026-07-24T00:00:09Z",
        f"  digest  {digest}",
        "Note the digest elsewhere. Later, this proves that nothing up to here was changed: "
        f"foresightctl audit verify --digest {digest}",
    ]


def test_a_program_gets_the_same_numbers(state: State) -> None:
    """One document; the clock's own units."""
    digest = a_journal(state)[-1]
    data = document(ctl(state, "audit", "verify", "--json"))["data"]
    assert data == {
        "segments": 3,
        "records": RECORDS,
        "term": 2,
        "first_wall_ns": BEGAN_NS + NS,
        "last_wall_ns": BEGAN_NS + RECORDS * NS,
        "digest": digest,
        "noted_at": 0,
        "torn_bytes": 0,
    }


def test_it_asks_no_desk_for_the_journal_and_says_who_trades(state: State) -> None:
    """The same answer with a desk and without; only who trades is the desk's to say."""
    a_journal(state)
    alone = document(ctl(state, "audit", "verify", "--json"))
    with PlayedDesk(state, status=a_reply(data={})):
        beside = document(ctl(state, "audit", "verify", "--json"))
    assert alone["data"] == beside["data"]
    assert (alone["trading"]["state"], beside["trading"]["state"]) == ("UNKNOWN", "TRADING")


def test_a_digest_that_was_noted_is_found_in_the_chain(state: State) -> None:
    """Whatever was written since: up to the record that had it nothing was changed."""
    noted = a_journal(state)[3]
    result = ctl(state, "audit", "verify", "--digest", noted.upper())
    assert result.exit_code == 0
    assert "  noted   at record 4: nothing up to there was changed since" in result.stdout


def test_a_fact_that_only_a_newer_release_understands_breaks_nothing(state: State) -> None:
    """The chain is about bytes; what every record begins with is enough."""
    appender = Appender(state.journal, "journal")
    appender.append(msgspec.msgpack.encode([1, BEGAN_NS, BEGAN_NS, 1, ["FROM-THE-FUTURE", 7]]))
    appender.close()
    assert document(ctl(state, "audit", "verify", "--json"))["data"]["records"] == 1


@pytest.mark.parametrize("lost", [1, 10, 30])
def test_a_torn_end_is_said_and_breaks_nothing(state: State, lost: int) -> None:
    """A crash leaves the last record half written; everything before it holds."""
    before = a_journal(state)[-2]
    last = segments(state.journal)[-1]
    last.write_bytes(last.read_bytes()[:-lost])
    result = ctl(state, "audit", "verify")
    assert result.exit_code == 0
    assert "8 records" in result.stdout
    assert f"  digest  {before}" in result.stdout
    assert "bytes behind it are no whole record" in result.stdout


def test_a_journal_that_was_only_just_made_holds(state: State) -> None:
    """A header and nothing else: there is no time and no digest to tell."""
    Appender(state.journal, "journal").close()
    result = ctl(state, "audit", "verify")
    assert (result.exit_code, result.stdout) == (0, "the chain holds: 0 records in 1 segment, 0 reigns\n")


# --- it does not hold -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_a_flipped_bit_is_named_with_segment_record_and_byte(state: State, segment: int) -> None:
    """In the second record of any segment, the last one too: what holds before it is told."""
    a_journal(state)
    path = segments(state.journal)[segment]
    first = Segment(path, "journal")
    next(iter(first))
    flip(path, first.end + 40)
    answer = broken(state)
    number = segment * IN_A_SEGMENT + 2
    assert f"{path}: record {number} at byte {first.end} does not check" in answer["message"]
    assert answer["data"]["records"] == number - 1


@pytest.mark.parametrize("lost", [1, 50])
def test_a_segment_that_was_cut_is_named(state: State, lost: int) -> None:
    """In the middle of the journal no crash leaves half a record."""
    a_journal(state)
    path = segments(state.journal)[1]
    path.write_bytes(path.read_bytes()[:-lost])
    assert f"{path}: record 6 at byte " in broken(state)["message"]


def test_a_segment_cut_between_two_records_is_noticed_at_the_next_one(state: State) -> None:
    """Nothing in it is half; what follows continues another record."""
    a_journal(state)
    cut, following = segments(state.journal)[1:3]
    first = Segment(cut, "journal")
    next(iter(first))
    cut.write_bytes(cut.read_bytes()[: first.end])
    assert f"{following}: does not continue record 4 of the segment before it" in broken(state)["message"]


def test_a_missing_segment_is_noticed_wherever_it_was(state: State) -> None:
    """In the middle the next one does not continue; at the beginning the first record is not the first."""
    a_journal(state)
    first, middle, last = segments(state.journal)
    middle.unlink()
    assert f"{last}: does not continue record 3 of the segment before it" in broken(state)["message"]
    first.unlink()
    assert f"{last}: record 7 is the first, and those before it are missing" in broken(state)["message"]


def test_a_lost_end_or_a_journal_written_anew_is_found_by_the_noted_digest(state: State) -> None:
    """The chain of what is left holds; the digest that was noted is not in it."""
    noted = a_journal(state)[-1]
    segments(state.journal)[-1].unlink()
    assert ctl(state, "audit", "verify").exit_code == 0
    assert f"no record has the digest {noted}" in broken(state, "--digest", noted)["message"]


def test_a_record_that_was_left_out_is_found_although_the_chain_was_made_anew(state: State) -> None:
    """Each record says which it is."""
    a_journal(state, n_of={4: 5, 5: 6})
    assert "record 4 says that it is record 5" in broken(state)["message"]


def test_a_record_without_a_stamp_is_named(state: State) -> None:
    """Its chain holds, and it is no record of a journal."""
    appender = Appender(state.journal, "journal")
    appender.append(b"noise")
    appender.close()
    assert "has no stamp" in broken(state)["message"]


def test_a_header_that_does_not_check_is_named(state: State) -> None:
    """Neither another kind of file nor another name is read as a journal."""
    a_journal(state)
    flip(segments(state.journal)[1], HEADER.size - 30)
    assert "not a journal segment" in broken(state)["message"]


def test_what_to_do_is_said_to_people(state: State) -> None:
    """Up to where it holds, and that the folder is evidence now."""
    a_journal(state)
    flip(segments(state.journal)[0], HEADER.size + 30)
    lines = ctl(state, "audit", "verify").stderr.splitlines()
    assert lines[0].startswith("foresightctl: the journal's chain is broken: ")
    assert lines[-1] == f"  next     keep {state.journal} as it is, and fetch its backup: up to record 0 it holds"


# --- there is none ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [False, True])
def test_where_there_is_no_journal_nothing_can_be_proved(state: State, made: bool) -> None:
    """66 for a folder that is missing or empty: no data is never a pass."""
    if made:
        state.journal.mkdir()
    answer = document(ctl(state, "audit", "verify", "--json"))
    assert (answer["exit"], answer["code"]) == (66, "NOINPUT")
    assert "holds no journal" in answer["message"]
    assert answer["hint"] == ["name the folder of a desk that has run: --state-dir DESK"]


def test_a_journal_that_cannot_be_read_is_an_error_of_the_disk(state: State) -> None:
    """A segment that is a folder, as a stand-in for what a disk refuses."""
    state.journal.mkdir()
    (state.journal / f"{1:016d}.seg").mkdir()
    answer = document(ctl(state, "audit", "verify", "--json"))
    assert (answer["exit"], "Is a directory" in answer["message"]) == (74, True)
