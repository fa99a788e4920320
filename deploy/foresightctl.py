"""foresightctl: asks, waits, reports. One command, one request; the operation itself lives in the supervisor."""

from __future__ import annotations

from typing import Final

import click

from deploy.cli.verbs import Verbs

LOOK, AUDIT, ACT, FLATTEN, SHIP, OP, ARM, PARAMS, TRANSFER = (
    f"deploy.cli.{room}" for room in ("look", "audit", "act", "flatten", "ship", "op", "arm", "params", "transfer")
)
VERBS: Final = {
    **dict.fromkeys(("status", "slots", "claims", "events", "releases"), LOOK),
    "op": OP,
    "audit": AUDIT,
    **dict.fromkeys(("pause", "halt"), ACT),
    "flatten": FLATTEN,
    "resume": ACT,
    "transfer": TRANSFER,
    "params": PARAMS,
    **dict.fromkeys(("arm", "disarm"), ARM),
    **dict.fromkeys(("stage", "deploy", "promote", "rollback", "abort", "wait"), SHIP),
}
"""The module of each verb; the command in it has the verb's name."""


@click.group(
    cls=Verbs,
    rooms=VERBS,
    beside="deploy.foresight",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="foresightctl")
def main() -> None:
    """Look at the trading desk, steer it, and let new releases take over without it going dark.

    \b
      foresightctl status                       what is going on
      foresightctl deploy --green .             let the code in this folder trade
      foresightctl rollback                     give the slots back to the release before
      foresightctl pause --reason "news"        no new entries
      foresightctl halt --reason "news"         nothing leaves any more, what rests is cancelled
      foresightctl params set stake_usd=7 --reason "calm"

    The desk is found in $FORESIGHT_STATE_DIR, else where systemd or XDG put it; each verb's --state-dir names another.
    Exit codes say first who is trading: 0 done, 10-19 nothing changed, 20-29 put back, 30-39 look now.
    """


if __name__ == "__main__":
    main()
