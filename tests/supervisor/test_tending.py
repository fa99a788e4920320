"""The tape's complete segments: what becomes of them, and that nothing is lost on the way."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.releases import ROOT
from kit.tapes import NS, Market, Stream

from shared.config import WARM_UP_S, Settings
from shared.packed import pack
from shared.records import HEADER, PACKED, Damaged, read, segments
from shared.tape_index import KIND, PRUNED, SUFFIX, TAIL_SEGMENTS, Entry, entries, kept, pruned
from supervisor.tending import ACTS_MAX, LOCK, Held, Plan, Policy, main, plan, tend
from worker.reading import WARM_UP_S as WORKERS_WARM_UP_S

KEEP_ALL = Policy(plain_s=60, keep_days=1_000, keep_mib=1_000)
MINUTES = 8


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight minutes of a lane, a segment each minute; not to be changed."""
    folder = tmp_path_factory.mktemp("desk") / "tape"
    Market(Stream(folder, segment_keyframes=1), slots=("BTC/5m",)).run(60 * MINUTES)
    return folder


@pytest.fixture
def tape(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    folder = tmp_path / "tape"
    folder.mkdir()
    for path in made.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def records(folder: Path) -> list[tuple[int, bytes]]:
    """Everything that can be read, the chain checked."""
    return list(read(folder, KIND))


def suffixes(folder: Path) -> list[str]:
    """The forms of the segments, oldest first."""
    return [path.suffix for path in segments(folder)]


def held(number: int, *, minute: int, size: int = 100, ticks: int = 1, packed: bool = False) -> Held:
    """A segment of one minute."""
    at_ns = minute * 60 * NS
    entry = Entry(
        first=number,
        records=1,
        first_seq=number,
        last_seq=number,
        first_ns=at_ns,
        last_ns=at_ns,
        events={"tick": ticks} if ticks else {},
        before="",
        chain="",
        size=size,
    )
    return Held(entry, size, packed)


def test_what_is_older_than_a_warm_up_needs_is_packed_and_every_record_stays(tape: Path) -> None:
    """All complete ones are indexed; the last minute and the growing one stay plain."""
    before = records(tape)
    acts = list(tend(tape, KEEP_ALL))
    assert records(tape) == before
    assert suffixes(tape) == [PACKED] * (MINUTES - 2 - 1) + [".seg"] * 3
    assert [act["event"] for act in acts] == ["tape_indexed"] * (MINUTES - 1) + ["tape_packed"] * (MINUTES - 3)
    assert all(act["packed_bytes"] < act["bytes"] / 3 for act in acts if act["event"] == "tape_packed")
    assert [kept(path) is not None for path in segments(tape)] == [True] * (MINUTES - 1) + [False]
    assert list(tend(tape, KEEP_ALL)) == []


def test_a_tape_that_is_too_old_or_too_large_loses_its_oldest_segments(tape: Path) -> None:
    """And says up to where, with the link that what is left continues."""
    before = records(tape)
    known = [entry for _, entry in entries(tape)]
    acts = list(tend(tape, Policy(plain_s=60, keep_days=181 / 86_400, keep_mib=1_000)))
    gone = [act["segment"] for act in acts if act["event"] == "tape_pruned"]
    assert gone == [f"{entry.first:016d}.seg" for entry in known[:3]]
    said = pruned(tape)
    assert said is not None
    assert (said.to_record, said.to_seq, said.segments) == (known[2].last_seq, known[2].last_seq, 3)
    assert (said.chain, said.size) == (known[3].before, sum(entry.size for entry in known[:3]))
    assert records(tape) == [(number, payload) for number, payload in before if number > said.to_record]
    assert not list(tape.glob(f"{known[0].first:016d}*"))


def test_what_is_pruned_is_said_before_it_goes(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tape that begins late is explained, whenever the machine stops."""
    said_first = list[bool]()
    unlink = Path.unlink

    def watched(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".seg":
            said = pruned(tape)
            said_first.append(said is not None and said.to_record >= int(path.stem))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", watched)
    list(tend(tape, Policy(plain_s=60, keep_days=121 / 86_400, keep_mib=1_000)))
    assert said_first[:4] == [True] * 4


def test_what_a_run_left_half_done_is_taken_up_by_the_next(tape: Path) -> None:
    """A packed segment beside its plain one, one that is not what it should be, pieces, a prune that was only said."""
    first, second, third, fourth, *_ = segments(tape)
    before = records(tape)
    second.with_suffix(PACKED).write_bytes(pack(second.read_bytes()))
    third.with_suffix(PACKED).write_bytes(pack(fourth.read_bytes()))
    (tape / f"{fourth.stem}{PACKED}.new").write_bytes(b"half")
    (tape / f"{fourth.stem}{SUFFIX}.new").write_bytes(b"half")
    (tape / f"{0:016d}{SUFFIX}").write_bytes(b"of a segment that went before it")
    entry = next(iter(entries(tape)))[1]
    said = {"to_record": entry.records, "to_seq": entry.last_seq, "to_ns": 1, "chain": entry.chain}
    (tape / PRUNED).write_bytes(msgspec.json.encode(said | {"segments": 1, "size": 1}))
    list(tend(tape, Policy(plain_s=10_000, keep_days=1_000, keep_mib=1_000)))
    assert not first.exists()
    assert (second.exists(), second.with_suffix(PACKED).exists()) == (False, True)
    assert (third.exists(), third.with_suffix(PACKED).exists()) == (True, False)
    assert not list(tape.glob("*.new"))
    assert {path.stem for path in tape.glob(f"*{SUFFIX}")} <= {path.stem for path in segments(tape)}
    assert records(tape) == before[entry.records :]


def test_a_damaged_segment_is_left_as_it_is_and_nothing_newer_is_touched(tape: Path) -> None:
    """It is named with its place; whoever looks finds the evidence."""
    third = segments(tape)[2]
    spoilt = bytearray(third.read_bytes())
    spoilt[HEADER.size + 30] ^= 1
    third.write_bytes(spoilt)
    with pytest.raises(Damaged, match=rf"{third.name}: record \d+ at byte 40 does not check"):
        list(tend(tape, Policy(plain_s=1, keep_days=0.001, keep_mib=1)))
    assert third.read_bytes() == spoilt
    assert suffixes(tape) == [".seg"] * MINUTES


def test_a_long_tape_is_tended_a_bounded_amount_at_a_time(tmp_path: Path) -> None:
    """Whoever starts it again finds less to do each time, until there is nothing."""
    Market(Stream(tmp_path / "t", segment_keyframes=1), slots=("BTC/5m",)).run(60 * 70)
    before, runs = records(tmp_path / "t"), list[int]()
    while not runs or runs[-1]:
        runs.append(len(list(tend(tmp_path / "t", KEEP_ALL))))
    assert runs == [ACTS_MAX, ACTS_MAX, (69 + 67) - 2 * ACTS_MAX, 0]
    assert records(tmp_path / "t") == before


def test_a_folder_without_segments_is_left_alone(tmp_path: Path) -> None:
    """Nothing to do is no fault."""
    assert list(tend(tmp_path, KEEP_ALL)) == []


def test_size_counts_what_is_on_the_disk() -> None:
    """The growing segment is part of it, and packed ones count as they are."""
    mib = 1 << 20
    tape = [held(n, minute=n, size=mib, packed=n < 5) for n in range(1, 9)]
    assert plan(tape, 2 * mib, Policy(60, 1_000, 10)) == Plan(0, (5, 6))
    assert plan(tape, 2 * mib + 1, Policy(60, 1_000, 10)) == Plan(1, (5, 6))
    assert plan(tape, 2 * mib, Policy(60, 1_000, 7)).prune == 3


def test_what_a_start_reads_is_kept_however_little_there_is_room_for() -> None:
    """Segments without ticks came last: a start looks behind them for ticks without an outcome."""
    tape = [held(n, minute=n, ticks=n <= 3) for n in range(1, 40)]
    assert plan(tape, 100, Policy(0.001, 0.000_001, 1)) == Plan(1, ())
    assert TAIL_SEGMENTS == 2


@given(
    ages=st.lists(st.integers(0, 600), max_size=30),
    ticks=st.lists(st.integers(0, 1), min_size=30, max_size=30),
    policy=st.builds(Policy, st.floats(1, 500), st.floats(0.000_1, 1), st.integers(1, 3)),
    newest=st.integers(0, 1 << 22),
)
def test_whatever_the_policy_the_recent_past_is_neither_pruned_nor_packed(
    ages: list[int], ticks: list[int], policy: Policy, newest: int
) -> None:
    """And what is packed is never what is pruned; only the oldest go."""
    tape = [held(n, minute=age, size=1 << 20, ticks=ticks[n]) for n, age in enumerate(sorted(ages))]
    wanted = plan(tape, newest, policy)
    end_ns = tape[-1].entry.last_ns if tape else 0
    untouched = [each for each in tape if end_ns - each.entry.last_ns <= policy.plain_s * NS]
    touched = {*range(wanted.prune), *wanted.pack}
    assert not touched & {each.entry.first for each in untouched}
    assert not {*wanted.pack} & {*range(wanted.prune)}


def run(folder: Path) -> subprocess.CompletedProcess[str]:
    """The process as the supervisor starts it."""
    command = [sys.executable, "-m", "supervisor.tending", str(folder), "60", "90", "1000"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_process_tells_each_act_in_a_line(tape: Path) -> None:
    """JSON, for the supervisor's log; it ends with 0."""
    ran = run(tape)
    assert (ran.returncode, ran.stderr) == (0, "")
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {act["event"] for act in said} == {"tape_indexed", "tape_packed"}
    assert len(said) == MINUTES - 1 + MINUTES - 3


def test_what_cannot_be_believed_ends_the_process_with_its_name(tape: Path) -> None:
    """74, and the place on standard error."""
    second = segments(tape)[1]
    second.write_bytes(b"hello" * 20)
    ran = run(tape)
    assert ran.returncode == 74
    assert second.name in ran.stderr


def test_two_of_them_are_never_at_it(tape: Path) -> None:
    """The second finds the lock held and has nothing to do."""
    with (tape / LOCK).open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = run(tape)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert suffixes(tape) == [".seg"] * MINUTES


def test_it_ends_when_whoever_started_it_is_gone(tape: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the act it is at; the next reign starts another."""
    parents = iter([100, 1, 1])
    monkeypatch.setattr(os, "getppid", lambda: next(parents))
    monkeypatch.setattr(os, "nice", lambda by: 0)
    assert main([str(tape), "60", "90", "1000"]) == 0
    assert len(list(tape.glob(f"*{SUFFIX}"))) == 1


def test_the_settings_leave_plain_what_a_warm_up_reads() -> None:
    """A release that was staged before packing was known reads only plain segments."""
    assert WORKERS_WARM_UP_S <= WARM_UP_S
    assert Settings().tape.plain_s >= Settings().deploy.trial_tape_s + WARM_UP_S
