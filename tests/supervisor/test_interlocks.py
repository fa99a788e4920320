"""Whether real money may be traded: what has to agree, and that each missing part alone is enough to say no."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from msgspec import structs

from shared.arming import Arming
from shared.config import Settings, Venue
from supervisor.interlocks import Found, faults

WALLET = "0x" + "ab" * 20
ARMED = Arming(wallet=WALLET.upper().replace("0X", "0x"), machine="here", uid=1_000, at_ns=7)
FOUND = Found("/run/credentials/foresight.json", True, WALLET, ARMED, "here", "/var/lib/foresight")
LIVE = Settings(mode="live")
LOOPBACK = Venue(
    **dict.fromkeys(("clob", "gamma", "geoblock", "market_ws", "user_ws", "price_ws"), "https://127.0.0.1:8440/x")
)
BROKEN: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "key": ({}, {"named": False}, "--credentials FILE, or LoadCredential= in the unit"),
    "arming": ({}, {"arming": None}, "nobody has armed this desk; type, at a terminal: foresightctl arm --state-dir"),
    "venue": (
        {"clob": "https://clob.polymarket.com.evil.example"},
        {},
        "venue.clob = https://clob.polymarket.com.evil",
    ),
    "chain": ({"chain_id": 80002}, {}, "venue.chain_id = 80002 is a chain of play money"),
}


def found_with(*names: str) -> tuple[str, ...]:
    """The faults when these parts are missing."""
    settings, found = LIVE, FOUND
    for name in names:
        venue, machine, _ = BROKEN[name]
        settings = structs.replace(settings, venue=structs.replace(settings.venue, **venue))
        found = replace(found, **machine)
    return faults(settings, found)


def test_everything_together_may_trade_real_money() -> None:
    """Settings, a key that was brought, the exchange itself, and a person's word for this wallet on this machine."""
    assert faults(LIVE, FOUND) == ()


@pytest.mark.parametrize(
    "names", [names for size in (1, 2, 3, 4) for names in combinations(BROKEN, size)], ids="+".join
)
def test_whatever_is_missing_is_named_with_what_to_type(names: tuple[str, ...]) -> None:
    """Each on a line of its own, all at once, and nothing else."""
    said = found_with(*names)
    assert len(said) == len(names)
    for name in names:
        assert any(BROKEN[name][2] in line for line in said)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"machine": "there"}, "this desk was armed on another machine"),
        ({"wallet": "0x" + "cd" * 20}, f"this desk is armed for wallet {ARMED.wallet}, and the key's is 0xcdcd"),
    ],
)
def test_an_arming_is_for_one_wallet_on_one_machine(change: dict[str, Any], says: str) -> None:
    """A copied folder, or another key, has to be armed anew."""
    (said,) = faults(LIVE, replace(FOUND, **change))
    assert said.startswith(says)


@pytest.mark.parametrize(
    "url",
    ["http://clob.polymarket.com", "https://polymarket.com.example", "https://127.0.0.1", "https://clobpolymarket.com"],
)
@pytest.mark.parametrize("name", ["clob", "gamma", "geoblock", "market_ws", "user_ws", "price_ws"])
def test_real_money_goes_to_the_exchange_only_and_never_in_the_open(name: str, url: str) -> None:
    """For each address."""
    (said,) = faults(structs.replace(LIVE, venue=structs.replace(LIVE.venue, **{name: url})), FOUND)
    assert said.startswith(f"venue.{name} = {url} is not the exchange's")


def test_a_rehearsal_reaches_nothing_but_this_machine() -> None:
    """Its defaults are the exchange: without addresses of its own it does not begin, and says each."""
    assert faults(Settings(venue=LOOPBACK), FOUND) == ()
    assert [line.partition(" = ")[0] for line in faults(Settings(), FOUND)] == [
        f"venue.{name}" for name in ("clob", "gamma", "market_ws", "user_ws", "price_ws", "geoblock")
    ]
    for host in ("localhost", "127.8.8.8", "[::1]"):
        venue = structs.replace(LOOPBACK, clob=f"http://{host}:1")
        assert faults(Settings(venue=venue), FOUND) == ()
    for host in ("10.0.0.1", "localhost.example", "0.0.0.0", ""):
        venue = structs.replace(LOOPBACK, clob=f"http://{host}:1")
        assert len(faults(Settings(venue=venue), FOUND)) == 1


def test_no_arming_makes_a_rehearsal_real() -> None:
    """Nor does any of the others."""
    assert len(faults(structs.replace(LIVE, mode="rehearsal"), FOUND)) == 6
