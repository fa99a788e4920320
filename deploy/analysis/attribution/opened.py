"""The index of a desk with the market's middles beside it, for verbs that ask it: opened, or ended with what is wrong.

Leaves the questions to them. What always holds: progress is shown to a person alone, and a fault says what happened and
what to type.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from deploy.analysis.attribution.mids import attach
from deploy.analysis.index import open_index
from deploy.analysis.index.command import fail, faults
from deploy.meter import Meter
from shared.paths import State
from shared.records import Damaged
from shared.wire import BadFrame


@contextmanager
def opened(verb: str, state: State) -> Iterator[sqlite3.Connection]:
    """Open it for a verb, such as "foresight report". What cannot be read or written ends the command."""
    with faults(verb, state):
        try:
            with closing(open_index(state)) as connection:
                with Meter("reading the tape") as meter:
                    attach(connection, state, lambda done, of: meter.tell(done / of, f"{done} of {of} segments"))
                yield connection
        except (Damaged, BadFrame) as error:
            fail(verb, "IOERR", str(error), f"foresight verify {state.root}")
        except (OSError, sqlite3.Error) as error:
            code = "NOPERM" if isinstance(error, PermissionError) else "IOERR"
            fail(verb, code, str(error), "the same again, when the folder can be read and written")
