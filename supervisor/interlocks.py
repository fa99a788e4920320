"""Whether real money may be traded: four independent things have to agree, and nobody but people can give them.

The settings say live; the key comes from a file that somebody named for it; the addresses are the exchange's own and on
the real chain; a person armed this very wallet on this very machine. Without all four there is no live desk, and each
that is missing is named with what to type. The other way round as well: a rehearsal talks to this machine only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from msgspec import structs

from shared.arming import Arming
from shared.config import Claims, Settings, Venue

REAL_DOMAIN: Final = "polymarket.com"
REAL_CHAIN: Final = 137
SECURE: Final = frozenset({"https", "wss"})


@dataclass(frozen=True, slots=True)
class Found:
    """What there is on this machine. `credentials`: where the key came from; `named`: whether somebody named that file.

    `wallet`: the key's. `state_dir`: as it has to be typed.
    """

    credentials: str
    named: bool
    wallet: str
    arming: Arming | None
    machine: str
    state_dir: str


def faults(settings: Settings, found: Found) -> tuple[str, ...]:
    """Why the desk may not begin, a line each; empty when it may."""
    people = (*_not_named(found), *_not_armed(found)) if settings.mode == "live" else ()
    return (*misdirected(settings), *people)


def misdirected(settings: Settings) -> tuple[str, ...]:
    """Addresses that are not those of the desk's mode, a line each: nobody else is to hear from us."""
    return tuple(_not_real(settings) if settings.mode == "live" else _outside(settings))


def _addresses(venue: Venue) -> Iterator[tuple[str, str]]:
    """Every address among the venue's settings, by its setting's name."""
    values = structs.asdict(venue)
    return ((f"venue.{name}", value) for name, value in values.items() if isinstance(value, str) and "://" in value)


def _claimed_through(claims: Claims) -> Iterator[tuple[str, str]]:
    """The address through which winners are claimed, where they are. The node is anybody's, this is the venue's."""
    if claims.by != "off":
        yield "claims.relayer", claims.relayer


def _outside(settings: Settings) -> Iterator[str]:
    """What a rehearsal would reach beyond this machine: orders that are meant for play would be sent there."""
    claims = settings.claims
    node = [("claims.rpc", claims.rpc)] if claims.by != "off" else []
    for name, url in (*_addresses(settings.venue), *_claimed_through(claims), *node):
        if not _is_loopback(urlsplit(url).hostname or ""):
            yield f'{name} = {url} is not on this machine, and mode is rehearsal; type: foresight run, or mode = "live"'


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _not_real(settings: Settings) -> Iterator[str]:
    venue = settings.venue
    for name, url in (*_addresses(venue), *_claimed_through(settings.claims)):
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in SECURE or not (host == REAL_DOMAIN or host.endswith(f".{REAL_DOMAIN}")):
            yield f"{name} = {url} is not the exchange's; take the line out of the settings"
    if venue.chain_id != REAL_CHAIN:
        yield f"venue.chain_id = {venue.chain_id} is a chain of play money; take the line out of the settings"


def _not_named(found: Found) -> Iterator[str]:
    """A rehearsal makes a key of its own in the state folder; a real one is brought by somebody."""
    if not found.named:
        typed = "--credentials FILE, or LoadCredential= in the unit"
        yield f"credentials {found.credentials} were not named for live trading; type: {typed}"


def _not_armed(found: Found) -> Iterator[str]:
    typed, arming = f"type, at a terminal: foresightctl arm --state-dir {found.state_dir}", found.arming
    if arming is None:
        yield f"nobody has armed this desk; {typed}"
    elif arming.machine != found.machine:
        yield f"this desk was armed on another machine; {typed}"
    elif arming.wallet.lower() != found.wallet.lower():
        yield f"this desk is armed for wallet {arming.wallet}, and the key's is {found.wallet}; {typed}"
