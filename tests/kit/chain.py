"""A real EVM as a child process, with the real ConditionalTokens and Safe contracts, and what a test does by hand.

`anvil` and the contracts come through npm, by hash (`tests/chain/package-lock.json`); `make .venv/.chain.stamp`
installs them. Accounts of the node itself are unlocked, any other is impersonated: what is prepared that way is not
what is tested. Values are coded by `eth_abi`.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from eth_abi.abi import decode, encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from polymarket._internal.environment import PRODUCTION_CONFIG, EnvironmentConfig

from deploy.rehearsal.abi import types_of

ROOT: Final = Path(__file__).resolve().parents[2]
MODULES: Final = ROOT / ".venv" / "chain" / "node_modules"
ANVIL: Final = MODULES / "@foundry-rs/anvil-linux-amd64/bin/anvil"
CTF: Final = "@gnosis.pm/conditional-tokens-contracts/build/contracts/ConditionalTokens.json"
SAFE: Final = "@gnosis.pm/safe-contracts/build/artifacts/contracts"
CHAIN_ID: Final = 137
UP_S: Final = 60.0
ASK_S: Final = 30.0
TRIES: Final = 5
"""Of ports that were free a moment ago."""
NOBODY: Final = "0x" + "0" * 40
MINED: Final = "0x" + keccak(b"PayoutRedemption(address,address,bytes32,bytes32,uint256[],uint256)").hex()
MERGED: Final = "0x" + keccak(b"PositionsMerge(address,address,bytes32,bytes32,uint256[],uint256)").hex()


class NotInstalled(Exception):
    """What the tests of this folder need is not there; they fail rather than say nothing."""


def _artefact(path: str) -> bytes:
    """The code that deploys a contract."""
    try:
        return bytes.fromhex(json.loads((MODULES / path).read_text())["bytecode"][2:])
    except FileNotFoundError:
        raise NotInstalled("the chain is not installed; type: make .venv/.chain.stamp") from None


def data_of(signature: str, *arguments: Any) -> str:
    """The data of a call."""
    return "0x" + (keccak(signature.encode())[:4] + encode(types_of(signature), arguments)).hex()


@dataclass
class Anvil:
    """A node. `accounts`: unlocked ones, with coins."""

    port: int
    process: subprocess.Popen[bytes] | None = None
    accounts: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, with an empty chain, and wait until it answers."""
        if not ANVIL.exists():
            raise NotInstalled("anvil is not installed; type: make .venv/.chain.stamp")
        command = [str(ANVIL), "--port", str(self.port), "--chain-id", str(CHAIN_ID), "--silent"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, process_group=0)
        give_up = time.monotonic() + UP_S
        while not self._answers():
            assert time.monotonic() < give_up and self.process.poll() is None, "anvil does not answer"
            time.sleep(0.02)
        self.accounts = [to_checksum_address(account) for account in self.ask("eth_accounts")]

    def _answers(self) -> bool:
        try:
            return int(self.ask("eth_chainId"), 16) == CHAIN_ID
        except OSError:
            return False

    def ask(self, method: str, *params: Any) -> Any:
        """One question. Raises: AssertionError: the node says no."""
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=ASK_S) as answer:
            found = json.loads(answer.read())
        assert "error" not in found, f"{method}: {found['error']}"
        return found["result"]

    def halt(self) -> None:
        """Stop the node's process where it stands: its sockets take bytes, and nobody answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        while stat.read_text().rsplit(")", 1)[1].split()[0] != "T":
            time.sleep(0.001)

    def go_on(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill it and wait for that."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def mine(self, blocks: int = 1) -> None:
        """Make blocks."""
        self.ask("anvil_mine", hex(blocks))

    def automine(self, on: bool) -> None:
        """Whether each transaction has a block of its own at once."""
        self.ask("evm_setAutomine", on)

    def send(self, sender: str, to: str | None, data: str) -> dict[str, Any]:
        """A transaction of anybody's, mined at once; its receipt."""
        self.ask("anvil_impersonateAccount", sender)
        self.ask("anvil_setBalance", sender, hex(10**24))
        fields = {"from": sender, "data": data, "gas": hex(8_000_000), **({"to": to} if to else {})}
        hash_ = self.ask("eth_sendTransaction", fields)
        self.ask("anvil_stopImpersonatingAccount", sender)
        receipt = self.receipt(hash_)
        assert receipt["status"] == "0x1", f"{data[:10]} came to {receipt}"
        return receipt

    def receipt(self, hash_: str) -> dict[str, Any]:
        """The receipt of a transaction that is being mined: its block comes a moment after its hash."""
        give_up = time.monotonic() + UP_S
        while (found := self.ask("eth_getTransactionReceipt", hash_)) is None:
            assert time.monotonic() < give_up, f"{hash_} is not mined"
            time.sleep(0.005)
        return dict(found)

    def deploy(self, path: str) -> str:
        """Put a contract on the chain; where it is."""
        receipt = self.send(self.accounts[0], None, "0x" + _artefact(path).hex())
        return str(to_checksum_address(receipt["contractAddress"]))

    def look(self, to: str, signature: str, kind: str, *arguments: Any) -> Any:
        """What a contract answers."""
        answer = self.ask("eth_call", {"to": to, "data": data_of(signature, *arguments)}, "latest")
        return decode([kind], bytes.fromhex(answer[2:]))[0]


