"""A matcher that records every call made to it, in order."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from app.recording.service.recorder import Recorder


class RecordedMatcher(SymbolMatcher):
    """A ``SymbolMatcher`` that records its inputs.

    The caller drains the ledger's changes just before it hands an outcome to the journal. The
    recording is flushed at that moment, so a durable split is always recorded, even after
    ``kill -9``.
    """

    def __init__(
        self,
        symbol: Symbol,
        *,
        gate: int,
        levels: Iterable[TakenLevel],
        recorder: "Recorder",
    ) -> None:
        super().__init__(symbol, gate=gate, levels=levels)
        self._recorder = recorder
        self._has_steps = False

    def state_notes(self, *, goes_on: bool) -> Iterator[AnyNote]:
        """Yield the notes that describe the state; ``goes_on`` is explained at ``SymbolState``."""
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
        """Record an order with its earlier fills, and let it rest."""
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
        return self._remember_steps(
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
        """Record the end of an order that never rested here."""
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
        """Cancel an order, and record it if the order was resting."""
        # Recorded afterwards, because a cancel of an ended order has no effect.
        closing = super().cancel(order_id)
        if closing is not None:
            self._recorder.note(OrderCanceled(symbol=self.symbol, order_id=order_id))
            self._has_steps = True
        return closing

    def cancel_all(self, owner: Owner) -> list[Closing]:
        """Cancel the owner's orders, and record it if there were any."""
        closings = super().cancel_all(owner)
        if closings:
            self._recorder.note(OrdersCanceled(symbol=self.symbol, owner=owner))
            self._has_steps = True
        return closings

    def apply_quote(self, quote: Quote) -> list[Step]:
        """Record a quote and apply it (the hot path)."""
        self._recorder.note_quote(quote, gate=self.gate)
        return self._remember_steps(super().apply_quote(quote))

    def apply_seed(self, seed: Quote) -> list[Step] | None:
        """Record a depth snapshot, and whether it was applied."""
        steps = super().apply_seed(seed)
        self._recorder.note_seed(seed, is_applied=steps is not None)
        return None if steps is None else self._remember_steps(steps)

    def reset_gate(self, seed: Quote) -> list[Step]:
        """Record that the venue's update ids start again."""
        self._recorder.note(GateReset(quote=seed))
        return self._remember_steps(super().reset_gate(seed))

    def interrupt(self) -> None:
        """Record that the current quote is no longer valid."""
        self._recorder.note(Interrupted(symbol=self.symbol))
        super().interrupt()

    def hold(self) -> None:
        """Record the beginning of a pause."""
        self._recorder.note(Held(symbol=self.symbol))
        super().hold()

    def release(self, now_ns: int | None = None) -> list[Step]:
        """Record the end of a pause."""
        self._recorder.note(Released(symbol=self.symbol, now_ns=now_ns))
        return self._remember_steps(super().release(now_ns))

    def expire(self, now_ns: int) -> list[Step]:
        """Expire orders, and record the instant if there were any."""
        # Recorded afterwards, because most calls expire no order.
        steps = super().expire(now_ns)
        if steps:
            self._recorder.note_expiry(self.symbol, now_ns)
        return self._remember_steps(steps)

    def drain_ledger_changes(self) -> list[TakenLevel]:
        """Flush the recording, then return the ledger's changes for the journal."""
        if not self._has_steps:
            # No order changed, so no other note tells the replay that the ledger is stored here.
            self._recorder.note(LedgerStored(symbol=self.symbol))
        self._has_steps = False
        self._recorder.flush()
        return super().drain_ledger_changes()

    def _remember_steps(self, steps: list[Step]) -> list[Step]:
        if steps:
            self._has_steps = True
        return steps
