"""Bugs of a service that the checker must find.

Each function plants its bug in the process that calls it.
"""

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from app.domain.events import StoredEvent
from app.domain.order import OrderId
from app.ports import JournalListener, StoredLedger
from app.storage import connections, queries
from app.storage.journal import batch
from app.storage.journal import group_commit as journal
from app.storage.journal.rows import Part, Rows

GAP_SECONDS: Final = 0.05
"""How long the process stays in the inconsistent state."""


def _die_once() -> None:
    """Kill this process here, in one life of the service only; other lives end at random.

    A file in the folder shared by all lives marks the kill.
    """
    try:
        Path("died-in-the-gap").touch(exist_ok=False)
    except FileExistsError:
        return
    os.kill(os.getpid(), signal.SIGKILL)


def answer_before_commit() -> None:
    """Return from a transaction before its commit, which waits for the next transaction."""

    async def transact(self: connections.Writer, work: Callable[[Connection], Any]) -> Any:  # noqa: ANN401 - as the original
        if self._connection is None:
            self._connection = await self._engine.connect()
        if self._connection.in_transaction():
            await self._connection.commit()
        await self._connection.begin()
        return await self._connection.run_sync(work)

    connections.Writer.transact = transact  # type: ignore[method-assign]


def no_unique_key() -> None:
    """Accept used keys."""
    original = batch._write_rows

    def write_rows(connection: Connection, rows: Rows) -> None:
        connection.exec_driver_sql("DROP INDEX IF EXISTS one_order_per_client_order_id")
        original(connection, rows)

    def take_keys(connection: Connection, parts: Sequence[Part]) -> dict[OrderId, OrderId]:
        del connection, parts
        return {}

    batch._write_rows = write_rows
    batch._take_keys = take_keys


def two_transactions() -> None:
    """Commit orders and splits before their events and states."""
    original = batch._write_rows

    def write_rows(connection: Connection, rows: Rows) -> None:
        if rows.splits:
            first = Rows(())
            first.orders, first.splits = rows.orders, rows.splits
            original(connection, first)
            connection.exec_driver_sql("COMMIT")
            _die_once()
            time.sleep(GAP_SECONDS)
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        original(connection, rows)

    batch._write_rows = write_rows


class _DeafTo:
    """Forwards the calls of the journal, except for events that were announced early."""

    def __init__(self, listener: JournalListener, told: set[int]) -> None:
        self._listener = listener
        self._told = told

    def on_durable(self, events: Sequence[StoredEvent]) -> None:
        self._listener.on_durable([one for one in events if one.position not in self._told])

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute
        return getattr(self._listener, name)


def early_announcement() -> None:
    """Announce events before they are written."""
    original = journal.GroupCommitJournal._write_group

    async def write_group(self: journal.GroupCommitJournal, listener: JournalListener) -> None:
        early = [
            stored
            for entry in self._queue
            if entry.order is None
            for stored in entry.part.stored_events
        ]
        if early:
            listener.on_durable(early)
            await asyncio.sleep(GAP_SECONDS)
            _die_once()
        await original(self, _DeafTo(listener, {stored.position for stored in early}))

    journal.GroupCommitJournal._write_group = write_group  # type: ignore[method-assign]


def forgotten_ledger() -> None:
    """Start each symbol with an empty ledger."""
    original = queries.StoredOrders.load_ledger

    async def load_ledger(self: queries.StoredOrders, symbol: Any) -> StoredLedger:  # noqa: ANN401 - as the original
        stored = await original(self, symbol)
        return StoredLedger(gate=stored.gate, levels=())

    queries.StoredOrders.load_ledger = load_ledger  # type: ignore[method-assign]


PLANTED: Final[dict[str, Callable[[], None]]] = {
    bug.__name__: bug
    for bug in (
        answer_before_commit,
        no_unique_key,
        two_transactions,
        early_announcement,
        forgotten_ledger,
    )
}
