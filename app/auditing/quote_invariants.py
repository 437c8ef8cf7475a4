"""What must hold of all orders of a symbol together: what quotes gave, the ledger, the gates.

Splits are shown in the order of their positions, which is the order in which a symbol's fulfillment
made them. So the splits of one quote come one after the other, and all that has to be remembered
per symbol is its newest quote.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from app.auditing.audit_report import Findings, Invariant
from app.auditing.audit_rows import SplitInOrder, StoredLevel
from app.domain.amounts import EXACT, ZERO, format_amount
from app.domain.order import Owner, Side, Symbol


class _LevelKey(NamedTuple):
    symbol: Symbol
    owner: Owner
    side: Side
    price: Decimal


@dataclass(slots=True)
class _Touch:
    """One side of a quote as one owner's splits tell of it."""

    price: Decimal
    displayed: Decimal
    taken: Decimal = ZERO
    is_blamed: bool = False


@dataclass(slots=True)
class _NewestQuote:
    """A symbol's newest quote that gave anything."""

    update_id: int = 0
    touches: dict[tuple[Owner, Side], _Touch] = field(default_factory=dict)


@dataclass(slots=True)
class _Sold:
    """What splits tell of a level of the ledger."""

    level: Decimal
    total: Decimal = ZERO
    displayed: Decimal = ZERO


class QuoteAudit:
    """Follows every symbol's splits; ``was_pruned`` says that older splits may be missing."""

    def __init__(
        self, findings: Findings, levels: Iterable[StoredLevel], *, was_pruned: bool
    ) -> None:
        self._findings = findings
        self._was_pruned = was_pruned
        self._quotes: dict[Symbol, _NewestQuote] = {}
        self._levels = {
            _LevelKey(level.symbol, level.owner, level.side, level.price): _Sold(level.quantity)
            for level in levels
        }

    def show(self, one: SplitInOrder) -> None:
        """Take the next split, in the order of positions over all symbols."""
        split = one.split
        quote = self._quotes.get(one.symbol)
        if quote is None:
            quote = self._quotes[one.symbol] = _NewestQuote()
        if split.update_id != quote.update_id:
            self._turn_to(split.update_id, quote, one.symbol)
        self._findings.look(Invariant.UPDATE_IDS)
        self._add(one, quote)
        sold = self._levels.get(_LevelKey(one.symbol, one.owner, one.side, split.price))
        if sold is not None:
            sold.total = EXACT.add(sold.total, split.quantity)
            sold.displayed = split.displayed_quantity

    def end(self, gates: Mapping[Symbol, int]) -> None:
        """Compare ledger and gates with all the splits that were shown."""
        for symbol in {key.symbol for key in self._levels} - gates.keys():
            self._findings.blame(Invariant.GATES, None, f"{symbol} has a ledger and no gate")
        for symbol, quote in self._quotes.items():
            self._findings.look(Invariant.GATES)
            gate = gates.get(symbol)
            if gate is None:
                self._findings.blame(Invariant.GATES, None, f"{symbol} has splits and no gate")
            elif gate < quote.update_id:
                self._findings.note(
                    f"the gate of {symbol} is {gate}, below its newest split's update id "
                    f"{quote.update_id}: the venue restarted its ids"
                )
            elif gate == quote.update_id:
                self._check_remembered(symbol, quote)
        if not self._was_pruned:
            self._check_levels()

    def _turn_to(self, update_id: int, quote: _NewestQuote, symbol: Symbol) -> None:
        if update_id < quote.update_id:
            # Only a reset by the venue lowers them: no quote at or below the gate ever fills.
            self._findings.note(
                f"the update ids of {symbol} fall from {quote.update_id} to {update_id}: "
                "the venue restarted its ids"
            )
        quote.update_id = update_id
        quote.touches.clear()

    def _add(self, one: SplitInOrder, quote: _NewestQuote) -> None:
        split = one.split
        self._findings.look(Invariant.SOLD_ONCE)
        touch = quote.touches.get((one.owner, one.side))
        if touch is None:
            touch = _Touch(price=split.price, displayed=split.displayed_quantity)
            quote.touches[one.owner, one.side] = touch
        told = f"quote {split.update_id} of {one.symbol}"
        if (split.price, split.displayed_quantity) != (touch.price, touch.displayed):
            self._findings.blame(
                Invariant.SOLD_ONCE,
                split.order_id,
                f"{told} displays {_touch(touch.displayed, touch.price)} "
                f"and {_touch(split.displayed_quantity, split.price)}",
            )
            return
        touch.taken = EXACT.add(touch.taken, split.quantity)
        if touch.taken > touch.displayed and not touch.is_blamed:
            touch.is_blamed = True
            self._findings.blame(
                Invariant.SOLD_ONCE,
                split.order_id,
                f"{told} displays {_touch(touch.displayed, touch.price)} "
                f"and gave {format_amount(touch.taken)}",
            )

    def _check_remembered(self, symbol: Symbol, quote: _NewestQuote) -> None:
        """See that nothing of the newest quote applied can be sold again."""
        for (owner, side), touch in quote.touches.items():
            sold = self._levels.get(_LevelKey(symbol, owner, side, touch.price))
            remembered = ZERO if sold is None else sold.level
            self._findings.look(Invariant.LEDGER)
            if remembered < touch.taken:
                self._findings.blame(
                    Invariant.LEDGER,
                    None,
                    f"{symbol} {side} of {owner} at {format_amount(touch.price)}: the ledger "
                    f"remembers {format_amount(remembered)}, the quote {quote.update_id} gave "
                    f"{format_amount(touch.taken)}",
                )

    def _check_levels(self) -> None:
        for key, sold in self._levels.items():
            self._findings.look(Invariant.LEDGER)
            bound = min(sold.total, sold.displayed)
            if sold.level > bound:
                self._findings.blame(
                    Invariant.LEDGER,
                    None,
                    f"{key.symbol} {key.side} of {key.owner} at {format_amount(key.price)}: the "
                    f"ledger remembers {format_amount(sold.level)}, its splits took "
                    f"{format_amount(sold.total)}, the last one of "
                    f"{format_amount(sold.displayed)} displayed",
                )


def _touch(displayed: Decimal, price: Decimal) -> str:
    return f"{format_amount(displayed)} at {format_amount(price)}"
