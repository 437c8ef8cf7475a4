"""The orders of the benchmarks: limit orders to buy, of the public owner."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from app.domain.order import PUBLIC, NewOrder, Order, OrderId, Side, Symbol, TimeInForce

ACCEPTED_AT: Final = datetime(2026, 11, 25, tzinfo=UTC)


def buy_order(
    number: int,
    *,
    symbol: str,
    limit_price: Decimal,
    quantity: Decimal | int = 1,
    accepted_at: datetime = ACCEPTED_AT,
    expires_at: datetime = ACCEPTED_AT,
) -> Order:
    """Make an accepted order; its id rises with its acceptance number."""
    return Order(
        order_id=OrderId(f"019ac000-0000-7000-8000-{number:012d}"),
        acceptance_number=number,
        owner=PUBLIC,
        client_order_id=None,
        symbol=Symbol(symbol),
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(quantity),
        limit_price=limit_price,
        accepted_at=accepted_at,
        expires_at=expires_at,
    )


def new_buy_order(
    symbol: str,
    *,
    limit_price: Decimal,
    timeout_seconds: int,
    quantity: Decimal | int = 1,
) -> NewOrder:
    """Make a request for an order."""
    return NewOrder(
        owner=PUBLIC,
        client_order_id=None,
        symbol=Symbol(symbol),
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(quantity),
        limit_price=limit_price,
        timeout_seconds=Decimal(timeout_seconds),
    )
