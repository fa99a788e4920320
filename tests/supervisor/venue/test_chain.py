"""What a node is asked and says: several questions in one request, each answered in its place or not at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.venue import an_exchange

from deploy.rehearsal.jsonrpc import Node
from supervisor.venue.chain import (
    GWEI,
    NOTHING,
    Answered,
    Fees,
    RpcError,
    TooDear,
    answered,
    asked,
    block,
    fate,
    fees,
    number,
    parse_sent,
)
from supervisor.venue.frames import BadFrame

HASH = "0x" + "1" * 64


def said(*answers: dict[str, Any]) -> bytes:
    """A node's answer."""
    return json.dumps([{"jsonrpc": "2.0", **each} for each in answers]).encode()


def test_answers_are_put_in_the_order_of_the_questions() -> None:
    """However the node sends them; one that is a no stands in its place."""
    body = said({"id": 1, "error": {"code": 3, "message": "execution reverted"}}, {"id": 0, "result": "0x5"})
    assert answered(200, body, 2) == ["0x5", RpcError(3, "execution reverted")]


def test_a_node_of_the_venue_understands_what_is_asked() -> None:
    """In the shape that it has to have."""
    node = Node(an_exchange().transactions)
    body = json.dumps(node.answer(json.loads(asked([("eth_chainId", []), ("eth_nothing", [])])), 5_000)).encode()
    chain, unknown = answered(200, body, 2)
    assert number(chain) == 137 and unknown.code == -32601


@pytest.mark.parametrize(
    ("http", "body"),
    [
        (429, b"[]"),
        (200, b"{}"),
        (200, said({"id": 0, "result": "0x1"})),
        (200, said({"id": 0, "result": "0x1"}, {"id": 0, "result": "0x2"})),
        (200, said({"id": None, "result": "0x1"}, {"id": 1, "result": "0x2"})),
    ],
)
def test_half_an_answer_is_none(http: int, body: bytes) -> None:
    """Nothing is taken from it."""
    with pytest.raises(BadFrame, match="the node answers"):
        answered(http, body, 2)


def test_a_block_has_a_number_and_a_time() -> None:
    """What is neither is unreadable."""
    assert block({"number": "0x10", "timestamp": "0x20", "hash": HASH}) == (16, 32)
    for nonsense in (None, {}, "0x1", RpcError(1, "no")):
        with pytest.raises(BadFrame):
            block(nonsense)


@pytest.mark.parametrize(
    ("height", "status", "expected"),
    [("0x9", "0x1", "confirmed"), ("0xa", "0x1", "confirmed"), ("0xb", "0x1", "mined"), ("0xb", "0x0", "mined")],
)
def test_what_is_mined_counts_once_it_stays(height: str, status: str, expected: str) -> None:
    """Above that a block may be taken back, also with what failed in it."""
    assert fate({"blockNumber": height, "status": status}, 10)[0] == expected


def test_a_revert_that_stays_is_a_failure() -> None:
    """Without a receipt a transaction is on its way."""
    assert fate({"blockNumber": "0x1", "status": "0x0"}, 10) == ("failed", "the transaction was reverted")
    assert fate(None, 10) == ("pending", "")


def test_a_node_that_has_a_transaction_already_took_it() -> None:
    """Any other no is one, with the node's words; a nonce that is used is found out by looking."""
    assert parse_sent(HASH, HASH) == Answered("accepted", "", HASH)
    assert parse_sent(RpcError(-32000, "Already known"), HASH) == Answered("accepted", "", HASH)
    refused = parse_sent(RpcError(-32000, "insufficient funds for gas"), HASH)
    assert refused == Answered("refused", "insufficient funds for gas")


@given(st.integers(100, 599), st.binary(max_size=80), st.integers(1, 3))
def test_no_bytes_break_the_reader(http: int, body: bytes, count: int) -> None:
    """Whatever comes is an answer for each question, or is called unreadable."""
    try:
        assert len(answered(http, body, count)) == count
    except BadFrame:
        return


