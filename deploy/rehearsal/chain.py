"""The chain as far as this venue needs one: contracts answered from its own books, calls that split, merge and redeem.

There is no machine behind it: a table says what each function of the known contracts does to accounts. Everything a
wallet needs is approved from the start, as on an account that was set up; approvals can be taken back and given. That
of the auto-redeemer decides whether a resolved position is paid by itself or waits for its owner to redeem it. What is
not on the chain yet - trades that were matched but not mined - does not count here. Source: facts 2.2 and 7. Leaves
transactions, their signatures and their moments to `transactions.py`. What always holds: a set of calls happens wholly
or not at all; shares that are split off or merged keep the sum of dollars and pairs; a redeemed position is paid once.

Not as on the real chain: splitting and merging takes only what open orders do not hold back; transfers are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from deploy.rehearsal.abi import Call, Unreadable, answer, arguments, selector
from deploy.rehearsal.accounts import Accounts, Leg
from deploy.rehearsal.days import Outcome
from deploy.rehearsal.floor import Floor
from deploy.rehearsal.markets import OUTCOMES, Market
from deploy.rehearsal.outbox import Line, Outbox
from deploy.rehearsal.portfolio import Portfolio

UNLIMITED: Final = 2**256 - 1
COLLATERAL: Final = "0xc011a7e12a19f7b1f670d46f03b03f3342e82dfb"
CTF: Final = "0x4d97dcd97ec945f40cf65f87097ace5ea0476045"
NEG_RISK_ADAPTER: Final = "0xd91e80cf2e7be2e162c6513ced06f1dd0da35296"
POSITION_MANAGER: Final = "0x006f54f7f9a22e0000cc2ab60031000000ae9fef"
ADAPTERS: Final = frozenset(
    {"0xada100db00ca00073811820692005400218fce1f", "0xada2005600dec949baf300f4c6120000bdb6eaab"}
)
ROUTER: Final = "0x12121212006e4cd160d18e3f00711da5c3372600"
AUTO_REDEEMER: Final = "0xa1200000d0002264c9a1698e001292d00e1b00af"
WALLET_FACTORY: Final = "0x00000000000fb5c9adea0298d729a0cb3823cc07"
WALLET_BEACON: Final = "0x7a18edfe055488a3128f01f563e5b479d92ffc3a"
EXCHANGES: Final = frozenset(
    {
        "0xe111180000d2663c0091e4f400237545b87b996b",
        "0xe2222d279d744050d28e00520010520000310f59",
        "0xe3333700ca9d93003f00f0f71f8515005f6c00aa",
    }
)
SHARES: Final = frozenset({CTF, NEG_RISK_ADAPTER, POSITION_MANAGER})
CONTRACTS: Final = SHARES | ADAPTERS | EXCHANGES | {COLLATERAL, ROUTER, AUTO_REDEEMER, WALLET_FACTORY, WALLET_BEACON}
BATCH_MAX: Final = 500


class Reverted(Exception):
    """A call was refused by its contract; the text is the reason it gives."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose call it is, and when: the owner's address, the wallet that calls, market time."""

    owner: str
    wallet: str
    now_ms: int


