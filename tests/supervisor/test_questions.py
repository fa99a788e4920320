"""One question over HTTP, to a venue that answers in every way there is."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from dataclasses import dataclass, field

import aiohttp
import pytest
from kit.answers import GOODBYE, SILENCE, answering, cut, ok, reply

from supervisor import questions
from supervisor.questions import UNREACHED, WHY_MAX, NeverLeft, ask, open_pool, why

PATIENCE_S = 60.0


def asked(answer: bytes, *, answer_s: float = 20.0) -> tuple[tuple[int, bytes] | str, int]:
    """What asking gives, or why it gives nothing; and how often the question arrived."""

    async def talk() -> tuple[tuple[int, bytes] | str, int]:
        async with answering() as venue, open_pool(answer_s, 2) as pool:
            venue.on("POST /x", answer)
            try:
                return await ask(pool, "POST", f"{venue.url}/x", {"A": "b"}, b"{}"), len(venue.asked)
            except UNREACHED as error:
                return why(error), len(venue.asked)

    return asyncio.run(talk())


@pytest.mark.parametrize("status", [200, 404, 425, 500, 503])
def test_an_answer_is_its_status_and_its_whole_body(status: int) -> None:
    """Whatever the status; its meaning is the asker's."""
    assert asked(reply(status, b"said")) == ((status, b"said"), 1)
    assert asked(reply(status, b"")) == ((status, b""), 1)


def test_a_packed_answer_is_unpacked() -> None:
    """As any client would."""
    assert asked(reply(200, gzip.compress(b"said"), Content_Encoding="gzip")) == ((200, b"said"), 1)


@pytest.mark.parametrize(
    "answer",
    [
        GOODBYE,
        cut(ok({"a": 1})),
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        reply(200, b"no gzip", Content_Encoding="gzip"),
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
    ],
    ids=["closed", "cut", "not HTTP", "cut chunk", "not packed", "long header"],
)
def test_half_an_answer_is_none(answer: bytes) -> None:
    """Said why in a bounded text; and the question was asked once."""
    found, times = asked(answer)
    assert isinstance(found, str)
    assert 0 < len(found) <= WHY_MAX
    assert times == 1


def test_a_late_answer_is_none() -> None:
    """Nor is the first byte of one, if the rest does not come."""
    assert asked(SILENCE, answer_s=0.2)[0] == "TimeoutError"


def test_an_endless_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read up to the bound, and no further; also when it is small on the wire."""
    monkeypatch.setattr(questions, "BODY_MAX", 100_000)
    assert asked(reply(200, b"x" * 100_000)) == ((200, b"x" * 100_000), 1)
    assert asked(reply(200, b"x" * 100_001))[0] == "the answer is over the bound of 100000 bytes"
    bomb = gzip.compress(b"x" * 100_001)
    assert "over the bound" in str(asked(reply(200, bomb, Content_Encoding="gzip"))[0])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """It would ask again, elsewhere, with everything that proves who we are."""

    async def talk() -> None:
        async with answering() as venue, answering() as elsewhere, open_pool(20.0, 2) as pool:
            venue.on("POST /x", reply(status, b"", Location=f"{elsewhere.url}/x"))
            assert await ask(pool, "POST", f"{venue.url}/x", {"SECRET": "1"}, b"{}") == (status, b"")
            assert (len(venue.asked), elsewhere.asked) == (1, [])

    asyncio.run(talk())


def test_a_question_carries_a_name_its_headers_and_its_exact_body() -> None:
    """And a body's type only where there is one; cookies that were given are not brought back."""

    async def talk() -> None:
        async with answering() as venue, open_pool(20.0, 2) as pool:
            venue.on("POST /x", reply(200, b"", Set_Cookie="a=b"))
            venue.on("GET /y", reply(200, b""))
            await ask(pool, "POST", f"{venue.url}/x", {"A": "b"}, b'{"a" :1}')
            await ask(pool, "GET", f"{venue.url}/y?a=b%20c&d==", {})
            first, second = venue.asked
            assert (first.headers["user-agent"], first.headers["a"], first.body) == ("foresight/1", "b", b'{"a" :1}')
            assert first.headers["content-type"] == "application/json"
            assert second.target == "/y?a=b%20c&d=="
            assert {"content-type", "cookie"} & set(second.headers) == set()

    asyncio.run(talk())


