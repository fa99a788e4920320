"""Exit codes: they answer one question first, who is trading now?

0 the requested end state holds · 10-19 nothing changed, the previous release still trades · 20-29 something changed and
was put back · 30-39 a person is needed now · the rest is about the request, the machine or the wait, never about money.
Codes 3-9, 124-128 and 255 are left to timeouts, shells, containers and ssh.
"""

from __future__ import annotations

from typing import Final

EXIT: Final[dict[str, int]] = {
    "OK": 0,
    "INTERNAL": 1,
    "USAGE": 2,
    "REJECTED": 10,
    "GATE_FAILED": 11,
    "NO_BOUNDARY": 12,
    "ABORTED": 13,
    "LOCKED": 14,
    "POLICY": 15,
    "PRECONDITION": 16,
    "DECLINED": 17,
    "ROLLED_BACK": 20,
    "RE_PAUSED": 21,
    "UNKNOWN": 30,
    "ROLLBACK_FAILED": 31,
    "SPLIT": 32,
    "DRIFT": 33,
    "NOINPUT": 66,
    "UNAVAILABLE": 69,
    "IOERR": 74,
    "TEMPFAIL": 75,
    "NOPERM": 77,
    "CONFIG": 78,
    "INTERRUPTED": 130,
}

MEANING: Final[dict[str, str]] = {
    "OK": "the requested end state holds, also if it already did; or it is held where it was told to be",
    "INTERNAL": "a fault of Foresight; the text says where to look",
    "USAGE": "the command line is wrong",
    "REJECTED": "the release did not pass its checks; nothing changed",
    "GATE_FAILED": "green was not healthy and was discarded; nothing changed",
    "NO_BOUNDARY": "no clean boundary came in time; nothing changed",
    "ABORTED": "an operator refused; nothing changed",
    "LOCKED": "another operation runs; nothing changed",
    "POLICY": "a policy refuses now; nothing changed",
    "PRECONDITION": "something is not as expected; nothing changed",
    "DECLINED": "a confirmation was needed and not given; nothing changed",
    "ROLLED_BACK": "slots had passed to green and are back; the previous release trades",
    "RE_PAUSED": "resumed, and paused again by a guard",
    "UNKNOWN": "the outcome cannot be proved; entries are blocked",
    "ROLLBACK_FAILED": "not every slot could be given back; entries are paused",
    "SPLIT": "workers say they run different releases",
    "DRIFT": "our book and the venue's differ",
    "NOINPUT": "a release, operation, slot or file was not found",
    "UNAVAILABLE": "no supervisor answers, or its status is old",
    "IOERR": "reading or writing failed",
    "TEMPFAIL": "the wait is over, or a person has to decide; the operation goes on",
    "NOPERM": "not allowed",
    "CONFIG": "settings or credentials cannot be used",
    "INTERRUPTED": "Ctrl-C ended the command; an operation it began goes on",
}
