"""The habits a program can check: tools, rooms and their tests, sizes, names, locks, and a README that is true."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import click
import msgspec
import pytest

from deploy.foresight import main as foresight
from deploy.foresightctl import main as foresightctl
from shared.config import Settings

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGES: Final = ("shared", "supervisor", "worker", "deploy")
README: Final = (ROOT / "README.md").read_text()
FUNCTION_LINES_MAX: Final = 40
"""Half a screen is the aim; nothing is longer than this."""
TOLD_TOGETHER: Final = {
    "deploy/rehearsal/playbook": "tests/deploy/rehearsal/test_playbook.py",
    "deploy/examples/favourite": "tests/deploy/test_examples.py",
}
"""Folders whose rooms share one test file: seven strategies of one shape, an example and the test that goes with it."""


def _tracked() -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [ROOT / name for name in listed.stdout.decode().splitlines() if (ROOT / name).is_file()]


def _modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(path.relative_to(ROOT) for path in (ROOT / folder).rglob("*.py"))


# --- tools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports", "--no-cache"),
    ],
    ids=lambda command: command[0] + ("-format" if "format" in command else ""),
)
def test_the_tools_find_nothing(command: tuple[str, ...]) -> None:
    """Style, types and import contracts; what they print is the fault."""
    tool = Path(sys.executable).parent / command[0]
    ran = subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- rooms ------------------------------------------------------------------------------------------------------------


def _test_of(module: Path) -> Path:
    shared_test = TOLD_TOGETHER.get(module.parent.as_posix())
    return ROOT / (shared_test or Path("tests", module.parent, f"test_{module.name.replace('__', '')}"))


@pytest.mark.parametrize("module", [m for m in _modules(*PACKAGES) if m.name != "__init__.py"], ids=str)
def test_every_room_has_its_test_file(module: Path) -> None:
    """Same name, same place: whoever changes a room knows where its tests are."""
    assert _test_of(module).is_file(), f"{_test_of(module).relative_to(ROOT)} is missing"


def test_every_test_file_tests_a_room() -> None:
    """A room that went takes its tests with it."""
    programs = [path for path in _tracked() if path.suffix == "" and os.access(path, os.X_OK)]
    rooms = {_test_of(module) for module in _modules(*PACKAGES)}
    rooms |= {ROOT / "tests" / path.relative_to(ROOT).parent / f"test_{path.name}.py" for path in programs}
    tests = _modules(*(f"tests/{package}" for package in PACKAGES))
    lost = [path for path in tests if path.name.startswith("test_") and ROOT / path not in rooms]
    assert not lost


def test_no_room_is_called_what_every_room_could_be_called() -> None:
    """No utils, no common, no base: a thing without a room has not been understood yet."""
    vague = {"utils", "util", "common", "base", "helpers", "misc"}
    assert not [module for module in _modules(*PACKAGES) if vague & {*module.parts[:-1], module.stem}]


def test_every_room_says_what_it_is_for() -> None:
    """A docstring at the top of every module that holds anything."""
    silent = [
        module
        for module in _modules(*PACKAGES, "tests")
        if (tree := ast.parse((ROOT / module).read_text())).body and ast.get_docstring(tree) is None
    ]
    assert not silent


def _functions(module: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse((ROOT / module).read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) and len(function.body) > 1 else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1


def test_functions_stay_short() -> None:
    """Tables and parents hold the branches, leaves run straight."""
    long = [
        f"{module}:{function.lineno} {function.name} has {_body_lines(function)} lines"
        for module in _modules(*PACKAGES, "tests")
        for function in _functions(module)
        if _body_lines(function) > FUNCTION_LINES_MAX
    ]
    assert not long


def test_every_test_says_what_it_promises() -> None:
    """The name is the behaviour, the first line why it matters."""
    silent = [
        f"{module}:{function.lineno} {function.name}"
        for module in _modules("tests")
        for function in _functions(module)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert not silent


# --- what is installed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_no_dependency_brings_a_package_of_our_name(package: str) -> None:
    """`import worker` means the release's own worker, whatever is installed beside it."""
    assert set(packages_distributions().get(package, ())) <= {"foresightctl"}


