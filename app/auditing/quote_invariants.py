"""The invariants of all orders of a symbol together: quantity sold per quote, ledger and gates.

The splits arrive by position, which is the order in which the fulfillment of the symbol made them.
So the splits of one quote are adjacent, and only the newest quote of each symbol is kept.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import SplitInOrder, StoredLevel
from app.domain.amounts import EXACT, ZERO, format_amount
from app.domain.order import Owner, Side, Symbol


class _LevelKey(NamedTuple):
    symbol: Symbol
    owner: Owner
    side: Side
    price: Decimal


@dataclass(slots=True)
class _QuoteSide:
    """One side of a quote, according to the splits of one owner."""

    price: Decimal
    displayed: Decimal
    taken: Decimal = ZERO
    is_blamed: bool = False


@dataclass(slots=True)
class _NewestQuote:
    """The newest quote of a symbol that filled an order."""

    update_id: int = 0
    sides: dict[tuple[Owner, Side], _QuoteSide] = field(default_factory=dict)


@dataclass(slots=True)
class _Sold:
    """A level of the ledger, and the splits at its price.

    Attributes:
        level: The taken quantity in the ledger.
        total: The sum of the splits.
        displayed: The quantity displayed at the last split.
    """

    level: Decimal
    total: Decimal = ZERO
    displayed: Decimal = ZERO


class QuoteAudit:
    """Checks the splits of all symbols; ``was_pruned`` means that older splits may be missing."""

    def __init__(
        self, report: AuditReport, levels: Iterable[StoredLevel], *, was_pruned: bool
    ) -> None:
        self._report = report
        self._was_pruned = was_pruned
        self._quotes: dict[Symbol, _NewestQuote] = {}
        self._levels = {
            _LevelKey(level.symbol, level.owner, level.side, level.price): _Sold(level.quantity)
            for level in levels
        }

    def show(self, one: SplitInOrder) -> None:
        """Add the next split, by position over all symbols."""
        split = one.split
        quote = self._quotes.get(one.symbol)
        if quote is None:
            quote = self._quotes[one.symbol] = _NewestQuote()
        if split.update_id != quote.update_id:
            self._turn_to(split.update_id, quote, one.symbol)
        self._report.look(Invariant.UPDATE_IDS)
        self._add(one, quote)
        sold = self._levels.get(_LevelKey(one.symbol, one.owner, one.side, split.price))
        if sold is not None:
            sold.total = EXACT.add(sold.total, split.quantity)
            sold.displayed = split.displayed_quantity

    def end(self, gates: Mapping[Symbol, int]) -> None:
        """Compare the ledger and the gates with all splits added before."""
        for symbol in {key.symbol for key in self._levels} - gates.keys():
            self._report.blame(Invariant.GATES, None, f"{symbol} has a ledger and no gate")
        for symbol, quote in self._quotes.items():
            self._report.look(Invariant.GATES)
            gate = gates.get(symbol)
            if gate is None:
                self._report.blame(Invariant.GATES, None, f"{symbol} has splits and no gate")
            elif gate < quote.update_id:
                self._report.note(
                    f"the gate of {symbol} is {gate}, below its newest split's update id "
                    f"{quote.update_id}: the venue restarted its ids"
                )
            elif gate == quote.update_id:
                self._check_remembered(symbol, quote)
        if not self._was_pruned:
            self._check_levels()

    def _turn_to(self, update_id: int, quote: _NewestQuote, symbol: Symbol) -> None:
        if update_id < quote.update_id:
            # Only a reset by the venue lowers the ids: no quote at or below the gate ever fills.
            self._report.note(
                f"the update ids of {symbol} fall from {quote.update_id} to {update_id}: "
                "the venue restarted its ids"
            )
        quote.update_id = update_id
        quote.sides.clear()

    def _add(self, one: SplitInOrder, quote: _NewestQuote) -> None:
        split = one.split
        self._report.look(Invariant.SOLD_ONCE)
        quote_side = quote.sides.get((one.owner, one.side))
        if quote_side is None:
            quote_side = _QuoteSide(price=split.price, displayed=split.displayed_quantity)
            quote.sides[one.owner, one.side] = quote_side
        quote_name = f"quote {split.update_id} of {one.symbol}"
        if (split.price, split.displayed_quantity) != (quote_side.price, quote_side.displayed):
            self._report.blame(
                Invariant.SOLD_ONCE,
                split.order_id,
                f"{quote_name} displays {_amount_at(quote_side.displayed, quote_side.price)} "
                f"and {_amount_at(split.displayed_quantity, split.price)}",
            )
            return
        quote_side.taken = EXACT.add(quote_side.taken, split.quantity)
        if quote_side.taken > quote_side.displayed and not quote_side.is_blamed:
            quote_side.is_blamed = True
            self._report.blame(
                Invariant.SOLD_ONCE,
                split.order_id,
                f"{quote_name} displays {_amount_at(quote_side.displayed, quote_side.price)} "
                f"and gave {format_amount(quote_side.taken)}",
            )

    def _check_remembered(self, symbol: Symbol, quote: _NewestQuote) -> None:
        """Check that the ledger remembers all that the newest applied quote filled."""
        for (owner, side), quote_side in quote.sides.items():
            sold = self._levels.get(_LevelKey(symbol, owner, side, quote_side.price))
            remembered = ZERO if sold is None else sold.level
            self._report.look(Invariant.LEDGER)
            if remembered < quote_side.taken:
                self._report.blame(
                    Invariant.LEDGER,
                    None,
                    f"{symbol} {side} of {owner} at {format_amount(quote_side.price)}: the ledger "
                    f"remembers {format_amount(remembered)}, the quote {quote.update_id} gave "
                    f"{format_amount(quote_side.taken)}",
                )

    def _check_levels(self) -> None:
        for key, sold in self._levels.items():
            self._report.look(Invariant.LEDGER)
            bound = min(sold.total, sold.displayed)
            if sold.level > bound:
                self._report.blame(
                    Invariant.LEDGER,
                    None,
                    f"{key.symbol} {key.side} of {key.owner} at {format_amount(key.price)}: the "
                    f"ledger remembers {format_amount(sold.level)}, its splits took "
                    f"{format_amount(sold.total)}, the last one of "
                    f"{format_amount(sold.displayed)} displayed",
                )


def _amount_at(displayed: Decimal, price: Decimal) -> str:
    return f"{format_amount(displayed)} at {format_amount(price)}"
