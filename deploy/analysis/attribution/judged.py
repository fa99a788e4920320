"""Results with how sure they are: rows of a report, comparisons, badges. Pure: a history in, a report out.

What always holds: a rate never stands without its interval and its sample; releases that differ by less than chance
are said not to be separable; a row that covers more than one regime says so; nothing is said of what was not measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby
from math import isclose
from random import Random
from statistics import NormalDist, fmean
from typing import Final, Literal

from deploy.analysis.attribution.calibration import (
    Tally,
    brier,
    calibration_error,
    count,
    parts,
    skill,
    squared_error,
    together,
)
from deploy.analysis.attribution.history import VERSIONS, History, Lot, Money, Pairs, Quarter, Release
from deploy.analysis.attribution.intervals import (
    Cluster,
    Interval,
    clustered,
    holm,
    newcombe,
    trades_to_clear,
    trades_to_separate,
    wilson,
)
from deploy.analysis.attribution.sharpe import Moments, deflated, moments, probabilistic, track_record
from deploy.analysis.attribution.trades import Trade, drawdown_micro, hour_name, percentile

TOO_FEW_BELOW: Final = 30
"""Quarter hours with trades, and with scored decisions, from which a result is worth a comparison."""
MANY_FROM: Final = 3
"""Versions side by side, of which the best is the best by luck alone."""
SEED: Final = 57
"""Of the bootstrap: a report that is made again says the same."""
_NORMAL: Final = NormalDist()


@dataclass(frozen=True, slots=True)
class Score:
    """How good probabilities were, on the same decisions. `skill`: None where the market was perfect."""

    decisions: int
    ours: float
    market: float
    skill: float | None
    skill_interval: Interval | None
    reliability: float
    resolution: float
    uncertainty: float
    error: float
    market_error: float


@dataclass(frozen=True, slots=True)
class Odds:
    """How sure a result per trade is. probability: that it is above zero in truth (PSR).

    deflated: that it is above what the best of as many versions shows by luck; None for few versions. track_record:
    trades until the probability is 95 %; None where it never is.
    """

    seen: Moments
    probability: float
    deflated: float | None
    track_record: int | None


@dataclass(frozen=True, slots=True)
class Latency:
    """How long half of them took at most, and 99 of 100; None of nothing."""

    p50_us: int | None
    p99_us: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a report. Money in millionths; rates and prices between 0 and 1; edge per share.

    observations: quarter hours with trades. slippage: paid beyond the market's middle per share. still_needed: trades,
    until the win rate is above break-even for sure; None where it never is. decide: the worker's; answer: the venue's.
    """

    key: str
    name: str
    release: str
    hours: float
    decisions: int
    windows: int
    won: int
    trades: int
    observations: int
    win_rate: float | None
    win_interval: Interval
    price: float | None
    breakeven: float | None
    edge: float | None
    edge_interval: Interval | None
    gross_micro: int
    fee_micro: int
    net_micro: int
    net_interval_micro: Interval | None
    drawdown_micro: int
    orders: int
    fill_rate: float | None
    slippage: float | None
    score: Score | None
    odds: Odds | None
    still_needed: int | None
    decide: Latency
    answer: Latency
    badges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """What a row did in one slot, or in one hour of the day (UTC): `of` says which, `name` is such as 14:00."""

    row: str
    of: Literal["slot", "hour"]
    name: str
    trades: int
    won: int
    net_micro: int


@dataclass(frozen=True, slots=True)
class Versus:
    """Two rows against each other by what they won: slow evidence. `probability`: of such a difference by chance."""

    first: str
    second: str
    difference: float
    interval: Interval
    probability: float
    badges: tuple[str, ...]
    trades_needed: int | None


@dataclass(frozen=True, slots=True)
class Paired:
    """Two releases on the same ticks. difference: of Brier scores, first less second, below zero is better."""

    first: str
    second: str
    pairs: int
    windows: int
    agreement: float
    scored: int
    difference: float | None
    interval: Interval | None
    verdict: str


