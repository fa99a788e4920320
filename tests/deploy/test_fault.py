"""`foresight fault`, as a person and a program use it, on a venue in a process of its own."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from kit.misbehaving import venue_process

from deploy.fault import fault
from deploy.rehearsal.faults import KINDS

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("fault")]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running venue."""
    with venue_process(tmp_path_factory.mktemp("venue")) as where:
        yield where["clob"]


def run(*words: str) -> Result:
    return CliRunner().invoke(fault, list(words))


def test_without_a_kind_every_kind_is_told() -> None:
    """With its arguments and what they are unless said; no venue is needed."""
    result = run()
    assert result.exit_code == 0
    assert all(f"{kind.name}: {kind.says}" in result.output for kind in KINDS.values())
    assert "carried_out=false" in result.output and "(425, 429, 500, 503)" in result.output
    assert [kind["kind"] for kind in json.loads(run("--json").output)] == list(KINDS)


def test_a_fault_is_begun_listed_and_ended(venue: str) -> None:
    """Numbers, flags and texts arrive as what they are."""
    begun = run("refuse", "status=500", "route=gamma", "carried_out=true", "share=0.5", "--venue", venue)
    assert begun.exit_code == 0, begun.output
    assert "in force" in begun.output and "refuse status=500 carried_out=true" in begun.output
    number = begun.output.split()[0]
    assert run("--list", "--venue", venue).output == begun.output
    ended = run("--end", number, "--venue", venue)
    assert (ended.exit_code, "over" in ended.output) == (0, True)
    again = run("--end", number, "--venue", venue)
    assert (again.exit_code, again.output) == (66, f"foresight fault: no fault {number} is in force\n")
    assert run("--end", "all", "--venue", venue).exit_code == 0


def test_a_program_gets_one_document(venue: str) -> None:
    """The control's own answer, good or bad."""
    good = run("close", "channel=user", "--venue", venue, "--json")
    assert (good.exit_code, json.loads(good.output)["fault"]["over"]) == (0, True)
    bad = run("clothe", "--venue", venue, "--json")
    assert (bad.exit_code, json.loads(bad.output)["ok"]) == (2, False)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["clothe"], "foresight fault: 'clothe' is no kind of fault; did you mean close?\n"),
        (["silence", "for_s=long"], "foresight fault: silence: for_s is a whole number, not 'long'\n"),
        (["silence", "for_s"], "'for_s' is no argument; write NAME=VALUE, such as for_s=60"),
    ],
)
def test_what_cannot_be_is_told_in_lines(venue: str, words: list[str], line: str) -> None:
    """Exit 2, and the venue goes on as it was."""
    result = run(*words, "--venue", venue)
    assert (result.exit_code, line in result.output) == (2, True)


def test_the_venue_of_a_desk_is_found_by_its_state_folder(venue: str, tmp_path: Path) -> None:
    """Where the rehearsal wrote down where everything is."""
    (tmp_path / "rehearsal.toml").write_text(f'[venue]\nclob = "{venue}"\n')
    assert run("--list", "--state-dir", str(tmp_path)).exit_code == 0


class _Stranger(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(type(self).says)

    def log_message(self, format: str, *arguments: Any) -> None:
        return

    says = b"<html>"


@pytest.mark.parametrize("says", [b"<html>", b'{"is": "something else"}'])
def test_who_is_no_rehearsal_venue_is_not_taken_for_one(says: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 69."""
    monkeypatch.setattr(_Stranger, "says", says)
    with socketserver.TCPServer(("127.0.0.1", 0), _Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        result = run("--list", "--venue", f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert (result.exit_code, "is no rehearsal venue; name a running one" in result.output) == (69, True)


@pytest.mark.parametrize("address", ["http://127.0.0.1:here", "http://[", "http://127.0.0.1:99999"])
def test_what_is_no_address_is_told(address: str) -> None:
    """As one line, not as a traceback."""
    result = run("--list", "--venue", address)
    assert (result.exit_code, f"{address} is no address" in result.output) == (69, True)


def test_nobody_there_is_told(tmp_path: Path) -> None:
    """With where it was looked."""
    result = run("--list", "--venue", "http://127.0.0.1:9")
    assert result.exit_code == 69
    assert "no rehearsal venue answers at http://127.0.0.1:9" in result.output
