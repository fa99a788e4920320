"""What an exception says in one line, and where in the release it happened.

For last words, and for the end of a traceback that a person reads. Decides nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType


def summary(error: BaseException, root: Path) -> str:
    """The exception in one line, with the last line of code below `root` that it passed through."""
    place, step = "", error.__traceback__
    while step is not None:
        file = Path(step.tb_frame.f_code.co_filename)
        if file.is_relative_to(root):
            place = f" at {file.relative_to(root)}:{step.tb_lineno}"
        step = step.tb_next
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}{place}"


def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An excepthook: the traceback for whoever wrote the release, and a last line for whoever ships it."""
    sys.__excepthook__(kind, error, trace)
    print(f"worker: this release raised {summary(error, Path.cwd())}", file=sys.stderr)
