"""One matcher's time in a recording, given once more to a new matcher."""

from typing import Final, NamedTuple

from app.domain.liquidity import TakenLevel  # noqa: TC001 - beside its siblings
from app.domain.matcher import QUOTE_AGE_NS_MAX, SymbolMatcher
from app.domain.order import OrderId, OrderSnapshot, OrderStatus, Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
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
    QuoteMet,
    Released,
    SeedMet,
    SymbolState,
)
from app.recording.verify.ledger_versions import LedgerVersions, key_of
from app.recording.verify.sold_quantity import SoldQuantities

_OLD_NS: Final = QUOTE_AGE_NS_MAX + 1


class Act(NamedTuple):
    """Something that happened to an order: in which session, and as which of its inputs."""

    session: "SymbolSession"
    number: int
    order_id: OrderId


class SymbolSession:
    """A matcher from where the recording has it first until it is gone.

    ``how`` it ended is None while it goes on; beside the words of ``SymbolEnded`` it may be
    ``crashed``, or ``gap`` where the recording lost sight of it. ``is_before_a_gap`` says that its
    orders may have been taken up again where nothing was recorded, ``is_durable`` that the database
    got all that the matcher did. ``stored`` is the ledger as the journal got it, time after time.
    What was lost of the end is a tail: nothing after ``first_lost`` may be durable.
    """

    def __init__(self, state: "GatheredState") -> None:
        note = state.note
        self.symbol = note.symbol
        self.how: str | None = None
        self.is_before_a_gap = False
        self.is_durable = False
        self.has_begun = False
        self.inputs = 0
        self.first_lost: Act | None = None
        self.last_durable: Act | None = None
        self.lots = SoldQuantities()
        self.stored = LedgerVersions(note.gate, state.levels, is_whole=not note.goes_on)
        for level in state.levels:
            self.lots.remember(level.owner, level.side, level.price, level.quantity)
        self.matcher = SymbolMatcher(note.symbol, gate=note.gate, levels=state.levels)
        self.newest_update_id = note.gate
        self._restore(state)

    @property
    def quote(self) -> Quote | None:
        """The quote that orders meet."""
        return self.matcher.current

    def apply(self, note: AnyNote) -> list[Step]:
        """Give the matcher what a note tells; return what happened to orders."""
        self.inputs += 1
        steps = self._apply(note)
        if steps or isinstance(note, LedgerStored):
            self._store()
        return steps

    def meet(self, quote: Quote) -> list[Step]:
        """Give the matcher a quote of the stream; orders whose time was up end before."""
        self.inputs += 1
        steps = self.matcher.expire(quote.received_ns)
        applied = self.matcher.quotes_applied
        more = self.matcher.apply_quote(quote)
        if self.matcher.quotes_applied != applied:
            self._show(quote)
        steps += more
        if steps:
            self._store()
        return steps

    def let_go(self) -> None:
        """Keep only what is known of it: its orders may outlive it for long."""
        self.matcher = SymbolMatcher(self.symbol)
        self.lots = SoldQuantities()

    def note_durable(self, act: Act) -> None:
        """Take note that something is in the database."""
        if self.last_durable is None or act.number > self.last_durable.number:
            self.last_durable = act

    def note_lost(self, act: Act) -> None:
        """Take note that something is not in the database."""
        if self.first_lost is None or act.number < self.first_lost.number:
            self.first_lost = act

    def _apply(self, note: AnyNote) -> list[Step]:
        matcher = self.matcher
        match note:
            case QuoteMet():
                return self.meet(note.quote)
            case SeedMet():
                return self._meet_seed(note)
            case GateReset():
                self._show(note.quote)
                return matcher.reset_gate(note.quote)
            case Interrupted():
                matcher.interrupt()
            case Held():
                matcher.hold()
            case Released():
                expired = matcher.expire(matcher.current.received_ns) if matcher.current else []
                return expired + matcher.release(note.now_ns)
        return self._apply_to_orders(note)

    def _apply_to_orders(self, note: AnyNote) -> list[Step]:
        matcher = self.matcher
        match note:
            case OrderRested():
                return matcher.rest(
                    note.order,
                    deadline_ns=note.deadline_ns,
                    now_ns=note.now_ns,
                    filled_quantity=note.filled_quantity,
                    quote_quantity=note.quote_quantity,
                    splits_total=note.splits_total,
                    arrival=note.arrival,
                    quotes_seen=note.quotes_seen,
                    may_have_met_quotes=note.may_have_met_quotes,
                )
            case OrderUnmet():
                return [matcher.end_unmet(_snapshot(note))]
            case OrderCanceled():
                closing = matcher.cancel(note.order_id)
                assert closing is not None, "an order was canceled that does not rest"
                return [closing]
            case OrdersCanceled():
                return list(matcher.cancel_all(note.owner))
            case OrdersExpired():
                return matcher.expire(note.now_ns)
        return []

    def _meet_seed(self, note: SeedMet) -> list[Step]:
        if note.is_applied is None:
            return []
        steps = self.matcher.expire(note.quote.received_ns)
        met = self.matcher.apply_seed(note.quote)
        assert (met is not None) is note.is_applied, "a seed was met otherwise than recorded"
        if met is not None:
            self._show(note.quote)
        return steps + (met or [])

    def _show(self, quote: Quote) -> None:
        self.newest_update_id = max(self.newest_update_id, quote.update_id)
        self.lots.show(quote)

    def _store(self) -> None:
        """See the ledger as the journal gets it."""
        changes = self.matcher.drain_ledger_changes()
        self.stored.store(self.matcher.gate, changes)

    def _restore(self, state: "GatheredState") -> None:
        """Bring the matcher to where it was; what rests there has met the current quote."""
        note, matcher = state.note, self.matcher
        matcher.hold()
        if note.quote is not None:
            matcher.apply_seed(note.quote)
            self.lots.show(note.quote)
        for rested in state.rested:
            self._restore_order(rested)
        matcher.awaits_confirmation = note.awaits_confirmation
        if not note.is_held:
            steps = matcher.release()
            assert not steps, "what rests has met the current quote"
        matcher.drain_ledger_changes()

    def _restore_order(self, rested: OrderRested) -> None:
        """Have an order rest that rested before; one without an arrival has met no quote yet."""
        quote = self.matcher.current
        has_met_it = rested.arrival is not None or rested.may_have_met_quotes
        self.matcher.rest(
            rested.order,
            deadline_ns=rested.deadline_ns,
            # It waits for this quote to be confirmed, which is too old for it by then.
            now_ns=None if quote is None or has_met_it else quote.received_ns + _OLD_NS,
            filled_quantity=rested.filled_quantity,
            quote_quantity=rested.quote_quantity,
            splits_total=rested.splits_total,
            arrival=rested.arrival,
            # Resting, it counts the quote that it meets once more.
            quotes_seen=rested.quotes_seen - (quote is not None and has_met_it),
            may_have_met_quotes=rested.may_have_met_quotes,
        )


