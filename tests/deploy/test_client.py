"""One request, one reply, and what is said when there is none."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kit.desk_socket import BLUE, PlayedDesk, a_reply, a_status

from deploy import client
from shared.clock import SystemClock
from shared.paths import PathTooLong, State


def said(state: State) -> str:
    """What a caller is told when it gets no answer."""
    with pytest.raises(client.Unavailable) as caught:
        client.ask(state, "status")
    return str(caught.value)


def test_a_request_says_what_is_wanted_and_who_wants_it(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verb, arguments, operation and claim arrive, and the reply comes back as it was sent."""
    for name in ("GITHUB_RUN_ID", "CI_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SUDO_USER", "ada")
    reply = a_reply(message="paused", changed=True)
    with PlayedDesk(state, pause=reply) as desk:
        assert client.ask(state, "pause", {"reason": "news"}, op="01K9") == reply
    (request,) = desk.heard
    assert (request.verb, request.args) == ("pause", {"reason": "news"})
    assert (request.op, request.claimed) == ("01K9", "sudo:ada")


def test_a_long_reply_arrives_whole(state: State) -> None:
    """However many pieces it comes in."""
    data = ["x" * 1_000] * 2_000
    with PlayedDesk(state, events=a_reply(data=data)):
        assert client.ask(state, "events").data == data


def test_a_newer_desk_may_say_more(state: State) -> None:
    """Fields we do not know are passed over."""
    reply = msgspec.to_builtins(a_reply()) | {"mood": "good"}
    with PlayedDesk(state, status=msgspec.json.encode(reply) + b"\n"):
        assert client.ask(state, "status").trading["hash"] == BLUE


def test_nobody_is_there(state: State) -> None:
    """No socket, or one that a killed supervisor left behind."""
    assert said(state) == f"no supervisor runs in {state.root}"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(state.control_socket))
    assert said(state) == f"the supervisor of {state.root} is gone; its socket is left behind"


def test_a_desk_of_somebody_else_may_not_be_asked(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel refuses; that is another thing than nobody being there."""

    def refuse(self: socket.socket, address: str) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(client.socket.socket, "connect", refuse)
    with pytest.raises(client.Forbidden, match=r"uid \d+ may not command the desk of "):
        client.ask(state, "status")


def test_a_supervisor_that_does_not_answer_is_not_waited_for_for_ever(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait has a bound, and the text names it."""
    monkeypatch.setattr(client, "ANSWER_S", 0.2)
    with PlayedDesk(state, status=None):
        assert said(state) == f"the supervisor of {state.root} did not answer in 0.2 s"


def test_the_bound_is_for_the_whole_reply(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that comes byte by byte does not begin the wait anew with each."""
    monkeypatch.setattr(client, "ANSWER_S", 0.3)
    over = threading.Event()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state.control_socket))
        listener.listen()

        def drip() -> None:
            channel, _ = listener.accept()
            with channel, suppress(OSError):
                while not over.wait(0.05):
                    channel.send(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert said(state).endswith("did not answer in 0.3 s")
        finally:
            over.set()
            thread.join()


@pytest.mark.parametrize(
    "reply",
    [b"", b'{"ok":true', b"what?\n", b"[]\n", b"\xff\xfe\n", b'{"ok":true,"exit":0}\n', b'{"ok":"\xff"}\n'],
    ids=["nothing", "half", "no JSON", "no object", "no text", "no reply", "no UTF-8"],
)
def test_a_reply_that_is_none_is_no_answer(reply: bytes, state: State) -> None:
    """Whatever it is: it breaks off, and nobody sees a traceback."""
    with PlayedDesk(state, status=reply):
        assert said(state).startswith(f"the supervisor of {state.root} broke off: ")


def test_a_refusal_that_comes_before_the_request_has_ended_is_heard(state: State) -> None:
    """A request over the bound is answered, and its caller left, while it is still being said."""
    refusal = a_reply("USAGE", message="the request is over the bound")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(state.control_socket))
        listener.listen()

        def refuse() -> None:
            channel, _ = listener.accept()
            with channel:
                channel.recv(65_536)
                channel.sendall(msgspec.json.encode(refusal) + b"\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        try:
            assert client.ask(state, "deploy", {"reason": "x" * 4_000_000}) == refusal
        finally:
            thread.join()


def test_a_reply_without_end_is_cut_off(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size has a bound."""
    monkeypatch.setattr(client, "_REPLY_MAX", 100_000)
    with PlayedDesk(state, status=b"x" * 1_000_000):
        assert "broke off" in said(state)


def test_a_folder_with_a_long_name_cannot_hold_a_socket() -> None:
    """It is told before anything is tried."""
    with pytest.raises(PathTooLong):
        client.ask(State(Path("/" + "x" * 120)), "status")


def test_the_last_status_is_what_the_file_says(state: State) -> None:
    """If it is whole, and one we understand; anything else is no status."""
    assert client.last_status(state.status) is None
    status = a_status()
    state.status.write_bytes(msgspec.json.encode(status))
    assert client.last_status(state.status) == status
    for text in (b"", b'{"schema":"foresight.st', b"[]", b"\xff", b"{}", b'{"schema":"foresight.status/2"}'):
        state.status.write_bytes(text)
        assert client.last_status(state.status) is None


@pytest.mark.parametrize(
    ("environ", "claim"),
    [
        ({}, ""),
        ({"SUDO_USER": "ada"}, "sudo:ada"),
        ({"CI_JOB_ID": "7", "SUDO_USER": "ada"}, "ci:gitlab-7"),
        ({"GITHUB_RUN_ID": "8841", "CI_JOB_ID": "7"}, "ci:github-8841"),
    ],
)
def test_a_pipeline_says_which_run_it_is(environ: dict[str, str], claim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a person behind sudo who they are; the kernel's word is the desk's to add."""
    for name in ("GITHUB_RUN_ID", "CI_JOB_ID", "SUDO_USER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert client.claimed() == claim


class _At(SystemClock):
    def __init__(self, wall_ms: int) -> None:
        self.wall_ms = wall_ms

    def wall_ns(self) -> int:
        return self.wall_ms * 1_000_000


@given(st.integers(0, 2**48 - 1), st.integers(0, 2**48 - 1))
def test_operation_ids_sort_by_age(one_ms: int, other_ms: int) -> None:
    """26 letters and digits that nobody mistakes for one another, and never the same twice."""
    one, other = client.new_operation_id(_At(one_ms)), client.new_operation_id(_At(other_ms))
    assert (one[:10] < other[:10]) == (one_ms < other_ms)
    assert one != other
    assert len(one) == len(other) == 26
    assert not set(one + other) - set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
