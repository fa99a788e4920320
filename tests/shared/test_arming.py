"""The arming of a desk: what is written is read again, and nothing else is believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared import arming
from shared.arming import Arming, is_wallet, this_machine
from shared.config import Faults

WALLET = "0x" + "aB" * 20
WORD = Arming(wallet=WALLET, machine="m", uid=1_000, at_ns=7)


def test_what_was_armed_is_read_again_and_is_its_owners_alone(tmp_path: Path) -> None:
    """Whole or not at all: nothing is left beside it."""
    path = tmp_path / "armed.json"
    assert arming.read(path) is None
    arming.write(path, WORD)
    assert arming.read(path) == WORD
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_it_belongs_to_whom_the_state_folder_belongs(tmp_path: Path) -> None:
    """Root arms the service's desk: the service has to be able to read it. Anybody else arms their own."""
    if os.geteuid() == 0:
        os.chown(tmp_path, 65_534, 65_534)
    arming.write(tmp_path / "armed.json", WORD)
    assert (tmp_path / "armed.json").stat().st_uid == tmp_path.stat().st_uid


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (b"", 0o600),
        (b"{", 0o600),
        (b"[1]", 0o600),
        (b'{"wallet":"0x12","machine":"m","uid":1,"at_ns":7}', 0o600),
        (b'{"wallet":"%s","machine":"m","uid":1,"at_ns":7,"more":1}' % WALLET.encode(), 0o600),
        (b'{"wallet":"%s","machine":"m","uid":1,"at_ns":7}' % WALLET.encode(), 0o644),
        (b'{"wallet":"%s","machine":"m","uid":1,"at_ns":7}' % WALLET.encode(), 0o660),
    ],
)
def test_what_is_not_that_arms_nothing(tmp_path: Path, content: bytes, mode: int) -> None:
    """And is named: torn, of another shape, or somebody else's to read or write."""
    path = tmp_path / "armed.json"
    path.write_bytes(content)
    path.chmod(mode)
    with pytest.raises(Faults, match=r"armed\.json"):
        arming.read(path)


def test_a_link_or_a_folder_arms_nothing(tmp_path: Path) -> None:
    """Whoever can put one there could point it anywhere."""
    arming.write(tmp_path / "elsewhere", WORD)
    (tmp_path / "link").symlink_to("elsewhere")
    (tmp_path / "folder").mkdir(0o700)
    for name in ("link", "folder"):
        with pytest.raises(Faults, match=name):
            arming.read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "yes"), [(WALLET, True), (WALLET[:-1], False), (f"{WALLET}\n", False), (WALLET[2:], False), ("", False)]
)
def test_a_wallet_is_an_address(text: str, yes: bool) -> None:
    """0x and forty hex digits, and nothing after them."""
    assert is_wallet(text) is yes


def test_a_machine_has_one_name_that_tells_nobody_which_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same each time, another on another machine, and no part of what the machine calls itself."""
    (tmp_path / "id").write_text("0123456789abcdef\n")
    names = [this_machine()]
    monkeypatch.setattr(arming, "MACHINE_ID", tmp_path / "id")
    names += [this_machine(), this_machine()]
    monkeypatch.setattr(arming, "MACHINE_ID", tmp_path / "missing")
    names.append(this_machine())
    assert names[1] == names[2]
    assert names[1] not in {names[0], names[3]}
    assert all(len(name) == 16 and "0123456789" not in name for name in names)
