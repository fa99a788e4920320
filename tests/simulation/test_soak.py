"""Thousands of orders against the rehearsal venue's own code, with every fault of order entry, across deaths.

`make test` runs some thousands, the night a hundred thousand. What a run went through is printed and counted, so that
none passes by being calm; a failing seed is printed and replays with --sim-seed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest
from kit.mutants import intent_not_durable
from kit.soak import DEATHS_LEAST, FAULTS, LATE_WORDS, Faults, fault_name, lived
from kit.soak_judge import AT_RISK, DURABLE_FIRST, NOTHING_IN_DOUBT, POSTED_ONCE, SAME_FILLS, SAME_MONEY, Broken

from shared import entries as e
from supervisor import executions as executions_room
from supervisor.accounts import Accounts
from supervisor.admission import Draft, Signed
from supervisor.catching_up import CatchingUp
from supervisor.effects import Moment
from supervisor.executions import Executions
from supervisor.gateway import Gateway
from supervisor.prepared import PreparedSigner
from supervisor.venue.requests import Answer
from supervisor.venue.user import TradeLeg

ROOT: Final = Path(__file__).resolve().parents[2]
ORDERS: Final = 1_200
NIGHT_ORDERS, RUN_ORDERS = 100_000, 10_000
NIGHT_EACH: Final = 20
"""So often at least each kind of fault happens in a night."""
MUTANT_ORDERS, MUTANT_SEEDS = 300, 8
LATE_SEEDS: Final = range(1, 9)
"""About each third of them meets it."""
REPLAYED_ORDERS: Final = 120

WIRE: Final = tuple(
    f"wire: {fate} {what}"
    for fate in ("lost", "late", "unanswered", "answered late")
    for what in ("order", "cancel", "question")
)
DEATHS: Final = ("supervisor: killed", "supervisor: killed in a turn", "supervisor: power lost")
VENUE: Final = tuple(fault_name(kind, arguments) for kind, arguments in FAULTS)
HITS: Final = tuple(
    f"hits: {kind}"
    for kind in ("drop_answer", "delay_answer", "refuse", "repeat_events", "reorder_events", "ghost_fill")
)
USUAL: Final = (
    *("order FAK matched", "order FOK matched", "order GTC live", "order GTC matched", "fill in part"),
    *("fill maker", "fill taker", "fill by mint", "fill by merge", "cancel client", "resolve"),
    *("settlement CONFIRMED", "settlement RETRYING", "settlement FAILED"),
    *("answer: place unknown", "answer: place closed", "answer: lookup closed"),
)
"""What happens to orders on any day; without it nothing would be proved."""
RARE: Final = (
    *("answer: lookup open", "answer: cancel already canceled or matched", "cancel market_closed"),
    *("cancel heartbeat", "journal: records lost", "journal: torn records"),
)
"""What needs many orders to happen."""


def told(counts: Counter[str], began: float) -> str:
    """What a run went through, and how fast, for a person."""
    took_s = time.perf_counter() - began
    rate = counts["orders posted"] / took_s
    lines = [f"{number:>9} {name}" for name, number in sorted(counts.items())]
    return "\n".join([*lines, f"{rate:>9.0f} orders a second, {took_s:.0f} s"])


def missing(counts: Counter[str], least: int, *names: str) -> dict[str, int]:
    """What happened less often than it should have."""
    return {name: counts[name] for name in names if counts[name] < least}


@pytest.mark.seeds(fixed=1, fresh=1)
def test_thousands_of_orders_leave_both_books_the_same(seed: int, tmp_path: Path) -> None:
    """No order twice, none forgotten, none at risk uncounted, cash to the millionth; every fault of the venue began."""
    began = time.perf_counter()
    counts = lived(seed, ORDERS, tmp_path)
    print(told(counts, began))
    assert not missing(counts, 1, *VENUE, *USUAL)
    assert sum(counts[death] for death in DEATHS) >= DEATHS_LEAST
    assert sum(counts[fate] for fate in WIRE) >= 20


@pytest.mark.nightly
@pytest.mark.seeds(fixed=0, fresh=1)
def test_a_hundred_thousand_orders_leave_both_books_the_same(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As above, run after run, and every kind of fault, death and fate of an order comes many times."""
    began, counts, run = time.perf_counter(), Counter[str](), seed
    while counts["orders posted"] < NIGHT_ORDERS:
        counts += lived(run, RUN_ORDERS, tmp_path / str(run))
        shutil.rmtree(tmp_path / str(run))
        run += 1
    with capsys.disabled():
        print(f"\n{run - seed} runs from seed {seed} on\n{told(counts, began)}")
    assert counts["orders posted"] >= NIGHT_ORDERS
    assert not missing(counts, NIGHT_EACH, *VENUE, *HITS, *WIRE, *DEATHS, *USUAL, *RARE)


