"""The command `foresight`: things that run."""

from __future__ import annotations

from typing import Final

import click

from deploy.cli.verbs import Verbs

VERBS: Final = {
    "run": "deploy.run",
    "fault": "deploy.fault",
    "rehearse": "deploy.rehearse",
    "replay": "deploy.analysis.replay.command",
    "verify": "deploy.analysis.command",
    "tape": "deploy.tape",
    "report": "deploy.analysis.report",
    "explain": "deploy.analysis.explain",
    **dict.fromkeys(("index", "export"), "deploy.analysis.index.command"),
    "day": "deploy.analysis.day",
    "fit": "deploy.analysis.fit",
    "sweep": "deploy.analysis.sweep.command",
    "venue": "deploy.rehearsal.command",
}
"""The module of each verb; the command in it has the verb's name."""


@click.group(
    cls=Verbs,
    rooms=VERBS,
    beside="deploy.foresightctl",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
def main() -> None:
    """Foresight: trade, rehearse, verify. A desk that runs is looked at and steered with `foresightctl`."""


if __name__ == "__main__":
    main()
