"""What differs between two releases: files, the defaults and bounds of parameters, packages of the lock.

Pure: texts in, differences out. A release's code is parsed here and never run: whoever asks what a change is may not
have decided yet whether to trust it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Final

import msgspec

PARAMETERS: Final = "worker/parameters.py"
"""The file in which a release says what may be changed while it runs, in a class `Parameters`."""
_HASH: Final = "--hash="


class Changes(msgspec.Struct, frozen=True):
    """What differs of one kind, by name: each with what it is, or was, or both."""

    added: dict[str, str] = {}
    changed: dict[str, tuple[str, str]] = {}
    removed: dict[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def between(was: Mapping[str, str], now: Mapping[str, str]) -> Changes:
    """What differs between two sets of named texts."""
    both = was.keys() & now.keys()
    return Changes(
        added={name: now[name] for name in sorted(now.keys() - both)},
        changed={name: (was[name], now[name]) for name in sorted(both) if was[name] != now[name]},
        removed={name: was[name] for name in sorted(was.keys() - both)},
    )


def parameters(source: str) -> dict[str, str]:
    """Each parameter's default and bounds, as a release's file of parameters has them; none where it has no class."""
    tree = ast.parse(source)
    aliases = dict(_aliases(tree))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Parameters"]
    fields = [node for each in classes for node in each.body if isinstance(node, ast.AnnAssign)]
    return {ast.unparse(field.target): _words(field, aliases) for field in fields}


def _aliases(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Types that the file has a name for."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def _words(field: ast.AnnAssign, aliases: Mapping[str, ast.expr]) -> str:
    """A default and what is allowed: "5.0 (1 to 100)", "on (on, off)", or the type where it has no bounds."""
    allowed = _allowed(aliases.get(ast.unparse(field.annotation), field.annotation))
    return f"{_plain(field.value) if field.value is not None else 'no default'} ({allowed})"


def _allowed(kind: ast.expr) -> str:
    bounds = [bound for call in ast.walk(kind) if isinstance(call, ast.Call) for bound in call.keywords]
    ends = {bound.arg: ast.unparse(bound.value) for bound in bounds}
    if ends.keys() == {"ge", "le"}:
        return f"{ends['ge']} to {ends['le']}"
    if isinstance(kind, ast.Subscript) and ast.unparse(kind.value) == "Literal":
        words = kind.slice.elts if isinstance(kind.slice, ast.Tuple) else [kind.slice]
        return ", ".join(map(_plain, words))
    return ", ".join(map(ast.unparse, bounds)) or ast.unparse(kind)


def _plain(value: ast.expr) -> str:
    """A word without its quotes, anything else as it is written."""
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return value.value
    return ast.unparse(value)


def packages(lock: str) -> dict[str, str]:
    """Each package of a lock: version, where it is wanted, and a digest of the files that are allowed for it."""
    pins: dict[str, tuple[str, list[str]]] = {}
    hashes: list[str] = []
    for line in lock.splitlines():
        word = line.strip().removesuffix("\\").rstrip()
        name, is_pin, version = word.partition("==")
        if word.startswith(_HASH):
            hashes.append(word)
        elif is_pin:
            hashes = []
            pins[name] = version, hashes
    return {name: f"{version} ({_digest(files)})" for name, (version, files) in pins.items()}


def _digest(hashes: list[str]) -> str:
    return f"{len(hashes)} files, {sha256(' '.join(sorted(hashes)).encode()).hexdigest()[:8]}"
