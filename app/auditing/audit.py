"""Checks one snapshot of a whole database against the promises of Papertape.

Rows are streamed twice. The first pass reads orders with their events and splits by acceptance
number, and checks each order by itself (``order_invariants``). The second pass reads all splits by
position, and checks what orders share (``quote_invariants``). Amounts are added here and never by
the database, since SQLite has no exact decimals.
"""

import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from app.auditing.audit_report import AuditReport, Findings, Invariant
from app.auditing.audit_rows import (
    MalformedRowError,
    OrderRecord,
    StoredLevel,
    read_event,
    read_fulfilled,
    read_level,
    read_order,
    read_split,
    read_split_in_order,
)
from app.auditing.order_invariants import check_order
from app.auditing.quote_invariants import QuoteAudit
from app.storage.address import DatabaseAddress
from app.storage.failures import first_line
from app.storage.schema.migrate import check_revision
from app.storage.snapshot import address_of, read_snapshot

OnProgress = Callable[[str, int, int], None]
"""Called with the current step, the rows read so far, and the total (0 if unknown)."""

ROWS_PER_FETCH: Final = 1_000
PROGRESS_ROWS: Final = 500

_ORDERS: Final = """
SELECT orders.*, placed.order_id AS key_order_id, fulfilled.id AS fulfilled_id,
       fulfilled.created_at AS fulfilled_created_at, fulfilled.symbol AS fulfilled_symbol,
       fulfilled.side AS fulfilled_side, fulfilled.quantity AS fulfilled_quantity,
       fulfilled.price AS fulfilled_price, fulfilled.average_price AS fulfilled_average_price
FROM orders
LEFT JOIN fulfilled_orders AS fulfilled ON fulfilled.id = orders.order_id
LEFT JOIN client_order_ids AS placed
  ON placed.owner = orders.owner AND placed.client_order_id = orders.client_order_id
ORDER BY orders.acceptance_number
"""

_EVENTS: Final = """
SELECT orders.acceptance_number, event.*
FROM orders JOIN order_events AS event ON event.order_id = orders.order_id
ORDER BY orders.acceptance_number, event.sequence
"""

_SPLITS: Final = """
SELECT orders.acceptance_number, split.*
FROM orders JOIN fulfilled_order_splits AS split ON split.order_id = orders.order_id
ORDER BY orders.acceptance_number, split.split_number
"""

_SPLITS_BY_POSITION: Final = """
SELECT orders.owner, orders.symbol, orders.side, split.*
FROM order_events AS event
JOIN fulfilled_order_splits AS split
  ON split.order_id = event.order_id AND split.split_number = event.split_number
JOIN orders ON orders.order_id = event.order_id
ORDER BY event.position
"""

_KEYS_OF_ORDERS: Final = {
    "order_events": "order_id",
    "fulfilled_order_splits": "order_id",
    "fulfilled_orders": "id",
}
"""The column of a table with the id of the order that a row belongs to."""

_MISPLACED_KEYS: Final = """
SELECT placed.order_id, placed.client_order_id
FROM client_order_ids AS placed JOIN orders ON orders.order_id = placed.order_id
WHERE orders.client_order_id IS NULL OR orders.client_order_id <> placed.client_order_id
   OR orders.owner <> placed.owner
"""


async def audit(database: str, *, on_progress: OnProgress | None = None) -> AuditReport:
    """Audit the database at a URL, or the SQLite file at a path; a service may be running on it.

    On SQLite ``on_progress`` is called from another thread.

    Raises:
        StartupError: the database cannot be read or is not of this release; one line says why.
    """
    address = address_of(database)
    return await read_snapshot(address, partial(_audit, address, on_progress or _ignore))


def _ignore(_step: str, _done: int, _total: int) -> None:
    """Ignore the progress."""


def _audit(
    address: DatabaseAddress, on_progress: OnProgress, connection: Connection
) -> AuditReport:
    check_revision(connection, address)
    findings = Findings()
    orders = 0
    try:
        _check_integrity(connection, findings, on_progress)
        orders = _count(connection, "orders")
        _check_references(connection, findings)
        _check_orders(connection, findings, partial(on_progress, "orders"), orders)
        _check_quotes(connection, findings, partial(on_progress, "splits"))
    except DBAPIError as error:
        # A damaged page ends the audit: report the damage with all findings so far.
        if getattr(error.orig, "sqlite_errorcode", None) != sqlite3.SQLITE_CORRUPT:
            raise
        findings.blame(Invariant.INTEGRITY, None, f"reading ended early: {first_line(error)}")
    return findings.report(str(address), orders=orders)


