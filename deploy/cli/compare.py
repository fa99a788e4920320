"""Two releases on the disk, held against each other: no desk has to run, and no code of theirs does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from deploy.cli.show import Context
from deploy.difference import PARAMETERS, Changes, between, packages, parameters
from deploy.release import Indexed, find
from shared.fingerprint import LOCK
from shared.paths import State

_SIGNS = (("added", "+"), ("changed", "~"), ("removed", "-"))


def compare(context: Context, one: str, other: str) -> NoReturn:
    """Answer with what the other release has that the one has not, and the other way round."""
    was, now = _known(context, one), _known(context, other)
    try:
        kinds = {kind: between(*sides) for kind, sides in _sides(context.state, was, now).items()}
    except OSError as error:
        context.fail("IOERR", f"{error.filename}: {error.strerror}", "foresightctl stage PATH")
    data = {"was": _named(was), "now": _named(now), "identical": not any(kinds.values()), **kinds}
    context.found("\n".join(_lines(was, now, kinds)), data)


def _known(context: Context, wanted: str) -> Indexed:
    known = find(context.state, wanted)
    if known is None:
        context.fail("NOINPUT", f"{wanted} is no staged release, or could be several", "foresightctl releases")
    if not (context.state.releases / known.release).is_dir():
        context.fail("NOINPUT", f"{known.name} was staged here once and its folder is gone", "foresightctl releases")
    return known


def _sides(state: State, *both: Indexed) -> dict[str, list[dict[str, str]]]:
    """What is compared of each kind. Raises: OSError."""
    return {
        "files": [known.modules for known in both],
        "parameters": [parameters(_text(state, known, PARAMETERS)) for known in both],
        "packages": [packages(_text(state, known, LOCK)) for known in both],
    }


def _text(state: State, known: Indexed, path: str) -> str:
    return (state.releases / known.release / path).read_text() if path in known.modules else ""


def _named(known: Indexed) -> dict[str, object]:
    return {"seq": known.seq, "hash": known.release}


def _lines(was: Indexed, now: Indexed, kinds: dict[str, Changes]) -> Iterator[str]:
    """Nothing but what differs, a line each."""
    if not any(kinds.values()):
        yield f"{was.name} and {now.name} are identical"
        return
    yield f"{was.name} -> {now.name}"
    for kind, changes in kinds.items():
        yield f"{kind}" if changes else f"{kind}: no difference"
        for how, sign in _SIGNS:
            yield from (f"  {sign} {_words(kind, name, what)}" for name, what in getattr(changes, how).items())


def _words(kind: str, name: str, what: str | tuple[str, str]) -> str:
    """A file's digest tells a person nothing; everything else is told as it was and as it is."""
    if kind == "files":
        return name
    return f"{name}  {what}" if isinstance(what, str) else f"{name}  {what[0]} -> {what[1]}"