def digest(seed: int, folder: Path) -> str:
    """What a run leaves in the journal."""
    lived(seed, REPLAYED_ORDERS, folder, every_fault=False)
    return sha256(b"".join(path.read_bytes() for path in sorted((folder / "journal").glob("*.seg")))).hexdigest()


def test_a_seed_of_a_soak_replays_to_the_byte(tmp_path: Path) -> None:
    """In another process, whose hashes are salted differently, the same seed writes the same journal."""
    code = "import sys, pathlib; from simulation.test_soak import digest; print(digest(7, pathlib.Path(sys.argv[1])))"
    environment = {"PYTHONPATH": f"{ROOT / 'tests'}:{ROOT}", "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code, str(tmp_path / "there")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == digest(7, tmp_path / "here")


# --- mutants ---

Patch = Callable[[pytest.MonkeyPatch], None]


def unknown_taken_for_failed(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer is believed not to exist."""
    state_by = executions_room._state_by
    patch.setattr(executions_room, "_state_by", lambda answer: state_by(answer).replace("unknown", "closed"))


def fill_counted_twice(patch: pytest.MonkeyPatch) -> None:
    """A trade that is told again is another trade."""
    on_leg = Executions.on_leg

    def again(executions: Executions, now: Moment, leg: TradeLeg) -> None:
        known = (leg.trade_id, leg.order_id) in executions.board.accounts.fills
        other = replace(leg, trade_id=f"{leg.trade_id} again") if known and leg.status == "MATCHED" else leg
        on_leg(executions, now, other)

    patch.setattr(Executions, "on_leg", again)


def failed_fill_kept(patch: pytest.MonkeyPatch) -> None:
    """A trade whose settlement failed stays in our book."""
    settle = Accounts._settle_fill
    patch.setattr(Accounts, "_settle_fill", lambda accounts, fill, status: settle(accounts, fill, "CONFIRMED"))


def signed_anew_without_an_answer(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer is signed with another salt and sent again."""
    drafts: dict[bytes, tuple[PreparedSigner, Draft]] = {}
    sign, place, place_batch = PreparedSigner.sign, Gateway.place, Gateway.place_batch

    def remember(signer: PreparedSigner, draft: Draft) -> Signed:
        signed = sign(signer, draft)
        drafts[signed.body] = (signer, draft)
        return signed

    async def insist(gateway: Gateway, body: bytes) -> Answer:
        answer = await place(gateway, body)
        if answer.verdict != "unknown":
            return answer
        return await place(gateway, anew(body))

    async def insist_on_all(gateway: Gateway, orders: Mapping[str, bytes]) -> list[Answer]:
        answers = await place_batch(gateway, orders)
        lost = [body for body, answer in zip(orders.values(), answers, strict=True) if answer.verdict == "unknown"]
        return [await place(gateway, anew(body)) for body in lost] if lost else answers

    def anew(body: bytes) -> bytes:
        signer, draft = drafts[body]
        return sign(signer, replace(draft, identity=f"{draft.identity} again")).body

    patch.setattr(PreparedSigner, "sign", remember)
    patch.setattr(Gateway, "place", insist)
    patch.setattr(Gateway, "place_batch", insist_on_all)


def sent_again_without_an_answer(patch: pytest.MonkeyPatch) -> None:
    """An order without an answer is sent again as it is."""
    place, place_batch = Gateway.place, Gateway.place_batch

    async def insist(gateway: Gateway, body: bytes) -> Answer:
        answer = await place(gateway, body)
        return await place(gateway, body) if answer.verdict == "unknown" else answer

    async def insist_on_all(gateway: Gateway, orders: Mapping[str, bytes]) -> list[Answer]:
        answers = await place_batch(gateway, orders)
        lost = any(answer.verdict == "unknown" for answer in answers)
        return await place_batch(gateway, orders) if lost else answers

    patch.setattr(Gateway, "place", insist)
    patch.setattr(Gateway, "place_batch", insist_on_all)


def silence_not_asked_after(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks for what the user channel did not tell."""
    patch.setattr(CatchingUp, "_ask", lambda catching_up: None)


def cancel_ends_an_order(patch: pytest.MonkeyPatch) -> None:
    """An order whose cancel is answered is closed, whatever it traded before."""
    ended = Executions._cancel_ended

    def close(executions: Executions, order_id: str, answer: Answer, took_us: int) -> None:
        ended(executions, order_id, answer, took_us)
        if answer.verdict == "accepted":
            executions.board.write(e.Answered(order_id, "cancel", "closed", "canceled", took_us))

    patch.setattr(Executions, "_cancel_ended", close)


def fee_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A taker's fee is not counted."""
    patch.setattr(executions_room, "taker_fee", lambda *_: 0)


def report_ends_an_order(patch: pytest.MonkeyPatch) -> None:
    """An order that is said to be over is closed, although it traded more than we were told by then."""
    patch.setattr(Accounts, "told", lambda accounts, order: 2**62)


MUTANTS: Final[tuple[tuple[Patch, tuple[str, ...]], ...]] = (
    (unknown_taken_for_failed, (AT_RISK,)),
    (intent_not_durable, (DURABLE_FIRST,)),
    (fill_counted_twice, (SAME_FILLS,)),
    (failed_fill_kept, (SAME_MONEY,)),
    (signed_anew_without_an_answer, (DURABLE_FIRST,)),
    (sent_again_without_an_answer, (POSTED_ONCE,)),
    (silence_not_asked_after, (AT_RISK, NOTHING_IN_DOUBT, SAME_FILLS, SAME_MONEY)),
    (cancel_ends_an_order, (AT_RISK,)),
    (fee_forgotten, (SAME_FILLS,)),
)
"""Faults, and the promises of which one must notice each."""


@pytest.mark.parametrize(("mutant", "promises"), MUTANTS, ids=lambda given: getattr(given, "__name__", ""))
def test_a_soak_notices_what_would_cost_money(
    mutant: Patch, promises: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By a promise that names it, within a few seeds."""
    mutant(monkeypatch)
    broken = noticed(range(MUTANT_SEEDS), tmp_path)
    assert broken.promise in promises, broken


def test_a_soak_notices_an_order_that_is_closed_before_its_fill_was_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It takes a fill in part whose word is late, and a cancel right after it: too rare where all else goes wrong too.

    Every round of comparing brings untold fills in, so that the word on the end seldom finds one missing.
    """
    report_ends_an_order(monkeypatch)
    broken = noticed(LATE_SEEDS, tmp_path, LATE_WORDS)
    assert broken.promise == AT_RISK, broken


def noticed(seeds: range, folder: Path, faults: Faults = FAULTS) -> Broken:
    """The promise that breaks, of the first seed that breaks one."""
    for seed in seeds:
        try:
            lived(seed, MUTANT_ORDERS, folder / str(seed), every_fault=False, faults=faults)
        except Broken as broken:
            print(f"noticed by {broken.promise}, seed {seed}")
            return broken
    pytest.fail(f"{len(seeds)} seeds noticed nothing")