def _check_integrity(connection: Connection, findings: Findings, on_progress: OnProgress) -> None:
    """Let SQLite check its pages, indexes and constraints; PostgreSQL has no such command."""
    if connection.dialect.name != "sqlite":
        return
    on_progress("pages of the file", 0, 0)
    findings.look(Invariant.INTEGRITY, connection.scalar(text("PRAGMA page_count")) or 0)
    for (found,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if found != "ok":
            findings.blame(Invariant.INTEGRITY, None, " ".join(str(found).split()))


def _check_references(connection: Connection, findings: Findings) -> None:
    for table, key in _KEYS_OF_ORDERS.items():
        findings.look(Invariant.REFERENCES, _count(connection, table))
        orphans = (
            f"SELECT child.{key} AS order_id FROM {table} AS child WHERE NOT EXISTS"  # noqa: S608 - our tables
            f" (SELECT 1 FROM orders WHERE orders.order_id = child.{key})"
        )
        for row in _stream(connection, orphans):
            findings.blame(Invariant.REFERENCES, row.order_id, f"a row of {table} has no order")


def _check_orders(
    connection: Connection, findings: Findings, on_rows: Callable[[int, int], None], total: int
) -> None:
    events = _Grouped(_stream(connection, _EVENTS))
    splits = _Grouped(_stream(connection, _SPLITS))
    for done, row in enumerate(_stream(connection, _ORDERS), start=1):
        event_rows = events.of(row.acceptance_number)
        split_rows = splits.of(row.acceptance_number)
        findings.look(Invariant.FORM, 1 + len(event_rows) + len(split_rows))
        try:
            record = OrderRecord(
                stored=read_order(row),
                key_order_id=row.key_order_id,
                fulfilled=read_fulfilled(row),
                events=tuple(read_event(one) for one in event_rows),
                splits=tuple(read_split(one) for one in split_rows),
            )
        except MalformedRowError as error:
            findings.blame(Invariant.FORM, row.order_id, str(error))
        else:
            check_order(record, findings)
        if done % PROGRESS_ROWS == 0 or done == total:
            on_rows(done, total)
    for row in _stream(connection, _MISPLACED_KEYS):
        detail = f"client order id {row.client_order_id!r} is another one than the order's own"
        findings.blame(Invariant.CLIENT_ORDER_IDS, row.order_id, detail)


def _check_quotes(
    connection: Connection, findings: Findings, on_rows: Callable[[int, int], None]
) -> None:
    total = _count(connection, "fulfilled_order_splits")
    pruned = connection.scalar(text("SELECT last_pruned_position FROM event_stream")) or 0
    quotes = QuoteAudit(findings, _levels(connection, findings), was_pruned=pruned > 0)
    for done, row in enumerate(_stream(connection, _SPLITS_BY_POSITION), start=1):
        try:
            quotes.show(read_split_in_order(row))
        except MalformedRowError:
            continue  # _check_orders reports it
        if done % PROGRESS_ROWS == 0 or done == total:
            on_rows(done, total)
    gates = connection.execute(text("SELECT symbol, update_id FROM symbol_gates"))
    quotes.end({row.symbol: row.update_id for row in gates})


def _levels(connection: Connection, findings: Findings) -> Iterator[StoredLevel]:
    for row in _stream(connection, "SELECT * FROM taken_liquidity"):
        findings.look(Invariant.FORM)
        try:
            yield read_level(row)
        except MalformedRowError as error:
            findings.blame(Invariant.FORM, None, f"a level of {row.symbol}: {error}")


class _Grouped:
    """Splits a stream of rows, sorted by acceptance number, into the rows of each order."""

    def __init__(self, rows: Iterator[Row[Any]]) -> None:
        self._rows = rows
        self._head = next(rows, None)

    def of(self, acceptance_number: int) -> list[Row[Any]]:
        """Return the rows of the order, which must be the next one in the stream."""
        group = []
        while self._head is not None and self._head.acceptance_number == acceptance_number:
            group.append(self._head)
            self._head = next(self._rows, None)
        return group


def _stream(connection: Connection, statement: str) -> Iterator[Row[Any]]:
    """Run a statement and fetch its rows in small batches as the caller consumes them."""
    result = connection.execute(
        text(statement),
        execution_options={"stream_results": True, "yield_per": ROWS_PER_FETCH},
    )
    return iter(result)


def _count(connection: Connection, table: str) -> int:
    return connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0  # noqa: S608 - our tables
