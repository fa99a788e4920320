"""The accounts beside the journal: whichever way a start takes, it comes to the same, and says what it left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.disks import files_end_at
from kit.sim import Sim
from kit.trading import BY, a_fill, a_placing, an_answer, an_opening
from kit.weather import ROUGH

from shared import entries as e
from shared.records import Appender, Damaged, segments
from supervisor import snapshots
from supervisor.accounts import Accounts, rebuild
from supervisor.journal import JOURNAL
from supervisor.snapshots import HEADER, KEPT, Unusable

CODE = "abcdef012345"
SEGMENT_BYTES = 20_000
SEEDS = (3, 4)
LIVED_S = 60


@lru_cache
def lived(seed: int) -> tuple[e.Line, ...]:
    """The journal of a rough minute: crashes, lost power, deploys, fills that fail."""
    sim = Sim(seed, ROUGH)
    sim.run(LIVED_S)
    return tuple(e.decode_line(e.encode_line(line)) for line in sim.disk.journal)


@dataclass
class Desk:
    """A state folder whose journal is written by hand."""

    root: Path

    @property
    def journal(self) -> Path:
        return self.root / "journal"

    @property
    def snapshots(self) -> Path:
        return self.root / "snapshots"

    def write(self, lines: Iterator[e.Line] | tuple[e.Line, ...], keep: tuple[int, ...] = ()) -> None:
        """Append lines, and keep the accounts after those whose number is named."""
        appender, accounts = Appender(self.journal, JOURNAL), Accounts()
        for line in snapshots.lines(self.journal):
            accounts.apply(line.entry, line.at_ns)
        for line in lines:
            number = appender.append(e.encode_line(line))
            accounts.apply(line.entry, line.at_ns)
            if number in keep:
                data = snapshots.pack(accounts, number, appender.link, CODE)
                snapshots.write(self.snapshots, number, data)
            if appender.size > SEGMENT_BYTES:
                appender.roll()
        appender.close()

    def recover(self, code: str = CODE) -> snapshots.Recovered:
        """What a start finds out."""
        return snapshots.recover(self.journal, self.snapshots, code)

    def newest(self) -> Path:
        """The newest snapshot's file."""
        return sorted(self.snapshots.glob("*.snap"))[-1]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk that has not begun."""
    return Desk(tmp_path)


def same(one: Accounts, other: Accounts) -> None:
    """Every field is the same."""
    assert {f.name: getattr(one, f.name) for f in fields(Accounts)} == {
        f.name: getattr(other, f.name) for f in fields(Accounts)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_a_snapshot_and_the_rest_add_up_to_the_whole_journal(seed: int) -> None:
    """Wherever it was taken in a rough journal; every field, and everything that follows from it."""
    lines = lived(seed)
    whole = rebuild(lines)
    for cut in (*range(0, len(lines), max(1, len(lines) // 40)), len(lines)):
        kept = snapshots.unpack(snapshots.pack(rebuild(lines[:cut]), cut, bytes(16), CODE), CODE)
        same(kept.accounts, rebuild(lines[:cut]))
        same(rebuild(lines[cut:], kept.accounts), whole)


@given(st.data())
def test_a_start_from_any_snapshot_on_the_disk_finds_what_a_start_from_the_beginning_finds(data: st.DataObject) -> None:
    """Over segments of any length; only what came after was folded."""
    lines = lived(data.draw(st.sampled_from(SEEDS)))[: data.draw(st.integers(1, 400))]
    cut = data.draw(st.integers(1, len(lines)))
    import tempfile

    with tempfile.TemporaryDirectory() as root:
        desk = Desk(Path(root))
        desk.write(lines, (cut,))
        found = desk.recover()
        assert (found.snapshot, found.folded, found.left_out, found.damaged) == (cut, len(lines) - cut, (), ())
        same(found.accounts, rebuild(lines))


def test_every_field_of_the_accounts_is_kept() -> None:
    """None of them is empty here, so that one that is added and not kept would be seen."""
    accounts = Accounts()
    release = e.Release(1, "9f31c7e00000", "lock", {"worker/strategy.py": "digest"})
    step = e.Step(
        "op1", "deploy", "flip", 5, "uid:0", "", {"blue": "a", "green": release.release, "rings": [["BTC/5m"]]}
    )
    outcome = e.OutcomeOf("BTC/5m", 400_000, "ORDER", "", BY, 7, 100, e.msgspec.Raw(b"\xc0"))
    exact = str(64_000 * 10**18 + 1)
    for entry in (
        *(e.Term(3, 7, "code", "rehearsal", "digest", 9), e.Configuration("digest", {}), release),
        *(e.Parameters("77ab", {"edge": 0.5, "on": True}), step, e.Active("000000000000", "op0")),
        *(e.Active(release.release, "op1"), e.Grant("BTC/5m", 118, "w1-1", release.release, "77ab", "op1")),
        *(
            e.Balance(100_000_000, True),
            e.Transfer(5_000_000, 1, "uid:0", "deposit"),
            an_opening(),
            an_opening(0),
            e.Strike("BTC/5m", 300, exact),
            a_placing(),
        ),
        *(an_answer("open", trades=("t1", "t2")), a_fill(), a_fill(start_s=0, trade_id="t0"), outcome),
        *(e.Settled("BTC/5m", 300, exact, exact, "Up"), e.Resolved("BTC/5m", 0, "Up", 4_000_000)),
        *(e.Control(7, True, "uid:0", "news", halted=True, op="op2"), outcome, e.Standing(False, True, "here")),
        *(e.Flatten("op3", ("BTC/5m", "ETH/5m"), "uid:0", "news"), e.Flattened("op3", "ETH/5m", "4 Up: too few")),
        *(an_opening(600), a_placing(order_id="0x2", start_s=600)),
        *(a_fill(order_id="0x2", start_s=600, trade_id="t3"), e.Resolved("BTC/5m", 600, "Up", 4_000_000, owed=True)),
        *(e.ClaimMoved("BTC/5m 600 redeem", "paid", "the balance is empty"), an_opening(900), a_placing(start_s=900)),
        *(a_fill(start_s=900, trade_id="t4"), e.Strike("BTC/5m", 900, exact)),
        *(e.Settled("BTC/5m", 900, exact, exact, "Up"), outcome, e.TapePruned(1, 900, 3, 70_000, 86_400, 4_096)),
    ):
        accounts.apply(entry, 1_784_851_200 * 10**9)
    accounts.windows_measured, accounts.own_orders, accounts.forgotten = 5, 3, {"0x7": None}
    bare = [f.name for f in fields(Accounts) if getattr(accounts, f.name) == getattr(Accounts(), f.name)]
    assert bare == []
    same(snapshots.unpack(snapshots.pack(accounts, 1, bytes(16), CODE), CODE).accounts, accounts)


def test_a_start_reads_only_the_segments_that_came_after(desk: Desk) -> None:
    """What is older may even be gone; walking all of it is the audit's."""
    lines = lived(3)[:400]
    desk.write(lines, (380,))
    first, *_ = segments(desk.journal)
    first.unlink()
    found = desk.recover()
    assert (found.snapshot, found.folded) == (380, 20)
    same(found.accounts, rebuild(lines))


