"""One transaction of the journal: its statements and their order.

A commit whose outcome is unknown is written again, so each statement may run twice without effect:

- A row that never changes is inserted only if it is missing.
- The state of an order changes only to the state after a newer event.
- A gate, a ledger level or the rules are overwritten with their last value.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, select

from app.domain.order import Order, OrderId
from app.storage.journal.rows import Part, Row, Rows, key_row
from app.storage.journal.statements import Statement, statements_for
from app.storage.ownership import check_epoch, probe
from app.storage.schema.tables import client_order_ids


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """A part that cannot be written.

    ``error`` is the cause, or None if the part depends on an earlier refused part.
    """

    part: Part
    error: Exception | None


@dataclass(slots=True)
class Batch:
    """The parts of one transaction, which may have to be written more than once.

    Attributes:
        parts: The parts, in the order of the queue.
        epoch: The epoch of this owner, compared in each transaction.
        may_be_stored: A commit was tried. Until one succeeds, it is unknown whether the parts are
            on disk.
        is_retry: Begin with a write that changes nothing: only a write shows that the database
            accepts writes again.
        refused: The parts that cannot be written.
        taken_keys: The orders that were left out, each with the id of the order that has its key.
    """

    parts: Sequence[Part]
    epoch: int
    may_be_stored: bool = False
    is_retry: bool = False
    refused: list[RefusedPart] = field(default_factory=list)
    taken_keys: dict[OrderId, OrderId] = field(default_factory=dict)

    def write(self, connection: Connection) -> None:
        """Write every part, or raise; the caller then rolls the transaction back."""
        self._begin(connection)
        self._write(connection, self.parts)
        self.may_be_stored = True

    def write_one_by_one(
        self, connection: Connection, is_operational: Callable[[Exception], bool]
    ) -> None:
        """Write each part in its own savepoint, and add the parts that fail to ``refused``.

        An operational error is raised, as in ``write``: no part caused it.
        """
        self._begin(connection)
        broken_symbols = set()
        for part in self.parts:
            symbol = part.symbol
            # Later outcomes of a symbol depend on the refused one, so they are refused too.
            if symbol in broken_symbols:
                self.refused.append(RefusedPart(part, None))
                continue
            try:
                with connection.begin_nested():
                    self._write(connection, (part,))
            except Exception as error:
                if is_operational(error):
                    raise
                self.refused.append(RefusedPart(part, error))
                if symbol is not None:
                    broken_symbols.add(symbol)
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
            parts = [
                part
                for part in parts
                if part.order is None or part.order.order_id not in taken_keys
            ]
            self.taken_keys |= taken_keys
        _write_rows(connection, Rows(parts))


def _take_keys(connection: Connection, parts: Sequence[Part]) -> dict[OrderId, OrderId]:
    """Reserve the keys of the orders, and return the orders whose key is taken.

    The result maps the id of such an order to the id of the earlier order with the key. The table's
    unique key decides which order was first, within a transaction and across transactions. A
    repeated write finds its own row.
    """
    wanted = {
        part.order.order_id: part.order
        for part in parts
        if part.order is not None and part.order.client_order_id is not None
    }
    if not wanted:
        return {}
    statements = statements_for(connection.dialect.name)
    statements.take_keys.execute(connection, [key_row(order) for order in wanted.values()])
    # A transaction has about 500 orders at most; both databases allow about 32,000 parameters.
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


def _write_rows(connection: Connection, rows: Rows) -> None:
    """Write the rows table by table, parents before children, as foreign keys require."""
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