@dataclass(frozen=True, slots=True)
class Reconciled:
    """Whether opening equity + net of closed trades + transfers = closing equity, over the period that was asked for.

    Equity is cash, what is owed, and open trades at their outlay; its cash is the desk's own word, told by `opened_by`
    and `source`. difference_micro: by how much the closing one is more than it should be; None where nobody told it and
    our own sums agree. differs: where the books say another thing than the desk, in words.
    """

    opening_equity_micro: int
    closing_equity_micro: int
    equity_change_micro: int
    net_micro: int
    transfers_micro: int
    outlay_micro: int
    difference_micro: int | None
    opened_by: str
    source: str
    differs: tuple[str, ...]

    @property
    def holds(self) -> bool | None:
        """Whether books and account agree; None where there was no account to ask."""
        return None if self.difference_micro is None else not (self.difference_micro or self.differs)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is told, and the history it is told of."""

    history: History
    rows: list[Row]
    blended: Row | None
    splits: list[Split]
    versus: list[Versus]
    paired: list[Paired]
    reconciled: Reconciled


def judge(history: History, compare: tuple[str, str] | None = None) -> Report:
    """A report of a history. Only versions of the desk are held against each other.

    Args: compare: digests of two releases; else each row is held against the one before it.
    """
    versions = history.lots if history.by in VERSIONS else []
    ratios = [seen.ratio for lot in versions if (seen := _moments(lot.trades)) is not None]
    rows = [_row(lot, ratios) for lot in history.lots]
    blended = _row(blend(history.lots), []) if len(history.lots) > 1 else None
    traded = [row for row in rows if row.trades and history.by in VERSIONS]
    return Report(
        history=history,
        rows=rows,
        blended=blended,
        splits=[split for lot in history.lots for split in _splits(lot)],
        versus=_versus(traded, compare),
        paired=[_paired(pairs, history) for pairs in history.pairs if _wanted(pairs, compare)],
        reconciled=reconcile(history.money),
    )


def blend(lots: Sequence[Lot]) -> Lot:
    """All of them as one."""
    ours: dict[Quarter, Tally] = {}
    market: dict[Quarter, Tally] = {}
    for lot in lots:
        for into, of in ((ours, lot.ours), (market, lot.market)):
            for quarter, tally in of.items():
                into[quarter] = together([into[quarter], tally]) if quarter in into else tally
    trades = sorted((trade for lot in lots for trade in lot.trades), key=lambda trade: trade.closed_ns)
    sums = {name: sum(getattr(lot, name) for lot in lots) for name in _SUMS}
    return Lot(
        key="",
        name="blended",
        trades=trades,
        windows={window for lot in lots for window in lot.windows},
        ours=ours,
        market=market,
        took_us=sorted(took for lot in lots for took in lot.took_us),
        answered_us=sorted(took for lot in lots for took in lot.answered_us),
        **sums,
    )


def _splits(lot: Lot) -> Iterable[Split]:
    """Its trades by slot, then by hour; where it has none there is no split."""
    names: dict[Literal["slot", "hour"], Callable[[Trade], str]] = {
        "slot": lambda trade: trade.slot,
        "hour": lambda trade: hour_name(trade.hour),
    }
    for of, named in names.items():
        for name, group in groupby(sorted(lot.trades, key=named), key=named):
            trades = list(group)
            won, net_micro = sum(trade.won for trade in trades), sum(trade.net_micro for trade in trades)
            yield Split(lot.key, of, name, len(trades), won, net_micro)


_SUMS: Final = (
    *("regimes", "active_min", "decisions", "orders"),
    *("ordered_micro", "filled_micro", "slipped_micro", "slipped_shares_micro"),
)
"""Of a lot, what adds up."""


def _row(lot: Lot, ratios: Sequence[float]) -> Row:
    trades = lot.trades
    won = sum(trade.won for trade in trades)
    breakeven = fmean(trade.breakeven for trade in trades) if trades else None
    edges, interval = _edges(trades)
    rate = won / len(trades) if trades else None
    return Row(
        key=lot.key,
        name=lot.name,
        release=lot.release,
        hours=lot.active_min / 60,
        decisions=lot.decisions,
        windows=len(lot.windows),
        won=won,
        trades=len(trades),
        observations=len(edges),
        win_rate=rate,
        win_interval=wilson(won, len(trades)),
        price=fmean(trade.price for trade in trades) if trades else None,
        breakeven=breakeven,
        edge=fmean(trade.edge for trade in trades) if trades else None,
        edge_interval=interval,
        gross_micro=sum(trade.net_micro + trade.fee_micro for trade in trades),
        fee_micro=sum(trade.fee_micro for trade in trades),
        net_micro=sum(trade.net_micro for trade in trades),
        net_interval_micro=_net_interval(trades),
        drawdown_micro=drawdown_micro(trade.net_micro for trade in trades),
        orders=lot.orders,
        fill_rate=lot.filled_micro / lot.ordered_micro if lot.ordered_micro else None,
        slippage=lot.slipped_micro / lot.slipped_shares_micro if lot.slipped_shares_micro else None,
        score=_score(lot),
        odds=_odds(trades, ratios),
        still_needed=_still_needed(trades),
        decide=_latency(lot.took_us),
        answer=_latency(lot.answered_us),
        badges=tuple(_badges(lot, len(edges), _sure(won, trades, interval), len(ratios))),
    )


def _badges(lot: Lot, observations: int, sure: bool, versions: int) -> Iterable[str]:
    if lot.regimes > 1:
        yield "MIXED"
    if (lot.trades and observations < TOO_FEW_BELOW) or 0 < len(lot.ours) < TOO_FEW_BELOW:
        yield "TOO FEW"
    if lot.trades and not sure:
        yield "BELOW BREAKEVEN?"
    if versions >= MANY_FROM:
        yield "MANY VERSIONS"


def _sure(won: int, trades: Sequence[Trade], edge: Interval | None) -> bool:
    """Whether both lower bounds are above: of the win rate over break-even, of the edge over nothing."""
    if not trades or edge is None:
        return False
    return edge.low > 0 and wilson(won, len(trades)).low > fmean(trade.breakeven for trade in trades)


def _edges(trades: Sequence[Trade]) -> tuple[list[Cluster], Interval | None]:
    """The edge by quarter hour, and where its mean may be.

    Where there are few quarter hours, or every trade ended the same way, a bootstrap would claim to be certain: what
    Wilson leaves open of so many observations is taken instead.
    """
    clusters = _by_quarter(trades, lambda trade: trade.edge)
    found = clustered(clusters, Random(SEED)) if len({trade.won for trade in trades}) > 1 else None
    if found is None and trades:
        rate, breakeven = fmean(trade.won for trade in trades), fmean(trade.breakeven for trade in trades)
        win = wilson(round(rate * len(clusters)), len(clusters))
        found = Interval(win.low - breakeven, win.high - breakeven)
    return clusters, found


def _net_interval(trades: Sequence[Trade]) -> Interval | None:
    """Where the sum may be, of as many trades as there were."""
    found = clustered(_by_quarter(trades, lambda trade: trade.net_micro), Random(SEED))
    return Interval(found.low * len(trades), found.high * len(trades)) if found else None


def _by_quarter(trades: Sequence[Trade], value: Callable[[Trade], float]) -> list[Cluster]:
    sums: dict[int, Cluster] = {}
    for trade in trades:
        known = sums.get(trade.quarter, Cluster(0, 0.0))
        sums[trade.quarter] = Cluster(known.count + 1, known.total + value(trade))
    return list(sums.values())


def _odds(trades: Sequence[Trade], ratios: Sequence[float]) -> Odds | None:
    seen = _moments(trades)
    if seen is None:
        return None
    luck = deflated(seen, ratios) if len(ratios) >= MANY_FROM else None
    return Odds(seen, probabilistic(seen), luck, track_record(seen))


def _latency(ascending_us: Sequence[int]) -> Latency:
    return Latency(percentile(ascending_us, 0.5), percentile(ascending_us, 0.99))


def _moments(trades: Sequence[Trade]) -> Moments | None:
    return moments([trade.edge for trade in trades])


def _still_needed(trades: Sequence[Trade]) -> int | None:
    """Until what a share brings back is above what it costs for sure; that is the win rate where all is held."""
    if not trades:
        return None
    breakeven, edge = fmean(trade.breakeven for trade in trades), fmean(trade.edge for trade in trades)
    needed = trades_to_clear(breakeven + edge, breakeven)
    return None if needed is None else max(0, needed - len(trades))


def _score(lot: Lot) -> Score | None:
    ours, market = together(lot.ours.values()), together(lot.market.values())
    if not count(ours):
        return None
    found = parts(ours)
    return Score(
        decisions=count(ours),
        ours=brier(ours),
        market=brier(market),
        skill=skill(brier(ours), brier(market)),
        skill_interval=_skill_interval(lot, brier(market)),
        reliability=found.reliability,
        resolution=found.resolution,
        uncertainty=found.uncertainty,
        error=calibration_error(ours),
        market_error=calibration_error(market),
    )


def _skill_interval(lot: Lot, market: float) -> Interval | None:
    """Where the skill may be, the market's score taken as it is."""
    errors = [
        Cluster(count(ours), squared_error(lot.market[quarter]) - squared_error(ours))
        for quarter, ours in lot.ours.items()
    ]
    found = clustered(errors, Random(SEED)) if market else None
    return Interval(found.low / market, found.high / market) if found else None


