"""The workers as the desk knows them: which release each runs, how far it has read, when its loop was last heard."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final, Literal

from shared.clock import NS
from shared.config import Deploy
from shared.entries import Release
from shared.messages import Loaded

Stage = Literal["spawned", "greeted", "ready", "retiring"]

RESPAWN_S: Final = (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Real seconds to wait before the next try to start a release whose workers keep dying."""
STEADY_S: Final = 60.0
"""A worker that lived this long was no failure to start."""


@dataclass(frozen=True, slots=True)
class Member:
    """One worker process. `read_seq`: nothing up to it is missing in its state. Times are monotonic.

    `holed_ns`: since when it misses a part of the stream that it had begun to follow; 0 while it does not.
    `told_ns`: when it was told to end; its loop may be heard after that, and it may still have to be killed.
    `parameters`: digest of the set it had at `read_seq`, empty where it did not say; `unfit`: why it cannot use it.
    `shadowed`, `answered`: live ticks it decided on as a shadow and as the owner; `decided`: as many as it says itself.
    """

    uid: str
    release: str
    spawned_ns: int
    heard_ns: int
    pid: int = 0
    stage: Stage = "spawned"
    read_seq: int = 0
    whole: bool = False
    holed_ns: int = 0
    told_ns: int = 0
    shadowed: int = 0
    answered: int = 0
    attested: bool = False
    decided: int = 0
    rss_kib: int = 0
    modules: tuple[Loaded, ...] = ()
    parameters: str = ""
    unfit: str = ""

    @property
    def ready(self) -> bool:
        """Whether it may be given slots."""
        return self.stage == "ready" and self.whole


@dataclass
class Crew:
    """Every worker that lives. A uid is never used twice: it names the reign and counts up.

    `failures`: how often in a row a worker of a release died before it was steady.
    """

    members: dict[str, Member] = field(default_factory=dict)
    spawned: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    def hire(self, term: int, release: str, mono_ns: int) -> str:
        """Make room for a worker that is about to be started; return its uid."""
        self.spawned += 1
        uid = f"w{term}-{self.spawned}"
        self.members[uid] = Member(uid, release, mono_ns, mono_ns)
        return uid

    def hear(self, uid: str, mono_ns: int, read_seq: int = 0, parameters: str = "") -> None:
        """Note a sign of life, how far it has read, and which parameters it has by then; empty: it did not say.

        What it could not use was the set of before, once it has another: its next word tells whether it can use that.
        """
        member = self.members[uid]
        using = parameters if read_seq >= member.read_seq else member.parameters
        unfit = member.unfit if using == member.parameters else ""
        read_seq = max(member.read_seq, read_seq)
        self.members[uid] = replace(member, heard_ns=mono_ns, read_seq=read_seq, parameters=using, unfit=unfit)

    def update(self, uid: str, **changes: object) -> None:
        """Change what is known of a worker."""
        self.members[uid] = replace(self.members[uid], **changes)  # type: ignore[arg-type]

    def ready(self, uid: str) -> bool:
        """Whether a worker may be given slots."""
        member = self.members.get(uid)
        return member is not None and member.ready

    def dismiss(self, uid: str, mono_ns: int) -> Member | None:
        """Forget a worker that is gone; its release failed if it never got steady and was not asked to go."""
        member = self.members.pop(uid, None)
        if member is not None and member.stage != "retiring":
            steady = mono_ns - member.spawned_ns >= STEADY_S * NS
            self.failures[member.release] = 0 if steady else self.failures.get(member.release, 0) + 1
        return member

    def respawn_after_s(self, release: str) -> float:
        """How long to wait before the next try to start a release."""
        return RESPAWN_S[min(self.failures.get(release, 0), len(RESPAWN_S) - 1)]

    def overdue(self, limits: Deploy, head_seq: int, mono_ns: int) -> list[tuple[str, str]]:
        """Workers to be given up, each with the reason in numbers."""
        found = []
        for member in self.members.values():
            reason = _overdue(member, limits, head_seq, mono_ns)
            if reason:
                found.append((member.uid, reason))
        return found


def not_staged(release: Release, said: str, modules: tuple[Loaded, ...]) -> str:
    """Why a worker is not what was staged; empty when it is. Args: said, modules: what it says that it has loaded."""
    if said != release.release:
        return f"it runs {said}, staged was {release.release}"
    if not modules:
        return "it names no module that it has loaded"
    for loaded in modules:
        stem = loaded.module.replace(".", "/")
        if loaded.digest not in {release.modules.get(f"{stem}.py"), release.modules.get(f"{stem}/__init__.py")}:
            return f"it loaded a {loaded.module} that is not the one that was staged"
    return ""


def _overdue(member: Member, limits: Deploy, head_seq: int, mono_ns: int) -> str:
    silent_s = (mono_ns - member.heard_ns) / NS
    age_s = (mono_ns - member.spawned_ns) / NS
    lingered_s = (mono_ns - member.told_ns) / NS
    holed_s = (mono_ns - member.holed_ns) / NS
    if member.stage == "spawned" and age_s > limits.hello_s:
        return f"no greeting for {age_s:.1f} s"
    if member.stage == "greeted" and age_s > limits.hello_s + limits.warm_s:
        return f"not warm after {age_s:.1f} s"
    if member.stage == "retiring" and lingered_s > limits.retire_s:
        return f"still there {lingered_s:.1f} s after it was told to end"
    if member.stage == "ready" and member.holed_ns and holed_s > limits.warm_s:
        return f"not whole again {holed_s:.1f} s after it missed a part of the stream"
    if member.stage in {"greeted", "ready"} and silent_s > limits.beat_s:
        return f"no heartbeat for {silent_s:.1f} s"
    if member.stage == "ready" and head_seq - member.read_seq > limits.lag_max:
        return f"{head_seq - member.read_seq} frames behind the stream"
    return ""
