"""Builders of orders and quotes, and readers of the steps that they cause."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, NewOrder, Order, OrderId, Owner, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.domain.resting import Closing, Fill, Step

LTCBTC: Final = Symbol("LTCBTC")
ACCEPTED_AT: Final = datetime(2024, 8, 8, 23, 54, 14, tzinfo=UTC)
"""The default acceptance time of an order."""

FAR_NS: Final = 10**18
"""A deadline later than any time of a test."""

Amount = Decimal | str | int


def make_order(
    quantity: Amount = 5,
    *,
    number: int = 1,
    order_id: str | None = None,
    limit_price: Amount = 100,
    side: Side = Side.BUY,
    owner: Owner = PUBLIC,
    symbol: Symbol = LTCBTC,
    accepted_at: datetime = ACCEPTED_AT,
    timeout_seconds: int = 30,
    time_in_force: TimeInForce = TimeInForce.GTD,
    client_order_id: str | None = None,
) -> Order:
    """Make an accepted order; the default id contains the acceptance number."""
    return Order(
        order_id=OrderId(order_id or f"00000000-0000-7000-8000-{number:012d}"),
        acceptance_number=number,
        owner=owner,
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        time_in_force=time_in_force,
        quantity=Decimal(quantity),
        limit_price=Decimal(limit_price),
        accepted_at=accepted_at,
        expires_at=accepted_at + timedelta(seconds=timeout_seconds),
    )


def order_from(
    new_order: NewOrder, *, order_id: OrderId, number: int, accepted_at: datetime
) -> Order:
    """Make the accepted form of an order as it was sent."""
    timeout = timedelta(microseconds=int(new_order.timeout_seconds * 1_000_000))
    order = make_order(
        new_order.quantity,
        number=number,
        order_id=order_id,
        limit_price=new_order.limit_price,
        side=new_order.side,
        owner=new_order.owner,
        symbol=new_order.symbol,
        accepted_at=accepted_at,
        time_in_force=new_order.time_in_force,
        client_order_id=new_order.client_order_id,
    )
    return replace(order, expires_at=accepted_at + timeout)


def make_quote(
    update_id: int,
    *,
    bid: tuple[Amount, Amount] = ("99.98", 1),
    ask: tuple[Amount, Amount] = ("99.99", 5),
    symbol: Symbol = LTCBTC,
    received_ns: int = 0,
) -> Quote:
    """Make a quote; ``bid`` and ``ask`` are price and quantity, both zero for an empty side."""
    return Quote(
        symbol=symbol,
        update_id=update_id,
        bid_price=Decimal(bid[0]),
        bid_quantity=Decimal(bid[1]),
        ask_price=Decimal(ask[0]),
        ask_quantity=Decimal(ask[1]),
        received_ns=received_ns,
    )


def fills_of(steps: Iterable[Step] | None) -> list[Fill]:
    """Return the steps, which must all be fills; None, a refused seed, fails."""
    assert steps is not None, "the seed is not stale"
    steps = list(steps)
    fills = [step for step in steps if isinstance(step, Fill)]
    assert fills == steps, "no order is closed without being filled"
    return fills


def closings_of(steps: Iterable[Step]) -> list[Closing]:
    """Return the steps that end an unfilled order."""
    return [step for step in steps if isinstance(step, Closing)]


def quantities_given(steps: Iterable[Step] | None) -> list[tuple[int, Decimal | int]]:
    """Return the acceptance number and the quantity of each fill, in order.

    A test may compare with whole numbers.
    """
    return [(fill.order.acceptance_number, fill.quantity) for fill in fills_of(steps)]


@dataclass(frozen=True, slots=True)
class MirroredMarket:
    """Lets a test that is written for asks run on either side.

    Prices are ask prices, for a BUY. For a SELL they are mirrored at 100.00: an ask of 99.99
    becomes a bid of 100.01, which is better for the seller by the same amount.
    """

    side: Side

    def price(self, ask_price: Amount) -> Decimal:
        """Return the price on this side of the market."""
        price = Decimal(ask_price)
        return price if self.side is Side.BUY else 200 - price

    def order(
        self,
        quantity: Amount = 5,
        *,
        number: int = 1,
        limit_price: Amount = 100,
        owner: Owner = PUBLIC,
        time_in_force: TimeInForce = TimeInForce.GTD,
    ) -> Order:
        """Make an order of this side."""
        return make_order(
            quantity,
            number=number,
            limit_price=self.price(limit_price),
            side=self.side,
            owner=owner,
            time_in_force=time_in_force,
        )

    def quote(
        self,
        update_id: int,
        quantity: Amount,
        ask_price: Amount = "99.99",
        *,
        other_quantity: Amount = 1,
    ) -> Quote:
        """Make a quote that displays ``quantity``; the price of the other side is far away."""
        touch = (self.price(ask_price), quantity)
        if self.side is Side.BUY:
            return make_quote(update_id, ask=touch, bid=(1, other_quantity))
        return make_quote(update_id, bid=touch, ask=(1000, other_quantity))

    def level(self, ask_price: Amount, quantity: Amount) -> TakenLevel:
        """Make a level from which the public owner took this quantity."""
        price = self.price(ask_price)
        return TakenLevel(owner=PUBLIC, side=self.side, price=price, quantity=Decimal(quantity))

    def emptied(self, update_id: int) -> Quote:
        """Make a quote with an empty side for the orders to take from."""
        if self.side is Side.BUY:
            return make_quote(update_id, ask=(0, 0), bid=(1, 1))
        return make_quote(update_id, bid=(0, 0), ask=(1000, 1))
