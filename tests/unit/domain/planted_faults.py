"""Matchers with a planted fault. They show that the tests would notice it.

``KeepingMatcher``, ``UncappedMatcher`` and ``UngatedMatcher`` each omit one part of the fill rule.
The others behave as common paper traders do:

* they treat each update, each new displayed quantity or each return of a price as new liquidity;
* they give back the quantity that an expired or canceled order took;
* they ignore that an order may not rest, or may not be filled in part.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, ClassVar

from app.domain.amounts import ZERO
from app.domain.liquidity import LiquidityLedger, TakenLevel
from app.domain.matcher import NO_GATE, SymbolMatcher
from app.domain.order import Order, OrderId, Owner, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Closing, RestingOrder, Step
from app.domain.side_book import SideBook


class KeepingLedger(LiquidityLedger):
    """Does not forget the levels that the touch has passed."""

    def _forget_better(self, price: Decimal) -> None:
        """Keep the levels."""


class UncappedLedger(LiquidityLedger):
    """Believes that more of our taken quantity is left than is displayed."""

    def _cap(self, price: Decimal, displayed: Decimal) -> None:
        """Keep the taken quantity."""

    def available(self, price: Decimal, displayed: Decimal) -> Decimal:
        """Return the quantity left, and nothing if the memory exceeds the display."""
        taken = self._taken.get(price, ZERO)
        return max(displayed - taken, ZERO)


class ResettingLedger(LiquidityLedger):
    """Forgets the taken quantities once the best price changes, hidden levels included."""

    def observe(self, price: Decimal, displayed: Decimal) -> None:
        """Forget every level but the touch."""
        for level in self.levels():
            if level.price != price:
                self._prices.remove(level.price)
                self._forget(level.price)
        super().observe(price, displayed)


class SizeWatchingLedger(LiquidityLedger):
    """Forgets the taken quantity at a price once the displayed quantity there changes."""

    last_touch: tuple[Decimal, Decimal] = (ZERO, ZERO)

    def observe(self, price: Decimal, displayed: Decimal) -> None:
        """Forget the level if its displayed quantity changed."""
        super().observe(price, displayed)
        last_price, last_displayed = self.last_touch
        self.last_touch = (price, displayed)
        if price == last_price and displayed != last_displayed and price in self._taken:
            self._prices.remove(price)
            self._forget(price)


class FaultyLedgerMatcher(SymbolMatcher):
    """Uses ledgers of another class."""

    ledger_class: ClassVar[type[LiquidityLedger]] = LiquidityLedger

    def __init__(
        self, symbol: Symbol, *, gate: int = NO_GATE, levels: Iterable[TakenLevel] = ()
    ) -> None:
        super().__init__(symbol, gate=gate, levels=levels)
        for side_book in self._books.values():
            self._exchange_ledger(side_book)

    def _book_of(self, owner: Owner, side: Side) -> SideBook:
        is_new = (owner, side) not in self._books
        side_book = super()._book_of(owner, side)
        if is_new:
            self._exchange_ledger(side_book)
        return side_book

    def _exchange_ledger(self, side_book: SideBook) -> None:
        honest = side_book.ledger
        faulty = self.ledger_class(honest.owner, honest.side, honest.levels())
        if side_book.displayed:
            faulty.observe(side_book.price, side_book.displayed)
        side_book.ledger = faulty


class KeepingMatcher(FaultyLedgerMatcher):
    """Never forgets a level."""

    ledger_class = KeepingLedger


class UncappedMatcher(FaultyLedgerMatcher):
    """Omits the cap."""

    ledger_class = UncappedLedger


class ResettingMatcher(FaultyLedgerMatcher):
    """Treats each return of a price as new liquidity."""

    ledger_class = ResettingLedger


class SizeWatchingMatcher(FaultyLedgerMatcher):
    """Treats each change of the displayed quantity as new liquidity."""

    ledger_class = SizeWatchingLedger


class FreshMatcher(SymbolMatcher):
    """Treats every displayed quantity of an update as new liquidity."""

    def _apply(self, quote: Quote) -> list[Step]:
        for side_book in self._books.values():
            side_book.ledger.observe(ZERO, ZERO)
            side_book.forget_touch()
        return super()._apply(quote)


class UngatedMatcher(SymbolMatcher):
    """Omits the gate, so it applies quotes in any order."""

    def apply_quote(self, quote: Quote) -> list[Step]:
        """Apply every quote."""
        return self._apply(quote)


class CreditingMatcher(SymbolMatcher):
    """Gives back the taken quantity of an order that expires."""

    def expire(self, now_ns: int) -> list[Step]:
        """Forget all taken quantities on the side of an expired order."""
        expiries = super().expire(now_ns)
        for expiry in expiries:
            self._book_of(expiry.order.owner, expiry.order.side).ledger.observe(ZERO, ZERO)
        return expiries


class CancelCreditingMatcher(SymbolMatcher):
    """Gives back the taken quantity of an order that is canceled."""

    def _cancel(self, resting: RestingOrder) -> Closing:
        """Forget all taken quantities on the side of the canceled order."""
        order = resting.order
        self._book_of(order.owner, order.side).ledger.observe(ZERO, ZERO)
        return super()._cancel(resting)


class DeafMatcher(SymbolMatcher):
    """Ignores a cancel."""

    def cancel(self, order_id: OrderId) -> Closing | None:
        """Keep the order."""
        del order_id
        return None


class WideCancelMatcher(SymbolMatcher):
    """Cancels the orders of every owner when one owner cancels all."""

    def cancel_all(self, owner: Owner) -> list[Closing]:
        """Cancel the orders of all owners."""
        del owner
        canceled: list[Closing] = []
        for everybody in {owner for owner, _ in self._books}:
            canceled += super().cancel_all(everybody)
        return canceled


class _ConfusingMatcher(SymbolMatcher):
    """Confuses one time in force with another."""

    taken_for: ClassVar[dict[TimeInForce, TimeInForce]] = {}

    def rest(self, order: Order, **carried: Any) -> list[Step]:  # noqa: ANN401 - passed on as it is
        """Rest the order with the other time in force."""
        mistaken = self.taken_for.get(order.time_in_force, order.time_in_force)
        return super().rest(replace(order, time_in_force=mistaken), **carried)


class TrustingMatcher(SymbolMatcher):
    """Fills a new order on a quote of any age."""

    def rest(self, order: Order, **carried: Any) -> list[Step]:  # noqa: ANN401 - passed on as it is
        """Rest the order as if its instant were unknown."""
        return super().rest(order, **{**carried, "now_ns": None})


class ForgetfulMatcher(SymbolMatcher):
    """Ignores a quote that confirms the touch, so orders that wait for it keep waiting."""

    def _apply(self, quote: Quote) -> list[Step]:
        self.awaits_confirmation = False
        return super()._apply(quote)


class PartialFokMatcher(_ConfusingMatcher):
    """Fills a FOK order in part."""

    taken_for: ClassVar = {TimeInForce.FOK: TimeInForce.IOC}


class RestingIocMatcher(_ConfusingMatcher):
    """Lets an IOC order rest."""

    taken_for: ClassVar = {TimeInForce.IOC: TimeInForce.GTD}


class WholeIocMatcher(_ConfusingMatcher):
    """Fills an IOC order completely or not at all."""

    taken_for: ClassVar = {TimeInForce.IOC: TimeInForce.FOK}


class HastyMatcher(SymbolMatcher):
    """Ends an IOC or FOK order at once, even without a quote."""

    def rest(self, order: Order, **carried: Any) -> list[Step]:  # noqa: ANN401 - passed on as it is
        """Rest the order, and do not let it wait."""
        return [*super().rest(order, **carried), *self._decide()]
