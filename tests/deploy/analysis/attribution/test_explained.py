"""One decision is found by whatever is known of it, with everything that hangs on it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import msgspec
import pytest
from kit.histories import Made, a_desk_that_did

from deploy.analysis.attribution.explained import Explained, NotFound, explained, find
from deploy.analysis.attribution.mids import attach
from deploy.analysis.index import open_index
from shared import entries as e
from shared import wire


@pytest.fixture(scope="module")
def made() -> Made:
    """Half an hour of two releases."""
    return Made(41, quarters=2, releases=2, rough=True)


@pytest.fixture(scope="module")
def index(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """Its index, with the middles."""
    state = a_desk_that_did(tmp_path_factory.mktemp("desk"), made)
    connection = open_index(state)
    attach(connection, state)
    yield connection
    connection.close()


def _said(made: Made, kind: type) -> list[e.Entry]:
    return [line.entry for line in made.lines if isinstance(line.entry, kind)]


def _of(index: sqlite3.Connection, wanted: str) -> Explained:
    return explained(index, *find(index, wanted))


def test_order_trade_and_tick_lead_to_the_same_decision(made: Made, index: sqlite3.Connection) -> None:
    """By a whole id, and by the beginning of one."""
    for entry in _said(made, e.Fill):
        assert isinstance(entry, e.Fill)
        by_order = _of(index, entry.order_id)
        assert by_order == _of(index, entry.trade_id) == _of(index, entry.order_id[:20])
        assert by_order == _of(index, f"{by_order.slot}@{by_order.tick}")
        (order,) = by_order.orders
        (fill,) = order.fills
        assert (fill.trade_id, fill.fee_micro) == (entry.trade_id, entry.fee_micro)


def test_everything_of_a_decision_is_what_the_journal_says(made: Made, index: sqlite3.Connection) -> None:
    """Release, parameters, epoch, reasons, frames, and how long it took."""
    for entry in _said(made, e.OutcomeOf)[::7]:
        assert isinstance(entry, e.OutcomeOf)
        found = explained(index, entry.slot, entry.tick)
        decision = wire.decode_decision(bytes(entry.decision))
        assert (found.release.digest, found.parameters, found.epoch, found.uid) == (
            *(entry.by.release, entry.by.parameters, entry.by.epoch),
            entry.by.uid,
        )
        assert (found.outcome, found.read_seq, found.took_us) == (entry.kind, entry.read_seq, entry.took_us)
        assert found.reasons == decision.reasons and found.verdict == decision.reasons["verdict"]
        assert len(found.wishes) == len(decision.intents)
        assert found.values == {"stake_usd": 5} and found.market_up_micro is not None


def test_a_shadow_is_told_beside_the_owner(made: Made, index: sqlite3.Connection) -> None:
    """Its verdict and its probability; and by which boundary the owner came, with what it changed."""
    shadow = _said(made, e.Shadow)[0]
    assert isinstance(shadow, e.Shadow)
    found = explained(index, shadow.slot, shadow.tick)
    (other,) = found.others
    assert other.release.startswith("r1 ") and other.verdict == "hold" and other.fair_up_micro is not None
    assert found.took is not None
    assert (found.took.op, found.took.changed) == ("op1", ("worker/strategy.py",)) and found.took.was.startswith("r1 ")


def test_the_first_owner_came_by_no_boundary(made: Made, index: sqlite3.Connection) -> None:
    """And of a window that is not resolved no result is told."""
    first = _said(made, e.OutcomeOf)[0]
    assert isinstance(first, e.OutcomeOf)
    found = explained(index, first.slot, first.tick)
    assert found.took is None
    assert found.window is not None and found.window.winner in {"Up", "Down"}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("BTC/5m@soon", "unix milliseconds"),
        ("BTC/5m@1", "the nearest is BTC/5m@"),
        ("XRP/5m@1", "slots that have are BTC/15m, BTC/5m"),
        ("0x12", "6 letters of one are the least"),
        ("0x%%%%%%", "nothing is called"),
        ("______", "nothing is called"),
        ("'; DROP TABLE orders", "nothing is called"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(index: sqlite3.Connection, wanted: str, says: str) -> None:
    """Wildcards and quotes are letters like any other."""
    with pytest.raises(NotFound, match=says.replace("(", r"\(")):
        _of(index, wanted)


def test_a_beginning_that_fits_more_than_one_is_refused(index: sqlite3.Connection) -> None:
    """Whose it is would be a guess."""
    with pytest.raises(NotFound, match="more than one"):
        _of(index, "trade-")


def test_a_persons_order_leads_to_no_release(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A flatten's sale names its operation."""
    made = Made(42, quarters=1, releases=1)
    by = e.By("", "", 0, "")
    nobody = ("BTC/5m", 1, 0, 0, "token", "Up", "SELL", 500_000, 5_000_000, "FAK", False, by, "op-flat")
    made.write(e.Placing("0x" + "ab" * 32, *nobody))
    state = a_desk_that_did(tmp_path_factory.mktemp("desk"), made)
    connection = open_index(state)
    try:
        with pytest.raises(NotFound, match="op-flat"):
            find(connection, "0xabab")
    finally:
        connection.close()


def test_it_can_be_written_as_a_document(made: Made, index: sqlite3.Connection) -> None:
    """Everything is plain values."""
    fill = _said(made, e.Fill)[0]
    assert isinstance(fill, e.Fill)
    document = msgspec.json.decode(msgspec.json.encode(_of(index, fill.trade_id)))
    assert document["orders"][0]["order_id"] == fill.order_id
