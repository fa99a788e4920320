"""Faults as values: what can be said of one, and what is wrong with what cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.days import START_S, a_market_row

from deploy.rehearsal.faults import KINDS, Kind, Unfit, nearest, read_fault, shown
from deploy.rehearsal.recordings import listing_of

BTC_5M = listing_of(a_market_row(START_S))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_can_be_begun_by_its_name_alone(kind: Kind) -> None:
    """Each argument has a default that is itself allowed."""
    fault = read_fault({"kind": kind.name})
    assert fault.values == {argument.name: argument.default for argument in kind.arguments}
    assert read_fault({"kind": kind.name, **fault.values}) == fault


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, "kind is missing"),
        ({"kind": 5}, "5 is no kind of fault; foresight fault says which there are"),
        ({"kind": "refuze"}, "'refuze' is no kind of fault; did you mean refuse?"),
        ({"kind": "refuse", "statsu": 500}, "refuse has no argument 'statsu'; did you mean status?"),
        ({"kind": "refuse", "status": 404}, "refuse: status is one of 425, 429, 500, 503, not 404"),
        ({"kind": "refuse", "status": "500"}, "refuse: status is a whole number, not '500'"),
        ({"kind": "refuse", "carried_out": 1}, "refuse: carried_out is true or false, not 1"),
        ({"kind": "refuse", "count": True}, "refuse: count is a whole number, not True"),
        ({"kind": "refuse", "share": 2}, "refuse: share lies between 0.01 and 1, not at 2"),
        ({"kind": "refuse", "share": "all"}, "refuse: share is a number, not 'all'"),
        ({"kind": "silence", "for_s": -1}, "silence: for_s lies between 0 and 86400, not at -1"),
        ({"kind": "silence", "channel": 7}, "silence: channel is a text, not 7"),
        ({"kind": "close", "code": 999}, "close: code is a close code from 1000 on, or 0, not 999"),
        ({"kind": "stale_book", "market": "btc"}, "stale_book: market is written BTC or BTC/5m, not 'btc'"),
    ],
)
def test_what_is_wrong_is_one_clear_line(said: dict[str, Any], line: str) -> None:
    """It names the kind, the argument, what is allowed, and what was there."""
    with pytest.raises(Unfit) as unfit:
        read_fault(said)
    assert unfit.value.lines == (line,)


def test_everything_that_is_wrong_is_told_together() -> None:
    """A line for each thing."""
    with pytest.raises(Unfit) as unfit:
        read_fault({"kind": "silence", "for_s": "long", "channel": "chat", "loud": True})
    assert len(unfit.value.lines) == 3


@given(st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8) | st.floats()))
def test_nonsense_is_unfit_and_never_anything_else(said: dict[str, Any]) -> None:
    """Whatever a file or a command holds, it is a fault or a list of lines."""
    for kind in (*KINDS, said.get("kind")):
        try:
            read_fault(said | {"kind": kind})
        except Unfit as unfit:
            assert all(unfit.lines)


@pytest.mark.parametrize(("market", "selected"), [("", True), ("BTC", True), ("BTC/5m", True), ("BTC/15m", False)])
def test_markets_are_named_as_people_name_them(market: str, selected: bool) -> None:
    """All, an asset's, a slot's."""
    assert read_fault({"kind": "stale_book", "market": market}).selects(BTC_5M) is selected
    assert not read_fault({"kind": "stale_book", "market": "ETH"}).selects(BTC_5M)


def test_all_covers_every_channel() -> None:
    """And another one covers itself."""
    assert read_fault({"kind": "silence", "channel": "all"}).covers("channel", "user")
    assert not read_fault({"kind": "silence", "channel": "market"}).covers("channel", "user")


def test_a_program_is_told_all_it_may_say() -> None:
    """Names, defaults, choices and bounds."""
    told = shown(KINDS["refuse"])
    arguments = {each["name"]: each for each in told["arguments"]}  # type: ignore[attr-defined]
    assert arguments["status"]["choices"] == [425, 429, 500, 503]
    assert (arguments["share"]["from"], arguments["share"]["to"], arguments["share"]["default"]) == (0.01, 1, 1.0)
    assert nearest("nothing like it", KINDS) == ""