class GatheredState:
    """A matcher's state as far as the notes have told it."""

    def __init__(self, note: SymbolState) -> None:
        self.note = note
        self.levels: list[TakenLevel] = []
        self.rested: list[OrderRested] = []

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return (
            len(self.levels) == self.note.levels_total
            and len(self.rested) == self.note.resting_total
        )

    def take(self, note: AnyNote) -> bool:
        """Take a note that belongs to it; False for any other."""
        if isinstance(note, LevelsKnown) and note.symbol == self.note.symbol:
            self.levels += note.levels
            return True
        if isinstance(note, OrderRested) and note.goes_on:
            self.rested.append(note)
            return note.order.symbol == self.note.symbol
        return False

    def contradiction(self, session: SymbolSession) -> tuple[str, str] | None:
        """Return the first thing that the session, having come here, has otherwise, and how."""
        matcher, note = session.matcher, self.note
        levels = {key_of(level): level.quantity for level in self.levels}
        known = {key_of(level): level.quantity for level in matcher.ledger_levels()}
        pairs = {
            "gate": (note.gate, matcher.gate),
            "quote": (note.quote, matcher.current),
            "ledger": (sorted(levels.items()), sorted(known.items())),
            "resting": (note.resting_total, matcher.resting_total),
        }
        for name, (told, found) in pairs.items():
            if told != found:
                return f"{name} {told}", f"{name} {found}"
        return None


def symbol_of(note: AnyNote) -> Symbol | None:
    """Return whose matcher a note is for, None if for none."""
    match note:
        case OrderRested() | OrderUnmet():
            return note.order.symbol
        case QuoteMet() | SeedMet() | GateReset():
            return note.quote.symbol
        case (
            OrderCanceled()
            | OrdersCanceled()
            | OrdersExpired()
            | Interrupted()
            | Held()
            | Released()
            | LedgerStored()
        ):
            return note.symbol
    return None


def _snapshot(note: OrderUnmet) -> OrderSnapshot:
    return OrderSnapshot(
        order=note.order,
        status=OrderStatus.PARTIALLY_FILLED if note.splits_total else OrderStatus.NEW,
        reason=None,
        filled_quantity=note.filled_quantity,
        quote_quantity=note.quote_quantity,
        splits_total=note.splits_total,
        last_sequence=note.last_sequence,
        closed_at=None,
        arrival=note.arrival,
        quotes_seen=note.quotes_seen,
    )
