"""A verb gets index and middles of one desk, or ends with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from kit.histories import Made, a_desk_that_did

from deploy.analysis.attribution.mids import FILE
from deploy.analysis.attribution.opened import opened
from shared.outcomes import EXIT
from shared.paths import State


def _code(state: State) -> int:
    with pytest.raises(SystemExit) as ended, opened("foresight report", state):
        pass
    return int(str(ended.value.code))


def test_index_and_middles_are_one_database(tmp_path: Path) -> None:
    """Every decision of a desk with a tape has its market, by the frame it read."""
    with opened("foresight report", a_desk_that_did(tmp_path, Made(1, quarters=1))) as connection:
        query = "SELECT COUNT(*), COUNT(m.up_micro) FROM decisions d JOIN mids.mids m ON m.seq = d.read_seq"
        decided, known = connection.execute(query).fetchone()
    assert decided == known > 0


def test_what_is_wrong_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No journal: 66. A tape that was changed, or a file of middles that is none: 74. Each says what to type."""
    assert _code(State(tmp_path)) == EXIT["NOINPUT"]
    state = a_desk_that_did(tmp_path, Made(1, quarters=1))
    (state.root / FILE).write_text("this is no database, whatever it may be called" * 100)
    assert _code(state) == EXIT["IOERR"]
    (state.root / FILE).unlink()
    (segment,) = state.tape.glob("*.seg")
    data = bytearray(segment.read_bytes())
    data[len(data) // 2] ^= 1
    segment.write_bytes(data)
    assert _code(state) == EXIT["IOERR"]
    told = capsys.readouterr().err
    assert told.count("  next     ") == 3 and told.count("  trading  ") == 3
