"""What differs between two releases, from texts alone."""

from __future__ import annotations

from kit.releases import ROOT

from deploy.difference import PARAMETERS, Changes, between, packages, parameters
from shared.fingerprint import LOCK
from worker.parameters import Parameters

SOURCE = """
Usd = Annotated[float, msgspec.Meta(ge=1, le=100)]

class BadParameters(ValueError):
    key: str = "not one of them"

class Parameters(msgspec.Struct, kw_only=True):
    mode: Mode = "on"
    stake_usd: Usd = 5.0
    last_s: Annotated[int, msgspec.Meta(ge=0, le=60)] = 4
    name: str

    @property
    def stake_micro(self) -> int:
        twice: int = 2
        return twice
"""
LOCK_TEXT = """\
cffi==2.1.1 ; implementation_name == 'pypy' \\
    --hash=sha256:aa \\
    --hash=sha256:bb
msgspec==0.22.0 \\
    --hash=sha256:cc
"""


def test_what_is_there_twice_and_differs_has_changed() -> None:
    """What is only on one side was added or removed; what is the same is not told."""
    was, now = {"a": "1", "b": "2", "c": "3"}, {"b": "2", "c": "4", "d": "5"}
    assert between(was, now) == Changes({"d": "5"}, {"c": ("3", "4")}, {"a": "1"})
    assert between(now, was) == Changes({"a": "1"}, {"c": ("4", "3")}, {"d": "5"})


def test_nothing_differs_from_itself() -> None:
    """And that is no difference, also to an if."""
    assert not between({"a": "1"}, {"a": "1"})
    assert between({}, {"a": "1"})


def test_a_parameter_is_its_default_and_its_bounds() -> None:
    """A type that has a name stands for what it allows; methods and other classes are no parameters."""
    assert parameters(SOURCE) == {
        "mode": "on (Mode)",
        "stake_usd": "5.0 (1 to 100)",
        "last_s": "4 (0 to 60)",
        "name": "no default (str)",
    }


def test_a_release_without_parameters_has_none() -> None:
    """It may have taken the class away, or the file."""
    assert parameters("") == parameters("class Others:\n    stake_usd: float = 5.0\n") == {}


def test_every_parameter_of_this_release_is_found() -> None:
    """What is parsed is what the worker has."""
    found = parameters((ROOT / PARAMETERS).read_text())
    assert list(found) == list(Parameters.__struct_fields__)
    defaults = zip(Parameters.__struct_fields__, Parameters.__struct_defaults__, strict=True)
    assert all(found[name].startswith(f"{default} (") for name, default in defaults)


def test_a_package_is_its_version_where_it_is_wanted_and_its_files() -> None:
    """So another file under the same version is a difference as well."""
    cffi, msgspec = packages(LOCK_TEXT).items()
    assert (cffi[0], cffi[1][:-9]) == ("cffi", "2.1.1 ; implementation_name == 'pypy' (2 files, ")
    assert (msgspec[0], msgspec[1][:-9]) == ("msgspec", "0.22.0 (1 files, ")
    other = packages(LOCK_TEXT.replace("sha256:bb", "sha256:b0"))
    assert list(between(packages(LOCK_TEXT), other).changed) == ["cffi"]


def test_the_order_of_a_locks_files_is_no_difference() -> None:
    """Only which of them are allowed is."""
    turned = LOCK_TEXT.replace("sha256:aa", "sha256:xx").replace("sha256:bb", "sha256:aa").replace("xx", "bb")
    assert turned != LOCK_TEXT
    assert not between(packages(LOCK_TEXT), packages(turned))


def test_every_package_of_this_checkout_is_found() -> None:
    """As many as the lock pins."""
    lock = (ROOT / LOCK).read_text()
    assert len(packages(lock)) == lock.count("==") - lock.count(" == ")