@dataclass(slots=True)
class Chain:
    """The books of the exchange seen as contracts.

    unmined: legs of trades that were matched but are not on the chain yet. approvals: (wallet, token contract,
    spender) to what it may spend, where it is not what it was at the start. auto_redeem: the start of that one.
    """

    accounts: Accounts
    floor: Floor
    out: Outbox
    portfolio: Portfolio
    unmined: Callable[[], Iterable[Leg]]
    auto_redeem: bool = True
    approvals: dict[tuple[str, str, str], int] = field(default_factory=dict)

    # Reading.

    def look(self, call: Call) -> str:
        """What a contract answers a read, as 0x text. Raises: Reverted: no such contract or function."""
        signature = SIGNATURES.get(call.data[:4], "")
        if signature not in VIEWS:
            raise Reverted("execution reverted: no such function")
        return VIEWS[signature](self, call.target, _read(signature, call))

    def code(self, address: str) -> str:
        """The code at an address: something for a contract or a wallet that was used, nothing elsewhere."""
        used = address.lower() in CONTRACTS or self.accounts.owner_of(address) not in ("", address)
        return "0x6080604052" if used else "0x"

    def dollars(self, wallet: str) -> int:
        """A wallet's collateral, millionths."""
        owner = self.accounts.owner_of(wallet)
        return self.accounts.get(owner).cash_micro - sum(leg.cash_micro for leg in self.unmined() if leg.owner == owner)

    def shares(self, wallet: str, token_id: str) -> int:
        """A wallet's shares of a token, millionths."""
        owner = self.accounts.owner_of(wallet)
        legs = (leg for leg in self.unmined() if leg.owner == owner and leg.token_id == token_id)
        return self.accounts.get(owner).positions.get(token_id, 0) - sum(leg.shares_micro for leg in legs)

    def allowance(self, wallet: str, token: str, spender: str) -> int:
        """What a spender may take of a wallet."""
        start = UNLIMITED if spender.lower() != AUTO_REDEEMER or self.auto_redeem else 0
        return self.approvals.get((wallet.lower(), token.lower(), spender.lower()), start)

    def redeems_itself(self, owner: str) -> bool:
        """Whether an owner's resolved positions are paid without his doing."""
        wallet = self.accounts.get(owner).wallet or owner
        return all(self.allowance(wallet, token, AUTO_REDEEMER) for token in (CTF, POSITION_MANAGER))

    # Changing.

    def run(self, calls: Sequence[Call], caller: Caller) -> None:
        """Carry out a transaction's calls, all or none. Raises: Reverted."""
        account = self.accounts.get(caller.owner)
        before = account.cash_micro, dict(account.positions)
        try:
            done = [self._do(call, caller) for call in calls]
        except Reverted:
            account.cash_micro, account.positions = before
            raise
        for settle in done:
            settle()

    def redeem(self, market: Market, owner: str, now_ms: int, outcomes: Iterable[Outcome] = OUTCOMES) -> None:
        """Turn everything an owner holds of a resolved market's outcomes into what it pays."""
        assert market.settled is not None, "only a resolved market pays"
        for outcome in outcomes:
            token = market.listing.token(outcome)
            if self.accounts.get(owner).positions.get(token):
                shares, paid = self.accounts.redeem(owner, token, outcome == market.settled.winner)
                self.portfolio.redeem(owner, token, paid, now_ms)
                fields = {
                    "owner": owner,
                    "wallet": self.accounts.get(owner).wallet,
                    "market": market.listing.condition_id,
                    "token_id": token,
                    "outcome": outcome,
                    "size_micro": shares,
                    "payout_micro": paid,
                }
                self.out.put(Line(now_ms, "payout", fields))

    def _do(self, call: Call, caller: Caller) -> Callable[[], None]:
        """Carry out one call; what is left to say and to book once all of them went well."""
        signature = SIGNATURES.get(call.data[:4], "")
        if signature not in ACTIONS:
            raise Reverted("execution reverted: no such function")
        return ACTIONS[signature](self, call.target, _read(signature, call), caller)

    def _convert(self, caller: Caller, condition: bytes, amount: int, splitting: bool) -> Callable[[], None]:
        """Dollars into pairs of shares, or pairs into dollars."""
        market = self._market(condition)
        tokens = [market.listing.token(outcome) for outcome in OUTCOMES]
        account = self.accounts.get(caller.owner)
        free = min(account.free_shares(token) for token in tokens)
        on_chain = min(self.shares(caller.wallet, token) for token in tokens)
        if splitting and amount > min(account.free_cash(), self.dollars(caller.wallet)):
            raise Reverted("execution reverted: ERC20: transfer amount exceeds balance")
        if not splitting and amount > min(free, on_chain):
            raise Reverted("execution reverted: ERC1155: burn amount exceeds balance")
        sign = 1 if splitting else -1
        self.accounts.move(caller.owner, -sign * amount, [(token, sign * amount) for token in tokens])
        return lambda: self._converted(caller, market, tokens, amount, splitting)

    def _converted(self, caller: Caller, market: Market, tokens: list[str], amount: int, splitting: bool) -> None:
        book = self.portfolio.split if splitting else self.portfolio.merge
        book(caller.owner, tokens, amount, caller.now_ms)
        fields = {
            "owner": caller.owner,
            "wallet": caller.wallet,
            "market": market.listing.condition_id,
            "slug": market.listing.slug,
            "tokens": tokens,
            "size_micro": amount,
        }
        self.out.put(Line(caller.now_ms, "split" if splitting else "merge", fields))

    def _claim(self, caller: Caller, condition: bytes, outcomes: Sequence[Outcome] = OUTCOMES) -> Callable[[], None]:
        """Redeem outcomes wholly; nothing held is nothing paid and no fault."""
        market = self._market(condition)
        if market.settled is None:
            raise Reverted("execution reverted: result for condition not received yet")
        return lambda: self.redeem(market, caller.owner, caller.now_ms, outcomes)

    def _approve(self, caller: Caller, token: str, spender: str, amount: int) -> Callable[[], None]:
        def settle() -> None:
            key = caller.wallet.lower(), token, spender.lower()
            self.approvals[key] = amount
            fields = {"wallet": key[0], "token": token, "spender": key[2], "amount": str(amount)}
            self.out.put(Line(caller.now_ms, "approval", fields))

        return settle

    def _market(self, condition: bytes) -> Market:
        found = self.floor.by_condition.get("0x" + condition.ljust(32, b"\0").hex())
        if found is None:
            raise Reverted("execution reverted: condition not prepared yet")
        return found

    def numerator(self, condition: bytes, index: int) -> int:
        """What one share of an outcome pays of one, 0 before the market is resolved."""
        market = self._market(condition)
        return int(market.settled is not None and OUTCOMES.index(market.settled.winner) == index)


