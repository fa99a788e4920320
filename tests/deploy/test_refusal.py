"""How commands end that cannot do what was asked: the same document of every verb, of both commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from deploy import foresight, foresightctl
from deploy.refusal import NOT_ASKED, asked_for_document, document, end, named, refused, wants_document
from shared.messages import Reply
from shared.outcomes import EXIT

NOWHERE: Final = "--state-dir {folder}"
FAILING: Final = {
    "foresight rehearse": "--day {folder}/none",
    "foresight replay": NOWHERE,
    "foresight verify": NOWHERE,
    "foresight tape check": NOWHERE,
    "foresight tape info": NOWHERE,
    "foresight tape cut": "{folder}/cut " + NOWHERE,
    "foresight tape export": "{folder}/tables " + NOWHERE,
    "foresight report": NOWHERE,
    "foresight explain": "BTC/5m@1 " + NOWHERE,
    "foresight index": NOWHERE,
    "foresight export": "--out {folder}/tables " + NOWHERE,
    "foresight day": "{folder}",
    "foresight fit": "{folder}/none",
    "foresight sweep": "--tape {folder} " + NOWHERE,
    "foresight venue": "--day {folder}/none",
    "foresight fault": "--list --venue http://127.0.0.1:9 " + NOWHERE,
    "foresightctl op list": NOWHERE,
    "foresightctl op show": "op-1 " + NOWHERE,
    "foresightctl audit verify": NOWHERE,
    "foresightctl params set": "a=1 --reason r " + NOWHERE,
    "foresightctl params rollback": "--reason r " + NOWHERE,
    "foresightctl flatten": "BTC/5m --reason r --yes " + NOWHERE,
    "foresightctl transfer": "5 --reason r " + NOWHERE,
    "foresightctl stage": "{folder}/none " + NOWHERE,
    "foresightctl deploy": "--green {folder}/none " + NOWHERE,
    "foresightctl promote": "op-1 " + NOWHERE,
    "foresightctl abort": "op-1 " + NOWHERE,
    "foresightctl wait": "op-1 " + NOWHERE,
    "foresightctl pause": "--reason r " + NOWHERE,
    "foresightctl halt": "--reason r " + NOWHERE,
    "foresightctl resume": "--reason r " + NOWHERE,
}
"""What each verb is asked where there is nothing; one that is not named here is given the folder alone."""


def _documented(command: click.Command, path: str, context: click.Context) -> Iterator[tuple[str, click.Command]]:
    """Every verb, and verb of a verb, that has a --json."""
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from _documented(found, f"{path} {name}", context)
    if any("--json" in parameter.opts for parameter in command.params):
        yield path, command


VERBS: Final = [
    path
    for name, main in (("foresight", foresight.main), ("foresightctl", foresightctl.main))
    for path, _ in _documented(main, name, click.Context(main))
]


def typed(line: str) -> Result:
    """Type a command."""
    name, *words = line.split()
    main = foresight.main if name == "foresight" else foresightctl.main
    return CliRunner(env={"FORESIGHT_STATE_DIR": "/nowhere"}).invoke(main, words)


def the_document(result: Result) -> Reply:
    """What a program reads: one document, and nothing else."""
    [line] = result.stdout.splitlines()
    return msgspec.json.decode(line, type=Reply, strict=True)


HOLDS_ALREADY: Final = {"foresightctl disarm"}
"""What these ask for holds where there is nothing: they end well there."""


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in HOLDS_ALREADY])
def test_every_verb_that_fails_gives_the_one_document(verb: str, tmp_path: Path) -> None:
    """With its exit code by number and by name, and a message; nothing of it stands on standard error."""
    arguments = FAILING.get(verb, NOWHERE).format(folder=tmp_path)
    result = typed(f"{verb} {arguments} --json")
    assert result.exit_code not in {0, 1}, result.output
    reply = the_document(result)
    assert (reply.ok, reply.exit, EXIT[reply.code]) == (False, result.exit_code, result.exit_code)
    assert reply.message and reply.message not in result.stderr


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_line_that_is_wrong_is_a_document_as_well(verb: str) -> None:
    """For whoever asked for one; a person is shown the usage."""
    reply = the_document(typed(f"{verb} --json --no-such-thing"))
    assert (reply.code, reply.exit, reply.hint) == ("USAGE", 2, (f"{_path(verb)} --help",))
    assert "--no-such-thing" in reply.message
    plain = typed(f"{verb} --no-such-thing")
    assert (plain.exit_code, plain.stdout) == (2, "") and "Error: No such option" in plain.stderr


def _path(verb: str) -> str:
    """How click names it when it is tested: the group goes by the name of its function."""
    return "main " + verb.partition(" ")[2]


def test_a_person_reads_lines_and_a_program_a_document() -> None:
    """What happened, what it means for money, what to type."""

    @click.command()
    @click.option("-j", "--json", "as_json", is_flag=True)
    def verb(as_json: bool) -> None:
        assert wants_document() == as_json
        end("foresight verb", "NOINPUT", "one\ntwo", "type this", "", trading="goes on", data={"a": 1})

    said = CliRunner().invoke(verb)
    assert (said.exit_code, said.stdout) == (66, "")
    assert said.stderr.splitlines() == [
        "foresight verb: one",
        "foresight verb: two",
        "  trading  goes on",
        "  next     type this",
    ]
    shown = CliRunner().invoke(verb, ["-j"])
    assert (shown.exit_code, shown.stderr) == (66, "")
    reply = the_document(shown)
    assert (reply.message, reply.hint, reply.trading, reply.data) == ("one\ntwo", ("type this",), NOT_ASKED, {"a": 1})


def test_an_answer_of_our_own_is_one_line() -> None:
    """And has what is known of who trades."""
    reply = refused("LOCKED", "busy", ["later"], trading={"state": "TRADING"}, generation=3, op="o", data=[1])
    assert msgspec.json.decode(document(reply), type=Reply) == reply
    assert "\n" not in document(reply) and (reply.exit, reply.changed, reply.generation) == (14, False, 3)


def test_every_code_has_its_name() -> None:
    """Back and forth."""
    assert all(named(number) == name for name, number in EXIT.items())


@pytest.mark.parametrize(
    ("line", "asked"),
    [("a --json", True), ("-j", True), ("a -jn", True), ("a", False), ("a -- --json", False), ("--from -10m", False)],
)
def test_a_document_is_asked_for_also_in_a_line_that_makes_no_sense(line: str, asked: bool) -> None:
    """Before click has understood it."""
    assert asked_for_document(line.split()) == asked
