"""Where things are."""

from pathlib import Path

import pytest

from shared.paths import PathTooLong, State, default_state


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        ({"FORESIGHT_STATE_DIR": "/a", "STATE_DIRECTORY": "/b", "HOME": "/h"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/c", "XDG_STATE_HOME": "/x"}, "/b"),
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/foresight/rehearsal"),
        ({"HOME": "/h"}, "/h/.local/state/foresight/rehearsal"),
    ],
)
def test_the_state_folder_is_named_or_found(environ: dict[str, str], folder: str) -> None:
    """Ours first, then the service manager's, then the user's."""
    assert default_state(environ) == Path(folder)


def test_two_state_folders_have_two_ledgers(tmp_path: Path) -> None:
    """Two desks on one machine do not share memory."""
    assert State(tmp_path / "a").ledger_name != State(tmp_path / "b").ledger_name
    assert State(tmp_path / "a").ledger_name == State(tmp_path / "a").ledger_name


def test_a_path_too_long_for_a_socket_is_refused_by_name(tmp_path: Path) -> None:
    """The kernel would cut it silently."""
    with pytest.raises(PathTooLong, match=r"control\.sock is longer than the 107 bytes"):
        State(tmp_path / ("x" * 120)).control_socket  # noqa: B018