def _read(signature: str, call: Call) -> tuple[Any, ...]:
    try:
        return arguments(signature, call.data)
    except Unreadable as error:
        raise Reverted(f"execution reverted: {error}") from error


def _only(target: str, allowed: Iterable[str]) -> None:
    if target not in allowed:
        raise Reverted("execution reverted: no such function at this address")


def _balances(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    owners, tokens = given
    _only(target, SHARES)
    if len(owners) != len(tokens) or len(owners) > BATCH_MAX:
        raise Reverted("execution reverted: ERC1155: accounts and ids length mismatch")
    found = [max(0, chain.shares(owner, str(token))) for owner, token in zip(owners, tokens, strict=True)]
    return answer(["uint256[]"], [found])


def _balance(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    _only(target, SHARES)
    return answer(["uint256"], [max(0, chain.shares(given[0], str(given[1])))])


def _cash(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    _only(target, {COLLATERAL})
    return answer(["uint256"], [max(0, chain.dollars(given[0]))])


def _allowance(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    return answer(["uint256"], [chain.allowance(given[0], target, given[1])])


def _approved(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    return answer(["bool"], [bool(chain.allowance(given[0], target, given[1]))])


def _denominator(chain: Chain, target: str, given: tuple[Any, ...]) -> str:
    return answer(["uint256"], [sum(chain.numerator(given[0], index) for index in range(len(OUTCOMES)))])


View = Callable[[Chain, str, tuple[Any, ...]], str]
VIEWS: Final[dict[str, View]] = {
    "balanceOf(address,uint256)": _balance,
    "balanceOfBatch(address[],uint256[])": _balances,
    "balanceOf(address)": _cash,
    "decimals()": lambda chain, target, given: answer(["uint8"], [6]),
    "allowance(address,address)": _allowance,
    "isApprovedForAll(address,address)": _approved,
    "payoutNumerators(bytes32,uint256)": lambda chain, target, given: answer(["uint256"], [chain.numerator(*given)]),
    "payoutDenominator(bytes32)": _denominator,
    "BEACON()": lambda chain, target, given: answer(["address"], [WALLET_BEACON]),
}
"""What can be asked of a contract, by the text of its function."""


def _split(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
    _only(target, ADAPTERS | {CTF})
    return chain._convert(caller, given[2], given[4], splitting=True)


def _merge(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
    _only(target, ADAPTERS | {CTF})
    return chain._convert(caller, given[2], given[4], splitting=False)


def _redeem(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
    """The adapter hands out collateral, so it must be allowed to take the shares; CTF itself burns its caller's."""
    _only(target, ADAPTERS | {CTF})
    if target in ADAPTERS and not chain.allowance(caller.wallet, CTF, target):
        raise Reverted("execution reverted: ERC1155: need operator approval for 3rd party transfers")
    return chain._claim(caller, given[2])


def _routed(splitting: bool) -> Action:
    def act(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
        _only(target, {ROUTER})
        return chain._convert(caller, given[0], given[1], splitting)

    return act


def _routed_redeem(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
    """One outcome, and not more of it than there is."""
    _only(target, {ROUTER})
    condition, index, amount = given
    if index >= len(OUTCOMES):
        raise Reverted("execution reverted: no such outcome")
    token = chain._market(condition).listing.token(OUTCOMES[index])
    if amount > chain.shares(caller.wallet, token):
        raise Reverted("execution reverted: ERC1155: burn amount exceeds balance")
    return chain._claim(caller, condition, OUTCOMES[index : index + 1])


def _allow(chain: Chain, target: str, given: tuple[Any, ...], caller: Caller) -> Callable[[], None]:
    _only(target, SHARES | {COLLATERAL})
    return chain._approve(caller, target, given[0], int(given[1]))


Action = Callable[[Chain, str, tuple[Any, ...], Caller], Callable[[], None]]
ACTIONS: Final[dict[str, Action]] = {
    "splitPosition(address,bytes32,bytes32,uint256[],uint256)": _split,
    "mergePositions(address,bytes32,bytes32,uint256[],uint256)": _merge,
    "redeemPositions(address,bytes32,bytes32,uint256[])": _redeem,
    "split(bytes31,uint256)": _routed(True),
    "merge(bytes31,uint256)": _routed(False),
    "redeem(bytes31,uint256,uint256)": _routed_redeem,
    "approve(address,uint256)": _allow,
    "setApprovalForAll(address,bool)": _allow,
}
"""What can be done, by the text of its function."""
SIGNATURES: Final = {selector(signature): signature for signature in (*VIEWS, *ACTIONS)}
