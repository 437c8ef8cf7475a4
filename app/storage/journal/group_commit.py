"""The journal: the single writer, which commits in groups.

All writes go into one queue. One task takes a group of entries, writes it as one transaction,
notifies the listener, wakes the waiting callers, and repeats. No delay is added: the next group
gathers while a commit runs.

A commit may fail for an operational cause (``failures.is_operational``). The journal then writes
the same group again until it succeeds, and accepts no order meanwhile. Writing a group twice has no
effect. The answer "not executed" requires certainty that the order never reaches the disk: it was
still in the queue, or no commit of its group was tried.

Any other failure is our bug. The journal then writes the group without the part that fails.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterable
from typing import Final

import structlog

from app.domain.errors import (
    ClientOrderIdTakenError,
    JournalBacklogError,
    JournalUnavailableError,
)
from app.domain.events import OrderEvent, SymbolOutcome, acceptance_event
from app.domain.order import Arrival, Order, OrderId, Owner, Symbol
from app.domain.order_counts import OrderCounts
from app.ports import JournalListener, JournalState, StoredRules
from app.storage.database import Database
from app.storage.failures import OwnershipLostError, first_line, is_operational
from app.storage.journal.batch import Batch, RefusedPart
from app.storage.journal.entries import Entry, OrdersUnderWay, make_marker, parts_of, withdraw_from
from app.storage.journal.rows import Part

BACKLOG_ENTRIES_MAX: Final = 10_000
"""Entries in the queue above which new orders are refused: about one second of writing."""

BATCH_ENTRIES_MAX: Final = 10_000
"""The limit of entries in one transaction. It bounds entries without events, such as new gates."""

BATCH_EVENTS_MAX: Final = 512
"""The number of events from which on a transaction takes no further entry.

