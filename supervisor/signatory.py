"""Who signs and for which wallet: the key, its address, the wallet that holds the money, and how that wallet signs.

A key may trade for itself or for one of the wallets that the venue's factories make for it; each has an address of its
own, computed here by the official client's own derivation, and a signature type by which the exchange checks it. Leaves
orders to the signers. What always holds: the wallet is one of this key's, and the key is in no text this room makes.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from eth_account import Account
from eth_utils.address import to_checksum_address
from polymarket._internal.environment import PRODUCTION_CONFIG
from polymarket._internal.l1_auth import sign_api_key_auth
from polymarket._internal.wallet import (
    derive_beacon_deposit_wallet_address,
    derive_proxy_wallet_address,
    derive_safe_wallet_address,
    derive_uups_deposit_wallet_address,
)

from shared.config import Credentials, Faults, SignatureType

EOA: Final = 0
POLY_PROXY: Final = 1
POLY_GNOSIS_SAFE: Final = 2
POLY_1271: Final = 3
NAMES: Final = {
    EOA: "the key's own address",
    POLY_PROXY: "its proxy",
    POLY_GNOSIS_SAFE: "its Safe",
    POLY_1271: "its deposit wallet",
}
"""Signature types by the exchange's numbers. Source: facts 2.3; the official client's table of wallets."""
CHAIN_ID: Final = PRODUCTION_CONFIG.chain_id
_SALT_BITS: Final = 53  # it travels as a JSON number


class Signatory:
    """One key that signs for one of its wallets; holds the key and never shows it.

    Args: wanted: the signature type to sign by, "auto" for that of the wallet named in the credentials.
    usual: the type where neither is named. Raises: Faults: the key is none, or the wallet cannot be this key's.
    """

    def __init__(self, credentials: Credentials, wanted: SignatureType = "auto", usual: int = POLY_1271) -> None:
        try:
            self.account = Account.from_key(credentials.private_key)
        except (ValueError, TypeError):
            raise Faults(["credentials: private_key is no key of 32 bytes in hex"]) from None
        self.address: str = self.account.address
        self.wallet, self.signature_type = _chosen(self.address, credentials.wallet, wanted, usual)
        self._salt_key = blake2b(self.account.key, digest_size=32, person=b"foresight-salt").digest()

    @property
    def signer(self) -> str:
        """What an order calls its signer: a deposit wallet signs for itself, all others are signed for by the key."""
        return self.wallet if self.signature_type == POLY_1271 else self.address

    def salt(self, identity: str) -> int:
        """The salt of a decision's leg: a keyed hash, so that the leg is the same order however often it is made."""
        digest = blake2b(identity.encode(), key=self._salt_key, digest_size=8).digest()
        return int.from_bytes(digest, "big") >> (64 - _SALT_BITS)

    def key_headers(self, wall_s: int) -> dict[str, str]:
        """The headers that ask the venue for the API key of this signing key, whichever wallet trades."""
        proof = sign_api_key_auth(self.account, chain_id=CHAIN_ID, timestamp=wall_s)
        return {
            "POLY_ADDRESS": proof.address,
            "POLY_NONCE": str(proof.nonce),
            "POLY_SIGNATURE": proof.signature,
            "POLY_TIMESTAMP": str(proof.timestamp),
        }


def wallets_of(address: str) -> dict[str, int]:
    """Every address a key may trade for, with its signature type; the newest kind of deposit wallet comes first."""
    config = PRODUCTION_CONFIG.wallet_derivation
    return {
        address: EOA,
        derive_proxy_wallet_address(address, config): POLY_PROXY,
        derive_safe_wallet_address(address, config): POLY_GNOSIS_SAFE,
        derive_beacon_deposit_wallet_address(address, config): POLY_1271,
        derive_uups_deposit_wallet_address(address, config): POLY_1271,
    }


def _chosen(address: str, named: str, wanted: SignatureType, usual: int) -> tuple[str, int]:
    """The wallet that is named, or the one of the wanted type. Raises: Faults: neither fits the key."""
    wallets = wallets_of(address)
    if not named:
        kind = usual if wanted == "auto" else wanted
        return next(wallet for wallet, of_type in wallets.items() if of_type == kind), kind
    wallet = _checksummed(named)
    found = wallets.get(wallet)
    if found is None:
        own = ", ".join(f"{known} ({NAMES[kind]}, {kind})" for known, kind in wallets.items())
        raise Faults([f"credentials: wallet {wallet} cannot belong to this key; it may be {own}"])
    if wanted not in {"auto", found}:
        raise Faults([f"exchange.signature_type = {wanted}: wallet {wallet} is {NAMES[found]}, which signs by {found}"])
    return wallet, found


def _checksummed(named: str) -> str:
    try:
        return to_checksum_address(named)
    except ValueError:  # its text holds what was given, which may be a key in the wrong place
        raise Faults(["credentials: wallet is no address; write 0x and 40 hex digits, or leave it out"]) from None
