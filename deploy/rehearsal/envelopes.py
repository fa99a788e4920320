"""What a wallet asks the relayer to send, proved: batches of deposit wallets, Safes and proxies, and their signatures.

Typed data and packings are facts 7 and what the official client signs; they are hashed here anew. Leaves nonces and
what becomes of the calls to others. What always holds: an envelope that is returned was signed by the owner it names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from deploy.rehearsal import refusals
from deploy.rehearsal.abi import Call, Unreadable, arguments, data_of, encoded, selector
from deploy.rehearsal.protocol import Json
from deploy.rehearsal.signatures import CHAIN_ID, Forged, checksummed, keccak256, signer_of, typed_hash

RELAY_HUB: Final = "0xD216153c06E857cD7f72665E0aF1d7D82172F494"
MULTISEND: Final = "0xa238cbeb142c10ef7ad8442c6d1f9e89e07e7761"
CALLS_MAX: Final = 64
_DOMAIN: Final = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_SHORT_DOMAIN: Final = "EIP712Domain(uint256 chainId,address verifyingContract)"
_CALL: Final = "Call(address target,uint256 value,bytes data)"
_BATCH: Final = "Batch(address wallet,uint256 nonce,uint256 deadline,Call[] calls)" + _CALL
_SAFE: Final = (
    "SafeTx(address to,uint256 value,bytes data,uint8 operation,uint256 safeTxGas,uint256 baseGas,uint256 gasPrice,"
    "address gasToken,address refundReceiver,uint256 nonce)"
)
_PROXY: Final = "proxy((uint8,address,uint256,bytes)[])"
_MULTISEND: Final = "multiSend(bytes)"
_MULTISEND_HEAD: Final = 85
_SAFE_V: Final = 4
"""A Safe tells a signature over a personal message by a `v` four higher."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A proved request. owner: who signed, checksummed. deadline_s: unix seconds, None where the kind has none."""

    kind: str
    owner: str
    wallet: str
    signature_type: int
    nonce: int
    deadline_s: int | None
    calls: tuple[Call, ...]


def opened(body: object) -> Envelope:
    """Read and prove the body of POST /submit. Raises: Refused: it is none, or its signature proves another signer."""
    if not isinstance(body, dict) or body.get("type") not in KINDS:
        raise refusals.bad("invalid transaction type")
    try:
        envelope = KINDS[body["type"]](body)
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError, Unreadable) as error:
        raise refusals.bad(f"invalid request: {error}") from error
    except Forged as error:
        raise refusals.bad(f"invalid signature: {error}") from error
    if len(envelope.calls) > CALLS_MAX:
        raise refusals.bad(f"too many calls: {len(envelope.calls)}, max allowed: {CALLS_MAX}")
    return envelope


def _wallet(body: Json) -> Envelope:
    params = body["depositWalletParams"]
    calls = tuple(_call(item) for item in params["calls"])
    wallet, nonce, deadline = params["depositWallet"], int(body["nonce"]), int(params["deadline"])
    inner = b"".join(keccak256(_struct(_CALL, _CALL_KINDS, [c.target, c.value, keccak256(c.data)])) for c in calls)
    batch = _struct(_BATCH, ["address", "uint256", "uint256", "bytes32"], [wallet, nonce, deadline, keccak256(inner)])
    name, version = keccak256(b"DepositWallet"), keccak256(b"1")
    domain = _struct(_DOMAIN, ["bytes32", "bytes32", "uint256", "address"], [name, version, CHAIN_ID, wallet])
    owner = _signer(body, typed_hash(keccak256(domain), keccak256(batch)))
    return Envelope("WALLET", owner, checksummed(wallet), 3, nonce, deadline, calls)


