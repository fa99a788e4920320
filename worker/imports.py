"""How long each of our modules took to import: its own time, without that of the modules it imported in turn.

Imported before every other room, and imports nothing but the clock, so that all of them pass through it; what is
loaded by then - the packages themselves, `shared.clock`, this room - has no time. Leaves to others what was loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Final

from shared.clock import SystemClock

PACKAGES: Final = ("shared", "worker")

load_us: Final[dict[str, int]] = {}
"""Module name -> microseconds, for every module imported since `watch`."""

_clock: Final = SystemClock()
_nested_ns: Final = [0]
"""For every import that is going on, the time its own imports have taken so far."""


class _Timed(SourceFileLoader):
    def exec_module(self, module: ModuleType) -> None:
        began_ns = _clock.monotonic_ns()
        _nested_ns.append(0)
        try:
            super().exec_module(module)
        finally:
            took_ns = _clock.monotonic_ns() - began_ns
            load_us[module.__name__] = (took_ns - _nested_ns.pop()) // 1_000
            _nested_ns[-1] += took_ns


class _Watch:
    """A finder before all others that finds our own modules as the path finder would, and times them."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] not in PACKAGES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Timed(name, spec.loader.path)
        return spec


def watch() -> None:
    """Time what is imported from here on."""
    sys.meta_path.insert(0, _Watch())
