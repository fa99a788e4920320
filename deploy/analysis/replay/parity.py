"""Whether releases decide on the tape what they decided live: byte for byte, each on the ticks that it answered.

Or one release on everybody's ticks, where the question is at which tick it would first have decided otherwise. What
always holds: an answer that could not be compared is counted as such and is no agreement; a release that is not there
any more is named and is none either; nothing that was compared is nothing that was proved.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from deploy.analysis.replay import live
from deploy.analysis.replay.difference import Field, before, fields
from deploy.analysis.replay.footage import Footage
from deploy.analysis.replay.hands import Hands, Line, ReleaseFailed, Summary
from deploy.analysis.replay.live import Answer, Live
from deploy.ranges import stamp
from shared.clock import NS

WARM_UP_S: Final = 1_380
"""How much of the past a release wants to have read before a decision: its lookback and two keyframes."""
Progress = Callable[[int, int], object]


class Difference(msgspec.Struct, frozen=True):
    """The first answer that was not the same: which tick, whose, what differs in it, and what was read before it."""

    slot: str
    tick: int
    seq: int
    at: str
    release: str
    worker: str
    parameters: str
    shadow: bool
    fields: list[Field]
    before: list[str]


class Compared(msgspec.Struct):
    """One release's answers. identical, differing: as the owner; shadows, shadows_differing: beside it.

    not_compared: answers on ticks that are not on the tape, or stand where its beginning is too near.
    """

    release: str
    ticks: int = 0
    identical: int = 0
    shadows: int = 0
    shadows_identical: int = 0
    not_compared: int = 0
    parameters: list[str] = []
    fault: str = ""
    first: Difference | None = None

    @property
    def whole(self) -> bool:
        """Whether everything that was compared is identical, and nothing was left out."""
        same = self.ticks == self.identical and self.shadows == self.shadows_identical
        return same and not self.not_compared and not self.fault


class Parity(msgspec.Struct):
    """The whole comparison. `identical`: every answer of every release was compared and is the same."""

    from_seq: int
    to_seq: int
    skipped: int
    releases: list[Compared] = []
    identical: bool = False
    first: Difference | None = None

    def judge(self) -> None:
        """Find the first difference of all, and say whether there is none."""
        found = [each.first for each in self.releases if each.first is not None]
        self.first = min(found, key=lambda difference: difference.seq, default=None)
        compared = sum(each.ticks + each.shadows for each in self.releases)
        self.identical = compared > 0 and all(each.whole for each in self.releases)


class Comparison:
    """Args: footage: the tape. journal: the folder of the desk's journal."""

    def __init__(self, footage: Footage, journal: Path) -> None:
        self.footage, self.journal = footage, journal

    def every_release(
        self, said: Live, from_seq: int, to_seq: int, folder_of: Callable[[str], Path | None], progress: Progress
    ) -> Parity:
        """Each release on the ticks that it answered, as an owner or beside one. Raises: NoTape, NoJournal."""
        parity = Parity(from_seq, to_seq, said.skipped)
        by_release = defaultdict(list)
        for answer in said.answers:
            by_release[answer.release].append(answer)
        passed = 0
        for release, answers in by_release.items():
            done = passed

            def on(seq: int, of: int, done: int = done) -> None:
                progress(done + seq, len(said.answers))

            parity.releases.append(self.one(release, folder_of(release), answers, on))
            passed += len(answers)
        parity.judge()
        return parity

    def one_release(
        self, said: Live, from_seq: int, to_seq: int, name: str, folder: Path, progress: Progress
    ) -> Parity:
        """One release on the ticks of all owners."""
        owners = [answer for answer in said.answers if not answer.shadow]
        parity = Parity(from_seq, to_seq, said.skipped, [self.one(name, folder, owners, progress)])
        parity.judge()
        return parity

    def one(self, release: str, folder: Path | None, answers: Iterable[Answer], progress: Progress) -> Compared:
        """Play the stretch in which these answers were given, and hold each against what comes out."""
        expected = defaultdict(list)
        for answer in answers:
            expected[answer.seq].append(answer)
        compared = Compared(release, parameters=sorted({a.parameters for each in expected.values() for a in each}))
        if folder is None:
            compared.fault = "the release is not there any more"
            compared.not_compared = sum(map(len, expected.values()))
        elif expected:
            try:
                self._play(folder, dict(sorted(expected.items())), compared, progress)
            except ReleaseFailed as error:
                compared.fault = str(error)
        return compared

    def _play(self, folder: Path, expected: dict[int, list[Answer]], compared: Compared, progress: Progress) -> None:
        seqs, total, done = list(expected), sum(map(len, expected.values())), 0
        arguments = ["--replay", str(self.footage.folder.absolute()), "--from", str(seqs[0]), "--to", str(seqs[-1])]
        with Hands(folder.absolute(), arguments) as hands:
            while True:
                line = hands.line()
                said = hands.understood(line, Line)
                if not said.seq:
                    break
                answers = expected.pop(said.seq, [])
                if answers:
                    self._hold(bytes.fromhex(said.decision), answers, compared)
                    done += len(answers)
                    progress(done, total)
            hands.understood(line, Summary)
        compared.not_compared = sum(map(len, expected.values()))

    def _hold(self, replayed: bytes, answers: list[Answer], compared: Compared) -> None:
        name = live.digest(replayed)
        for answer in answers:
            same = answer.digest == name
            if answer.shadow:
                compared.shadows += 1
                compared.shadows_identical += same
            else:
                compared.ticks += 1
                compared.identical += same
            if not same and compared.first is None:
                compared.first = self._explained(answer, replayed)

    def _explained(self, answer: Answer, replayed: bytes) -> Difference:
        return Difference(
            slot=answer.slot,
            tick=answer.tick,
            seq=answer.seq,
            at=stamp(answer.tick * 1_000_000, millis=True),
            release=answer.release,
            worker=answer.uid,
            parameters=answer.parameters,
            shadow=answer.shadow,
            fields=fields(live.decision(self.journal, answer.record), replayed),
            before=before(self.footage, answer.seq, answer.slot),
        )


def earliest(footage: Footage) -> int:
    """The first frame whose decisions can be compared: at the beginning of a cut tape they rest on what was cut off."""
    if footage.first.seq == 1:
        return 1
    return footage.seq_at(footage.first.at_ns + WARM_UP_S * NS)