# --- what never left ---


@dataclass
class Listener:
    """A bare TCP listener that does one thing with whoever comes, and keeps every byte it was sent."""

    does: str
    heard: bytearray = field(default_factory=bytearray)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Close at once, or after the first bytes, or never answer."""
        with contextlib.suppress(ConnectionError):
            if self.does != "close":
                self.heard += await reader.read(65_536)
            if self.does == "silence":
                await reader.read()
        writer.close()
        self.ended.set()


async def met(does: str, scheme: str) -> tuple[BaseException, bytes]:
    """What asking such a listener raises, and what it has heard. Only silence has to be waited for."""
    answer_s = 1.0 if does == "silence" else 20.0
    listener = Listener(does)
    server = await asyncio.start_server(listener.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if does == "gone":
        server.close()
        await server.wait_closed()
    async with open_pool(answer_s, 1) as pool:
        with pytest.raises(UNREACHED) as caught:
            await ask(pool, "POST", f"{scheme}://127.0.0.1:{port}/order", {}, b'{"secret":1}')
    if does != "gone":
        await listener.ended.wait()
        server.close()
    return caught.value, bytes(listener.heard)


@pytest.mark.parametrize(
    ("does", "scheme", "left"),
    [
        ("gone", "http", False),
        ("gone", "https", False),
        ("close", "https", False),
        ("read", "https", False),
        ("silence", "https", False),
        ("close", "http", True),
        ("read", "http", True),
        ("silence", "http", True),
    ],
)
def test_a_question_without_a_connection_never_left(does: str, scheme: str, left: bool) -> None:
    """Refused, or no agreement on how to encrypt it: nobody can have heard a byte. With one, nothing is certain."""
    error, heard = asyncio.run(met(does, scheme))
    assert isinstance(error, NeverLeft) != left
    assert str(error) or left
    if not left:
        assert b"POST" not in heard
        assert b"secret" not in heard


def test_a_question_that_found_no_free_connection_in_time_never_left() -> None:
    """Another one has the only connection, and is not answered: those that wait for it are not heard, then or later."""

    async def talk() -> None:
        async with answering() as venue:
            venue.on("POST /slow", SILENCE)
            async with open_pool(20.0, 1) as pool, asyncio.timeout(PATIENCE_S):
                first = asyncio.create_task(ask(pool, "POST", f"{venue.url}/slow", {}, b"first"))
                while not venue.asked:  # noqa: ASYNC110 - a venue fires no events for tests
                    await asyncio.sleep(0.01)
                waiting = [ask(pool, "POST", f"{venue.url}/slow", {}, b"late") for _ in range(4)]
                ends = await asyncio.gather(*waiting, return_exceptions=True)
                assert [type(end) for end in ends] == [NeverLeft] * 4
                assert not first.done()
                first.cancel()
            assert ([asked.body for asked in venue.asked], venue.connections) == ([b"first"], 1)

    asyncio.run(talk())


def test_a_question_on_a_connection_that_was_closed_meanwhile_may_have_arrived() -> None:
    """It was written to: nobody can say how far it came. It is not asked again by itself."""

    async def talk() -> None:
        async with answering() as venue, open_pool(20.0, 1) as pool:
            venue.on("POST /x", ok(b"1"), GOODBYE)
            await ask(pool, "POST", f"{venue.url}/x", {}, b"{}")
            with pytest.raises(aiohttp.ClientError) as caught:
                await ask(pool, "POST", f"{venue.url}/x", {}, b"{}")
            assert not isinstance(caught.value, NeverLeft)
            assert (len(venue.asked), venue.connections) == (2, 1)

    asyncio.run(talk())


def test_nobody_there_is_no_answer() -> None:
    """Refused, and said with where."""

    async def talk() -> None:
        async with answering() as venue:
            url = venue.url
        async with open_pool(20.0, 2) as pool:
            with pytest.raises(NeverLeft, match=r"127\.0\.0\.1"):
                await ask(pool, "GET", f"{url}/x", {})

    asyncio.run(talk())
