"""Reads durable state for answers and for recovery; every read uses an index."""

import functools
from collections.abc import Sequence
from typing import Any, Final

import structlog
from sqlalchemy import ColumnElement, Row, Select, bindparam, select

from app.domain.liquidity import TakenLevel
from app.domain.order import (
    Arrival,
    Decision,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Split,
    Symbol,
    TimeInForce,
)
from app.ports import OrderQuery, StoredLedger, StoredRules
from app.storage.database import Database
from app.storage.journal.group_commit import GroupCommitJournal
from app.storage.journal.rows import read_rules
from app.storage.schema.tables import (
    client_order_ids,
    fulfilled_order_splits,
    orders,
    symbol_gates,
    taken_liquidity,
    trading_rules,
)
from app.storage.unfinished import SYMBOLS, pages_of_symbol

INTEGER_MAX: Final = 2**63 - 1
"""The greatest integer of either database; a greater cursor is reduced to it."""

_log = structlog.get_logger()


class StoredOrders:
    """The ports ``OrderReader``, ``RecoveryStore`` and ``RulesStore``.

    Reads raise ``DatabaseUnavailableError`` while the database does not answer.
    """

    def __init__(self, database: Database, journal: GroupCommitJournal) -> None:
        self._database = database
        self._journal = journal

    async def find(self, owner: Owner, order_id: OrderId) -> OrderSnapshot | None:
        """Return the owner's order, None if it does not exist."""
        if not order_id.isprintable():
            return None  # PostgreSQL refuses NUL in a text, and no driver sends lone surrogates
        found = await self._database.read(_ORDER, {"order_id": order_id, "owner": owner})
        return _snapshot(found[0]) if found else None

    async def find_many(self, owner: Owner, order_ids: Sequence[OrderId]) -> list[OrderSnapshot]:
        """Return the owner's orders with these ids, by acceptance number; skip unknown ids."""
        found = await self._database.read(
            select(orders)
            .where(orders.c.order_id.in_(order_ids), owner_is(owner))
            .order_by(orders.c.acceptance_number)
        )
        return [_snapshot(row) for row in found]

    async def find_by_key(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the id of the order with this key, even if the order itself was pruned."""
        found = await self._database.read(
            _KEY, {"owner": owner, "client_order_id": client_order_id}
        )
        return OrderId(found[0].order_id) if found else None

    async def list_orders(self, query: OrderQuery) -> list[OrderSnapshot]:
        """Return a page of the owner's orders, newest first."""
        if query.symbol is not None and not query.symbol.isprintable():
            return []
        before = None if query.before is None else min(query.before, INTEGER_MAX)
        filters = {
            "symbol": query.symbol,
            "status": query.status,
            "client_order_id": query.client_order_id,
            "before": before,
        }
        filters = {name: value for name, value in filters.items() if value is not None}
        found = await self._database.read(
            _page(tuple(filters)), {"owner": query.owner, "limit": query.limit, **filters}
        )
        return [_snapshot(row) for row in found]

    async def list_splits(self, order_id: OrderId, *, after: int, limit: int) -> list[Split]:
        """Return the splits with a number above ``after``, by number."""
        if not order_id.isprintable():
            return []
        found = await self._database.read(
            _SPLITS, {"order_id": order_id, "after": min(after, INTEGER_MAX), "limit": limit}
        )
        return [_split(row) for row in found]

    async def list_unfinished_symbols(self) -> list[Symbol]:
        """Return the symbols of open orders, oldest order first."""
        return [Symbol(row.symbol) for row in await self._database.read(SYMBOLS)]

    async def load_unfinished(self, symbol: Symbol) -> list[OrderSnapshot]:
        """Return the symbol's open orders, by acceptance number."""
        pages = pages_of_symbol(self._database.read, symbol)
        return [snapshot async for page in pages for snapshot in page]

    async def load_ledger(self, symbol: Symbol) -> StoredLedger:
        """Return the gate and the ledger levels of a symbol, both from one snapshot."""
        found = await self._database.read(
            select(
                symbol_gates.c.update_id,
                taken_liquidity.c.owner,
                taken_liquidity.c.side,
                taken_liquidity.c.price,
                taken_liquidity.c.quantity,
            )
            .outerjoin_from(
                symbol_gates, taken_liquidity, taken_liquidity.c.symbol == symbol_gates.c.symbol
            )
            .where(symbol_gates.c.symbol == symbol)
        )
        return StoredLedger(gate=found[0].update_id if found else 0, levels=tuple(_levels(found)))

    async def load_trading_rules(self) -> StoredRules | None:
        """Return the last stored copy, None without one or if it cannot be read."""
        found = await self._database.read(select(trading_rules))
        if not found:
            return None
        try:
            return StoredRules(rules=read_rules(found[0].rules), fetched_at=found[0].fetched_at)
        except ValueError:
            _log.warning("stored_rules_unreadable", exc_info=True)
            return None

    async def save_trading_rules(self, stored: StoredRules) -> None:
        """Store the copy through the journal, which is the only writer."""
        await self._journal.save_trading_rules(stored)


def owner_is(owner: Owner) -> ColumnElement[bool]:
    """Return the condition in a form that cannot use an index.

    Another condition of the statement is narrower, and its index must be used. SQLite has no
    statistics about the rows, so it might otherwise read all orders of the owner.
    """
    return orders.c.owner.concat("") == owner


_ORDER: Final = select(orders).where(
    orders.c.order_id == bindparam("order_id"), orders.c.owner == bindparam("owner")
)
_KEY: Final = select(client_order_ids.c.order_id).where(
    client_order_ids.c.owner == bindparam("owner"),
    client_order_ids.c.client_order_id == bindparam("client_order_id"),
)
_SPLITS: Final = (
    select(fulfilled_order_splits)
    .where(
        fulfilled_order_splits.c.order_id == bindparam("order_id"),
        fulfilled_order_splits.c.split_number > bindparam("after"),
    )
    .order_by(fulfilled_order_splits.c.split_number)
    .limit(bindparam("limit"))
)
_PAGE: Final = select(orders).where(orders.c.owner == bindparam("owner"))
_FILTERS: Final = {
    "symbol": orders.c.symbol == bindparam("symbol"),
    "status": orders.c.status == bindparam("status"),
    "client_order_id": orders.c.client_order_id == bindparam("client_order_id"),
    "before": orders.c.acceptance_number < bindparam("before"),
}


@functools.cache
def _page(filters: tuple[str, ...]) -> Select[Any]:
    """Return the statement for a page; each set of filters has its own, to use its own index."""
    return (
        _PAGE.where(*(_FILTERS[name] for name in filters))
        .order_by(orders.c.acceptance_number.desc())
        .limit(bindparam("limit"))
    )


def _snapshot(row: Row[Any]) -> OrderSnapshot:
    order = read_order(row)
    assert row.filled_quantity <= order.quantity, "no order is overfilled"
    return OrderSnapshot(
        order=order,
        status=OrderStatus(row.status),
        reason=None if row.reason is None else Reason(row.reason),
        filled_quantity=row.filled_quantity,
        quote_quantity=row.quote_quantity,
        splits_total=row.splits_total,
        last_sequence=row.last_sequence,
        closed_at=row.closed_at,
        arrival=_arrival(row),
        quotes_seen=row.quotes_seen,
        departure_update_id=row.departure_update_id,
        decision=_decision(row),
    )


def read_order(row: Row[Any]) -> Order:
    """Return the order of a row with all columns of ``orders``."""
    return Order(
        order_id=OrderId(row.order_id),
        acceptance_number=row.acceptance_number,
        owner=Owner(row.owner),
        client_order_id=row.client_order_id,
        symbol=Symbol(row.symbol),
        side=Side(row.side),
        time_in_force=TimeInForce(row.time_in_force),
        quantity=row.quantity,
        limit_price=row.limit_price,
        accepted_at=row.accepted_at,
        expires_at=row.expires_at,
    )


def _arrival(row: Row[Any]) -> Arrival | None:
    if row.arrival_update_id is None:
        return None
    return Arrival(update_id=row.arrival_update_id, price=row.arrival_price)


def _decision(row: Row[Any]) -> Decision | None:
    if row.decision_price is None:
        return None
    return Decision(
        price=row.decision_price,
        displayed_quantity=row.decision_displayed_quantity,
        taken_quantity=row.decision_taken_quantity,
    )


def _split(row: Row[Any]) -> Split:
    return Split(
        order_id=OrderId(row.order_id),
        split_number=row.split_number,
        update_id=row.update_id,
        price=row.price,
        quantity=row.quantity,
        displayed_quantity=row.displayed_quantity,
        filled_at=row.filled_at,
    )


def _levels(rows: Sequence[Row[Any]]) -> list[TakenLevel]:
    return [
        TakenLevel(
            owner=Owner(row.owner), side=Side(row.side), price=row.price, quantity=row.quantity
        )
        for row in rows
        if row.price is not None
    ]