@pytest.mark.parametrize("at", [0, 9, 20, 40, 60, HEADER.size, HEADER.size + 500, -1])
def test_a_damaged_snapshot_is_left_out_and_named(desk: Desk, at: int) -> None:
    """Any byte of it; the one before it serves, and what it adds up to is the same."""
    lines = lived(3)[:300]
    desk.write(lines, (100, 200))
    data = bytearray(desk.newest().read_bytes())
    data[at] ^= 0x40
    desk.newest().write_bytes(data)
    found = desk.recover()
    assert (found.snapshot, len(found.damaged), found.left_out) == (100, 1, ())
    assert found.damaged[0].startswith(f"{200:016d}.snap: ")
    same(found.accounts, rebuild(lines))


@pytest.mark.parametrize("length", [0, 1, HEADER.size - 1, HEADER.size, HEADER.size + 100])
def test_a_snapshot_that_was_cut_off_is_left_out(desk: Desk, length: int) -> None:
    """Without another one the whole journal is folded."""
    lines = lived(3)[:300]
    desk.write(lines, (200,))
    desk.newest().write_bytes(desk.newest().read_bytes()[:length])
    found = desk.recover()
    assert (found.snapshot, found.folded, len(found.damaged)) == (0, 300, 1)
    same(found.accounts, rebuild(lines))