def test_locks_are_hashed_and_name_no_address() -> None:
    """What is installed is fixed to the byte; where it is found is the machine's affair."""
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9][\w.-]*(?:\[[\w,-]+\])?==", text, re.MULTILINE)
        blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert pins and len(pins) == len(blocks), lock.name
        assert all("--hash=sha256:" in block for block in blocks), lock.name
        assert "://" not in text and "index" not in text, lock.name


def test_nothing_tracked_names_this_machine() -> None:
    """No path of the machine it was written on, no lock file that would carry addresses."""
    strange = re.compile(r"(?<![\w.])/(?:root|work|home/\w+)/")
    named = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in _tracked()
        if path.suffix != ".gz" and (found := strange.search(path.read_text(errors="replace")))
    ]
    assert not named
    assert not [path for path in _tracked() if path.name == "uv.lock"]


# --- the README -------------------------------------------------------------------------------------------------------


def _verbs(command: click.Command, name: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield name
        return
    context = click.Context(command)
    for verb in command.list_commands(context):
        found = command.get_command(context, verb)
        assert found is not None, f"{name} lists {verb} and has no such command"
        yield from _verbs(found, f"{name} {verb}")


@pytest.mark.parametrize("verb", [*_verbs(foresight, "foresight"), *_verbs(foresightctl, "foresightctl")])
def test_the_readme_names_every_verb(verb: str) -> None:
    """What can be typed can be read about."""
    assert verb in README


def _flags(command: click.Command, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for verb in command.list_commands(context):
            yield from _flags(command.get_command(context, verb) or command, f"{name} {verb}")
        return
    for parameter in command.params:
        yield from ((name, flag) for flag in (*parameter.opts, *parameter.secondary_opts) if flag.startswith("--"))


@pytest.mark.parametrize(("verb", "flag"), [*_flags(foresightctl, "foresightctl")])
def test_the_readme_names_every_flag_of_what_steers_a_desk(verb: str, flag: str) -> None:
    """Nobody has to look for a flag in the code; `foresight` has its own help."""
    assert re.search(rf"[` ]{flag}[ `]", README), f"{verb} {flag}"


def _settings(section: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(section):
        name = f"{prefix}{field.name}"
        default = field.default
        if isinstance(default, msgspec.Struct):
            yield from _settings(type(default), f"{name}.")
        else:
            yield name


@pytest.mark.parametrize("setting", [*_settings(Settings)])
def test_the_readme_names_every_setting(setting: str) -> None:
    """A number someone may want to change is in the README's table, under its full name."""
    assert f"`{setting}`" in README


def _promised() -> list[str]:
    return re.findall(r"`(tests/[\w/.]+\.py)(?:::(\w+))?`", README)


def test_every_promise_of_the_readme_names_a_test_that_is_there() -> None:
    """A promise without a test is a hope."""
    promised = _promised()
    assert len(promised) > 10
    for file, name in promised:
        assert (ROOT / file).is_file(), file
        if name:
            assert re.search(rf"def {name}\b", (ROOT / file).read_text()), f"{file} has no {name}"


def _direct_dependencies() -> list[str]:

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.split(r"[=<>~!\[]", wanted)[0] for wanted in project["dependencies"]]


@pytest.mark.parametrize("library", _direct_dependencies())
def test_the_readme_says_why_each_library_was_chosen(library: str) -> None:
    """Each dependency has its line in the table of decisions."""
    assert f"`{library}`" in README


def test_links_inside_the_readme_lead_somewhere() -> None:
    """A file the README points to is there."""
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", README):
        assert (ROOT / target).exists(), target
