"""The desk: all of the supervisor's decisions, without its hands. What arrived, who sees it, what goes out.

The parts share one `Board` and meet in the slot's turn: markets raise ticks, decisions answer them, dispatch lets what
they wish for leave, executions say what became of it, handover passes slots on, operations say to whom. Nothing in any
of them reads a clock, a file or a socket, so the whole desk can be run in one thread on a made-up clock.
"""

from __future__ import annotations

import msgspec

from shared import entries as e
from shared import ledger
from shared import messages as m
from shared.clock import NS
from shared.config import Settings, digest
from supervisor.accounts import Accounts
from supervisor.admission import Signer
from supervisor.board import Board
from supervisor.catching_up import CatchingUp
from supervisor.claiming import Claiming
from supervisor.decisions import Decisions
from supervisor.dispatch import Dispatch
from supervisor.effects import AskListing, Effect, Moment, Reconnect
from supervisor.executions import Executions
from supervisor.handover import Handover
from supervisor.lookups import Lookups
from supervisor.markets import Markets
from supervisor.operations import Operations
from supervisor.reconciling import Reconciling
from supervisor.standing import Standing
from supervisor.tuning import Tuning
from supervisor.turns import Turns
from supervisor.unwind import Unwind


class Desk:
    """Args: accounts: rebuilt from the journal. seq: the last frame on the tape, which may end before what was decided
    on: the disk kept the journal and lost the tape's end. at_ns: that frame's market time; a reign begins no earlier
    than anything before it, should the clock have been set back meanwhile. signer: whoever holds the key.

    pid, code: of this supervisor, for the ledger and the first entry of its reign.
    """

    def __init__(
        self, settings: Settings, accounts: Accounts, signer: Signer, *, seq: int, pid: int, code: str, at_ns: int = 0
    ) -> None:
        self.board = Board(settings, accounts, seq=max(seq, accounts.last_seq), pid=pid, code=code)
        self.board.at_ns = max(at_ns, accounts.last_ns)
        self._taped_seq = seq
        self.turns = Turns(self.board)
        self.lookups = Lookups(self.board)
        self.dispatch = Dispatch(self.board, self.turns, self.lookups)
        self.executions = Executions(self.board, self.lookups, self.dispatch)
        self.catching_up = CatchingUp(self.board, self.executions)
        self.reconciling = Reconciling(self.board, self.executions)
        self.markets = Markets(self.board, self.turns, self.dispatch, self.catching_up)
        self.claiming = Claiming(self.board)
        self.decisions = Decisions(self.board, self.turns, self.dispatch, signer)
        self.standing = Standing(self.board)
        self.unwind = Unwind(self.board, self.dispatch, self.catching_up, signer)
        self.handover = Handover(self.board, self.turns)
        self.operations = Operations(self.board, self.turns, self.handover)
        self.tuning = Tuning(self.board, self.turns, self.operations)
        self._keyframe = 0
        self._keyframes = 0
        self._snapshot_ns = 0
        self._warned: set[str] = set()

    def begin(self, now: Moment, shown: dict[str, list[int]], first: e.Release | None) -> None:
        """Start the reign: say so, own up to the ticks of the outage, ask about open orders, bring the workers back.

        Args: shown: ticks that are on the tape, by slot, in order. first: what to trade with if nothing ever traded.
        """
        board, accounts = self.board, self.board.accounts
        unseen_ns = board.at_ns
        board.now(now)
        unheard_ns = accounts.last_ns or board.at_ns
        config = digest(board.settings)
        board.write(e.Term(accounts.term + 1, board.pid, board.code, board.settings.mode, config, board.seq))
        if accounts.configuration != config:
            board.write(e.Configuration(config, msgspec.to_builtins(board.settings)))
        self.tuning.begin()
        for opened in accounts.unresolved():
            board.lanes.resume(opened, accounts.strikes.get((opened.slot, opened.start_s)))
        self.turns.begin(shown)
        if board.seq > self._taped_seq:
            self._own_up(unheard_ns, self._taped_seq + 1, "the tape ended there when the machine stopped")
        self._publish_keyframe()
        self.tuning.tell()
        board.publish(m.TermBegan(accounts.term, board.settings.mode, board.code))
        if unseen_ns:
            self.markets.begin(unseen_ns)
        for slot in board.lanes.slots:
            self.markets.tell(board.lanes.roll(slot, board.at_ns))
        self.dispatch.begin()
        self.catching_up.begin(unheard_ns)
        self.executions.begin()
        self.claiming.begin()
        self.operations.resume()
        if accounts.active is None and first is not None:
            self.register(first)
            op = f"start-{accounts.term}"
            self.operations.begin(now, op, "start", first.release, "supervisor", "first start", {})
        self.operations.ensure_active()
        self.tuning.resume()

    def register(self, release: e.Release) -> None:
        """Make a staged release known."""
        if release.release not in self.board.accounts.releases:
            self.board.write(release)

    def on_time(self, now: Moment) -> None:
        """Let time pass: windows turn, ticks come due, what waited too long goes to its default."""
        board = self.board
        board.now(now)
        for slot in board.lanes.slots:
            self.turns.pass_time(slot, board.at_ns)
            self.markets.tell(board.lanes.roll(slot, board.at_ns))
            self.turns.pass_time(slot, board.at_ns)
        for window in board.lanes.questions(board.at_ns):
            board.effects.append(AskListing(window.slot, window.start_s, window.market))
        for uid, why in self.turns.expire():
            self.operations.fence(uid, why)
        self.dispatch.pass_time()
        self.lookups.pass_time()
        self.catching_up.pass_time()
        self.reconciling.pass_time()
        self.standing.pass_time()
        self._watch_lifelines()
        self.unwind.pass_time()
        self.operations.pass_time()
        for uid, why in self.tuning.pass_time():
            self.operations.fence(uid, why)
        self.markets.watch()
        self.markets.ask_again()
        self.markets.resolve_told()
        self.claiming.pass_time()
        self._keep_records()

    def pulse(self, now: Moment) -> None:
        """Say that the stream is alive."""
        self.board.now(now)
        self.board.publish(m.Pulse())

    def pause(
        self,
        now: Moment,
        paused: bool,
        actor: str,
        reason: str,
        generation: int | None = None,
        halted: bool | None = None,
    ) -> bool:
        """Close or open entries; exits, cancels and open orders go on. Return whether that changed anything.

        Args: generation: of the control file that wishes it; a wish by socket takes the next one. halted: whether not
        even exits go on; as it is when None. Neither one nor the other gives flattened slots back as well.
        """
        self.board.now(now)
        accounts = self.board.accounts
        halt = bool(accounts.halted) if halted is None else halted
        gives_back = halted is False and not paused
        was = accounts.paused, bool(accounts.halted), bool(accounts.flattening)
        changed = was != (paused, halt, was[2] and not gives_back)
        if changed or generation is not None:
            following = accounts.generation + 1 if generation is None else generation
            op = (accounts.halted or f"halt-{following}") if halt else ""
            self.board.write(e.Control(following, paused, actor, reason, halt, op, gives_back))
            self.unwind.pass_time()
        return changed

    def flatten(self, now: Moment, op: str, slots: tuple[str, ...], actor: str, reason: str) -> bool:
        """Close what slots hold, and keep them from their releases until somebody resumes. Return whether it is new."""
        self.board.now(now)
        began = self.unwind.flatten(op, slots, actor, reason)
        self.unwind.pass_time()
        return began

    def on_beat(self, now: Moment, fault: str) -> None:
        """The venue took a heartbeat, or did not, and why."""
        self.board.now(now)
        self.board.lifelines.beat(self.board.mono_ns, fault)
        self._watch_lifelines()

    def _watch_lifelines(self) -> None:
        """Say once when one of them is lost; a user channel that tells nothing is connected anew."""
        lines, mono_ns = self.board.lifelines, self.board.mono_ns
        lost = {"heartbeat_missed": lines.missed(mono_ns), "user_feed_blind": lines.blind(mono_ns)}
        for name, why in lost.items():
            if why and name not in self._warned:
                self.board.alarm(name, f"{why}; entries are closed until it is over")
                if name == "user_feed_blind":
                    self.board.effects.append(Reconnect(why))
        self._warned = {name for name, why in lost.items() if why}

    def on_differs(self, now: Moment, uid: str, differs: m.Differs) -> None:
        """A worker found tick and shared memory at odds."""
        self.board.now(now)
        self.board.alarm("ledger_differs", f"{uid} on {differs.slot} at {differs.tick}: {differs.detail}")

    def on_tape(self, now: Moment, fault: str, from_seq: int) -> None:
        """The tape cannot be written (`fault`), or can be again; what is missing in it begins at `from_seq`."""
        board = self.board
        board.now(now)
        known, board.tape_fault = board.tape_fault, fault
        if fault and not known:
            self.markets.down_since_ns["tape"] = board.at_ns
            board.alarm("tape_unavailable", f"{fault}; entries are closed, open orders and positions are kept")
        elif not fault and known:
            self._own_up(self.markets.down_since_ns.pop("tape", board.at_ns), from_seq, known)
            self._publish_keyframe()

    def _own_up(self, since_ns: int, from_seq: int, cause: str) -> None:
        """Say which frames up to the newest are not on the tape; whoever reads on needs a keyframe next."""
        board = self.board
        missing = f"frames {from_seq} to {board.seq}"
        board.write(e.Gap("tape", since_ns, board.at_ns, f"{missing}: {cause}", "ours"))
        board.publish(m.FeedGap("tape", since_ns, board.at_ns, f"{missing} are missing", "ours"))

    def take_effects(self) -> list[Effect]:
        """What is to be done in the world now, in order."""
        return self.board.take_effects()

    def picture(self) -> ledger.Ledger:
        """The ledger as it is now, for the shared memory."""
        board, accounts = self.board, self.board.accounts
        return ledger.Ledger(
            version=accounts.version,
            at_ns=board.at_ns,
            beat_ns=board.mono_ns,
            term=accounts.term,
            cash_micro=accounts.cash_micro,
            exposure_micro=accounts.exposure(),
            pid=board.pid,
            slots=tuple(self._slot_row(name) for name in self.turns.slots),
            positions=tuple(
                ledger.PositionRow(
                    p.slot, p.start_s, p.outcome, p.size_micro, p.cost_micro, p.provisional_micro, p.release
                )
                for p in accounts.positions.values()
                if p.size_micro
            ),
            orders=tuple(
                ledger.OrderRow(
                    o.order_id, o.slot, o.start_s, o.outcome, o.side, o.state, o.price_micro, o.open_micro, o.by.release
                )
                for o in accounts.open_orders()
            ),
        )

    def _slot_row(self, name: str) -> ledger.SlotRow:
        state, owner = self.turns.slots[name], self.board.accounts.owners.get(name)
        window = self.board.lanes.window(self.board.lane_of[name])
        release = owner.release if owner is not None and state.owner else ""
        start_s = window.start_s if window is not None else 0
        return ledger.SlotRow(name, state.owner, release, state.phase, state.epoch, state.last_tick, start_s)

    def on_pruned(self, now: Moment, to_seq: int, segments: int, size: int) -> None:
        """The tape was pruned up to a frame, so many segments and bytes in all; journalled once, whoever saw it first.

        One that another tape's word follows counts anew.
        """
        self.board.now(now)
        before, keep = self.board.accounts.pruned, self.board.settings.tape
        done_seq, done, done_size = (before.to_seq, before.segments, before.size) if before is not None else (0, 0, 0)
        if to_seq > done_seq:
            went = (segments - done, size - done_size) if segments > done and size >= done_size else (segments, size)
            self.board.write(e.TapePruned(done_seq + 1, to_seq, *went, round(keep.keep_days * 86_400), keep.keep_mib))

    def _keep_records(self) -> None:
        """Keyframes on whole minutes, so that every fold can start at the same places; snapshots for people."""
        board, records = self.board, self.board.settings.records
        if board.at_ns // NS // records.keyframe_s != self._keyframe:
            self._publish_keyframe()
        if board.at_ns - self._snapshot_ns >= records.snapshot_s * NS:
            self._snapshot_ns = board.at_ns
            accounts = board.accounts
            board.write(e.Snapshot(accounts.cash_micro, accounts.holdings(), accounts.resting()))

    def _publish_keyframe(self) -> None:
        """Everything a fold that starts here must know; every so many begin a new segment of the tape."""
        board, records = self.board, self.board.settings.records
        board.mark_keyframe()
        parameters = board.accounts.parameters
        assert parameters is not None, "a reign begins with its parameters"
        known = (m.ParametersSet(parameters.digest, parameters.values), *board.lanes.keyframe())
        new_segment = self._keyframes % records.segment_keyframes == 0
        self._keyframe = board.at_ns // NS // records.keyframe_s
        self._keyframes += 1
        board.publish(m.Keyframe(known), new_segment=new_segment)
