"""foresightctl halt --direct: everything is cancelled at the venue past a supervisor that is gone.

It holds no key and signs nothing: it starts the supervisor's own program for it, which reads the credentials as the
supervisor would, and tells what that said. Leaves who may do it to the files' owners.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from deploy.cli.show import Context
from shared.messages import Reply
from shared.outcomes import EXIT
from shared.paths import State

ROOT: Final = Path(__file__).resolve().parents[2]
DIRECT_S: Final = 120.0
"""Real seconds for all of it; a venue that answers takes one."""
SERVICE: Final = Path("/etc/foresight")
"""Where the units have settings and key, where the state folder has none of its own."""


def cancel_all(context: Context, reason: str, configs: Sequence[Path], credentials: Path | None) -> NoReturn:
    """Do it, and end with its code."""
    state = context.state
    command = [sys.executable, "-m", "supervisor.direct", "--state-dir", str(state.root), "--reason", reason]
    command += ["--credentials", str(credentials or _usual(state.credentials, "credentials.json"))]
    for path in configs or _usual_configs(state):
        command += ["--config", str(path)]
    try:
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=DIRECT_S, check=False)
        told = msgspec.json.decode(ran.stdout)
    except subprocess.TimeoutExpired:
        context.fail("UNKNOWN", f"it took over {DIRECT_S:g} s, and what rests is not known", "the venue's own page")
    except msgspec.DecodeError:
        last = (ran.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"])[-1]
        context.fail("INTERNAL", f"what rests is not known: {last[:400]}", "the venue's own page")
    _end(context, told)


def _end(context: Context, told: dict[str, Any]) -> NoReturn:
    code = str(told["code"])
    context.finish(
        Reply(
            ok=code == "OK",
            exit=EXIT[code],
            code=code,
            message=told["message"],
            changed=told["changed"],
            trading=context.trading(),
            generation=0,
            hint=tuple(told["hint"]),
            data={"cancelled": told["cancelled"], "left": told["left"]},
        )
    )


def _usual_configs(state: State) -> list[Path]:
    usual = _usual(state.root / "rehearsal.toml", "foresight.toml")
    return [usual] if usual.exists() else []


def _usual(own: Path, name: str) -> Path:
    """The state folder's file, else the service's."""
    return own if own.exists() or not (SERVICE / name).exists() else SERVICE / name
