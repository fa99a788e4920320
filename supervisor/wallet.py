"""What our wallet can be made to do, as calls, and the official client's signatures over them; nothing is sent here.

Four kinds of wallet: a plain account (EOA) sends its own transactions; deposit wallets, Safes and proxies are asked
through the venue's relayer by a signed envelope; a Safe may also be called by its owner. Encodings and typed data are
the client's own functions, which is pinned for that: what has to match the chain byte for byte is not ours to write.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from eth_abi.abi import encode as abi_encode
from eth_utils.crypto import keccak
from polymarket._internal.actions.relayer import calls as encodings
from polymarket._internal.actions.relayer.calls import TransactionCall
from polymarket._internal.actions.relayer.gasless import (
    build_deposit_wallet_payload,
    build_proxy_payload,
    build_safe_payload,
)
from polymarket._internal.actions.relayer.signing.deposit_wallet import sign_deposit_wallet_batch
from polymarket._internal.actions.relayer.signing.proxy import build_proxy_transaction_hash, sign_proxy_message
from polymarket._internal.actions.relayer.signing.safe import sign_safe_transaction
from polymarket._internal.environment import PRODUCTION_CONFIG, EnvironmentConfig
from polymarket.types import EvmAddress, HexString

from supervisor.claims import Claim
from supervisor.signatory import EOA, NAMES, POLY_1271, POLY_GNOSIS_SAFE, POLY_PROXY, Signatory
from supervisor.venue.chain import Fees

PROXY_GAS: Final = "200000"
"""The gas a proxy's envelope allows where the chain gives no estimate: the official client's own number."""
RELAYER_KINDS: Final = {POLY_1271: "WALLET", POLY_GNOSIS_SAFE: "SAFE", POLY_PROXY: "PROXY"}
"""How the relayer calls each kind of wallet; it takes nothing from plain accounts."""
_EXECUTE: Final = "execTransaction(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
_EXECUTE_KINDS: Final = _EXECUTE[_EXECUTE.index("(") + 1 : -1].split(",")
_NOBODY: Final = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Gas:
    """What a transaction of our own may use, and offers for each unit."""

    limit: int
    fees: Fees


class Wallet:
    """The wallet of a signatory, and what it is asked to do.

    Args: relayer_key: empty where there is none. config: addresses of the contracts. address: of the wallet, where it
    was made by other factories than the venue's.
    """

    def __init__(
        self,
        signatory: Signatory,
        relayer_key: str = "",
        config: EnvironmentConfig = PRODUCTION_CONFIG,
        address: str = "",
    ) -> None:
        self._account, self._config, self._relayer_key = signatory.account, config, relayer_key
        self.owner: str = signatory.address
        self.address: str = address or signatory.wallet
        self.kind: int = signatory.signature_type
        self.name = NAMES[self.kind]

    def relayer_headers(self) -> dict[str, str]:
        """The headers that let the relayer take what we send."""
        return {"RELAYER_API_KEY": self._relayer_key, "RELAYER_API_KEY_ADDRESS": self.owner}

    @property
    def has_relayer_key(self) -> bool:
        """Whether the relayer can be used at all."""
        return bool(self._relayer_key)

    def own_relayer_key(self) -> None:
        """Make a relayer key up from the signing key: a rehearsal's relayer takes the first it is shown."""
        self._relayer_key = self._relayer_key or keccak(b"rehearsal relayer " + self._account.key).hex()

    # --- calls ---

    def balances(self, claim: Claim) -> dict[str, str]:
        """The call that asks for our shares of a claim's two tokens, Up first."""
        wallet, tokens = EvmAddress(self.address), list(claim.market.tokens)
        call = encodings.erc1155_balance_of_batch_call(
            token_address=EvmAddress(self._shares(claim)), owners=[wallet, wallet], token_ids=tokens
        )
        return {"to": str(call.to), "data": str(call.data)}

    @staticmethod
    def read_balances(answer: object) -> tuple[int, int]:
        """Shares of Up and Down. Raises: what the official client raises where the answer is none."""
        up, down = encodings.decode_erc1155_balance_of_batch_result(str(answer))
        return up, down

    def call(self, claim: Claim, amount_micro: int) -> TransactionCall:
        """The call that turns shares of a claim into collateral. CTF redeems all there is, whatever the amount."""
        condition = claim.market.terms.condition_id
        if claim.market.version == "v2":
            router = EvmAddress(self._config.protocol_v2_router)
            if claim.kind == "merge":
                return encodings.router_merge_call(router=router, condition_id=condition, amount=amount_micro)
            index = int(claim.outcome == "Down")
            return encodings.router_redeem_call(
                router=router, condition_id=condition, outcome_index=index, amount=amount_micro
            )
        config = self._config
        adapter = config.neg_risk_collateral_adapter if claim.market.neg_risk else config.collateral_adapter
        target, collateral = EvmAddress(adapter), EvmAddress(config.collateral_token)
        if claim.kind == "merge":
            return encodings.ctf_merge_positions_call(
                target=target, collateral=collateral, condition_id=condition, amount=amount_micro
            )
        return encodings.ctf_redeem_positions_call(ctf=target, collateral=collateral, condition_id=condition)

    def _shares(self, claim: Claim) -> str:
        """The contract that keeps a market's shares."""
        if claim.market.version == "v2":
            return self._config.position_manager
        return self._config.neg_risk_adapter if claim.market.neg_risk else self._config.conditional_tokens

    # --- through the relayer ---

    def envelope(self, call: TransactionCall, nonce: int, deadline_s: int, relay: str) -> bytes:
        """The signed body of a submission. `deadline_s`: unix seconds of the chain; `relay`: who sends for proxies."""
        payload = _ENVELOPES[self.kind](self, call, str(nonce), str(deadline_s), relay)
        return msgspec.json.encode(payload)

    def _batch(self, call: TransactionCall, nonce: str, deadline: str, relay: str) -> dict[str, object]:
        wallet, chain = EvmAddress(self.address), self._config.chain_id
        signature = sign_deposit_wallet_batch(
            self._account, wallet=wallet, calls=[call], nonce=nonce, deadline=deadline, chain_id=chain
        )
        return build_deposit_wallet_payload(
            signer_address=self.owner,
            deposit_wallet_factory=self._config.wallet_derivation.deposit_wallet_factory,
            wallet=wallet,
            calls=[call],
            nonce=nonce,
            deadline=deadline,
            signature=signature,
            metadata="",
        )

    def _of_safe(self, call: TransactionCall, nonce: str, deadline: str, relay: str) -> dict[str, object]:
        return build_safe_payload(
            signer_address=self.owner,
            wallet=EvmAddress(self.address),
            target=call.to,
            data=call.data,
            value=call.value,
            operation=0,
            nonce=nonce,
            signature=self._safe_signature(call, nonce),
            metadata="",
        )

    def _safe_signature(self, call: TransactionCall, nonce: str) -> HexString:
        return sign_safe_transaction(
            self._account,
            safe_address=EvmAddress(self.address),
            to=call.to,
            data=call.data,
            value=call.value,
            operation=0,
            nonce=nonce,
            chain_id=self._config.chain_id,
        )

    def _of_proxy(self, call: TransactionCall, nonce: str, deadline: str, relay: str) -> dict[str, object]:
        data, factory = encodings.encode_proxy_call([call]), self._config.wallet_derivation.proxy_factory
        digest = build_proxy_transaction_hash(
            from_address=EvmAddress(self.owner),
            to=EvmAddress(factory),
            data=data,
            relayer_fee="0",
            gas_price="0",
            gas_limit=PROXY_GAS,
            nonce=nonce,
            relay_hub=EvmAddress(self._config.relay_hub),
            relay=EvmAddress(relay),
        )
        return build_proxy_payload(
            signer_address=self.owner,
            proxy_factory=factory,
            wallet=EvmAddress(self.address),
            data=data,
            nonce=nonce,
            signature=sign_proxy_message(self._account, digest),
            gas_limit=PROXY_GAS,
            relay=EvmAddress(relay),
            relay_hub=self._config.relay_hub,
            metadata="",
        )

    # --- by our own transaction ---

    @property
    def sends_itself(self) -> bool:
        """Whether its owner can send for it: a plain account for itself, and for a Safe."""
        return self.kind in {EOA, POLY_GNOSIS_SAFE}

    def safe_nonce(self) -> dict[str, str] | None:
        """The call that asks a Safe for its next nonce; none for a plain account, whose nonce the chain keeps."""
        return {"to": self.address, "data": _selector("nonce()")} if self.kind == POLY_GNOSIS_SAFE else None

    def outer(self, call: TransactionCall, safe_nonce: int) -> dict[str, str]:
        """What the owner's account calls: the contract itself, or the Safe with a signed order to call it."""
        if self.kind != POLY_GNOSIS_SAFE:
            return {"from": self.owner, "to": str(call.to), "data": str(call.data)}
        signature = bytes.fromhex(self._safe_signature(call, str(safe_nonce))[2:])
        inner: list[Any] = [str(call.to), call.value, bytes.fromhex(str(call.data)[2:]), 0]
        rest: list[Any] = [0, 0, 0, _NOBODY, _NOBODY, signature]
        data = _selector(_EXECUTE) + abi_encode(_EXECUTE_KINDS, inner + rest).hex()
        return {"from": self.owner, "to": self.address, "data": data}

    def transaction(self, outer: dict[str, str], nonce: int, gas: Gas) -> tuple[str, bytes]:
        """A signed transaction: its hash, and the bytes that leave."""
        fields: dict[str, Any] = {
            "to": outer["to"],
            "data": outer["data"],
            "value": 0,
            "gas": gas.limit,
            "type": 2,
            "maxFeePerGas": gas.fees.most_wei,
            "maxPriorityFeePerGas": gas.fees.tip_wei,
            "nonce": nonce,
            "chainId": self._config.chain_id,
        }
        signed = self._account.sign_transaction(fields)
        return "0x" + signed.hash.hex().removeprefix("0x"), bytes(signed.raw_transaction)


_ENVELOPES: Final = {POLY_1271: Wallet._batch, POLY_GNOSIS_SAFE: Wallet._of_safe, POLY_PROXY: Wallet._of_proxy}


def _selector(signature: str) -> str:
    return "0x" + keccak(signature.encode())[:4].hex()
