"""Who signed: typed-data hashes of orders and of key requests, the signer behind a signature, and the request HMAC.

Written from the facts (2.1-2.3, 3.2) with keccak and secp256k1 alone, so that it checks the official client instead of
agreeing with it. Leaves what a signer may do to `orders.py` and `keys.py`. What always holds: a signature that proves
nothing is `Forged`, never an address.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from coincurve import PublicKey
from Crypto.Hash import keccak

CHAIN_ID: Final = 137
EXCHANGE_NAME: Final = "Polymarket CTF Exchange"
DEPOSIT_WALLET: Final = 3
"""The signature type whose signature is nested in the wallet's own domain."""

_DOMAIN = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_DOMAIN_SHORT = "EIP712Domain(string name,string version,uint256 chainId)"
_CLOB_AUTH = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_ATTEST = "This message attests that I control the given wallet"
ORDER_TYPE: Final = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    "uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_LEGACY_TYPE = (
    "Order(uint256 salt,address maker,address signer,address taker,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint256 expiration,uint256 nonce,uint256 feeRateBps,uint8 side,uint8 signatureType)"
)
_TYPED_DATA_SIGN = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
_SIGNATURE_BYTES: Final = 65
_WORD: Final = 32
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
"""Above this an `s` has a twin below it; the chain takes only the lower one."""


_FRESH_MAX: Final = 64
_KNOWN_MAX: Final = 4_096
"""Hashes kept: of an order while it is being checked, and of texts and addresses that come again."""


class Forged(Exception):
    """The signature does not prove who signed this; the text says why."""


@dataclass(frozen=True, slots=True)
class Domain:
    """Where an order is valid: the exchange's name, its version and its contract (a 0x address)."""

    version: str
    contract: str


CTF: Final = Domain("2", "0xE111180000d2663C0091e4f400237545B87B996B")
CTF_NEG_RISK: Final = Domain("2", "0xe2222d279d744050d28e00520010520000310F59")
PROTOCOL_V2: Final = Domain("3", "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa")
BEFORE_V2: Final = Domain("1", "0x4bFb41d5B3570DeFd03C39a9A4D8dE6Bd8B8982E")


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """What a maker signed: the eleven fields of the struct, amounts in millionths, side 0 BUY or 1 SELL."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp: int
    metadata: str
    builder: str


@dataclass(frozen=True, slots=True)
class LegacyOrder:
    """What a maker signed before CLOB V2: taker, expiry, nonce and fee instead of time, metadata and builder."""

    salt: int
    maker: str
    signer: str
    taker: str
    token_id: int
    maker_amount: int
    taker_amount: int
    expiration: int
    nonce: int
    fee_rate_bps: int
    side: int
    signature_type: int


AnyOrder = SignedOrder | LegacyOrder


def keccak256(data: bytes) -> bytes:
    """The chain's hash."""
    return keccak.new(digest_bits=256, data=data).digest()


def order_hash(order: AnyOrder, domain: Domain) -> str:
    """The order's id: the typed-data hash under its exchange's domain, as 0x text."""
    return "0x" + _typed(_separator(domain), _contents(order)).hex()


def order_signer(order: AnyOrder, domain: Domain, signature: str) -> str:
    """The address whose key signed an order, checksummed; for a deposit wallet the key inside the nested signature.

    Raises: Forged: also when the signature was made for another domain or for other contents.
    """
    blob = _bytes(signature)
    if isinstance(order, LegacyOrder) or order.signature_type != DEPOSIT_WALLET:
        return _recover(_typed(_separator(domain), _contents(order)), blob)
    return _nested_signer(order, domain, blob)


def key_signer(address: str, timestamp: str, nonce: int, signature: str) -> str:
    """The address that asked for an API key. Raises: Forged."""
    fields = [_address(address), _text(timestamp), _number(nonce), _text(_ATTEST)]
    separator = keccak256(keccak256(_DOMAIN_SHORT.encode()) + _text("ClobAuthDomain") + _text("1") + _number(CHAIN_ID))
    digest = _typed(separator, keccak256(keccak256(_CLOB_AUTH.encode()) + b"".join(fields)))
    return _recover(digest, _bytes(signature))


def signer_of(digest: bytes, signature: str) -> str:
    """The address whose key signed a digest, checksummed. Raises: Forged."""
    return _recover(digest, _bytes(signature))


def typed_hash(separator: bytes, contents: bytes) -> bytes:
    """The digest of typed data: its domain's separator and its contents' hash under the standard's prefix."""
    return _typed(separator, contents)


def request_hmac(secret: str, timestamp: str, method: str, path: str, body: bytes) -> str:
    """The base64url HMAC-SHA256 that a keyed request carries. path: without its query. Raises: Forged: bad secret."""
    signing = _keyed(secret).copy()
    signing.update((timestamp + method + path).encode() + body)
    return base64.urlsafe_b64encode(signing.digest()).decode()


