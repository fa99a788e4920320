"""Files that may not be touched, also for root: a process from which the kernel takes root's power over permissions.

CI may run as root, who may read and write whatever the mode of a file says. What makes that so are two capabilities;
without them root is its files' owner, and no more.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_PR_CAPBSET_DROP: Final = 24
_CAP_DAC_OVERRIDE: Final = 1
_CAP_DAC_READ_SEARCH: Final = 2


def bound_by_modes() -> None:
    """What a child does before it executes a program, so that modes of files hold for it whoever it runs as."""
    if os.geteuid() != 0:
        return
    kernel = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if kernel.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "root's power over files cannot be given up")