# --- against each other ---


def _versus(rows: Sequence[Row], compare: tuple[str, str] | None) -> list[Versus]:
    """Each row against the one before it, or the rows of two releases; with Holm's correction where there are many."""
    if compare:
        couples = [(a, b) for a, b in combinations(rows, 2) if {a.release, b.release} == set(compare)]
    else:
        couples = list(zip(rows[1:], rows[:-1], strict=True))
    raised = holm([_by_chance(ours, other) for ours, other in couples])
    return [_one_versus(ours, other, chance) for (ours, other), chance in zip(couples, raised, strict=True)]


def _one_versus(ours: Row, other: Row, probability: float) -> Versus:
    interval = newcombe(ours.won, ours.trades, other.won, other.trades)
    rate, theirs = ours.won / ours.trades, other.won / other.trades
    apart = not interval.holds(0.0)
    return Versus(
        first=ours.name,
        second=other.name,
        difference=rate - theirs,
        interval=interval,
        probability=probability,
        badges=() if apart and probability < 0.05 else ("NOT SEPARABLE",),
        trades_needed=trades_to_separate(rate, theirs),
    )


def _by_chance(ours: Row, other: Row) -> float:
    """How probable so large a difference of win rates is where there is none: the pooled two-sided test."""
    pooled = (ours.won + other.won) / (ours.trades + other.trades)
    spread = (pooled * (1 - pooled) * (1 / ours.trades + 1 / other.trades)) ** 0.5
    if isclose(spread, 0.0):
        return 1.0
    return 2 * _NORMAL.cdf(-abs(ours.won / ours.trades - other.won / other.trades) / spread)