@lru_cache(maxsize=_KNOWN_MAX)
def _keyed(secret: str) -> hmac.HMAC:
    """A secret's HMAC before any message; never to be updated itself. Setting one up costs more than a request's."""
    try:
        key = base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4))
    except (binascii.Error, ValueError) as error:
        raise Forged("the secret is not base64url") from error
    return hmac.new(key, digestmod="sha256")


def _nested_signer(order: SignedOrder, domain: Domain, blob: bytes) -> str:
    """Split inner signature | domain separator | contents hash | order type | its length, and check every part."""
    tail = ORDER_TYPE.encode() + len(ORDER_TYPE).to_bytes(2)
    separator, contents = _separator(domain), _contents(order)
    expected = separator + contents + tail
    if len(blob) != _SIGNATURE_BYTES + len(expected):
        raise Forged(f"a nested signature has {_SIGNATURE_BYTES + len(expected)} bytes, this one {len(blob)}")
    if blob[_SIGNATURE_BYTES:] != expected:
        raise Forged("the nested signature is for another domain or another order")
    wallet = [_text("DepositWallet"), _text("1"), _number(CHAIN_ID), _address(order.signer), bytes(_WORD)]
    wrapped = keccak256(_text(_TYPED_DATA_SIGN + ORDER_TYPE) + contents + b"".join(wallet))
    return _recover(_typed(separator, wrapped), blob[:_SIGNATURE_BYTES])


def _contents(order: AnyOrder) -> bytes:
    return _legacy_contents(order) if isinstance(order, LegacyOrder) else _current_contents(order)


def _legacy_contents(order: LegacyOrder) -> bytes:
    amounts = (order.token_id, order.maker_amount, order.taker_amount)
    counts = (order.expiration, order.nonce, order.fee_rate_bps, order.side, order.signature_type)
    return keccak256(
        keccak256(_LEGACY_TYPE.encode())
        + _number(order.salt)
        + b"".join(map(_address, (order.maker, order.signer, order.taker)))
        + b"".join(map(_number, amounts + counts))
    )


@lru_cache(maxsize=_FRESH_MAX)
def _current_contents(order: SignedOrder) -> bytes:
    amounts = (order.token_id, order.maker_amount, order.taker_amount)
    kinds = (order.side, order.signature_type, order.timestamp)
    return keccak256(
        _text(ORDER_TYPE)
        + _number(order.salt)
        + _address(order.maker)
        + _address(order.signer)
        + b"".join(map(_number, amounts + kinds))
        + _word(order.metadata)
        + _word(order.builder)
    )


@lru_cache(maxsize=_FRESH_MAX)
def _separator(domain: Domain) -> bytes:
    fields = [_text(EXCHANGE_NAME), _text(domain.version), _number(CHAIN_ID), _address(domain.contract)]
    return keccak256(keccak256(_DOMAIN.encode()) + b"".join(fields))


@lru_cache(maxsize=_FRESH_MAX)
def _typed(separator: bytes, contents: bytes) -> bytes:
    return keccak256(b"\x19\x01" + separator + contents)


def _recover(digest: bytes, signature: bytes) -> str:
    if len(signature) != _SIGNATURE_BYTES or signature[64] not in (27, 28):
        raise Forged("a signature is 65 bytes and ends in 27 or 28")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise Forged("the signature is malleable: its s is in the upper half")
    recoverable = signature[:64] + bytes([signature[64] - 27])
    try:
        public = PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as error:  # the binding raises bare Exception for a point that is not on the curve
        raise Forged("no key fits the signature") from error
    return _address_of(public.format(compressed=False))


@lru_cache(maxsize=_KNOWN_MAX)
def _address_of(public: bytes) -> str:
    """The address of an uncompressed public key: the same few clients sign everything."""
    return checksummed(keccak256(public[1:])[-20:].hex())


@lru_cache(maxsize=_KNOWN_MAX)
def checksummed(address: str) -> str:
    """Write an address with the mixed case that checks it. address: forty hex digits, with or without 0x."""
    digits = address.lower().removeprefix("0x")
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        char.upper() if int(mark, 16) > 7 else char for char, mark in zip(digits, marks, strict=False)
    )


@lru_cache(maxsize=_FRESH_MAX)
def _text(text: str) -> bytes:
    return keccak256(text.encode())


def _number(value: int) -> bytes:
    if not 0 <= value < 1 << 256:
        raise Forged("a number does not fit 256 bits")
    return value.to_bytes(_WORD)


def _address(address: str) -> bytes:
    raw = _bytes(address)
    if len(raw) != 20:
        raise Forged(f"{address!r} is no address")
    return raw.rjust(_WORD, b"\0")


def _word(text: str) -> bytes:
    raw = _bytes(text)
    if len(raw) != _WORD:
        raise Forged(f"{text!r} is not 32 bytes")
    return raw


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise Forged(f"{text[:80]!r} is not hex") from error
