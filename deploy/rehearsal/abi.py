"""How contracts are called: four bytes that name a function, then its arguments; and what a raw transaction holds.

Values are coded by `eth_abi`; names of functions and the outer shape of transactions are read here. Leaves what a call
does to `chain.py`. What always holds: bytes that are no call of a known function are `Unreadable`, never half a call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode as decode_values
from eth_abi.abi import encode as encode_values
from eth_abi.exceptions import DecodingError

from deploy.rehearsal.signatures import CHAIN_ID, Forged, keccak256, signer_of

RLP_DEPTH_MAX: Final = 4
_EIP155: Final = 35


class Unreadable(Exception):
    """The bytes make no sense as what they should be; the text says why."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call to a contract. target: 0x, lower case. value: of the chain's own coin, 1e-18."""

    target: str
    value: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RawTransaction:
    """A signed transaction of a plain account. sender: checksummed. hash: 0x."""

    sender: str
    nonce: int
    call: Call
    hash: str


def selector(signature: str) -> bytes:
    """The four bytes that name a function, of its text such as `approve(address,uint256)`."""
    return keccak256(signature.encode())[:4]


def types_of(signature: str) -> list[str]:
    """The types of a function's arguments; brackets within one argument stay together."""
    inner = signature[signature.index("(") + 1 : -1]
    found, depth = [""], 0
    for char in inner:
        depth += (char == "(") - (char == ")")
        if char == "," and not depth:
            found.append("")
        else:
            found[-1] += char
    return [kind for kind in found if kind]


def arguments(signature: str, data: bytes) -> tuple[Any, ...]:
    """A call's arguments. Raises: Unreadable: they do not fit the signature."""
    try:
        return tuple(decode_values(types_of(signature), data[4:]))
    except (DecodingError, ValueError, OverflowError) as error:
        raise Unreadable(f"the arguments of {signature} cannot be read: {error}") from error


def answer(kinds: Sequence[str], values: Sequence[object]) -> str:
    """What a contract returns, as 0x text."""
    return "0x" + encode_values(list(kinds), list(values)).hex()


def encoded(kinds: Sequence[str], values: Sequence[object]) -> bytes:
    """Arguments one after the other, each in its 32 bytes."""
    return encode_values(list(kinds), list(values))


def data_of(text: object) -> bytes:
    """Read 0x text as bytes. Raises: Unreadable."""
    try:
        return bytes.fromhex(str(text).removeprefix("0x"))
    except ValueError as error:
        raise Unreadable("the data is not hex") from error


def raw_transaction(raw: bytes) -> RawTransaction:
    """Read a signed transaction, of the old kind or of type 2, and find who signed it. Raises: Unreadable."""
    typed = raw[:1] == b"\x02"
    fields = _rlp(raw[1:] if typed else raw)
    if not isinstance(fields, list) or len(fields) != (12 if typed else 9):
        raise Unreadable("the transaction has another number of fields than its kind")
    try:
        return _of_type_2(fields, raw) if typed else _of_old_kind(fields, raw)
    except (Forged, TypeError, ValueError, OverflowError) as error:
        raise Unreadable(f"the transaction proves no sender: {error}") from error


def _of_type_2(fields: list[Any], raw: bytes) -> RawTransaction:
    chain, nonce, _, _, _, to, value, data, _, parity, r, s = fields
    digest = keccak256(b"\x02" + rlp_encoded(fields[:9]))
    call = Call("0x" + to.hex(), _number(value), data)
    return _signed((_number(chain), _number(parity), r, s), digest, nonce, call, raw)


def _of_old_kind(fields: list[Any], raw: bytes) -> RawTransaction:
    nonce, _, _, to, value, data, v, r, s = fields
    chain, parity = divmod(max(0, _number(v) - _EIP155), 2)
    digest = keccak256(rlp_encoded([*fields[:6], _bytes(chain), b"", b""]))
    return _signed((chain, parity, r, s), digest, nonce, Call("0x" + to.hex(), _number(value), data), raw)


def _signed(
    proof: tuple[int, int, bytes, bytes], digest: bytes, nonce: bytes, call: Call, raw: bytes
) -> RawTransaction:
    chain, parity, r, s = proof
    if chain != CHAIN_ID or parity not in (0, 1):
        raise Forged(f"it is for chain {chain}, this is {CHAIN_ID}")
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes([27 + parity])
    return RawTransaction(signer_of(digest, signature.hex()), _number(nonce), call, "0x" + keccak256(raw).hex())


def rlp_encoded(value: bytes | list[Any]) -> bytes:
    """Lists and byte strings in the chain's own wire form."""
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < 0x80:
            return value
        return _head(len(value), 0x80) + value
    body = b"".join(rlp_encoded(item) for item in value)
    return _head(len(body), 0xC0) + body


def _head(length: int, base: int) -> bytes:
    if length < 56:
        return bytes([base + length])
    size = _bytes(length)
    return bytes([base + 55 + len(size)]) + size


def _rlp(raw: bytes) -> Any:
    value, rest = _item(raw, 0)
    if rest:
        raise Unreadable("bytes are left over after the transaction")
    return value


def _item(raw: bytes, depth: int) -> tuple[Any, bytes]:
    """The first item, and what follows it."""
    if not raw or depth > RLP_DEPTH_MAX:
        raise Unreadable("the transaction ends too early or nests too deep")
    first = raw[0]
    if first < 0x80:
        return raw[:1], raw[1:]
    base = 0x80 if first < 0xC0 else 0xC0
    long = first - base - 55
    start = 1 + max(0, long)
    length = int.from_bytes(raw[1:start]) if long > 0 else first - base
    body, rest = raw[start : start + length], raw[start + length :]
    if len(body) != length:
        raise Unreadable("the transaction ends too early")
    return (body, rest) if base == 0x80 else (_items(body, depth + 1), rest)


def _items(body: bytes, depth: int) -> list[Any]:
    found = []
    while body:
        item, body = _item(body, depth)
        found.append(item)
    return found


def _number(raw: bytes) -> int:
    return int.from_bytes(raw)


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)
