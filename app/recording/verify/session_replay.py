"""Give the recorded inputs of one matcher to a new matcher."""

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from app.domain.liquidity import TakenLevel  # noqa: TC001 - beside its siblings
from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import OrderId, OrderSnapshot, OrderStatus, Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
from app.domain.rules import TRADING
from app.recording.service.recording_notes import (
    AnyNote,
    GateReset,
    Held,
    Interrupted,
    LedgerStored,
    LevelsKnown,
    OrderCanceled,
    OrderRested,
    OrdersCanceled,
    OrdersExpired,
    OrderUnmet,
    QuoteReceived,
    Released,
    SeedReceived,
    StatusChanged,
    SymbolState,
)
from app.recording.verify.ledger_history import LedgerHistory, key_of
from app.recording.verify.liquidity_check import LiquidityCheck

_OLD_NS: Final = QUOTE_AGE_NS_MAX + 1


class Ending(StrEnum):
    """How a session ended: the words of ``SymbolEnded``, and two for an unrecorded end."""

    ENDED = "ended"
    STOPPED = "stopped"
    FAILED = "failed"
    CRASHED = "crashed"
    """The process was killed."""
    GAP = "gap"
    """The recording stopped before the matcher did."""


class InputRef(NamedTuple):
    """The input that filled or ended an order: its session and its number within the session."""

    session: "SymbolSession"
    input_number: int
    order_id: OrderId


class SymbolSession:
    """One matcher, from its first note in the recording until its end.

    Attributes:
        ending: A word of ``Ending``, or None while the session runs.
        is_before_a_gap: The orders may have been resumed in a gap of the recording.
        is_durable: The database received every outcome of the matcher.
        has_begun: The results of earlier sessions of the symbol are settled.
        inputs: The number of inputs so far.
        first_lost: The first input whose outcome is not stored. A crash loses only the newest
            outcomes, so no later outcome may be stored.
        last_durable: The last input whose outcome is stored.
        liquidity: The second count of the sold quantities.
        ledger_history: The ledgers that the journal received.
        matcher: The replayed matcher.
        newest_update_id: The highest update id that the matcher has seen.
        status: The venue's status of the symbol.
    """

    def __init__(self, state: "MatcherState") -> None:
        note = state.note
        self.symbol = note.symbol
        self.ending: str | None = None
        self.is_before_a_gap = False
        self.is_durable = False
        self.has_begun = False
        self.inputs = 0
        self.first_lost: InputRef | None = None
        self.last_durable: InputRef | None = None
        self.liquidity = LiquidityCheck()
        self.ledger_history = LedgerHistory(note.gate, state.levels, is_complete=not note.goes_on)
        for level in state.levels:
            self.liquidity.restore(level.owner, level.side, level.price, level.quantity)
        self.matcher = SymbolMatcher(note.symbol, gate=note.gate, levels=state.levels)
        self.newest_update_id = note.gate
        self.status = TRADING
        self._restore(state)

    @property
    def may_have_lost_results(self) -> bool:
        """Tell whether a crash may have lost results that an unrecorded process replaced."""
        return self.is_before_a_gap and not self.is_durable

    def apply(self, note: AnyNote) -> list[Step]:
        """Give the input of a note to the matcher; return its fills and closings."""
        self.inputs += 1
        steps = self._apply(note)
        if steps or isinstance(note, LedgerStored):
            # The service hands the ledger to the journal now.
            changes = self.matcher.drain_ledger_changes()
            self.ledger_history.apply(self.matcher.gate, changes)
        return steps

    def release_memory(self) -> None:
        """Free the memory of the matcher: orders may refer to this session long after its end."""
        self.matcher = SymbolMatcher(self.symbol)
        self.liquidity = LiquidityCheck()

    def mark_durable(self, source: InputRef) -> None:
        """Record that the outcome of an input is stored."""
        if self.last_durable is None or source.input_number > self.last_durable.input_number:
            self.last_durable = source

    def mark_lost(self, source: InputRef) -> None:
        """Record that the outcome of an input is not stored."""
        if self.first_lost is None or source.input_number < self.first_lost.input_number:
            self.first_lost = source

    def _apply(self, note: AnyNote) -> list[Step]:
        matcher = self.matcher
        match note:
            case QuoteReceived():
                return self._apply_quote(note.quote)
            case SeedReceived():
                return self._apply_seed(note)
            case GateReset():
                self._observe(note.quote)
                return matcher.reset_gate(note.quote)
            case Interrupted():
                matcher.interrupt()
            case StatusChanged():
                self.status = note.status
            case Held():
                matcher.hold()
            case Released():
                # As in the service: an order past its deadline expires and is not filled.
                expired = matcher.expire(matcher.current.received_ns) if matcher.current else []
                return expired + matcher.release(note.now_ns)
        return self._apply_to_orders(note)

    def _apply_to_orders(self, note: AnyNote) -> list[Step]:
        matcher = self.matcher
        match note:
            case OrderRested():
                return self._rest(note)
            case OrderUnmet():
                # The matcher does not look at the status.
                known = msgspec.structs.asdict(note) | {"status": OrderStatus.NEW}
                snapshot = OrderSnapshot(**known, reason=None, closed_at=None)
                return [matcher.end_unmet(snapshot)]
            case OrderCanceled():
                closing = matcher.cancel(note.order_id)
                assert closing is not None, "a canceled order does not rest"
                return [closing]
            case OrdersCanceled():
                return list(matcher.cancel_all(note.owner))
            case OrdersExpired():
                return matcher.expire(note.now_ns)
        return []

    def _rest(self, note: OrderRested, **changed: int | None) -> list[Step]:
        arguments = msgspec.structs.asdict(note) | changed
        del arguments["goes_on"]
        return self.matcher.rest(**arguments)

    def _apply_quote(self, quote: Quote) -> list[Step]:
        """Expire the orders whose deadline has passed, then apply a quote of the stream."""
        steps = self.matcher.expire(quote.received_ns)
        applied = self.matcher.quotes_applied
        steps += self.matcher.apply_quote(quote)
        # A refused quote does not change the displayed quantities.
        if self.matcher.quotes_applied != applied:
            self._observe(quote)
        return steps

    def _apply_seed(self, note: SeedReceived) -> list[Step]:
        if note.is_applied is None:
            return []
        steps = self.matcher.expire(note.quote.received_ns)
        more = self.matcher.apply_seed(note.quote)
        assert (more is not None) is note.is_applied, (
            "a seed was applied or refused contrary to the recording"
        )
        if more is not None:
            self._observe(note.quote)
        return steps + (more or [])

    def _observe(self, quote: Quote) -> None:
        self.newest_update_id = max(self.newest_update_id, quote.update_id)
        self.liquidity.observe(quote)

    def _restore(self, state: "MatcherState") -> None:
        """Restore the recorded state; the resting orders have met the current quote."""
        note, matcher = state.note, self.matcher
        matcher.hold()  # so that the quote fills nothing a second time
        if note.quote is not None:
            matcher.apply_seed(note.quote)
            self.liquidity.observe(note.quote)
        for rested in state.rested:
            self._restore_order(rested)
        matcher.awaits_confirmation = note.awaits_confirmation
        if not note.is_held:
            steps = matcher.release()
            # The recorded matcher was not held, so it had filled its orders at this quote.
            assert not steps, "resting orders have met the current quote"
        matcher.drain_ledger_changes()

    def _restore_order(self, rested: OrderRested) -> None:
        """Let an order rest as it rested before; without an arrival it has met no quote yet."""
        quote = self.matcher.current
        has_met_it = rested.arrival is not None or rested.may_have_met_quotes
        self._rest(
            rested,
            # An order that has not met this quote must not meet it now, so the quote is too old.
            now_ns=None if quote is None or has_met_it else quote.received_ns + _OLD_NS,
            # rest() counts the current quote once more.
            quotes_seen=rested.quotes_seen - (quote is not None and has_met_it),
        )


