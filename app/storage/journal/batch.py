"""One transaction of the journal: which statements, in which order, and what may be repeated.

Each statement may be repeated without effect, so that a commit whose outcome is unknown is simply
tried again: rows that are never changed are inserted unless they are there, an order's state moves
on only from an older event, and a level of the ledger is what it was told last.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from app.domain.events import SymbolOutcome
from app.domain.order import Order, OrderId, Symbol
from app.storage.journal.rows import Part, Row, Rows, key_row
from app.storage.journal.statements import Statement, statements_for
from app.storage.ownership import check_epoch, probe
from app.storage.schema.tables import client_order_ids


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A part that cannot be written, and why; None if it builds on another such part."""

    part: Part
    error: Exception | None


@dataclass(slots=True)
class Batch:
    """The parts of one transaction, which may have to be written more than once.

    ``may_be_stored`` says that a commit was tried: from then on it is unknown whether the parts
    are on disk, until one succeeds. ``is_retry`` has a write that changes nothing come first,
    since only a write shows that writes pass again. ``taken_keys`` says which orders were left out,
    because another one, whose id it gives, has their key.
    """

    parts: Sequence[Part]
    epoch: int
    may_be_stored: bool = False
    is_retry: bool = False
    refused: list[RefusedPart] = field(default_factory=list)
    taken_keys: dict[OrderId, OrderId] = field(default_factory=dict)

    def write(self, connection: Connection) -> None:
        """Write every part, or raise and leave the transaction to be undone."""
        self._begin(connection)
        self._write(connection, self.parts)
        self.may_be_stored = True

    def write_one_by_one(
        self, connection: Connection, is_nobodys_fault: Callable[[Exception], bool]
    ) -> None:
        """Write each part by itself and note in ``refused`` those that cannot be written.

        What a symbol did after an outcome that was refused builds on it and is refused as well. An
        error that is no part's fault is raised, as in ``write``.
        """
        self._begin(connection)
        broken = set()
        for part in self.parts:
            symbol = _symbol_of(part)
            if symbol in broken:
                self.refused.append(RefusedPart(part, None))
                continue
            try:
                with connection.begin_nested():
                    self._write(connection, (part,))
            except Exception as error:
                if is_nobodys_fault(error):
                    raise
                self.refused.append(RefusedPart(part, error))
                if symbol is not None:
                    broken.add(symbol)
        self.may_be_stored = True

    def _begin(self, connection: Connection) -> None:
        self.refused = []
        self.taken_keys = {}
        check_epoch(connection, self.epoch)
        if self.is_retry:
            probe(connection, self.epoch)

    def _write(self, connection: Connection, parts: Sequence[Part]) -> None:
        taken_keys = _take_keys(connection, parts)
        if taken_keys:
            parts = [part for part in parts if _order_id_of(part) not in taken_keys]
            self.taken_keys |= taken_keys
        _write_rows(connection, Rows(parts))


def _take_keys(connection: Connection, parts: Sequence[Part]) -> dict[OrderId, OrderId]:
    """Take the keys of the orders; return those orders whose key an earlier order has, and which.

    The unique key of the table settles who was first, within a transaction and across them, and a
    repeated write finds its own row.
    """
    wanted = {
        part.content.order_id: part.content
        for part in parts
        if isinstance(part.content, Order) and part.content.client_order_id is not None
    }
    if not wanted:
        return {}
    statements = statements_for(connection.dialect.name)
    statements.take_keys.execute(connection, [key_row(order) for order in wanted.values()])
    # A transaction has some 500 orders at most, both databases allow some 32,000 parameters.
    own = connection.scalars(
        select(client_order_ids.c.order_id).where(client_order_ids.c.order_id.in_(list(wanted)))
    )
    return {
        order_id: _holder_of_key(connection, wanted[order_id])
        for order_id in wanted.keys() - set(own)
    }


def _holder_of_key(connection: Connection, order: Order) -> OrderId:
    holder = connection.scalar(
        select(client_order_ids.c.order_id).where(
            client_order_ids.c.owner == order.owner,
            client_order_ids.c.client_order_id == order.client_order_id,
        )
    )
    assert holder is not None, "a key that could not be taken belongs to an order"
    return OrderId(holder)


def _order_id_of(part: Part) -> OrderId | None:
    return part.content.order_id if isinstance(part.content, Order) else None


def _symbol_of(part: Part) -> Symbol | None:
    return part.content.symbol if isinstance(part.content, SymbolOutcome) else None


def _write_rows(connection: Connection, rows: Rows) -> None:
    """Run one statement per table that has rows, parents before children."""
    statements = statements_for(connection.dialect.name)
    steps: tuple[tuple[Statement, Collection[Row]], ...] = (
        (statements.add_orders, rows.orders),
        (statements.add_splits, rows.splits),
        (statements.add_events, rows.events),
        (statements.add_fulfilled, rows.fulfilled),
        (statements.move_orders, rows.states.values()),
        (statements.put_gates, rows.gates.values()),
        (statements.put_taken, rows.taken.values()),
        (statements.forget_taken, rows.forgotten.values()),
        (statements.put_rules, rows.rules),
    )
    for statement, table_rows in steps:
        if table_rows:
            statement.execute(connection, table_rows)
