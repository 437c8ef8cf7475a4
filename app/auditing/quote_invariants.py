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

    def __str__(self) -> str:
        """Return the level in the words of a report."""
        return f"{self.symbol} {self.side} of {self.owner} at {format_amount(self.price)}"


@dataclass(slots=True)
class _QuoteSide:
    """One side of a quote, according to the splits of one owner."""

    price: Decimal
    displayed: Decimal
    taken: Decimal = ZERO
    is_blamed: bool = False

    def __str__(self) -> str:
        """Return the displayed quantity and its price in the words of a report."""
        return f"{format_amount(self.displayed)} at {format_amount(self.price)}"


@dataclass(slots=True)
class _NewestQuote:
    """The newest quote of a symbol that filled an order."""

    update_id: int
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
        split, before = one.split, self._quotes.get(one.symbol)
        if before is not None and split.update_id < before.update_id:
            # Only a reset by the venue lowers the ids: no quote at or below the gate ever fills.
            self._report.note(
                f"the update ids of {one.symbol} fall from {before.update_id} "
                f"to {split.update_id}: the venue restarted its ids"
            )
        if before is None or split.update_id != before.update_id:
            self._quotes[one.symbol] = _NewestQuote(split.update_id)
        self._report.look(Invariant.UPDATE_IDS)
        self._check_sold(one, self._quotes[one.symbol])
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

    def _check_sold(self, one: SplitInOrder, quote: _NewestQuote) -> None:
        """Check that a quote shows one price and quantity, and is not sold beyond it."""
        self._report.look(Invariant.SOLD_ONCE)
        split = one.split
        quote_name = f"quote {split.update_id} of {one.symbol}"
        found = _QuoteSide(split.price, split.displayed_quantity)
        shown = quote.sides.setdefault((one.owner, one.side), found)
        if (found.price, found.displayed) != (shown.price, shown.displayed):
            detail = f"{quote_name} displays {shown} and {found}"
            self._report.blame(Invariant.SOLD_ONCE, split.order_id, detail)
            return
        shown.taken = EXACT.add(shown.taken, split.quantity)
        if shown.taken > shown.displayed and not shown.is_blamed:
            shown.is_blamed = True
            detail = f"{quote_name} displays {shown} and gave {format_amount(shown.taken)}"
            self._report.blame(Invariant.SOLD_ONCE, split.order_id, detail)

    def _check_remembered(self, symbol: Symbol, quote: _NewestQuote) -> None:
        """Check that the ledger remembers all that the newest applied quote filled."""
        for (owner, side), shown in quote.sides.items():
            key = _LevelKey(symbol, owner, side, shown.price)
            sold = self._levels.get(key)
            level = ZERO if sold is None else sold.level
            gave = f"the quote {quote.update_id} gave {format_amount(shown.taken)}"
            self._check_ledger(key, level, is_right=level >= shown.taken, otherwise=gave)

    def _check_levels(self) -> None:
        """Check that no level remembers more than was sold, or than the last split displayed."""
        for key, sold in self._levels.items():
            took = (
                f"its splits took {format_amount(sold.total)}, "
                f"the last one of {format_amount(sold.displayed)} displayed"
            )
            is_right = sold.level <= min(sold.total, sold.displayed)
            self._check_ledger(key, sold.level, is_right=is_right, otherwise=took)

    def _check_ledger(
        self, key: _LevelKey, level: Decimal, *, is_right: bool, otherwise: str
    ) -> None:
        self._report.look(Invariant.LEDGER)
        if not is_right:
            detail = f"{key}: the ledger remembers {format_amount(level)}, {otherwise}"
            self._report.blame(Invariant.LEDGER, None, detail)
