"""The prepared signer: the same bytes as the official client, from a template, a dozen times as fast.

All that an exchange, a version and a wallet settle is computed once: the domain separator, the type hash, the constant
words of the struct and the fixed part of the request. Per order the words that change are packed, hashed and signed,
and the request is filled in. EIP-712 throughout, ERC-7739 around it for a deposit wallet.

Leaves what an order is to `signing`: templates are cut from the official client's own orders and requests. What always
holds: a prepared signer has signed an order of every kind on every exchange both ways, and not a byte differed; one
that differs cannot be made, so nothing is ever sent by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple, get_args

from coincurve import PrivateKey
from Crypto.Hash import keccak
from polymarket._internal.actions.orders.types import BYTES32_ZERO, UnsignedOrder
from polymarket.types import EvmAddress, HexString

from shared.config import Faults
from shared.messages import OrderKind, Place, Side, Terms
from shared.slots import Slot
from supervisor.admission import Draft, Signed
from supervisor.signatory import POLY_1271, Signatory
from supervisor.signing import ClientSigner, as_sent, exchange_of, request
from supervisor.venue.discovery import Market

TOKENS_MAX: Final = 1_024
"""Tokens whose template is remembered; eighteen slots have 36 at a time."""
_DOMAIN_TYPE: Final = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ORDER_TYPE: Final = (
    b"Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,uint256 takerAmount,"
    b"uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,bytes32 builder)"
)
_NESTED_TYPE: Final = (
    b"TypedDataSign(Order contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)
_EXCHANGE_NAME: Final = b"Polymarket CTF Exchange"
_WALLET_NAME, _WALLET_VERSION = b"DepositWallet", b"1"
_TYPED_DATA: Final = b"\x19\x01"
"""What precedes a domain separator and a struct's hash in what is signed. Source: EIP-712."""
_RECOVERY_BASE: Final = 27
"""What the chain adds to the number by which a signature's key is recovered."""
_GAPS: Final = ("makerAmount", "takerAmount", "salt", "side", "signature", "timestamp", "tokenId")


class SignersDiffer(Faults):
    """The prepared signer and the official client do not agree on an order: neither may sign."""


class Nested(NamedTuple):
    """What a deposit wallet puts around an order's hash to sign it as its own, and behind the signature as proof.

    head, tail: the words before and after the hash in the wallet's struct. separator, order_type: the proof, as hex.
    Source: ERC-7739; facts 2.3.
    """

    head: bytes
    tail: bytes
    separator: str
    order_type: str

    @classmethod
    def of(cls, unsigned: UnsignedOrder, separator: bytes) -> Nested:
        """The part of the wallet that signs an order. separator: that of the exchange's domain."""
        wallet = (
            _keccak(_WALLET_NAME),
            _keccak(_WALLET_VERSION),
            _word(unsigned.chain_id),
            _address(unsigned.signer),
            _bytes(BYTES32_ZERO),
        )
        order_type = _ORDER_TYPE + len(_ORDER_TYPE).to_bytes(2)
        return cls(_keccak(_NESTED_TYPE + _ORDER_TYPE), b"".join(wallet), separator.hex(), order_type.hex())


@dataclass(frozen=True, slots=True)
class Template:
    """What does not change from order to order of one wallet on one exchange. Words are the 32 bytes of the ABI.

    domain: what precedes a struct's hash in what is signed. head, parties, signature_type, tail: the constant words of
    the struct. nested: a deposit wallet's part, None for every other. bodies: the request with gaps, by post-only.
    """

    domain: bytes
    head: bytes
    parties: bytes
    signature_type: bytes
    tail: bytes
    nested: Nested | None
    bodies: tuple[str, str]

    @classmethod
    def of(cls, unsigned: UnsignedOrder) -> Template:
        """Cut it from an order of the official client; of its amounts, token, side and time nothing stays."""
        separator = _separator(unsigned)
        return cls(
            domain=_TYPED_DATA + separator,
            head=_keccak(_ORDER_TYPE),
            parties=_address(unsigned.maker) + _address(unsigned.signer),
            signature_type=_word(unsigned.signature_type),
            tail=_bytes(unsigned.metadata) + _bytes(unsigned.builder),
            nested=Nested.of(unsigned, separator) if unsigned.signature_type == POLY_1271 else None,
            bodies=(_body(unsigned, post_only=False), _body(unsigned, post_only=True)),
        )

    def sign(self, draft: Draft, salt: int, owner: str, key: PrivateKey) -> Signed:
        """Fill it in. owner: the API key, as JSON text without its quotes."""
        contents = self._contents(draft, salt)
        order_hash = _keccak(self.domain + contents)
        signature = self._signature(contents, order_hash, key)
        return Signed("0x" + order_hash.hex(), self._request(draft, salt, owner, signature))

    def _contents(self, draft: Draft, salt: int) -> bytes:
        """The struct's hash."""
        words = (
            self.head,
            _word(salt),
            self.parties,
            _word(int(draft.token_id)),
            _word(draft.maker_amount),
            _word(draft.taker_amount),
            _SIDES[draft.place.side],
            self.signature_type,
            _word(draft.timestamp_ms),
            self.tail,
        )
        return _keccak(b"".join(words))

    def _signature(self, contents: bytes, order_hash: bytes, key: PrivateKey) -> str:
        """The key's signature of the order's hash; for a deposit wallet of its own struct around it, with the proof."""
        if self.nested is None:
            return _signed(key, order_hash)
        nested = self.nested
        digest = _keccak(self.domain + _keccak(nested.head + contents + nested.tail))
        return f"{_signed(key, digest)}{nested.separator}{contents.hex()}{nested.order_type}"

    def _request(self, draft: Draft, salt: int, owner: str, signature: str) -> bytes:
        place = draft.place
        filled = self.bodies[place.post_only] % {
            "makerAmount": draft.maker_amount,
            "takerAmount": draft.taker_amount,
            "salt": salt,
            "side": place.side,
            "signature": signature,
            "timestamp": draft.timestamp_ms,
            "tokenId": draft.token_id,
            "orderType": place.kind,
            "owner": owner,
        }
        return filled.encode()


