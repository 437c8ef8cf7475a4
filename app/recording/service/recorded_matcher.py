"""A matcher that tells what it is told, in the order in which it happens."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Protocol

from app.domain.amounts import ZERO
from app.domain.liquidity import TakenLevel
from app.domain.matcher import SymbolMatcher
from app.domain.order import Arrival, Order, OrderId, OrderSnapshot, Owner, Symbol
from app.domain.quote import Quote
from app.domain.resting import Closing, Step
from app.recording.service.recording_notes import (
    AnyNote,
    GateReset,
    Held,
    Interrupted,
    LedgerStored,
    OrderCanceled,
    OrderRested,
    OrdersCanceled,
    OrderUnmet,
    Released,
    SymbolState,
    level_notes,
)


class Listener(Protocol):
    """Who writes down what matchers are told."""

    def note(self, note: AnyNote) -> None:
        """Something happened."""

    def note_quote(self, quote: Quote, *, gate: int) -> None:
        """A quote is about to be applied, or refused at the ``gate``."""

    def note_seed(self, seed: Quote, *, is_applied: bool) -> None:
        """A depth snapshot was applied, or refused."""

    def note_expiry(self, symbol: Symbol, now_ns: int) -> None:
        """Orders ended because their deadline was before this instant."""

    def flush(self) -> None:
        """What was told so far outlives the process from now on."""


class RecordedMatcher(SymbolMatcher):
    """A ``SymbolMatcher`` whose every input is noted.

    Whoever drains the ledger's changes is about to hand on what happened, so all that led to it is
    flushed by then: a durable split never lacks its recording, even after ``kill -9``.
    """

    def __init__(
        self,
        symbol: Symbol,
        *,
        gate: int,
        levels: Iterable[TakenLevel],
        recorder: Listener,
    ) -> None:
        super().__init__(symbol, gate=gate, levels=levels)
        self._recorder = recorder
        self._has_steps = False

    def state_notes(self, *, goes_on: bool) -> Iterator[AnyNote]:
        """Yield the notes from which a matcher like this one can be made."""
        levels = self.ledger_levels()
        yield SymbolState(
            symbol=self.symbol,
            goes_on=goes_on,
            gate=self.gate,
            is_held=self._is_held,
            awaits_confirmation=self.awaits_confirmation,
            quote=self.current,
            levels_total=len(levels),
            resting_total=self.resting_total,
        )
        yield from level_notes(self.symbol, levels)
        for resting in self._resting_by_id.values():
            yield OrderRested(
                order=resting.order,
                deadline_ns=resting.deadline_ns,
                filled_quantity=resting.filled_quantity,
                quote_quantity=resting.quote_quantity,
                splits_total=resting.splits_total,
                arrival=resting.arrival,
                quotes_seen=self.quotes_applied - resting.quotes_base,
                may_have_met_quotes=resting.may_have_met_quotes,
                goes_on=True,
            )

    def rest(
        self,
        order: Order,
        *,
        deadline_ns: int,
        now_ns: int | None = None,
        filled_quantity: Decimal = ZERO,
        quote_quantity: Decimal = ZERO,
        splits_total: int = 0,
        arrival: Arrival | None = None,
        quotes_seen: int = 0,
        may_have_met_quotes: bool = False,
    ) -> list[Step]:
        """Note the order with what it brings, and take it."""
        self._recorder.note(
            OrderRested(
                order=order,
                deadline_ns=deadline_ns,
                now_ns=now_ns,
                filled_quantity=filled_quantity,
                quote_quantity=quote_quantity,
                splits_total=splits_total,
                arrival=arrival,
                quotes_seen=quotes_seen,
                may_have_met_quotes=may_have_met_quotes,
            )
        )
        return self._told(
            super().rest(
                order,
                deadline_ns=deadline_ns,
                now_ns=now_ns,
                filled_quantity=filled_quantity,
                quote_quantity=quote_quantity,
                splits_total=splits_total,
                arrival=arrival,
                quotes_seen=quotes_seen,
                may_have_met_quotes=may_have_met_quotes,
            )
        )

    def end_unmet(self, snapshot: OrderSnapshot) -> Closing:
        """Note an order that ends without coming here."""
        self._recorder.note(
            OrderUnmet(
                order=snapshot.order,
                filled_quantity=snapshot.filled_quantity,
                quote_quantity=snapshot.quote_quantity,
                splits_total=snapshot.splits_total,
                last_sequence=snapshot.last_sequence,
                arrival=snapshot.arrival,
                quotes_seen=snapshot.quotes_seen,
            )
        )
        self._has_steps = True
        return super().end_unmet(snapshot)

    def cancel(self, order_id: OrderId) -> Closing | None:
        """Note a cancel, unless there is nothing to end."""
        closing = super().cancel(order_id)
        if closing is not None:
            self._recorder.note(OrderCanceled(symbol=self.symbol, order_id=order_id))
            self._has_steps = True
        return closing

    def cancel_all(self, owner: Owner) -> list[Closing]:
        """Note a cancel of all, unless there is nothing to end."""
        closings = super().cancel_all(owner)
        if closings:
            self._recorder.note(OrdersCanceled(symbol=self.symbol, owner=owner))
            self._has_steps = True
        return closings

    def apply_quote(self, quote: Quote) -> list[Step]:
        """Note a quote (the hot path)."""
        self._recorder.note_quote(quote, gate=self.gate)
        return self._told(super().apply_quote(quote))

    def apply_seed(self, seed: Quote) -> list[Step] | None:
        """Note a depth snapshot, and whether it was applied."""
        steps = super().apply_seed(seed)
        self._recorder.note_seed(seed, is_applied=steps is not None)
        return None if steps is None else self._told(steps)

    def reset_gate(self, seed: Quote) -> list[Step]:
        """Note that the venue counts anew."""
        self._recorder.note(GateReset(quote=seed))
        return self._told(super().reset_gate(seed))

    def interrupt(self) -> None:
        """Note that the current quote is void."""
        self._recorder.note(Interrupted(symbol=self.symbol))
        super().interrupt()

    def hold(self) -> None:
        """Note the pause."""
        self._recorder.note(Held(symbol=self.symbol))
        super().hold()

    def release(self, now_ns: int | None = None) -> list[Step]:
        """Note the end of the pause."""
        self._recorder.note(Released(symbol=self.symbol, now_ns=now_ns))
        return self._told(super().release(now_ns))

    def expire(self, now_ns: int) -> list[Step]:
        """Note an instant at which orders ended."""
        steps = super().expire(now_ns)
        if steps:
            self._recorder.note_expiry(self.symbol, now_ns)
        return self._told(steps)

    def drain_ledger_changes(self) -> list[TakenLevel]:
        """Flush what led to what is handed on now."""
        if not self._has_steps:
            self._recorder.note(LedgerStored(symbol=self.symbol))
        self._has_steps = False
        self._recorder.flush()
        return super().drain_ledger_changes()

    def _told(self, steps: list[Step]) -> list[Step]:
        if steps:
            self._has_steps = True
        return steps