def test_a_snapshot_of_other_code_is_left_out_without_alarm(desk: Desk) -> None:
    """It may have counted differently: after every upgrade the journal is folded whole, once."""
    desk.write(lived(3)[:300], (200,))
    found = desk.recover("another code")
    assert (found.snapshot, found.damaged) == (0, ())
    assert found.left_out == (f"{200:016d}.snap: other code wrote it",)


def test_a_snapshot_of_another_journal_is_left_out(desk: Desk, tmp_path: Path) -> None:
    """It has the same number and another past."""
    stranger = Desk(tmp_path / "stranger")
    stranger.root.mkdir()
    stranger.write(lived(4)[:300], (200,))
    desk.write(lived(3)[:300], (100,))
    (desk.snapshots / stranger.newest().name).write_bytes(stranger.newest().read_bytes())
    found = desk.recover()
    assert (found.snapshot, len(found.damaged)) == (100, 1)
    assert "not in this journal" in found.damaged[0]
    same(found.accounts, rebuild(lived(3)[:300]))


def test_a_snapshot_that_the_journal_ends_before_is_left_out(desk: Desk, tmp_path: Path) -> None:
    """The machine lost the journal's end and kept the snapshot; what is written there then is not that."""
    longer = Desk(tmp_path / "longer")
    longer.root.mkdir()
    longer.write(lived(3)[:300], (300,))
    desk.write(lived(3)[:250], (200,))
    (desk.snapshots / longer.newest().name).write_bytes(longer.newest().read_bytes())
    found = desk.recover()
    assert (found.snapshot, found.folded, "not in this journal" in found.damaged[0]) == (200, 50, True)
    desk.write(lived(4)[:100])
    found = desk.recover()
    assert (found.snapshot, found.folded, "not in this journal" in found.damaged[0]) == (200, 150, True)


def test_a_journal_that_is_damaged_is_no_snapshots_fault(desk: Desk) -> None:
    """What came after it has to be whole: nothing is skipped, whichever way the start takes."""
    desk.write(lived(3)[:300], (290,))
    last = segments(desk.journal)[-1]
    data = bytearray(last.read_bytes())
    data[-1] ^= 1
    last.write_bytes(data)
    with pytest.raises(Damaged):
        desk.recover()


def test_only_the_newest_are_kept(desk: Desk) -> None:
    """And nothing of one that was not finished."""
    desk.snapshots.mkdir()
    (desk.snapshots / f"{5:016d}.new").write_bytes(b"half")
    desk.write(lived(3)[:300], tuple(range(10, 200, 10)))
    left = sorted(path.name for path in desk.snapshots.iterdir())
    assert left == [f"{number:016d}.snap" for number in (170, 180, 190)[-KEPT:]]


def test_a_disk_without_room_leaves_the_last_one(desk: Desk) -> None:
    """Whole or not at all, and what was begun is gone."""
    desk.write(lived(3)[:300], (200,))
    with files_end_at(1_000), pytest.raises(OSError, match="too large"):
        snapshots.write(desk.snapshots, 201, bytes(5_000))
    assert [path.name for path in desk.snapshots.iterdir()] == [f"{200:016d}.snap"]


def test_a_snapshot_is_for_its_owner_alone(desk: Desk) -> None:
    """It holds what the account holds."""
    desk.write(lived(3)[:100], (50,))
    assert desk.newest().stat().st_mode & 0o077 == 0
    assert desk.snapshots.stat().st_mode & 0o077 == 0


def test_a_snapshot_larger_than_any_is_not_read(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded before the first byte is believed."""
    monkeypatch.setattr(snapshots, "SNAPSHOT_MAX", 1_000)
    desk.write(lived(3)[:300], (200,))
    found = desk.recover()
    assert (found.snapshot, "larger than 1000 bytes" in found.damaged[0]) == (0, True)


def test_accounts_of_other_fields_are_no_accounts() -> None:
    """A field more or less, under the same code, is damage."""
    data = snapshots.pack(Accounts(), 1, bytes(16), CODE)
    payload = e.msgspec.msgpack.decode(data[HEADER.size :])
    for changed in (payload | {"wings": 2}, {key: payload[key] for key in list(payload)[1:]}):
        body = e.msgspec.msgpack.encode(changed)
        head = HEADER.pack(snapshots.MAGIC, 1, bytes(16), CODE.encode(), bytes(32))
        whole = head[:48] + snapshots._sum(head, body) + body
        with pytest.raises(Unusable, match="cannot be read"):
            snapshots.unpack(whole, CODE)