def _safe(body: Json) -> Envelope:
    wallet, target, data, nonce = body["proxyWallet"], body["to"], data_of(body["data"]), int(body["nonce"])
    params: Mapping[str, str] = body["signatureParams"]
    value, operation = int(body.get("value", "0")), int(params["operation"])
    gas = [int(params["safeTxnGas"]), int(params["baseGas"]), int(params["gasPrice"])]
    kinds = ["address", "uint256", "bytes32", "uint8", "uint256", "uint256", "uint256", "address", "address", "uint256"]
    values = [target, value, keccak256(data), operation, *gas, params["gasToken"], params["refundReceiver"], nonce]
    domain = _struct(_SHORT_DOMAIN, ["uint256", "address"], [CHAIN_ID, wallet])
    digest = typed_hash(keccak256(domain), keccak256(_struct(_SAFE, kinds, values)))
    owner = _signer(body, _personal(digest), lower_v=_SAFE_V)
    many = target.lower() == MULTISEND and operation == 1
    calls = _unpacked(data) if many else (Call(target.lower(), value, data),)
    return Envelope("SAFE", owner, checksummed(wallet), 2, nonce, None, calls)


def _proxy(body: Json) -> Envelope:
    params: Mapping[str, str] = body["signatureParams"]
    data, nonce = data_of(body["data"]), int(body["nonce"])
    numbers = (params["relayerFee"], params["gasPrice"], params["gasLimit"], str(nonce))
    packed = (
        b"rlx:"
        + b"".join(data_of(address) for address in (body["from"], body["to"]))
        + data
        + b"".join(int(number).to_bytes(32) for number in numbers)
        + b"".join(data_of(params[name]) for name in ("relayHub", "relay"))
    )
    owner = _signer(body, _personal(keccak256(packed)))
    if data[:4] != selector(_PROXY):
        raise Unreadable("the data is no call of the proxy factory")
    (items,) = arguments(_PROXY, data)
    calls = tuple(Call(target.lower(), value, inner) for _, target, value, inner in items)
    return Envelope("PROXY", owner, checksummed(body["proxyWallet"]), 1, nonce, None, calls)


def _created(body: Json) -> Envelope:
    """A deposit wallet's creation carries no signature: only the address it is for."""
    owner = checksummed(data_of(body["from"]).hex())
    return Envelope("WALLET-CREATE", owner, "", 3, 0, None, ())


KINDS: Final[dict[str, Callable[[Json], Envelope]]] = {
    "WALLET": _wallet,
    "SAFE": _safe,
    "PROXY": _proxy,
    "WALLET-CREATE": _created,
}
_CALL_KINDS: Final = ["address", "uint256", "bytes32"]


def _call(item: Json) -> Call:
    return Call(str(item["target"]).lower(), int(item["value"]), data_of(item["data"]))


def _struct(kind: str, kinds: list[str], values: list[Any]) -> bytes:
    return keccak256(kind.encode()) + encoded(kinds, values)


def _personal(digest: bytes) -> bytes:
    return keccak256(b"\x19Ethereum Signed Message:\n32" + digest)


def _signer(body: Json, digest: bytes, lower_v: int = 0) -> str:
    """Who signed; it has to be who the body says it is from."""
    raw = data_of(body["signature"])
    signature = raw[:64] + bytes([raw[64] - lower_v]) if len(raw) == 65 else raw
    signer = signer_of(digest, signature.hex())
    if signer.lower() != str(body["from"]).lower():
        raise Forged(f"it is from {body['from']} and signed by {signer}")
    return signer


def _unpacked(data: bytes) -> tuple[Call, ...]:
    """The calls of a Safe's multi-send: operation 1 byte, target 20, value 32, length 32, data."""
    if data[:4] != selector(_MULTISEND):
        raise Unreadable("the data is no multi-send")
    (packed,) = arguments(_MULTISEND, data)
    found = []
    while packed:
        size = int.from_bytes(packed[53:_MULTISEND_HEAD])
        body, rest = packed[_MULTISEND_HEAD : _MULTISEND_HEAD + size], packed[_MULTISEND_HEAD + size :]
        if len(packed) < _MULTISEND_HEAD or len(body) != size:
            raise Unreadable("the multi-send ends too early")
        found.append(Call("0x" + packed[1:21].hex(), int.from_bytes(packed[21:53]), body))
        packed = rest
    return tuple(found)
