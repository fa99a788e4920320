"""deploy.analysis.replay.shown: what a replay found, for a terminal and for a table."""

from __future__ import annotations

import csv
import io

import msgspec
from kit.tapes import NO_ACCOUNT, NS, START_S

from deploy.analysis.replay.difference import Field
from deploy.analysis.replay.holdings import Fill
from deploy.analysis.replay.job import Result
from deploy.analysis.replay.parity import Compared, Difference, Parity
from deploy.analysis.replay.shown import COLUMNS, Table, as_text, parity_text
from shared import messages as m

RESULT = Result(
    ticks=5_184,
    frames=40_730,
    decisions="2dff",
    state="9a8d",
    orders=35,
    refused=1,
    fills=19,
    windows=30,
    traded=18,
    wins=9,
    unresolved=1,
    gross_micro=7_548_300,
    fees_micro=2_107_040,
    net_micro=5_441_260,
    brier_count=2,
    brier_e8=25_000_000,
    brier_market_e8=50_000_000,
    seconds=7_199.0,
    holes=((3, 5),),
    took_ms=2_500,
)


def test_a_result_is_a_few_lines() -> None:
    """Golden: every number of it, money to the cent."""
    assert as_text(RESULT, "r7 on paper").splitlines() == [
        "r7 on paper",
        "ticks      5,184 decided in 1 h 59 min of tape; 40,730 frames read in 2.5 s",
        "orders     35 taken, 1 refused; 19 fills",
        "windows    30 resolved, 18 traded, 9 won; 1 without a winner yet",
        "money      gross +7.55   fees -2.11   net +5.44",
        "odds       Brier 0.1250, the market's 0.2500, on 2 decisions",
        "decisions  2dff   state 9a8d",
        "hole       frames 3 to 5 are missing; their ticks were not decided",
    ]


def test_a_comparison_says_how_many_and_shows_the_first_difference() -> None:
    """Golden: a share is never rounded up to all."""
    first = Difference(
        slot="BTC/5m",
        tick=5_000,
        seq=77,
        at="2027-01-15T08:00:05.000Z",
        release="bbbb",
        worker="w2-1",
        parameters="p1",
        shadow=False,
        fields=[Field("verdict", "take", "hold"), Field("edge_bp", "1", "2")],
        before=["       77  tick"],
    )
    one = Compared("aaaa", ticks=100_000, identical=100_000, shadows=3, shadows_identical=3, parameters=["p1"])
    other = Compared("bbbb", ticks=100_000, identical=99_999, parameters=["p1", ""], first=first)
    parity = Parity(1, 99, 0, [one, other])
    parity.judge()
    assert parity_text(parity, {"aaaa": "r1 aaaa"}).splitlines() == [
        "RELEASE             OWNER TICKS  IDENTICAL   SHADOW  IDENTICAL  PARAMETERS",
        "r1 aaaa                 100,000      100 %        3      100 %  p1",
        "bbbb                    100,000    99.99 %        0          -  p1 none",
        "",
        "first difference: BTC/5m tick 5000 at 2027-01-15T08:00:05.000Z, frame 77; bbbb answered it live as the owner "
        "(w2-1, parameters p1)",
        "  verdict  live      take",
        "           replayed  hold",
        "  edge_bp  live      1",
        "           replayed  2",
        "read just before:",
        "         77  tick",
        "NOT IDENTICAL",
    ]


def test_all_identical_is_said_with_its_number() -> None:
    """And nothing compared is not."""
    parity = Parity(1, 99, 0, [Compared("aaaa", ticks=4, identical=4, shadows=3, shadows_identical=3)])
    parity.judge()
    assert parity_text(parity, {}).splitlines()[-1] == "7 of 7 decisions are identical, byte for byte"
    nothing = Parity(1, 99, 0, [])
    nothing.judge()
    assert parity_text(nothing, {}).splitlines()[-2:] == [
        "nothing was compared: nobody answered a tick in this range",
        "NOT IDENTICAL",
    ]


def test_what_hinders_a_comparison_is_told() -> None:
    """Release by release."""
    gone = Compared("aaaa", not_compared=3, fault="the release is not there any more")
    short = Compared("bbbb", ticks=1, identical=1, not_compared=2)
    text = parity_text(Parity(1, 9, 0, [gone, short]), {})
    assert "! aaaa: the release is not there any more" in text
    assert "! bbbb: 2 answers could not be compared" in text


def test_the_table_has_a_row_for_each_decision_and_fill() -> None:
    """Read back by any reader of CSV, money in millionths."""
    file = io.StringIO(newline="")
    table = Table(file)
    tick = m.Tick("BTC/5m", START_S * 1_000, START_S, "w1", 1, "", "", NO_ACCOUNT)
    wish = m.Place("Up", "BUY", 420_000, 10_000_000, "FAK")
    reasons: dict[str, int | str] = {"verdict": "take, at once", "fair_up_bp": 5_000, "edge_bp": 300}
    table.decided(m.Streamed(7, START_S * NS, tick), tick, m.Decision((wish,), reasons))
    table.filled(START_S * NS + 1_000_000, Fill("p-7-0", ("BTC/5m", START_S), "Up", "BUY", 420_000, 5_000_000, 9))
    file.seek(0)
    decision, fill = csv.DictReader(file)
    assert list(decision) == list(COLUMNS)
    assert (decision["row"], decision["seq"], decision["verdict"]) == ("decision", "7", "take, at once")
    assert (decision["wishes"], decision["fair_up_bp"]) == ("BUY Up 10 at 0.42 FAK", "5000")
    assert (fill["row"], fill["at"], fill["slot"]) == ("fill", "2027-01-15T08:00:00.001Z", "BTC/5m")
    assert (fill["price_micro"], fill["size_micro"], fill["fee_micro"]) == ("420000", "5000000", "9")


def test_what_did_not_trade_is_told_with_why() -> None:
    """The desk's reasons apart from the venue's, the most frequent first; and under which caps."""
    refused = msgspec.structs.replace(RESULT, denied={"cash": 2, "order_cap": 1_200}, rejected={"no book": 1})
    lines = as_text(refused, "title", "order 1.00; of a file").splitlines()
    assert lines[3:6] == [
        "caps       order 1.00; of a file",
        "denied     by the desk: order_cap 1,200, cash 2",
        "rejected   by the venue's rules: no book 1",
    ]