@dataclass(frozen=True)
class Contracts:
    """The real ConditionalTokens, a token for collateral, one condition and its two positions, Up first."""

    anvil: Anvil
    ctf: str
    collateral: str
    condition: bytes
    tokens: tuple[str, str]

    @property
    def config(self) -> EnvironmentConfig:
        """The official client's addresses, as they are on this chain. CTF hands the collateral out itself."""
        ctf = {"conditional_tokens": self.ctf, "collateral_adapter": self.ctf}
        return replace(PRODUCTION_CONFIG, chain_id=CHAIN_ID, collateral_token=self.collateral, **ctf)

    def fund(self, wallet: str, micro: int) -> None:
        """Give a wallet collateral, and as many pairs for it; none of it is left."""
        anvil, one = self.anvil, self.anvil.accounts[0]
        anvil.send(one, self.collateral, data_of("transfer(address,uint256)", wallet, micro))
        anvil.send(wallet, self.collateral, data_of("approve(address,uint256)", self.ctf, micro))
        name = "splitPosition(address,bytes32,bytes32,uint256[],uint256)"
        data = data_of(name, self.collateral, bytes(32), self.condition, [1, 2], micro)
        anvil.send(wallet, self.ctf, data)

    def report(self, up_wins: bool = True) -> None:
        """The oracle says who won."""
        payouts = [1, 0] if up_wins else [0, 1]
        oracle = self.anvil.accounts[1]
        self.anvil.send(oracle, self.ctf, data_of("reportPayouts(bytes32,uint256[])", bytes(32), payouts))

    def dollars(self, wallet: str) -> int:
        """A wallet's collateral."""
        return int(self.anvil.look(self.collateral, "balanceOf(address)", "uint256", wallet))

    def shares(self, wallet: str) -> tuple[int, int]:
        """A wallet's shares, Up first."""
        kind = "balanceOf(address,uint256)"
        up, down = (self.anvil.look(self.ctf, kind, "uint256", wallet, int(token)) for token in self.tokens)
        return up, down

    def told(self, event: str) -> int:
        """How often the contract told of an event, over the whole chain as it is now."""
        return len(self.anvil.ask("eth_getLogs", {"address": self.ctf, "topics": [event], "fromBlock": "0x0"}))

    def a_safe(self, owner: str) -> str:
        """A Safe of one owner that can receive shares, made by the real factory."""
        anvil = self.anvil
        factory = anvil.deploy(f"{SAFE}/proxies/GnosisSafeProxyFactory.sol/GnosisSafeProxyFactory.json")
        singleton = anvil.deploy(f"{SAFE}/GnosisSafe.sol/GnosisSafe.json")
        handler = anvil.deploy(f"{SAFE}/handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json")
        setup = "setup(address[],uint256,address,bytes,address,address,uint256,address)"
        data = bytes.fromhex(data_of(setup, [owner], 1, NOBODY, b"", handler, NOBODY, 0, NOBODY)[2:])
        make = data_of("createProxyWithNonce(address,bytes,uint256)", singleton, data, 7)
        receipt = anvil.send(anvil.accounts[0], factory, make)
        made = next(log for log in receipt["logs"] if log["address"].lower() == factory.lower())
        return str(to_checksum_address("0x" + made["data"][26:66]))


@contextmanager
def running_anvil() -> Iterator[Anvil]:
    """A node with an empty chain, on a free port of loopback."""
    anvil = _started()
    try:
        yield anvil
    finally:
        anvil.end()


def _started() -> Anvil:
    """A node on a port that nobody took between our look at it and the node's."""
    for left in reversed(range(TRIES)):
        anvil = Anvil(_free_port())
        try:
            anvil.start()
        except AssertionError:
            anvil.end()
            if not left:
                raise
        else:
            return anvil
    raise AssertionError("there is a last try")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def deployed(anvil: Anvil) -> Contracts:
    """The contracts, with one condition that nobody has reported yet."""
    ctf = anvil.deploy(CTF)
    collateral = anvil.deploy(f"{SAFE}/test/ERC20Token.sol/ERC20Token.json")
    oracle, question = anvil.accounts[1], bytes(32)
    anvil.send(anvil.accounts[0], ctf, data_of("prepareCondition(address,bytes32,uint256)", oracle, question, 2))
    name = "getConditionId(address,bytes32,uint256)"
    condition = anvil.look(ctf, name, "bytes32", oracle, question, 2)
    tokens = []
    for index in (1, 2):
        name = "getCollectionId(bytes32,bytes32,uint256)"
        collection = anvil.look(ctf, name, "bytes32", bytes(32), condition, index)
        tokens.append(str(anvil.look(ctf, "getPositionId(address,bytes32)", "uint256", collateral, collection)))
    return Contracts(anvil, ctf, collateral, condition, (tokens[0], tokens[1]))
