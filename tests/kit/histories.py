"""Made-up histories of desks, as journal and tape: whose edge is known, and whose books are kept apart from ours.

A seed gives releases that follow one another, windows whose chances wander, forecasts of known quality, trades, sales
by whoever follows, failed fills, claims and transfers. The books beside it are kept as money moves and not from the
journal: what a report adds up has to be what they say.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from math import exp
from pathlib import Path
from random import Random
from typing import Final

import msgspec

from deploy.analysis.attribution.gather import Asked, gather
from deploy.analysis.attribution.judged import Report, judge
from deploy.analysis.attribution.mids import attach
from deploy.analysis.index import open_index
from shared import entries as e
from shared import messages as m
from shared import wire
from shared.paths import State
from shared.records import Appender
from shared.slots import Slot
from shared.units import MICRO, cost_of

BEGIN_S: Final = 1_780_012_800
OPENING_MICRO: Final = 1_000 * MICRO
SNAPSHOT_S: Final = 450
"""Between two words of the desk on what it has, in seconds: often in the middle of a window."""
_TERMS: Final = m.Terms("0xcondition", 10_000, 5 * MICRO, 0, 1, 0, "twap60")
_EARLY_S: Final = 70
_PARAMETERS: Final = "77abc0de"


@dataclass(slots=True)
class Books:
    """Cash, shares and results by release, as the venue would have them."""

    cash_micro: int = OPENING_MICRO
    shares: Counter[tuple[str, int, str]] = field(default_factory=Counter)
    net_micro: Counter[str] = field(default_factory=Counter)
    fee_micro: Counter[str] = field(default_factory=Counter)
    transfers_micro: int = 0


class Made:
    """One history. Args: tick_s: between two ticks of a slot. noise: of our forecasts in log odds; the market's is 0.5.

    `errors`: squared errors of (ours, market) by release, of every decision whose window was resolved.
    """

    def __init__(
        self,
        seed: int,
        *,
        quarters: int = 4,
        releases: int = 3,
        assets: tuple[str, ...] = ("BTC", "ETH"),
        tick_s: int = 30,
        noise: float = 0.2,
        rough: bool = False,
    ) -> None:
        self.chance = Random(seed)
        self.tick_s, self.noise, self.rough = tick_s, noise, rough
        self.slots = [Slot(asset, minutes) for asset in assets for minutes in (5, 15)]
        self.releases = [blake2b(f"{seed} {n}".encode(), digest_size=16).hexdigest() for n in range(releases)]
        self.until_s = BEGIN_S + quarters * 900
        self.lines: list[e.Line] = []
        self.frames: list[m.Streamed] = []
        self.books = Books()
        self.errors: dict[str, list[tuple[float, float]]] = {release: [] for release in self.releases}
        self.trades = 0
        self._epoch = 0
        self._at_ns = BEGIN_S * 10**9
        self._lots: dict[tuple[str, int, str], list[tuple[str, int]]] = {}
        self._told: list[tuple[str, int, str, float, float]] = []
        self._live()

    # --- time ---

    def write(self, entry: e.Entry) -> None:
        """The journal says something now."""
        self.lines.append(e.Line(len(self.lines) + 1, self._at_ns, self._at_ns, 1, entry))

    def publish(self, event: m.Event) -> int:
        """The stream says something now. Returns its sequence."""
        self.frames.append(m.Streamed(len(self.frames) + 1, self._at_ns, event))
        return len(self.frames)

    def owner(self, at_s: int) -> int:
        """Which release decides at a moment: they share the time, and follow one another just before a window ends."""
        passed_s = at_s - BEGIN_S + _EARLY_S
        return min(passed_s * len(self.releases) // (self.until_s - BEGIN_S), len(self.releases) - 1)

    def _live(self) -> None:
        self._begin()
        trading = 0
        odds = {slot.name: 0.0 for slot in self.slots}
        for at_s in range(BEGIN_S, self.until_s + 1, self.tick_s):
            self._at_ns = at_s * 10**9
            if at_s % SNAPSHOT_S == 0 and at_s > BEGIN_S:
                self.write(e.Snapshot(self.books.cash_micro, self._holdings(), ()))
            for slot in self.slots:
                if at_s % slot.window_s == 0:
                    self._turn(slot, at_s, odds[slot.name])
                    odds[slot.name] = 0.0
            if at_s == self.until_s:
                break
            if self.owner(at_s) != trading:
                self._hand_over(trading, self.owner(at_s))
                trading = self.owner(at_s)
            for slot in self.slots:
                odds[slot.name] += self.chance.gauss(0, 0.35 * (self.tick_s / 30) ** 0.5)
                self._tick(slot, at_s, odds[slot.name])
        self._at_ns += 10**9
        self.write(e.Snapshot(self.books.cash_micro, self._holdings(), ()))

    def _begin(self) -> None:
        self.publish(m.Keyframe(()))
        self.write(e.Term(1, 1, "made up", "rehearsal", "config", 0))
        for number, release in enumerate(self.releases, start=1):
            self.write(e.Release(number, release, "lock", {}))
        self.write(e.Parameters(_PARAMETERS, {"stake_usd": 5}))
        self.write(e.Balance(OPENING_MICRO, True))
        for slot in self.slots:
            self.write(e.Grant(slot.name, 0, "w0", self.releases[0], _PARAMETERS, "op0"))

    # --- windows ---

    def _turn(self, slot: Slot, at_s: int, odds: float) -> None:
        """One window ends, and the next begins."""
        if at_s > BEGIN_S:
            self._resolve(slot, at_s - slot.window_s, odds)
        if at_s < self.until_s:
            self.write(e.Opened(slot.name, at_s, (f"{slot.name}{at_s}U", f"{slot.name}{at_s}D"), "2", False, _TERMS))
            self.write(e.Strike(slot.name, at_s, "1" + "0" * 23))

    def _resolve(self, slot: Slot, start_s: int, odds: float) -> None:
        up = self.chance.random() < _share(odds)
        winner: m.Outcome = "Up" if up else "Down"
        payout = self.books.shares[slot.name, start_s, winner]
        owed = self.rough and payout > 0 and self.chance.random() < 0.3
        self.write(e.Resolved(slot.name, start_s, winner, payout, owed))
        if owed:
            self._claim(slot, start_s, payout)
        self.books.cash_micro += payout
        for outcome in ("Up", "Down"):
            for release, size in self._lots.pop((slot.name, start_s, outcome), []):
                self.books.net_micro[release] += size if outcome == winner else 0
            del self.books.shares[slot.name, start_s, outcome]
        for release, own in ((r, t) for name, s, r, *t in self._told if (name, s) == (slot.name, start_s)):
            self.errors[release].append(((own[0] - up) ** 2, (own[1] - up) ** 2))
        self._told = [told for told in self._told if told[:2] != (slot.name, start_s)]
        if self.rough and self.chance.random() < 0.1:
            self._transfer(self.chance.choice((-1, 1)) * self.chance.randint(1, 50) * MICRO)

    def _claim(self, slot: Slot, start_s: int, payout: int) -> None:
        claim = f"{slot.name} {start_s} redeem 1"
        self.write(e.Claiming(claim, "redeem", slot.name, start_s, payout, 1, "relayer"))
        self.write(e.ClaimMoved(claim, "paid", "seen on the chain"))

    def _transfer(self, micro: int) -> None:
        self.books.cash_micro += micro
        self.books.transfers_micro += micro
        self.write(e.Balance(self.books.cash_micro, True))

    # --- ticks ---

    def _tick(self, slot: Slot, at_s: int, odds: float) -> None:
        start_s, tick = slot.window_start(at_s), at_s * 1_000
        if at_s == start_s:
            return
        market = round(_share(odds + self.chance.gauss(0, 0.5)) * 100) * 10_000
        market = min(max(market, 20_000), 980_000)
        seq = self._show(slot, start_s, tick, market)
        trading = self.owner(at_s)
        told = [
            round(_share(odds + self.chance.gauss(0, self.noise + 0.3 * n)) * 10_000)
            for n, _ in enumerate(self.releases)
        ]
        wish = self._wish(slot, at_s, told[trading] * 100, market)
        by = self._by(trading)
        decision = m.Decision(
            (wish,) if wish else (), {"verdict": "take" if wish else "hold", "fair_up_bp": told[trading]}
        )
        raw = msgspec.Raw(wire.encode(decision))
        took_us = round(200 * exp(self.chance.gauss(0, 0.5)))
        self.write(e.OutcomeOf(slot.name, tick, "ORDER" if wish else "HOLD", "", by, seq, took_us, raw))
        self._told.append((slot.name, start_s, by.release, told[trading] / 10_000, market / MICRO))
        if trading and len(self.releases) > 1:
            shadow = m.Decision((), {"verdict": "hold", "fair_up_bp": told[trading - 1]})
            self.write(e.Shadow(slot.name, tick, self._by(trading - 1), seq, took_us, msgspec.Raw(wire.encode(shadow))))
        if wish:
            self._trade(slot, start_s, tick, wish, by)

    def _show(self, slot: Slot, start_s: int, tick: int, market: int) -> int:
        bid, ask = (m.Level(market - 10_000, 10**9),), (m.Level(market + 10_000, 10**9),)
        self.publish(m.BookSeen(slot.name, start_s, "Up", bid, ask, False))
        account = m.Account(1, self.books.cash_micro, 0, (), ())
        return self.publish(m.Tick(slot.name, tick, start_s, "w", self._epoch, _PARAMETERS, "", account))

    def _wish(self, slot: Slot, at_s: int, fair: int, market: int) -> m.Place | None:
        """Near the end: sell what somebody else bought, now and then, or buy what is worth more than it costs."""
        start_s = slot.window_start(at_s)
        if at_s < start_s + slot.window_s - 90:
            return None
        outcome: m.Outcome = "Up" if fair > market else "Down"
        price = (market if outcome == "Up" else MICRO - market) + 10_000
        held = self.books.shares[slot.name, start_s, outcome]
        if self.rough and held and self.chance.random() < 0.5:
            return m.Place(outcome, "SELL", price - 20_000, self.chance.randint(1, held // 10_000) * 10_000, "FAK")
        if held or abs(fair - market) < 20_000 or not 50_000 < price < 950_000:
            return None
        return m.Place(outcome, "BUY", price, 5 * MICRO * MICRO // price // 10_000 * 10_000, "FAK")

    def _trade(self, slot: Slot, start_s: int, tick: int, wish: m.Place, by: e.By) -> None:
        order_id = "0x" + blake2b(f"{slot.name} {tick}".encode(), digest_size=32).hexdigest()
        place = (wish.outcome, wish.side, wish.price_micro, wish.size_micro)
        self.write(e.Placing(order_id, slot.name, tick, 0, start_s, "token", *place, wish.kind, False, by))
        self.trades += 1
        trade_id = f"trade-{self.trades}"
        took_us = round(40_000 * exp(self.chance.gauss(0, 0.3)))
        self.write(e.Answered(order_id, "place", "matched", "", took_us, (trade_id,)))
        fee = wish.size_micro * 7 // 1_000 // 10 * 10
        sizes = (wish.price_micro, wish.size_micro, fee)
        self.write(
            e.Fill(trade_id, order_id, slot.name, start_s, wish.outcome, wish.side, *sizes, False, "MATCHED", by)
        )
        failed = self.rough and wish.side == "BUY" and self.chance.random() < 0.1
        self.write(e.FillStatus(trade_id, order_id, "FAILED" if failed else "CONFIRMED"))
        if not failed:
            self._book((slot.name, start_s, wish.outcome), wish, fee, by.release)

    def _book(self, key: tuple[str, int, str], wish: m.Place, fee: int, release: str) -> None:
        cost = cost_of(wish.size_micro, wish.price_micro)
        sign = 1 if wish.side == "BUY" else -1
        self.books.cash_micro -= sign * cost + fee
        self.books.shares[key] += sign * wish.size_micro
        if sign == 1:
            self._lots.setdefault(key, []).append((release, wish.size_micro))
            self.books.net_micro[release] -= cost + fee
            self.books.fee_micro[release] += fee
            return
        ((entered, held),) = self._lots[key]  # one lot at a time: nothing is bought while something is held
        self.books.net_micro[entered] += cost - fee
        self.books.fee_micro[entered] += fee
        self._lots[key] = [(entered, held - wish.size_micro)] if held > wish.size_micro else []

    # --- releases ---

    def _by(self, number: int) -> e.By:
        return e.By(self.releases[number], _PARAMETERS, self._epoch, f"w{number}")

    def _hand_over(self, was: int, now: int) -> None:
        op = f"op{now}"
        for phase in ("spawning", "shadowing", "flipping", "baking", "done"):
            detail = {
                "blue": self.releases[was],
                "green": self.releases[now],
                "result": "OK" if phase == "done" else "",
            }
            self.write(e.Step(op, "deploy", phase, 400, "uid:0", "better", detail))
            self._at_ns += 10**9
        before = self._by(was)
        self._epoch += 1
        for slot in self.slots:
            self.write(e.Grant(slot.name, self._epoch, f"w{now}", self.releases[now], _PARAMETERS, op))
            held = tuple(each for each in self._holdings() if each.slot == slot.name)
            self.write(_boundary(slot, op, before, self._by(now), self._at_ns, held, self.books.cash_micro))

    def _holdings(self) -> tuple[e.Holding, ...]:
        found = []
        for (slot, start_s, outcome), size in sorted(self.books.shares.items()):
            if size:
                release = self._lots[slot, start_s, outcome][0][0]
                found.append(e.Holding(slot, start_s, outcome, size, 0, release))  # type: ignore[arg-type]
        return tuple(found)


def _boundary(
    slot: Slot, op: str, was: e.By, now: e.By, at_ns: int, held: tuple[e.Holding, ...], cash_micro: int
) -> e.Boundary:
    at_s = at_ns // 10**9
    left_s = slot.window_start(at_s) + slot.window_s - at_s
    changed, steps = ("worker/strategy.py",), {"flip": 1}
    return e.Boundary(slot.name, op, was, now, at_s * 1_000, left_s, held, (), cash_micro, changed, steps, "uid:0", "")


def _share(odds: float) -> float:
    return 1 / (1 + exp(-odds))


def a_desk_that_did(folder: Path, made: Made) -> State:
    """A state folder with the journal and the tape of a history."""
    state = State(folder)
    for where, kind, records in (
        (state.journal, "journal", [e.encode_line(line) for line in made.lines]),
        (state.tape, "tape", [wire.encode(frame) for frame in made.frames]),
    ):
        appender = Appender(where, kind)
        for record in records:
            appender.append(record)
        appender.close()
    return state


def judged_history(folder: Path, made: Made) -> Report:
    """What is reported of a history, over all of its time."""
    state = a_desk_that_did(folder, made)
    connection = open_index(state)
    try:
        attach(connection, state)
        return judge(gather(state, connection, Asked()))
    finally:
        connection.close()
