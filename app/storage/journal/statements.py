"""The statements that write, built once for each kind of database.

Each statement may run twice without effect, see ``batch``.

On SQLite one statement writes many rows. ``executemany`` runs once per row and takes 1.5 times as
long. After each row, the writing thread also waits to get the interpreter lock back. While the
event loop is busy that takes up to ``sys.getswitchinterval``, which made some commits slow.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Protocol

from sqlalchemy import (
    ClauseElement,
    Column,
    ColumnElement,
    Connection,
    Executable,
    Table,
    Update,
    bindparam,
    delete,
    update,
    values,
)
from sqlalchemy.dialects import postgresql, sqlite

from app.storage.connections import send_sql
from app.storage.journal.rows import Row
from app.storage.schema.column_types import sqlite_form
from app.storage.schema.tables import (
    client_order_ids,
    fulfilled_order_splits,
    fulfilled_orders,
    order_events,
    orders,
    symbol_gates,
    taken_liquidity,
    trading_rules,
)

ROWS_PER_STATEMENT: Final = (256, 128, 64, 32, 16, 8, 7, 6, 5, 4, 3, 2, 1)
"""The sizes of the prepared statements for SQLite; any number of rows is a sum of a few sizes.

The largest statement stays below the 32,766 parameters that SQLite allows
(https://www.sqlite.org/limits.html, SQLITE_MAX_VARIABLE_NUMBER). Nine tables with 13 sizes each
stay below the 128 prepared statements that Python's driver caches.
"""


class Statement(Protocol):
    """Writes rows of one table."""

    def execute(self, connection: Connection, rows: Collection[Row]) -> None:
        """Write one or more rows in the connection's transaction."""


class EachRow:
    """Runs a statement for each row; the driver of PostgreSQL sends all rows at once."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement

    def execute(self, connection: Connection, rows: Collection[Row]) -> None:
        """Write the rows."""
        connection.execute(self._statement, list(rows))


class ManyRows:
    """Writes many rows with one statement of SQLite.

    The values bypass SQLAlchemy's types, so they are converted here to the stored form.

    Args:
        statement: The statement with the values of one row.
        columns: The names and types of these values, in order.
    """

    def __init__(self, statement: ClauseElement, columns: Sequence[Column[Any]]) -> None:
        names = [column.name for column in columns]
        self._values = itemgetter(*names)
        self._converters = [
            (index, convert)
            for index, column in enumerate(columns)
            if (convert := sqlite_form(column)) is not None
        ]
        one_row = f"({', '.join('?' for _ in columns)})"
        compiled = statement.compile(dialect=sqlite.dialect(), column_keys=names)
        head, rest = str(compiled).split(one_row)
        self._sql = {
            rows: f"{head}{', '.join(one_row for _ in range(rows))}{rest}"
            for rows in ROWS_PER_STATEMENT
        }

    def execute(self, connection: Connection, rows: Collection[Row]) -> None:
        """Write the rows."""
        waiting = iter(rows)
        rows_left = len(rows)
        for size, sql in self._sql.items():
            while rows_left >= size:
                send_sql(connection, sql, self._parameters(islice(waiting, size)))
                rows_left -= size

    def _parameters(self, rows: "islice[Row]") -> tuple[object, ...]:
        parameters: list[object] = []
        for row in rows:
            values = list(self._values(row))
            for index, convert in self._converters:
                if values[index] is not None:
                    values[index] = convert(values[index])
            parameters += values
        return tuple(parameters)


class Statements:
    """The statements for one kind of database."""

    def __init__(self, dialect: str) -> None:
        self._is_sqlite = dialect == "sqlite"
        self.take_keys = self._add(client_order_ids, "owner", "client_order_id")
        self.add_orders = self._add(orders, "order_id")
        self.add_splits = self._add(fulfilled_order_splits, "order_id", "split_number")
        self.add_events = self._add(order_events, "order_id", "sequence")
        self.add_fulfilled = self._add(fulfilled_orders, "id")
        self.put_gates = self._put(symbol_gates)
        self.put_taken = self._put(taken_liquidity)
        self.put_rules = self._put(trading_rules)
        # Row by row, since there are few: SQLite would scan the table to find many rows at once.
        self.forget_taken = EachRow(
            delete(taken_liquidity).where(
                *(column == bindparam(column.name) for column in taken_liquidity.primary_key)
            )
        )
        self.move_orders = self._move()

    def _add(self, table: Table, *key: str) -> Statement:
        """Insert the row unless its key exists; any other violated constraint raises."""
        if self._is_sqlite:
            insert = sqlite.insert(table).on_conflict_do_nothing(index_elements=key)
            return ManyRows(insert, _written(table))
        return EachRow(postgresql.insert(table).on_conflict_do_nothing(index_elements=key))

    def _put(self, table: Table) -> Statement:
        """Insert the row, or overwrite the row with the same primary key."""
        key = [column.name for column in table.primary_key]
        rest = [column.name for column in table.c if column.name not in key]
        if self._is_sqlite:
            own = sqlite.insert(table)
            values = {name: own.excluded[name] for name in rest}
            put = own.on_conflict_do_update(index_elements=key, set_=values)
            return ManyRows(put, _written(table))
        insert = postgresql.insert(table)
        values = {name: insert.excluded[name] for name in rest}
        return EachRow(insert.on_conflict_do_update(index_elements=key, set_=values))

    def _move(self) -> Statement:
        """Update the state of an order, unless the stored state is the same or newer."""
        columns = [
            Column("the_order_id", orders.c.order_id.type),
            *(Column(f"new_{name}", orders.c[name].type) for name in _STATE_COLUMNS),
        ]
        row = {column.name: bindparam(column.name, type_=column.type) for column in columns}
        if not self._is_sqlite:
            return EachRow(_move_to(row))
        rows = values(*columns, name="states").data([tuple(row.values())]).cte()
        return ManyRows(_move_to(dict(rows.c)), columns)


_STATE_COLUMNS: Final = (
    "status",
    "reason",
    "filled_quantity",
    "quote_quantity",
    "splits_total",
    "last_sequence",
    "closed_at",
    "arrival_update_id",
    "arrival_price",
    "quotes_seen",
    "departure_update_id",
    "decision_price",
    "decision_displayed_quantity",
    "decision_taken_quantity",
)


def _move_to(state: Mapping[str, ColumnElement[Any]]) -> Update:
    return (
        update(orders)
        .where(
            orders.c.order_id == state["the_order_id"],
            orders.c.last_sequence < state["new_last_sequence"],
        )
        .values({name: state[f"new_{name}"] for name in _STATE_COLUMNS})
    )


def _written(table: Table) -> list[Column[Any]]:
    """Return the columns of an INSERT: all that the database does not number itself."""
    return [column for column in table.c if column.autoincrement is not True]


@cache
def statements_for(dialect: str) -> Statements:
    """Return the statements for ``sqlite`` or ``postgresql``."""
    return Statements(dialect)


statements_for("sqlite")  # built at import, so that the first order does not wait for it
