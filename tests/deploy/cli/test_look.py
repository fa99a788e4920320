"""Verbs that look and change nothing."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

import msgspec
import pytest
from kit.clocks import PATIENCE_S, eventually
from kit.commands import NEVER, ctl, document
from kit.desk_socket import OP, PlayedDesk, a_reply, a_slot, a_status, an_operation
from kit.releases import ROOT

from deploy.cli.look import status_screen
from shared.clock import NS, SystemClock
from shared.paths import State

CTL = [sys.executable, "-m", "deploy.foresightctl"]
EVENT = {"at_ns": 1_784_851_287 * NS, "kind": "fill", "text": "BTC/5m filled BUY Up 5 at 0.61", "data": {}}
HEAVY = {"asyncio", "aiohttp", "polymarket", "rich", "zmq", "uvloop", "websockets", "deploy.release"}


AHEAD = {"wall_ns": 2**62}
"""Of a status that no machine is too slow to show before it is old."""


def screen(**fields: object) -> list[str]:
    """The status screen of a desk, line by line."""
    return status_screen(a_status(**AHEAD | fields)).splitlines()


# --- status ---


def test_the_status_is_one_screen(state: State) -> None:
    """Mode, state, release, slots, money, positions, feeds."""
    with PlayedDesk(state, status=a_reply(data=a_status(**AHEAD))):
        result = ctl(state, "status")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "REHEARSAL  TRADING   r41 a1b2c3d4  p:77ab   market time 00:01:27",
        "slots  10/10 owned, 8 without a market   decisions 235872   skipped 4",
        "money  today +11.48 of -100.00   exposure 15.00   cash 987.65",
        "open   3 positions, 1 orders",
        "books  are the venue's, compared 118 times",
        "feeds  market, user, prices ok   tape ok",
    ]


def test_a_status_says_what_is_wrong() -> None:
    """Which feed, which pause, what is in progress, what has no release, and how old it is."""
    assert "feeds  user: stale for 31 s   tape No space left" in screen(
        feeds={"market": "", "user": "stale for 31 s"}, tape="No space left"
    )
    assert "paused news; foresightctl resume" in screen(paused=True, pause_reason="news")
    away = {"orders": "the venue restarts; asked again in 9.0 s", "cancels": "ok", "cancels_waiting": 3}
    assert screen(venue=away)[-2:] == [f"venue  orders: {away['orders']}", "venue  3 cancels wait"]
    assert screen(venue={"orders": "ok", "cancels": "ok", "cancels_waiting": 0}) == screen()
    assert "paused no reason given; foresightctl resume" in screen(paused=True)
    assert "halted news; foresightctl resume" in screen(halted="halt-3", pause_reason="news")
    flat, waits = ({"op": "o", "state": state, "words": words} for state, words in (("flat", ""), ("flattening", "x")))
    assert "flat   1 of 2 slots, BTC/5m: x; foresightctl resume" in screen(flattening={"BTC/5m": waits, "ETH/5m": flat})
    assert "venue  blocked in US/CA" in screen(standing="blocked in US/CA")
    assert screen(release={}, state="NO RELEASE")[0].startswith("REHEARSAL  NO RELEASE   no release  ")
    assert re.search(r"   STALE 9\d s$", screen(wall_ns=SystemClock().wall_ns() - 90 * NS)[0])
    waiting = an_operation(waiting={"BTC/5m": "an unanswered order"})
    assert f"now    deploy {OP} of 9f31c7e0 is warming" in screen(operation=an_operation())
    assert screen(operation=waiting)[-1].endswith("is warming, waiting for BTC/5m: an unanswered order")


def test_a_status_says_where_our_books_are_not_the_venues() -> None:
    """What differs, a line each; foreign orders by their number; nothing before the first comparison."""
    found = {
        "rounds": 9,
        "differences": 1,
        "at_ns": 1,
        "differs": ["cash: 100.00 by our books, 95.00"],
        "foreign": ["0x1"],
    }
    lines = screen(reconciled=found)
    assert lines[4] == "books  DIFFER from the venue's, compared 9 times   1 foreign orders"
    assert "DIFFERS  cash: 100.00 by our books, 95.00" in lines
    assert screen(reconciled=found | {"rounds": 0, "differs": []})[4].startswith("feeds  ")


def test_a_busy_status_fits_a_terminal() -> None:
    """80 columns, 24 lines."""
    counters = {"skip:outage": 10**5}
    lines = screen(decided=10**7, counters=counters, cash_micro=10**12, exposure_micro=10**9, paused=True)
    assert max(map(len, lines)) <= 80
    assert len(lines) < 24


def test_a_status_without_a_supervisor_is_the_last_one(state: State) -> None:
    """Shown with its age on standard error; the code says that nobody answers."""
    past = a_status(wall_ns=SystemClock().wall_ns() - 7_300 * NS)
    state.status.write_bytes(msgspec.json.encode(past))
    result = ctl(state, "status")
    assert (result.exit_code, result.stdout) == (69, "")
    assert re.match(r"status\.json of \S+Z, 2 h old:\nREHEARSAL  TRADING   r41 a1b2c3d4", result.stderr)
    assert "\n  trading  not known now; 2 h ago it was r41 a1b2c3d4, TRADING\n" in result.stderr
    assert document(ctl(state, "status", "--json"))["data"] == past


@pytest.mark.parametrize("text", [None, b"", b'{"schema":"fores', b'{"schema":"foresight.status/9"}'])
def test_a_status_that_cannot_be_read_is_none(text: bytes | None, state: State) -> None:
    """Torn, missing or of another release: the answer is that there is no answer."""
    if text is not None:
        state.status.write_bytes(text)
    result = ctl(state, "status")
    assert result.exit_code == 69
    assert result.stderr.startswith(f"foresightctl: no supervisor runs in {state.root}\n  trading  not known\n")


def test_a_status_loads_nothing_heavy(state: State) -> None:
    """It is what a person types while something burns: neither an event loop nor a venue's client is imported."""
    code = (
        "import sys; from deploy.foresightctl import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    with PlayedDesk(state, status=a_reply(data=a_status())):
        command = [sys.executable, "-c", code, "status", "--state-dir", str(state.root)]
        ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "deploy.cli.look" in ran.stderr.split()
    assert not HEAVY & set(ran.stderr.split())


@pytest.mark.parametrize("force", ["1", "3", "true"])
def test_nothing_is_coloured_in_a_pipe(force: str, state: State) -> None:
    """Not even where a pipeline asks every tool for colours."""
    environ = {"FORCE_COLOR": force, "CLICOLOR_FORCE": force, "PATH": "/usr/bin:/bin", "TERM": "xterm-256color"}
    with PlayedDesk(state, status=a_reply(data=a_status()), slots=a_reply(data=[a_slot()])):
        for verb in ("status", "slots", "--help"):
            arguments = [verb] if verb == "--help" else [verb, "--state-dir", str(state.root)]
            ran = subprocess.run([*CTL, *arguments], cwd=ROOT, capture_output=True, text=True, env=environ, check=True)
            assert not any(word in ran.stdout + ran.stderr for word in NEVER)


# --- slots, releases ---


def test_slots_stand_in_a_table(state: State) -> None:
    """What each does, when its window closes, its book, its owner, what it holds."""
    held = [{"outcome": "Up", "size_micro": 5_000_000}, {"outcome": "Down", "size_micro": 1_500_000}]
    no_market = {
        k: v for k, v in a_slot(slot="SPX/15m", state="NO MARKET", owner="", release="").items() if k[0] != "b"
    }
    data = [
        a_slot(),
        a_slot(slot="BTC/15m", state="OPEN", positions=held, open_orders=2, closes_in_s=600, bid="0.5"),
        a_slot(slot="ETH/5m", bid="0", ask="0.001", book="gap"),
        no_market,
    ]
    with PlayedDesk(state, slots=a_reply(data=data)):
        result = ctl(state, "slots")
        assert document(ctl(state, "slots", "-j"))["data"] == data
    assert result.stdout.splitlines() == [
        "SLOT     STATE      CLOSES  BID/ASK        OWNER  RELEASE   EPOCH  OPEN            ORDERS",
        "BTC/5m   SCAN       3:07    0.61/0.62      w3-1   a1b2c3d4  12     -               0",
        "BTC/15m  OPEN       10:00   0.50/0.62      w3-1   a1b2c3d4  12     Up 5, Down 1.5  2",
        "ETH/5m   SCAN       3:07    -/0.001 STALE  w3-1   a1b2c3d4  12     -               0",
        "SPX/15m  NO MARKET  3:07    -              -      -         12     -               0",
    ]


def test_claims_stand_in_a_table(state: State) -> None:
    """What is owed, since which window, how far it came and why; a desk that was never owed anything says so."""
    claim = {"kind": "redeem", "slot": "BTC/5m", "start_s": 1_784_851_200, "amount_micro": 12_500_000, "nonce": -1}
    data = [claim | {"state": "owed", "detail": ""}, claim | {"nonce": 4, "state": "given_up", "detail": "reverted"}]
    with PlayedDesk(state, claims=[a_reply(data=data), a_reply(data=[])]):
        assert ctl(state, "claims").stdout.splitlines() == [
            "CLAIM   SLOT    WINDOW    DOLLARS  STATE     NONCE  WHY",
            "redeem  BTC/5m  00:00:00  12.50    owed      -      -",
            "redeem  BTC/5m  00:00:00  12.50    given up  4      reverted",
        ]
        assert ctl(state, "claims").stdout == "nothing was ever owed\n"


def test_a_status_says_what_is_to_be_claimed() -> None:
    """It is ours, and no cash yet; a desk of before claims says nothing of it."""
    assert "open   3 positions, 1 orders, 12.50 to claim" in screen(owed_micro=12_500_000)
    old = {key: value for key, value in a_status(**AHEAD).items() if key != "owed_micro"}
    assert "open   3 positions, 1 orders" in status_screen(old).splitlines()


def test_releases_say_what_they_are_to_the_desk(state: State) -> None:
    """Newest first, as the desk gives them."""
    data = [{"seq": 42, "hash": "9f31c7e0aa00", "role": "staged", "lock": "dd2c"}]
    with PlayedDesk(state, releases=[a_reply(data=data), a_reply(data=[])]):
        assert ctl(state, "releases").stdout.splitlines()[1] == "r42      9f31c7e0aa00  staged  dd2c"
        assert ctl(state, "releases").stdout == "RELEASE  HASH  ROLE  ENVIRONMENT\n"


# --- events ---


def test_events_have_a_line_each(state: State) -> None:
    """With the market's time; none is said as well."""
    with PlayedDesk(state, events=[a_reply(data=[EVENT]), a_reply(data=[])]) as desk:
        assert ctl(state, "events", "-n", "7").stdout == "00:01:27  fill      BTC/5m filled BUY Up 5 at 0.61\n"
        assert ctl(state, "events").stdout == "nothing happened yet\n"
    assert [request.args for request in desk.heard] == [{"limit": 7}, {"limit": 30}]


@pytest.mark.parametrize("limit", ["-3", "0", "501", "many"])
def test_a_number_of_events_that_no_desk_tells_is_not_asked_for(limit: str, state: State) -> None:
    """2, with the range; a desk would refuse it, or tell nothing."""
    with PlayedDesk(state) as desk:
        result = ctl(state, "events", "--limit", limit)
    assert (result.exit_code, desk.heard) == (2, [])
    assert "1<=x<=500" in result.stderr or "'many' is not a valid integer" in result.stderr


@pytest.mark.parametrize("verb", ["slots", "claims", "releases", "events"])
def test_a_desk_that_refuses_a_look_is_quoted(verb: str, state: State) -> None:
    """As one does that has been alive for longer than the verb: its words and its code, for people and programs."""
    refusal = a_reply("USAGE", f"unknown verb '{verb}'", hint=("foresightctl --help",))
    with PlayedDesk(state, **{verb: refusal}):
        said = ctl(state, verb)
        assert document(ctl(state, verb, "--json"))["code"] == "USAGE"
    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr.startswith(f"foresightctl: unknown verb '{verb}'\n  trading ")


@pytest.mark.parametrize("as_json", [False, True], ids=["for people", "for programs"])
def test_events_can_be_followed(as_json: bool, state: State) -> None:
    """Each is printed once, as it comes, until Ctrl-C; for programs each is a document."""
    later = EVENT | {"at_ns": EVENT["at_ns"] + NS}  # type: ignore[operator]
    answers = [a_reply(data=[EVENT]), a_reply(data=[later]), a_reply(data=[])]
    with PlayedDesk(state, events=list(answers)) as desk:
        command = [*CTL, "events", "-f", "--state-dir", str(state.root), *(["-j"] if as_json else [])]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert eventually(lambda: len(desk.heard) >= 3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (130, "")
    assert desk.heard[-1].args == {"after_ns": later["at_ns"], "limit": 500}
    lines = out.splitlines()
    if as_json:
        assert [msgspec.json.decode(line) for line in lines] == [EVENT, later]
    else:
        assert [line[:8] for line in lines] == ["00:01:27", "00:01:28"]


def test_a_follower_of_a_desk_that_goes_is_told(state: State) -> None:
    """It does not wait for ever on nobody."""
    with PlayedDesk(state, events=[a_reply(data=[EVENT]), b""]):
        result = ctl(state, "events", "-f")
    assert (result.exit_code, result.stdout) == (69, "00:01:27  fill      BTC/5m filled BUY Up 5 at 0.61\n")