class PreparedSigner:
    """Signs with templates that were proved against the official client when this was made.

    Raises: SignersDiffer: an order of some kind comes out otherwise.
    """

    clob_version: Final = 2

    def __init__(self, signatory: Signatory) -> None:
        self.signatory = signatory
        self._client = ClientSigner(signatory)
        self._key = PrivateKey(bytes(signatory.account.key))
        self._owner = ""
        self._templates: dict[EvmAddress, Template] = {}
        self._template = lru_cache(TOKENS_MAX)(self._find)
        self.proved = self._prove()

    def own(self, api_key: str) -> None:
        """Name the API key that orders belong to."""
        self._owner = json.dumps(api_key)[1:-1]

    def sign(self, draft: Draft) -> Signed:
        """Sign an order; the same draft always gives the same bytes."""
        assert draft.token_id.isdecimal() and draft.token_id.isascii(), "a token's id is a plain number"
        assert draft.place.kind == "GTC" or not draft.place.post_only, "risk lets no immediate order be post-only"
        template = self._template(draft.token_id, draft.market.neg_risk)
        return template.sign(draft, self.signatory.salt(draft.identity), self._owner, self._key)

    def _find(self, token_id: str, neg_risk: bool) -> Template:
        return self._templates[exchange_of(token_id, neg_risk)]

    def _prove(self) -> int:
        """Sign an order of every kind both ways, on every exchange; how many. Raises: SignersDiffer."""
        for draft in _SAMPLES:
            unsigned = self._client.unsigned(draft)
            if unsigned.exchange_address not in self._templates:
                self._templates[unsigned.exchange_address] = Template.of(unsigned)
            mine, theirs = self.sign(draft), self._client.sign(draft)
            if mine != theirs:
                raise SignersDiffer([_difference(draft, mine, theirs)])
        return len(_SAMPLES)


def _samples() -> Iterator[Draft]:
    """An order of every kind for every exchange. Each number has its own digits, so that none can stand for another."""
    token, position = str(0xC7F << 240 | 0xA5 << 96 | 3), str(0x10 << 248 | 0xC0DE << 120 | 0x98)
    exchanges = ((token, False), (token, True), (position, False))
    wishes = [(kind, False) for kind in get_args(OrderKind)] + [("GTC", True)]
    terms = Terms("0x" + "ab" * 32, 10_000, 5_000_000, 70_000, 1, 150, "twap60")
    for (token_id, neg_risk), (kind, post_only), side in product(exchanges, wishes, get_args(Side)):
        market = Market(Slot("BTC", 5), 1_791_240_000, (token_id, token_id), "v1", neg_risk, terms)
        place = Place("Up", side, 510_000, 17_000_000, kind, post_only)
        yield Draft(market, token_id, place, 8_670_000, 17_000_000, f"proof|{kind}|{side}", 1_791_241_810_525)


_SAMPLES: Final = tuple(_samples())


def _difference(draft: Draft, mine: Signed, theirs: Signed) -> str:
    """What a person is told: which order, and what of it. Neither key nor signature is in it."""
    order = f"{draft.place.side} {draft.place.kind} on exchange {exchange_of(draft.token_id, draft.market.neg_risk)}"
    part = "hash" if mine.order_id != theirs.order_id else "request"
    return (
        f"signing: the prepared signer and the installed polymarket-client give a {order} another {part}; "
        "nothing was sent. This environment is not the one that was tested; type: make clean env"
    )


def _separator(unsigned: UnsignedOrder) -> bytes:
    """The hash of the exchange's domain."""
    version = unsigned.protocol_version.encode()
    texts = _keccak(_DOMAIN_TYPE) + _keccak(_EXCHANGE_NAME) + _keccak(version)
    return _keccak(texts + _word(unsigned.chain_id) + _address(unsigned.exchange_address))


def _body(unsigned: UnsignedOrder, *, post_only: bool) -> str:
    """The client's own request with gaps where an order's own values go."""
    resting = replace(unsigned, order_type="GTC")  # the client lets no other kind be post-only
    payload = json.loads(request(resting, HexString("0x"), post_only, ""))
    payload["order"] |= {name: f"%({name})s" for name in _GAPS}
    payload |= {name: f"%({name})s" for name in ("orderType", "owner")}
    return as_sent(payload).decode().replace('"%(salt)s"', "%(salt)s")  # the one number of an order


def _signed(key: PrivateKey, digest: bytes) -> str:
    raw = key.sign_recoverable(digest, hasher=None)
    return f"0x{raw[:64].hex()}{raw[64] + _RECOVERY_BASE:02x}"


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


def _word(number: int) -> bytes:
    return number.to_bytes(32)


def _address(address: str) -> bytes:
    return _bytes(address).rjust(32, b"\0")


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


_SIDES: Final = {"BUY": _word(0), "SELL": _word(1)}
