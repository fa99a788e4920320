"""The tables of the index: what each column holds, its unit, and how it is stored and exported. Pure.

One description serves the SQLite file, the export, and the page that documents both. A column's kind is what it
means: money is in millionths (`micro`), moments are nanoseconds since 1970 (`ns`), reference prices are text in 1e-18
(`exact`), names and digests are text, a flag is 0 or 1. `n` is the number of the journal record that a row comes from;
a row can always be led back to it.
SCHEMA_VERSION grows with every change, and an index of another version is built anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

SCHEMA_VERSION: Final = 2

Kind = Literal["text", "json", "exact", "count", "micro", "ns", "ms", "us", "s", "flag"]
SQL_TYPE: Final[dict[Kind, str]] = {
    "text": "TEXT",
    **dict.fromkeys(("json", "exact"), "TEXT"),
    **dict.fromkeys(("count", "micro", "ns", "ms", "us", "s", "flag"), "INTEGER"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `says` is its line in the documentation."""

    name: str
    kind: Kind
    says: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table. `key`: the columns that name a row; `seek`: what readers look it up by, each an index of its own."""

    name: str
    says: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    seek: tuple[tuple[str, ...], ...] = ()

    def ddl(self) -> list[str]:
        """The statements that make it."""
        columns = [f'"{column.name}" {SQL_TYPE[column.kind]}' for column in self.columns]
        columns.append(f"PRIMARY KEY ({', '.join(self.key)})")
        made = [f"CREATE TABLE {self.name} ({', '.join(columns)}) STRICT"]
        for columns_of in self.seek:
            name = f"{self.name}_by_{'_'.join(columns_of)}"
            made.append(f"CREATE INDEX {name} ON {self.name} ({', '.join(columns_of)})")
        return made


def _columns(text: str) -> tuple[Column, ...]:
    """Columns from lines of `name kind what it says`."""
    found = []
    for line in filter(str.strip, text.splitlines()):
        name, kind, says = line.split(maxsplit=2)
        assert kind in SQL_TYPE, f"{name} is of no known kind: {kind}"
        found.append(Column(name, kind, says))
    return tuple(found)


_STAMP: Final = """
n count number of the journal record
at_ns ns market time of the record
term count the supervisor's reign
"""
_BY: Final = """
release text release that decided, its whole digest; empty: nobody's
parameters text digest of its parameters
epoch count epoch under which it owned the slot
uid text worker process that decided
regime count row of regimes: release, parameters and control in force
"""
_WINDOW: Final = """
slot text market time lane, such as BTC/5m
start_s s start of the window, unix seconds
"""


def _table(name: str, says: str, key: str, *columns: str, seek: tuple[str, ...] = ()) -> Table:
    return Table(
        name, says, tuple(key.split()), _columns("".join(columns)), tuple(tuple(each.split()) for each in seek)
    )


TABLES: Final[tuple[Table, ...]] = (
    _table(
        "terms",
        "Reigns of supervisors.",
        "term",
        _STAMP,
        """
        wall_ns ns the world's time
        pid count its process
        supervisor text its version
        mode text rehearsal, paper or live
        config text digest of its settings
        seq count last stream frame of the reign before
        """,
    ),
    _table(
        "releases",
        "Releases that became known to the desk.",
        "release",
        _STAMP,
        """
        release text digest of its code
        seq count its number: 42 for r42
        lock text digest of its dependency lock
        modules json digest of each file
        """,
    ),
    _table(
        "parameters",
        "Versions of the strategy's parameters; a set that comes back is another version of the same digest.",
        "n",
        _STAMP,
        """
        parameters text digest of the set
        version count its number: 3 for p3
        vals json the parameters themselves
        actor text who wanted them
        reason text why
        op text operation that set them
        """,
        seek=("parameters",),
    ),
    _table(
        "regimes",
        "Release x parameters x control: under what a decision was made.",
        "regime",
        """
        regime count number of the regime, from 1, as they appeared
        release text release
        parameters text digest of the parameters
        control text trading, paused or halted
        first_n count first journal record under it
        first_ns ns market time of that record
        """,
    ),
    _table(
        "grants",
        "The right to decide for a slot.",
        "n",
        _STAMP,
        "slot text slot\n",
        _BY,
        "op text operation that led to it\n",
        seek=("slot n",),
    ),
    _table("activations", "A release owns every slot.", "n", _STAMP, "release text release\nop text operation\n"),
    _table(
        "boundaries",
        "Every change of code, parameters or control, and every interruption.",
        "n",
        _STAMP,
        """
        wall_ns ns the world's time
        kind text CODE, PARAMS, CONTROL, VENUE, GAP or RESTART
        slot text the slot that changed; empty: all of them
        op text operation that led to it
        was_release text release before
        was_parameters text parameters before
        was_epoch count epoch before
        now_release text release from here on
        now_parameters text parameters from here on
        now_epoch count epoch from here on
        tick count last tick before it
        seconds_to_close count left of the slot's window
        cash_micro micro cash at that moment, where the record says it
        actor text who wished it
        reason text why, or what happened
        ring count ring of the operation, from 1
        changed json files that differ, or parameters with their values before and after
        slots json of a PARAMS boundary of all slots: phase, owner and ticks of each
        steps_ms json how long each step took
        loaded json digest and load time in microseconds of each changed module
        evidence json what the gates said
        until_ns ns end of a GAP
        """,
        seek=("at_ns",),
    ),
    _table(
        "positions_at_boundary",
        "What was held at a boundary.",
        "n slot start_s outcome release",
        "n count the boundary\n",
        _WINDOW,
        """
        outcome text Up or Down
        release text release that entered
        size_micro micro shares held
        cost_micro micro what they had cost, fees included
        """,
    ),
    _table(
        "orders_at_boundary",
        "What rested at a boundary.",
        "n order_id",
        "n count the boundary\norder_id text the order\n",
        _WINDOW,
        """
        outcome text Up or Down
        side text BUY or SELL
        price_micro micro its price
        open_micro micro shares that could still fill
        release text release that decided it
        """,
    ),
    _table(
        "decisions",
        "The one outcome of every tick.",
        "n",
        _STAMP,
        _WINDOW,
        "tick count number of the tick: unix milliseconds\n",
        _BY,
        """
        outcome text ORDER, HOLD or SKIP
        reason text why it was skipped
        verdict text what the strategy said of it, first of its reasons
        read_seq count last stream frame it had read
        took_us us how long it took
        fair_up_micro micro probability of Up by the strategy, where its reasons hold one
        mid_up_micro micro middle of the market for Up, where its reasons hold one
        reasons json everything it weighed
        orders count orders and cancels it wished
        wishes json these
        denied count of these, refused by risk
        """,
        seek=("slot tick", "regime"),
    ),
    _table(
        "shadow_decisions",
        "What a worker that did not own the slot decided at the same tick.",
        "n",
        _STAMP,
        _WINDOW,
        "tick count number of the tick: unix milliseconds\n",
        _BY,
        """
        verdict text what the strategy said of it
        read_seq count last stream frame it had read
        took_us us how long it took
        fair_up_micro micro probability of Up by the strategy, where its reasons hold one
        mid_up_micro micro middle of the market for Up, where its reasons hold one
        reasons json everything it weighed
        orders count orders and cancels it wished
        wishes json these
        """,
        seek=("slot tick", "regime"),
    ),
    _table(
        "denials",
        "Wishes that risk refused.",
        "n leg",
        "n count the decision\n",
        "slot text slot\ntick count tick\nleg count which wish of the decision\n",
        "release text release that wished it\nreason text reason\ndetail text the number behind it\n",
    ),
    _table(
        "orders",
        "Orders that were about to leave, and what became of them.",
        "order_id",
        _STAMP,
        "order_id text EIP-712 hash\n",
        _WINDOW,
        """
        tick count tick of the decision
        leg count which wish of the decision
        op text operation of a person that it belongs to
        token_id text token
        outcome text Up or Down
        side text BUY or SELL
        price_micro micro limit price
        size_micro micro shares
        kind text GTC, FAK or FOK
        post_only flag must rest
        """,
        _BY,
        """
        state text pending, open, matched, unknown or closed
        end_reason text why it is closed or unknown, in the venue's words
        answered_us us how long the venue took to answer
        filled_micro micro shares that traded, without those that failed
        announced json trades the venue announced and has not told
        cancel_cause text who wished to take it back: decision, halt, flatten, standing
        cancel_n count record of the cancel
        """,
        seek=("slot start_s", "slot tick", "state"),
    ),
    _table(
        "fills",
        "Parts of our orders that traded.",
        "trade_id order_id",
        _STAMP,
        "trade_id text the venue's trade\norder_id text our order\n",
        _WINDOW,
        """
        outcome text Up or Down
        side text BUY or SELL
        price_micro micro price
        size_micro micro shares
        cost_micro micro size x price, rounded as the exchange does
        fee_micro micro fee
        maker flag our order rested
        status text MATCHED, MINED, CONFIRMED, RETRYING, or FAILED: then it never was
        settled_n count record that said how it ended
        settled_ns ns when it came to its end
        """,
        _BY,
        seek=("slot start_s", "order_id"),
    ),
    _table(
        "windows",
        "One market's life in a slot.",
        "slot start_s",
        _STAMP,
        _WINDOW,
        """
        end_s s its end, unix seconds
        condition_id text the venue's market
        token_up text token of Up
        token_down text token of Down
        rule text which mean decides: spot, twap30 or twap60
        tick_micro micro price grid
        min_size_micro micro least size of a resting order
        fee_rate_micro micro fee rate
        fee_exponent count exponent of the fee's formula
        strike exact reference price at its first second, 1e-18
        close exact reference price at its end, 1e-18
        computed text winner by the reference prices
        winner text winner by the venue; empty: not resolved
        payout_micro micro what ours were worth when it was resolved
        owed flag that has to be redeemed
        resolved_n count record of the resolution
        resolved_ns ns market time of the resolution
        """,
        seek=("start_s",),
    ),
    _table(
        "trades",
        "What one regime entered in one token of one window, and what came of it. It belongs to whoever entered.",
        "slot start_s outcome regime",
        _WINDOW,
        """
        outcome text Up or Down
        regime count regime of the entry
        release text release that entered
        parameters text its parameters
        first_n count record of the first fill
        first_ns ns market time of the first fill
        fills count fills that entered or left it
        bought_micro micro shares bought
        cost_micro micro paid for them, without fees
        fee_micro micro fees of buying and selling
        sold_micro micro shares sold
        proceeds_micro micro received for them, without fees
        merged_micro micro shares that went into pairs
        merge_paid_micro micro received for those
        merging_micro micro shares in pairs whose merge is on its way
        left_micro micro shares that were held to the end, or are held
        payout_micro micro what those pay
        net_micro micro everything received less everything paid
        open_cost_micro micro cost of what is held or being merged, fees included; 0 once resolved
        won flag 1 where net is above 0; empty: not resolved
        resolved flag the window is resolved
        exit_release text another release that sold of it, or person; empty: none
        crossing flag 1 where another than the one who entered sold
        """,
        seek=("release", "regime", "resolved"),
    ),
    _table(
        "balances",
        "The venue's word on our collateral, and what was moved in or out by that.",
        "n",
        _STAMP,
        """
        cash_micro micro collateral
        opening flag it became ours
        transfer_micro micro how much more it is than our own books had: a deposit, or less: a withdrawal
        """,
    ),
    _table(
        "snapshots",
        "What the desk itself said it has.",
        "n",
        _STAMP,
        "cash_micro micro cash\npositions json what it holds\norders json what rests\n",
    ),
    _table(
        "claims",
        "Transactions that turn shares into collateral.",
        "n",
        _STAMP,
        "claim text its name\nkind text redeem or merge\n",
        _WINDOW,
        """
        amount_micro micro collateral that is claimed
        state text leaving, accepted, unanswered, mined, paid, failed, refused, gave_up
        detail text how that is known
        nonce count the wallet's number
        via text relayer or rpc
        transaction_id text hash, or the relayer's name for it
        attempts count how often it left
        over_n count record that said how it ended
        over_ns ns when it came to its end
        """,
        seek=("claim", "slot start_s"),
    ),
    _table(
        "operations",
        "Deploys, rollbacks and whatever else persons began.",
        "op",
        _STAMP,
        """
        op text its name
        verb text deploy, rollback, ...
        actor text who began it
        reason text why
        blue text release that traded
        green text release that was to follow
        phase text where it stands
        result text how it ended
        fault text what went wrong
        ended_ns ns when it ended
        """,
    ),
    _table(
        "steps",
        "Phases of operations.",
        "n",
        _STAMP,
        """
        op text the operation
        verb text its verb
        phase text the phase that began
        took_ms ms how long the phase before took
        actor text who
        reason text why
        detail json more
        """,
        seek=("op",),
    ),
    _table(
        "control",
        "Operators' wishes that took effect.",
        "n",
        _STAMP,
        """
        generation count generation of the wishes
        control text trading, paused or halted
        actor text who
        reason text why
        op text under which the desk acts on it
        gives_back flag slots that were flattened belong to their releases again
        """,
    ),
    _table(
        "flattened",
        "Slots that persons let the desk close.",
        "op slot",
        _STAMP,
        """
        op text the operation
        slot text the slot
        actor text who
        reason text why
        flat_ns ns when nothing was left that can be closed
        remains text what was held all the same
        """,
    ),
    _table(
        "workers",
        "The lives of worker processes.",
        "n",
        _STAMP,
        "uid text the worker\nrelease text its release\npid count its process\n",
        "event text what happened\ndetail text more\n",
        seek=("uid",),
    ),
    _table(
        "refusals",
        "Decisions that could not count.",
        "n",
        _STAMP,
        "slot text slot\ntick count tick\nuid text worker\nepoch count its epoch\nreason text why\n",
    ),
    _table(
        "gaps",
        "What was not seen, or not written.",
        "n",
        _STAMP,
        "what text feed or file\nfrom_ns ns from\nto_ns ns to\ncause text why\n",
        "whose text through whom: ours, venue, network or unknown\n",
    ),
    _table(
        "prunings",
        "What went of the tape, by the policy of then.",
        "n",
        _STAMP,
        "from_seq count its first frame\nto_seq count its last frame\nsegments count segments\n",
        "size count bytes on the disk\nkeep_s s market time that is kept\nkeep_mib count MiB that are kept\n",
    ),
    _table("alarms", "What a person should know.", "n", _STAMP, "name text name\ndetail text more\n"),
    _table(
        "repairs",
        "Differences with the venue that were mended.",
        "n",
        _STAMP,
        "order_id text order\nwhat text what\ndetail text more\n",
    ),
    _table(
        "reconciliations",
        "Rounds in which our books were held against the venue's.",
        "n",
        _STAMP,
        """
        round count which it was in this reign, from 1
        differences count that were found in this reign so far
        differs json what differed then, in words
        strangers json orders of our key that are not ours, where they were first seen
        """,
    ),
    _table(
        "standing",
        "What we may do, as the venue says.",
        "n",
        _STAMP,
        "blocked flag nothing\nclosed_only flag only reduce\nplace text where we are\n",
    ),
    _table("configurations", "Settings in force.", "digest", _STAMP, "digest text digest\nvals json the settings\n"),
)
TABLE: Final = {table.name: table for table in TABLES}


def statements() -> list[str]:
    """Everything that makes an empty index, the row of its own state apart."""
    return [statement for table in TABLES for statement in table.ddl()]
