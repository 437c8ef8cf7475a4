"""Checks one snapshot of a whole database against the promises of Papertape.

Rows are streamed twice. The first pass reads orders with their events and splits by acceptance
number, and checks each order by itself (``order_invariants``). The second pass reads all splits by
position, and checks what orders share (``quote_invariants``). Amounts are added here and never by
the database, since SQLite has no exact decimals.
"""

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import DBAPIError

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import (
    MalformedRowError,
    OrderRecord,
    SplitInOrder,
    StoredEvent,
    StoredLevel,
    read_row,
)
from app.auditing.order_invariants import check_order
from app.auditing.quote_invariants import QuoteAudit
from app.domain.order import Split
from app.storage.failures import first_line, sqlite_code
from app.storage.schema.migrate import check_revision
from app.storage.snapshot import address_of, read_snapshot

OnProgress = Callable[[str, int, int], None]
"""Called with the current step, the rows read so far, and the total (0 if unknown)."""

ROWS_PER_FETCH: Final = 1_000
PROGRESS_ROWS: Final = 500
"""The rows between two reports of progress."""

_ORDERS: Final = """
SELECT orders.*, placed.order_id AS key_order_id, fulfilled.id AS fulfilled_order_id,
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

    def work(connection: Connection) -> AuditReport:
        check_revision(connection, address)
        report = AuditReport(str(address))
        _Audit(connection, report, on_progress or (lambda *_: None)).run()
        return report

    return await read_snapshot(address, work)


class _Audit:
    """One audit of a snapshot, which adds its findings to a report."""

    def __init__(
        self, connection: Connection, report: AuditReport, on_progress: OnProgress
    ) -> None:
        self._connection = connection
        self._report = report
        self._on_progress = on_progress

    def run(self) -> None:
        """Check everything."""
        try:
            self._check_integrity()
            self._report.orders = self._count("orders")
            self._check_references()
            self._check_orders()
            self._check_quotes()
        except DBAPIError as error:
            # A damaged page ends the audit: report the damage with all findings so far.
            if sqlite_code(error) != sqlite3.SQLITE_CORRUPT:
                raise
            detail = f"reading ended early: {first_line(error)}"
            self._report.blame(Invariant.INTEGRITY, None, detail)

    def _check_integrity(self) -> None:
        """Let SQLite check its pages, indexes and constraints; PostgreSQL has no such command."""
        if self._connection.dialect.name != "sqlite":
            return
        self._on_progress("pages of the file", 0, 0)
        self._report.look(Invariant.INTEGRITY, self._number("PRAGMA page_count"))
        for (found,) in self._connection.exec_driver_sql("PRAGMA integrity_check"):
            if found != "ok":
                self._report.blame(Invariant.INTEGRITY, None, " ".join(str(found).split()))

    def _check_references(self) -> None:
        for table, key in _KEYS_OF_ORDERS.items():
            self._report.look(Invariant.REFERENCES, self._count(table))
            orphans = (
                f"SELECT child.{key} AS order_id FROM {table} AS child WHERE NOT EXISTS"  # noqa: S608 - our tables
                f" (SELECT 1 FROM orders WHERE orders.order_id = child.{key})"
            )
            for row in self._stream(orphans):
                detail = f"a row of {table} has no order"
                self._report.blame(Invariant.REFERENCES, row.order_id, detail)

    def _check_orders(self) -> None:
        events = _Grouped(self._stream(_EVENTS))
        splits = _Grouped(self._stream(_SPLITS))
        for row in self._with_progress("orders", self._report.orders, self._stream(_ORDERS)):
            event_rows = events.of(row.acceptance_number)
            split_rows = splits.of(row.acceptance_number)
            self._report.look(Invariant.FORM, 1 + len(event_rows) + len(split_rows))
            try:
                record = read_row(
                    OrderRecord,
                    row,
                    events=tuple(read_row(StoredEvent, one) for one in event_rows),
                    splits=tuple(read_row(Split, one) for one in split_rows),
                )
            except MalformedRowError as error:
                self._report.blame(Invariant.FORM, row.order_id, str(error))
            else:
                check_order(record, self._report)
        for row in self._stream(_MISPLACED_KEYS):
            detail = f"client order id {row.client_order_id!r} is another one than the order's own"
            self._report.blame(Invariant.CLIENT_ORDER_IDS, row.order_id, detail)

    def _check_quotes(self) -> None:
        pruned = self._number("SELECT last_pruned_position FROM event_stream")
        quotes = QuoteAudit(self._report, self._levels(), was_pruned=pruned > 0)
        total = self._count("fulfilled_order_splits")
        for row in self._with_progress("splits", total, self._stream(_SPLITS_BY_POSITION)):
            try:
                quotes.show(read_row(SplitInOrder, row))
            except MalformedRowError:
                continue  # _check_orders reports it
        gates = self._stream("SELECT symbol, update_id FROM symbol_gates")
        quotes.end({row.symbol: row.update_id for row in gates})

    def _levels(self) -> Iterator[StoredLevel]:
        for row in self._stream("SELECT * FROM taken_liquidity"):
            self._report.look(Invariant.FORM)
            try:
                yield read_row(StoredLevel, row)
            except MalformedRowError as error:
                self._report.blame(Invariant.FORM, None, f"a level of {row.symbol}: {error}")

    def _with_progress(self, step: str, total: int, rows: Iterator[Row[Any]]) -> Iterator[Row[Any]]:
        for done, row in enumerate(rows, start=1):
            yield row
            if done % PROGRESS_ROWS == 0 or done == total:
                self._on_progress(step, done, total)

    def _stream(self, statement: str) -> Iterator[Row[Any]]:
        """Run a statement and fetch its rows in small batches as the caller consumes them."""
        options = {"stream_results": True, "yield_per": ROWS_PER_FETCH}
        return iter(self._connection.execute(text(statement), execution_options=options))

    def _count(self, table: str) -> int:
        return self._number(f"SELECT count(*) FROM {table}")  # noqa: S608 - our tables

    def _number(self, statement: str) -> int:
        return self._connection.scalar(text(statement)) or 0


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