When one quote fills thousands of orders, the first are answered while the next are written. The
price is small: a commit costs as much as about fifty events. The limit also keeps a transaction
well below the statement timeout of PostgreSQL. A transaction that exceeds the timeout would be
retried unchanged without end.
"""

ANSWER_SECONDS_MAX: Final = 5.0
"""How long an order waits for its commit before the caller gets an unknown outcome."""

STOP_ANSWER_SECONDS_MAX: Final = 1.0
"""How long an order waits while the service stops: the HTTP server soon cancels requests."""

BACKOFF_SECONDS_MIN: Final = 0.05
BACKOFF_SECONDS_MAX: Final = 1.0
"""The pause between attempts at a commit doubles from the minimum to the maximum."""

FLUSH_SECONDS_MAX: Final = 2.0
"""How long ``close`` writes the queued entries; a stop has five seconds in total."""

_log = structlog.get_logger()


class GroupCommitJournal:
    """The port ``Journal`` on SQLite and PostgreSQL; ``run`` is its only task."""

    def __init__(
        self,
        database: Database,
        *,
        answer_seconds_max: float = ANSWER_SECONDS_MAX,
        backlog_entries_max: int = BACKLOG_ENTRIES_MAX,
    ) -> None:
        self._database = database
        self._backlog_entries_max = backlog_entries_max
        self._answer_seconds_max = answer_seconds_max
        self._numbers = itertools.count(database.last_acceptance_number + 1)
        self._next_position = database.last_position + 1
        self._queue: deque[Entry] = deque()
        self._writing: list[Entry] = []
        self._under_way = OrdersUnderWay()
        self._wake = asyncio.Event()
        self._has_ended = asyncio.Event()
        self._is_stopping = False
        self._is_closing = False
        self._is_in_trouble = False
        self._has_written_all = False
        self._time_limit: asyncio.Timeout | None = None
        self._commits = self._failures = self._events = self._refused_parts = 0

    @property
    def is_writable(self) -> bool:
        """Whether the last write succeeded and the service is not stopping."""
        return not (
            self._is_in_trouble or self._is_stopping or self._is_closing or self._has_ended.is_set()
        )

    @property
    def has_written_all(self) -> bool:
        """Whether the journal ended and every recorded outcome is durable."""
        return self._has_written_all

    def state(self) -> JournalState:
        """Return the state and the counters of the journal."""
        return JournalState(
            is_writable=self.is_writable,
            waiting=len(self._queue) + len(self._writing),
            commits=self._commits,
            failures=self._failures,
            events=self._events,
            refused_parts=self._refused_parts,
        )

    def next_acceptance_number(self) -> int:
        """Return a number above all numbers that were returned or stored before."""
        return next(self._numbers)

    async def accept(self, order: Order, arrival: Arrival | None = None) -> None:
        """Return once the order is durable. Canceling the caller does not withdraw the order."""
        if len(self._queue) >= self._backlog_entries_max:
            raise JournalBacklogError
        await self._submit(self._part(order, (acceptance_event(order, arrival),)))

    @property
    def orders_under_way(self) -> OrderCounts:
        """How many orders wait to be written; each of them may become an open order."""
        return self._under_way.counts

    def order_under_way(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the order with this key whose outcome is still unknown, None without one."""
        return self._under_way.find(owner, client_order_id)

    def record(self, outcome: SymbolOutcome) -> None:
        """Queue an outcome of a symbol. A full queue does not refuse it: a fill is never undone."""
        if self._has_ended.is_set():
            _log.error("outcome_after_the_end", symbol=outcome.symbol, events=len(outcome.events))
            return
        self._enqueue(Entry(self._part(outcome, outcome.events), None))

    async def settle(self) -> None:
        """Return once every entry queued before the call is durable or refused.

        Raises:
            JournalUnavailableError: the journal ended first.
        """
        if self._has_ended.is_set():
            raise JournalUnavailableError
        if not self._queue and not self._writing:
            return
        if not self._queue or not self._queue[-1].is_marker:
            self._enqueue(make_marker())
        waiter = self._queue[-1].waiter
        assert waiter is not None, "a marker has a waiter"
        # Several callers may wait for one marker: canceling one must not cancel the others.
        await asyncio.shield(waiter)

    async def save_trading_rules(self, stored: StoredRules) -> None:
        """Return once the copy is durable.

        Raises:
            JournalUnavailableError: the copy was not stored.
        """
        await self._submit(self._part(stored, ()))

    async def run(self, listener: JournalListener) -> None:
        """Write until the journal is closed.

        Raises:
            OwnershipLostError: another service took over the database; this service must exit.
        """
        try:
            async with asyncio.timeout(None) as self._time_limit:
                while await self._has_work():
                    await self._write_group(listener)
            self._has_written_all = not self._refused_parts
        except TimeoutError:
            # The listener may raise TimeoutError too: only our own time limit is handled here.
            if self._time_limit is None or not self._time_limit.expired():
                raise
            _log.error("journal_not_flushed", entries=len(self._writing) + len(self._queue))
        finally:
            self._end()

    def prepare_to_stop(self) -> None:
        """Refuse new orders, and answer the waiting ones within ``STOP_ANSWER_SECONDS_MAX``."""
        self._is_stopping = True
        loop = asyncio.get_running_loop()
        for entry in (*self._queue, *self._writing):
            if entry.is_waiting_order:
                loop.call_later(STOP_ANSWER_SECONDS_MAX, self._give_up, entry)

    async def close(self) -> None:
        """Refuse new orders, write the queue for ``FLUSH_SECONDS_MAX`` at most, and end ``run``."""
        self._is_closing = True
        self._wake.set()
        if self._time_limit is None:  # run() never started
            self._end()
        elif not self._has_ended.is_set():
            deadline = asyncio.get_running_loop().time() + FLUSH_SECONDS_MAX
            self._time_limit.reschedule(deadline)
            await self._has_ended.wait()

    def _part(
        self, content: Order | SymbolOutcome | StoredRules, events: tuple[OrderEvent, ...]
    ) -> Part:
        part = Part(content=content, events=events, position=self._next_position)
        self._next_position += len(events)
        return part

    async def _submit(self, part: Part) -> None:
        """Queue a part that may be withdrawn, and wait for its outcome."""
        if not self.is_writable:
            raise JournalUnavailableError
        loop = asyncio.get_running_loop()
        entry = Entry(part, loop.create_future())
        self._enqueue(entry)
        self._under_way.note(entry)
        timer = loop.call_later(self._answer_seconds_max, self._give_up, entry)
        try:
            await entry.wait()
        finally:
            timer.cancel()

    def _enqueue(self, entry: Entry) -> None:
        self._queue.append(entry)
        self._wake.set()

    def _give_up(self, entry: Entry) -> None:
        """Answer an order that waited too long.

        An order in the queue is withdrawn. Otherwise its group is being written, and its outcome is
        unknown.
        """
        if entry.is_queued:
            self._queue.remove(entry)
            # An order may have two timers, its own and the one of a stop: the second must not
            # remove it again.
            entry.is_queued = False
            self._under_way.forget((entry,))
            entry.wake(JournalUnavailableError())
        else:
            entry.wake(entry.unknown_outcome())

    async def _has_work(self) -> bool:
        """Wait for an entry; return False once the journal is closed and the queue is empty."""
        while not self._queue and not self._is_closing:
            self._wake.clear()
            await self._wake.wait()
        return bool(self._queue)

    async def _write_group(self, listener: JournalListener) -> None:
        """Write the oldest entries as one transaction, and retry until it succeeds."""
        self._writing = self._take_group()
        batch = Batch(parts_of(self._writing), self._database.epoch)
        backoff = BACKOFF_SECONDS_MIN
        try:
            while (error := await self._try_to_write(batch)) is not None:
                self._note_trouble(batch, error, listener)
                await asyncio.sleep(backoff)
                backoff = min(2 * backoff, BACKOFF_SECONDS_MAX)
        except OwnershipLostError:
            withdrawn = self._withdraw_from(batch)
            self._under_way.forget(withdrawn)
            _refuse_all(withdrawn)
            raise
        self._conclude(batch, listener)

    def _take_group(self) -> list[Entry]:
        """Take the entries of one transaction from the queue: at least one, within the limits."""
        group: list[Entry] = []
        events = 0
        while self._queue and len(group) < BATCH_ENTRIES_MAX and events < BATCH_EVENTS_MAX:
            entry = self._queue.popleft()
            entry.is_queued = False
            group.append(entry)
            events += len(entry.part.events)
        return group

    async def _try_to_write(self, batch: Batch) -> Exception | None:
        """Write the batch; return the operational error that calls for a retry, else None."""
        # Without parts there is nothing to write. After a failure it is written all the same: only
        # a write shows that the database accepts writes again.
        if not batch.parts and not self._is_in_trouble:
            return None
        try:
            await self._write_sound_parts(batch)
        except Exception as error:
            if not is_operational(error):
                raise
            return error
        return None

    async def _write_sound_parts(self, batch: Batch) -> None:
        """Write the whole batch; if a part cannot be written, write all other parts."""
        try:
            await self._database.write(batch.write)
        except Exception as error:
            if is_operational(error):
                raise
            await self._database.write(
                lambda connection: batch.write_one_by_one(connection, is_operational)
            )

    def _note_trouble(self, batch: Batch, error: Exception, listener: JournalListener) -> None:
        """Withdraw what can be withdrawn, and refuse new orders until a write succeeds."""
        batch.is_retry = True
        self._failures += 1
        withdrawn = withdraw_from(self._queue) + self._withdraw_from(batch)
        self._under_way.forget(withdrawn)
        if not self._is_in_trouble:
            self._is_in_trouble = True
            _log.error(
                "journal_write_failed",
                error=first_line(error),
                may_be_stored=batch.may_be_stored,
                withdrawn=len(withdrawn),
            )
            listener.on_write_trouble()
        _refuse_all(withdrawn)

    def _withdraw_from(self, batch: Batch) -> list[Entry]:
        """Withdraw entries of the batch, and return them."""
        if batch.may_be_stored:  # an order that may be on disk must not be answered as refused
            return []
        withdrawn = withdraw_from(self._writing)
        batch.parts = parts_of(self._writing)
        return withdrawn

    def _conclude(self, batch: Batch, listener: JournalListener) -> None:
        """Report the durable entries: to the listener first, then to the waiting callers."""
        refused = {id(one.part): one for one in batch.refused}
        stored: list[Entry] = []
        for entry in self._writing:
            holder = None if entry.order is None else batch.taken_keys.get(entry.order.order_id)
            if holder is not None:
                entry.wake(ClientOrderIdTakenError(holder))
            elif id(entry.part) not in refused:
                stored.append(entry)
        events = [event for entry in stored for event in entry.part.stored_events]
        self._commits += bool(batch.parts)
        self._events += len(events)
        if events:
            listener.on_durable(events)
        for entry in stored:
            entry.wake()
        if refused:
            self._refuse(refused, listener)
        self._under_way.forget(self._writing)
        self._writing = []
        if self._is_in_trouble:
            self._is_in_trouble = False
            _log.info("journal_write_recovered")
            listener.on_write_recovery()

    def _refuse(self, refused: dict[int, RefusedPart], listener: JournalListener) -> None:
        """Drop the refused parts, and the queued outcomes that depend on them."""
        symbols: dict[Symbol, None] = {}
        for entry in self._writing:
            refusal = refused.get(id(entry.part))
            if refusal is None:
                continue
            self._refused_parts += 1
            if refusal.error is not None:
                _log.error("journal_part_refused", part=entry.part, exc_info=refusal.error)
            entry.wake(JournalUnavailableError())
            if entry.symbol is not None:
                symbols[entry.symbol] = None
        if symbols:
            self._queue = deque(one for one in self._queue if one.symbol not in symbols)
        for symbol in symbols:
            listener.on_outcome_refused(symbol)

    def _end(self) -> None:
        """Answer all callers that still wait; the journal writes nothing after this."""
        self._has_ended.set()
        for entry in self._writing:
            entry.wake(entry.unknown_outcome())
        withdrawn = list(self._queue)
        self._queue.clear()
        for entry in withdrawn:
            entry.is_queued = False  # its timer may fire before the caller cancels it
        self._under_way.forget(withdrawn)
        _refuse_all(withdrawn)


def _refuse_all(entries: Iterable[Entry]) -> None:
    """Answer that these entries are not on disk and never will be."""
    for entry in entries:
        entry.wake(JournalUnavailableError())