def _wanted(pairs: Pairs, compare: tuple[str, str] | None) -> bool:
    return compare is None or {pairs.first, pairs.second} == set(compare)


def _paired(pairs: Pairs, history: History) -> Paired:
    """The newer release first."""
    first, second = (history.releases.get(digest) for digest in (pairs.first, pairs.second))
    turned = first is not None and second is not None and first.number < second.number
    sign = -1 if turned else 1
    clusters = [Cluster(number, sign * total) for number, total in pairs.errors.values()]
    scored = sum(cluster.count for cluster in clusters)
    difference = sum(cluster.total for cluster in clusters) / scored if scored else None
    interval = clustered(clusters, Random(SEED))
    names = [release.short if release else digest[:8] for release, digest in _both(pairs, history)]
    ours, other = reversed(names) if turned else names
    return Paired(
        first=ours,
        second=other,
        pairs=pairs.pairs,
        windows=pairs.windows,
        agreement=pairs.alike / pairs.pairs,
        scored=scored,
        difference=difference,
        interval=interval,
        verdict=_verdict(interval, ours, other),
    )


def _both(pairs: Pairs, history: History) -> list[tuple[Release | None, str]]:
    return [(history.releases.get(digest), digest) for digest in (pairs.first, pairs.second)]


def _verdict(interval: Interval | None, ours: str, other: str) -> str:
    if interval is None:
        return "TOO FEW"
    if interval.holds(0.0):
        return "NOT SEPARABLE"
    return f"{ours if interval.high < 0 else other} better calibrated"


def reconcile(money: Money) -> Reconciled:
    """Hold what trades earned and people moved against the equity at both ends."""
    told_micro = money.cash_micro if money.told_micro is None else money.told_micro
    closing_micro = told_micro + money.owed_micro - money.open_flow_micro
    difference_micro = closing_micro - money.opening_micro - money.closed_net_micro - money.transfers_micro
    apart = [f"fills and payouts leave cash of {money.cash_micro}, the desk has {told_micro}"]
    return Reconciled(
        opening_equity_micro=money.opening_micro,
        closing_equity_micro=closing_micro,
        equity_change_micro=closing_micro - money.opening_micro,
        net_micro=money.closed_net_micro,
        transfers_micro=money.transfers_micro,
        outlay_micro=-money.open_flow_micro,
        difference_micro=None if money.told_micro is None and not difference_micro else difference_micro,
        opened_by=money.opened_by,
        source=money.source,
        differs=(*money.differs, *(apart if told_micro != money.cash_micro else [])),
    )