BOUNDS = Fees(1_000 * GWEI, 300 * GWEI)


def a_block(base_gwei: int) -> dict[str, str]:
    """The newest one."""
    return {"number": "0x10", "timestamp": "0x20", "baseFeePerGas": hex(base_gwei * GWEI)}


def waiting(most_wei: int, tip_wei: int, **more: Any) -> dict[str, Any]:
    """A transaction of ours in the node's pool."""
    return {"maxFeePerGas": hex(most_wei), "maxPriorityFeePerGas": hex(tip_wei), "blockNumber": None} | more


def test_an_offer_has_room_for_the_base_fee_to_double() -> None:
    """With the tip that the node names; both within our bounds, and a tip is never over the whole."""
    assert fees(a_block(100), hex(30 * GWEI), NOTHING, (), BOUNDS) == Fees(230 * GWEI, 30 * GWEI)
    assert fees(a_block(900), hex(500 * GWEI), NOTHING, (), BOUNDS) == Fees(1_000 * GWEI, 300 * GWEI)
    assert fees(a_block(1), hex(50 * GWEI), NOTHING, (), Fees(20 * GWEI, 300 * GWEI)) == Fees(20 * GWEI, 20 * GWEI)


WEI = st.integers(1, 800 * GWEI)


@given(st.integers(0, 400), WEI, st.lists(st.tuples(WEI, WEI), max_size=4))
def test_what_waits_is_outbid_by_an_eighth_in_both_parts_or_not_at_all(
    base: int, tip: int, offers: list[tuple[int, int]]
) -> None:
    """By more than every node asks for, whatever the fees are by now; never beyond the bounds."""
    stuck = [waiting(max(offer), min(offer)) for offer in offers]
    dear = any(max(offer) * 9 > BOUNDS.most_wei * 8 or min(offer) * 9 > BOUNDS.tip_wei * 8 for offer in offers)
    try:
        found = fees(a_block(base), hex(tip), NOTHING, stuck, BOUNDS)
    except TooDear as error:
        assert dear and "beyond claims.gas_max_gwei or tip_max_gwei" in str(error)
        return
    assert not dear and found.tip_wei <= found.most_wei <= BOUNDS.most_wei and found.tip_wei <= BOUNDS.tip_wei
    assert all(8 * found.most_wei >= 9 * max(offer) and 8 * found.tip_wei >= 9 * min(offer) for offer in offers)


def test_what_is_mined_or_forgotten_is_not_outbid() -> None:
    """And one of the old kind is outbid in its one price."""
    gone = (None, waiting(500 * GWEI, 200 * GWEI, blockNumber="0x9"), RpcError(1, "no"))
    assert fees(a_block(100), hex(30 * GWEI), NOTHING, gone, BOUNDS) == Fees(230 * GWEI, 30 * GWEI)
    old = {"gasPrice": hex(240 * GWEI), "blockNumber": None}
    assert fees(a_block(100), hex(30 * GWEI), NOTHING, (old,), BOUNDS) == Fees(270 * GWEI, 270 * GWEI)


@pytest.mark.parametrize("newest", [None, {}, {"baseFeePerGas": "much"}, RpcError(1, "no")])
def test_a_block_without_a_base_fee_is_unreadable(newest: object) -> None:
    """Nothing is offered by guess."""
    with pytest.raises(BadFrame):
        fees(newest, "0x1", NOTHING, (), BOUNDS)


def test_our_own_last_offer_is_outbid_also_where_the_node_forgot_it() -> None:
    """Another node may have it. Nothing is sure to wait then, so at the bound it is offered again as it was."""
    last = Fees(240 * GWEI, 80 * GWEI)
    assert fees(a_block(1), hex(30 * GWEI), last, (None,), BOUNDS) == Fees(270 * GWEI, 90 * GWEI)
    assert fees(a_block(1), hex(30 * GWEI), BOUNDS, (None,), BOUNDS) == BOUNDS
