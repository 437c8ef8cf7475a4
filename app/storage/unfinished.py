"""Reads open orders at a start: page by page, and each row as cheaply as possible.

A start may read very many orders, so the raw values are converted here. SQLAlchemy's column types
and row attributes would take longer than creating the orders. Values that many orders share are
kept once in memory: symbols, owners and common quantities.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Executable, Row, func, select, type_coerce
from sqlalchemy.types import NullType

from app.domain.order import (
    Arrival,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Side,
    Symbol,
    TimeInForce,
)
from app.storage.schema.tables import orders

PAGE_ROWS: Final = 1_000
"""Orders on one page; between two pages the event loop serves other tasks."""

_SHARED_AMOUNTS_MAX: Final = 10_000

_COLUMNS: Final = (
    orders.c.order_id,
    orders.c.acceptance_number,
    orders.c.owner,
    orders.c.client_order_id,
    orders.c.symbol,
    orders.c.side,
    orders.c.time_in_force,
    orders.c.quantity,
    orders.c.limit_price,
    orders.c.accepted_at,
    orders.c.expires_at,
    orders.c.status,
    orders.c.filled_quantity,
    orders.c.quote_quantity,
    orders.c.splits_total,
    orders.c.last_sequence,
    orders.c.arrival_update_id,
    orders.c.arrival_price,
    orders.c.quotes_seen,
)
"""The columns in the order in which ``_snapshot`` unpacks them."""

_PAGE: Final = (
    select(*(type_coerce(column, NullType()) for column in _COLUMNS))
    .where(orders.c.closed_at.is_(None))
    .order_by(orders.c.acceptance_number)
    .limit(PAGE_ROWS)
)

SYMBOLS: Final = (
    select(orders.c.symbol)
    .where(orders.c.closed_at.is_(None))
    .group_by(orders.c.symbol)
    .order_by(func.min(orders.c.acceptance_number))
)
"""The symbols of open orders, oldest order first."""

_Read = Callable[[Executable], Awaitable[Sequence[Row[Any]]]]


async def pages_of_symbol(read: _Read, symbol: Symbol) -> AsyncIterator[list[OrderSnapshot]]:
    """Yield pages of a symbol's open orders by acceptance number.

    An order that is accepted or ends meanwhile may be included or missing.
    """
    after, has_more = 0, True
    while has_more:
        rows = await read(
            _PAGE.where(orders.c.symbol == symbol, orders.c.acceptance_number > after)
        )
        has_more = len(rows) == PAGE_ROWS
        if rows:
            page = [_snapshot(row) for row in rows]
            yield page
            after = page[-1].order.acceptance_number


def _snapshot(row: Sequence[Any]) -> OrderSnapshot:
    (
        order_id,
        acceptance_number,
        owner,
        client_order_id,
        symbol,
        side,
        time_in_force,
        quantity,
        limit_price,
        accepted_at,
        expires_at,
        status,
        filled_quantity,
        quote_quantity,
        splits_total,
        last_sequence,
        arrival_update_id,
        arrival_price,
        quotes_seen,
    ) = row
    order = Order(
        order_id=OrderId(order_id),
        acceptance_number=acceptance_number,
        owner=Owner(sys.intern(owner)),
        client_order_id=client_order_id,
        symbol=Symbol(sys.intern(symbol)),
        side=_SIDES[side],
        time_in_force=_TIMES_IN_FORCE[time_in_force],
        quantity=_amount(quantity),
        limit_price=_amount(limit_price),
        accepted_at=_instant(accepted_at),
        expires_at=_instant(expires_at),
    )
    filled = _amount(filled_quantity)
    assert filled <= order.quantity, "no order is overfilled"
    return OrderSnapshot(
        order=order,
        status=_STATUSES[status],
        reason=None,
        filled_quantity=filled,
        quote_quantity=_amount(quote_quantity),
        splits_total=splits_total,
        last_sequence=last_sequence,
        closed_at=None,
        arrival=None if arrival_update_id is None else _arrival(arrival_update_id, arrival_price),
        quotes_seen=quotes_seen,
    )


_SIDES: Final = {str(one): one for one in Side}
_TIMES_IN_FORCE: Final = {str(one): one for one in TimeInForce}
_STATUSES: Final = {str(one): one for one in OrderStatus}


@lru_cache(_SHARED_AMOUNTS_MAX)
def _amount(stored: str | Decimal) -> Decimal:
    """Convert the stored value of either database (see ``column_types``)."""
    return Decimal(stored)


@lru_cache(_SHARED_AMOUNTS_MAX)
def _arrival(update_id: int, price: str | Decimal) -> Arrival:
    """Return one shared object for all orders with the same first quote."""
    return Arrival(update_id=update_id, price=Decimal(price))


def _instant(stored: str | datetime) -> datetime:
    """Convert the stored value of either database (see ``column_types``)."""
    instant = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return instant if instant.tzinfo is UTC else instant.astimezone(UTC)
