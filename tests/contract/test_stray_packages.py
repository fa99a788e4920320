"""The official clients install packages named `tests` and `examples` at the top: none of ours is mistaken for them."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STRAY = {"tests", "examples"}
OURS = ("shared", "supervisor", "worker", "deploy")


@pytest.mark.parametrize("package", [*OURS, "kit.venue"])
def test_our_packages_are_found_in_this_checkout(package: str) -> None:
    """Whatever the environment holds."""
    file = importlib.import_module(package).__file__
    assert file is not None
    assert Path(file).is_relative_to(ROOT)
    assert ".venv" not in Path(file).relative_to(ROOT).parts


def test_nothing_of_ours_imports_a_stray_package() -> None:
    """A name that only an environment with those clients would have."""
    files = [path for folder in (*OURS, "tests") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    assert {str(path) for path in files if STRAY & imported(path)} == set()


def imported(path: Path) -> set[str]:
    """The top-level packages a file names."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    taken = {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level}
    return {name.partition(".")[0] for name in plain | taken}