class MatcherState:
    """A matcher's recorded state, collected from several notes."""

    def __init__(self, note: SymbolState) -> None:
        self.note = note
        self.levels: list[TakenLevel] = []
        self.rested: list[OrderRested] = []

    @property
    def is_complete(self) -> bool:
        """Tell whether all levels and orders were added."""
        return (
            len(self.levels) == self.note.levels_total
            and len(self.rested) == self.note.resting_total
        )

    def add(self, note: AnyNote) -> bool:
        """Add a note that belongs to this state; return False for any other note."""
        if isinstance(note, LevelsKnown) and note.symbol == self.note.symbol:
            self.levels += note.levels
            return True
        if isinstance(note, OrderRested) and note.goes_on:
            self.rested.append(note)
            return note.order.symbol == self.note.symbol
        return False

    def difference_from(self, session: SymbolSession) -> tuple[str, str] | None:
        """Return the first value that differs from a replayed session, on both sides."""
        matcher, note = session.matcher, self.note
        levels = {key_of(level): level.quantity for level in self.levels}
        known = {key_of(level): level.quantity for level in matcher.ledger_levels()}
        pairs = {
            "gate": (note.gate, matcher.gate),
            "quote": (note.quote, matcher.current),
            "ledger": (sorted(levels.items()), sorted(known.items())),
            "resting": (note.resting_total, matcher.resting_total),
        }
        for name, (recorded, replayed) in pairs.items():
            if recorded != replayed:
                return f"{name} {recorded}", f"{name} {replayed}"
        return None


def symbol_of(note: AnyNote) -> Symbol | None:
    """Return the symbol whose matcher receives the note, or None."""
    if isinstance(note, QuoteReceived | SeedReceived | GateReset):
        return note.quote.symbol
    if isinstance(note, OrderRested | OrderUnmet):
        return note.order.symbol
    of_symbol = OrderCanceled | OrdersCanceled | OrdersExpired
    of_matcher = Interrupted | Held | Released | StatusChanged | LedgerStored
    if isinstance(note, of_symbol | of_matcher):
        return note.symbol
    return None
