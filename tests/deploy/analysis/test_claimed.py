"""What a journal says of claims, read anew."""

from __future__ import annotations

from deploy.analysis.claimed import Claimed, claimed
from shared import entries as e

WINDOW = ("BTC/5m", 300)
SIZE = 5_000_000


def fold(*entries: e.Resolved | e.Claiming | e.ClaimMoved) -> tuple[Claimed, list[int]]:
    """What entries add up to, and what each did to the pairs that are held."""
    found = Claimed()
    return found, [found.take(entry)[1] for entry in entries]


def leaves(kind: e.ClaimKind = "merge") -> e.Claiming:
    """A claim leaves."""
    name = "BTC/5m 300 redeem" if kind == "redeem" else "BTC/5m 300 merge 1"
    return e.Claiming(name, kind, *WINDOW, SIZE, 4, "relayer")


def moved(event: e.ClaimEvent, kind: e.ClaimKind = "merge") -> e.ClaimMoved:
    """Something became of it."""
    return e.ClaimMoved(leaves(kind).claim, event, "")


def test_a_window_owes_until_its_winners_are_paid() -> None:
    """Also when nothing was sent for it; one that does not claim owes nothing."""
    owed = e.Resolved(*WINDOW, "Up", SIZE, True)
    assert fold(owed)[0].unpaid == {WINDOW}
    assert fold(owed, moved("paid", "redeem"))[0].unpaid == set()
    assert fold(e.Resolved(*WINDOW, "Up", SIZE))[0].unpaid == set()


def test_a_merge_takes_its_pairs_when_it_leaves_and_once() -> None:
    """However often it is repeated; paid, they are gone."""
    found, pairs = fold(leaves(), moved("unanswered"), leaves(), moved("accepted"), moved("paid"))
    assert pairs == [-SIZE, 0, 0, 0, 0]
    assert (found.merged[WINDOW], found.aside, found.paid) == (SIZE, {}, 1)


def test_a_merge_that_came_to_nothing_gives_them_back() -> None:
    """A refusal says so only of the first attempt."""
    assert fold(leaves(), moved("refused"))[1] == [-SIZE, SIZE]
    assert fold(leaves(), moved("failed"))[1] == [-SIZE, SIZE]
    assert fold(leaves(), moved("unanswered"), leaves(), moved("refused"))[1] == [-SIZE, 0, 0, 0]


def test_pairs_that_come_back_after_the_result_are_paid_with_the_winners() -> None:
    """They are no positions any more."""
    found, _ = fold(leaves(), e.Resolved(*WINDOW, "Up", 0, True), moved("failed"))
    assert found.given_back[WINDOW] == SIZE


def test_a_whole_journal_is_folded() -> None:
    """Lines of other kinds pass."""
    entries = (e.Balance(1, True), leaves(), moved("paid"))
    lines = [e.Line(n, 0, 0, 1, entry) for n, entry in enumerate(entries, start=1)]
    assert claimed(lines).merged[WINDOW] == SIZE
