"""A day on which some assets' markets are of Protocol V2: the same windows and prices, other ids.

Conditions and positions of the newer ledger have ids of their own (facts 2.2): a module byte, a hash of 128 bits, and
zeros down to the outcome in the last byte. Everything else is the day underneath. What always holds: an id is drawn
from the market's name alone; Up and Down differ by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

from deploy.rehearsal.days import Day, Listing, Point

ALL: Final = "ALL"
"""Stands for every asset."""
BINARY_MODULE: Final = 0x01
_HASH_BYTES: Final = 16
_ID_BYTES: Final = 32


class MigratedDay:
    """A day, with the markets of these assets on Protocol V2. assets: upper case."""

    def __init__(self, day: Day, assets: frozenset[str]) -> None:
        self.day = day
        self.assets = assets
        self.proxied = day.proxied
        self.label = f"{day.label} with {', '.join(sorted(assets))} on Protocol V2"

    def listings(self, from_s: int, until_s: int) -> list[Listing]:
        return [self._moved(listing) for listing in self.day.listings(from_s, until_s)]

    def listing(self, slug: str) -> Listing | None:
        found = self.day.listing(slug)
        return self._moved(found) if found else None

    def points(self, after_ms: int) -> Iterator[Point]:
        return self.day.points(after_ms)

    def value_at(self, asset: str, second: int) -> int | None:
        return self.day.value_at(asset, second)

    def settles_directly(self, asset: str) -> bool:
        return self.day.settles_directly(asset)

    def _moved(self, listing: Listing) -> Listing:
        return moved(listing) if self.assets & {listing.asset, ALL} else listing


def moved(listing: Listing) -> Listing:
    """The same market on Protocol V2."""
    base = position_base(listing.slug)
    condition, up, down = f"0x{base:064x}", str(base), str(base + 1)
    raw = None if listing.raw is None else _moved_raw(listing.raw, condition, up, down)
    return replace(listing, condition_id=condition, up_token=up, down_token=down, version="v2", raw=raw)


def position_base(slug: str) -> int:
    """The condition's id as a number, which is its first position's as well."""
    head = bytes([BINARY_MODULE]) + sha256(f"position/{slug}".encode()).digest()[:_HASH_BYTES]
    return int.from_bytes(head.ljust(_ID_BYTES, b"\0"))


def _moved_raw(raw: Mapping[str, Any], condition: str, up: str, down: str) -> dict[str, Any]:
    """The Gamma object: position ids as a real array in the order of its outcomes, token ids null. Facts 2.2."""
    outcomes = str(raw.get("outcomes", "Up"))
    ids = [down, up] if 0 <= outcomes.find("Down") < outcomes.find("Up") else [up, down]
    return dict(raw) | {"conditionId": condition, "clobTokenIds": None, "positionIds": ids, "version": "v2"}
