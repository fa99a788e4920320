"""Settings and credentials."""

import os
from pathlib import Path

import pytest

from shared import config
from shared.slots import Slot


def test_defaults_are_the_whole_desk() -> None:
    """Nine assets on two timeframes, in rehearsal, five-dollar caps far away."""
    settings = config.load(environ={})
    assert len(settings.lanes()) == 18
    assert settings.mode == "rehearsal"
    assert settings.beat(Slot("BTC", 5)).snipe_s == 90
    assert settings.beat(Slot("BTC", 15)).snipe_s == 240


def test_later_layers_win(tmp_path: Path) -> None:
    """Files in order, then the environment."""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text("[risk]\norder_max_usd = 1\ntotal_max_usd = 2\nslot_max_usd = 3\n")
    second.write_text("[risk]\ntotal_max_usd = 20\n")
    settings = config.load([first, second], {"FORESIGHT__RISK__SLOT_MAX_USD": "30", "OTHER": "x"})
    assert (settings.risk.order_max_usd, settings.risk.total_max_usd, settings.risk.slot_max_usd) == (1, 20, 30)


def test_all_faults_are_told_together(tmp_path: Path) -> None:
    """Each with its file, its path and, for a slip, what was probably meant."""
    path = tmp_path / "desk.toml"
    path.write_text('mode = "loud"\n[risk]\nordr_max_usd = 1\ntotal_max_usd = -1\n[nonsense]\nx = 1\n')
    with pytest.raises(config.Faults) as raised:
        config.load([path], {"FORESIGHT__TICKS__FAST_MS": "7"})
    text = str(raised.value)
    assert len(raised.value.faults) == 5
    assert "unknown setting risk.ordr_max_usd; did you mean risk.order_max_usd?" in text
    assert "risk.total_max_usd = -1" in text
    assert "environment: ticks.fast_ms = 7" in text
    assert text.count(str(path)) == 4


@pytest.mark.parametrize(
    ("environ", "fault"),
    [
        (
            {"FORESIGHT__RISK": "5", "FORESIGHT__RISK__ORDER_MAX_USD": "10"},
            "environment: risk is a table here and 5 in environment",
        ),
        (
            {"FORESIGHT__RISK__ORDER_MAX_USD": "10", "FORESIGHT__RISK__ORDER_MAX_USD__EXTRA": "3"},
            "environment: risk.order_max_usd is a table here and 10 in environment",
        ),
    ],
)
def test_a_value_where_a_section_belongs_is_a_fault(environ: dict[str, str], fault: str) -> None:
    """Two variables that contradict each other are named; neither wins in silence."""
    with pytest.raises(config.Faults) as raised:
        config.load(environ=environ)
    assert raised.value.faults[0] == fault


def test_a_file_that_is_no_toml_is_a_fault(tmp_path: Path) -> None:
    """And one that is not there."""
    path = tmp_path / "torn.toml"
    path.write_text("[risk\n")
    with pytest.raises(config.Faults) as raised:
        config.load([path, tmp_path / "missing.toml"], {})
    assert len(raised.value.faults) == 2


def test_made_up_time_is_refused_for_real_money() -> None:
    """A rehearsal's clock in live mode is a contradiction."""
    with pytest.raises(config.Faults, match="cannot be made up"):
        config.load(environ={"FORESIGHT__MODE": "live", "FORESIGHT__CLOCK__SPEED": "60"})


def test_an_answer_that_still_counts_is_not_missing() -> None:
    """A comparison that waits less than the tick's deadline would call the owner's own word missing."""
    with pytest.raises(config.Faults, match="must not be missing"):
        config.load(environ={"FORESIGHT__GATES__MISSING_S": "1.5"})


def test_what_a_trial_reads_of_the_tape_stays_plain() -> None:
    """A release of before packing would find nothing there, and a pruned tape would fail it for no fault of its own."""
    with pytest.raises(config.Faults, match=r"tape\.plain_s: a trial and the warm-up before it read 5400 s"):
        config.load(environ={"FORESIGHT__DEPLOY__TRIAL_TAPE_S": "3600"})
    long = {"FORESIGHT__DEPLOY__TRIAL_TAPE_S": "3600", "FORESIGHT__TAPE__PLAIN_S": "5400"}
    assert config.load(environ=long).tape.plain_s == 5_400


def test_strategy_parameters_pass_through_and_have_a_name() -> None:
    """Their names are the release's business; their digest changes with any of them."""
    one = config.load(environ={"FORESIGHT__STRATEGY__STAKE_USD": "5"})
    two = config.load(environ={"FORESIGHT__STRATEGY__STAKE_USD": "6"})
    assert one.strategy == {"stake_usd": 5}
    assert config.digest(one.strategy) != config.digest(two.strategy)
    assert config.digest({"a": 1, "b": 2}) == config.digest({"b": 2, "a": 1})


def test_credentials_are_read_from_a_file_only_its_owner_reads(tmp_path: Path) -> None:
    """And never shown."""
    path = tmp_path / "key.json"
    path.write_text('{"private_key": "0xsecret"}')
    path.chmod(0o600)
    credentials = config.read_credentials(path)
    assert credentials.private_key == "0xsecret"
    assert "secret" not in repr(credentials)


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [
        ('{"private_key": "0xsecret"}', 0o644, "chmod 600"),
        ('{"private_key": "0xsecret", "extra": 1}', 0o600, "not JSON with private_key"),
        ("0xsecret", 0o600, "not JSON with private_key"),
    ],
)
def test_credentials_that_cannot_be_used_are_refused_without_showing_them(
    tmp_path: Path, content: str, mode: int, said: str
) -> None:
    """What is wrong and what to type, never what the file holds."""
    path = tmp_path / "key.json"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(config.Faults, match=said) as raised:
        config.read_credentials(path)
    assert "secret" not in str(raised.value)


def test_missing_credentials_and_links_are_named(tmp_path: Path) -> None:
    """A link could lead anywhere, so it is not followed."""
    with pytest.raises(config.Faults, match=r"missing\.json"):
        config.read_credentials(tmp_path / "missing.json")
    (tmp_path / "real.json").write_text('{"private_key": "x"}')
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    with pytest.raises(config.Faults, match=r"link\.json"):
        config.read_credentials(tmp_path / "link.json")


def test_credentials_of_somebody_else_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever owns the file can change whose money is traded; root may bring it for a service."""
    path = tmp_path / "credentials.json"
    path.write_text('{"private_key": "0x11"}')
    path.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(path, 65_534, -1)
    monkeypatch.setattr(os, "getuid", lambda: 4_711)
    with pytest.raises(config.Faults, match=rf"owns it; type: chown 4711 {path}"):
        config.read_credentials(path)
