"""foresightctl: asks, waits, reports. One command, one request; the operation itself lives in the supervisor."""

from __future__ import annotations

import click

from deploy.cli import act, look


class _Verbs(click.Group):
    """Groups the help, and loads what only a few verbs need when they are called: status has to be quick."""

    lazy = ("stage", "deploy", "rollback", "wait", "abort")

    def list_commands(self, context: click.Context) -> list[str]:
        return [*look_verbs, "pause", "resume", *self.lazy]

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in self.lazy:
            from deploy.cli import ship

            return getattr(ship, name, None)
        return super().get_command(context, name)


look_verbs = ("status", "slots", "events", "releases", "operation")


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="foresightctl")
def main() -> None:
    """Look at the trading desk, steer it, and let new releases take over without it going dark.

    \b
      foresightctl status                       what is going on
      foresightctl deploy --green .             let the code in this folder trade
      foresightctl rollback                     give the slots back to the release before
      foresightctl pause --reason "news"        no new entries

    The desk is found in $FORESIGHT_STATE_DIR, else where systemd or XDG put it; each verb's --state-dir names another.
    Exit codes say first who is trading: 0 done, 10-19 nothing changed, 20-29 put back, 30-39 look now.
    """


for _command in (look.status, look.slots, look.events, look.releases, look.operation, act.pause, act.resume):
    main.add_command(_command)

if __name__ == "__main__":
    main()
