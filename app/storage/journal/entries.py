"""The entries of the journal's queue, and the orders among them."""

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from app.domain.errors import JournalUnavailableError, OutcomeUnknownError
from app.domain.order import Order, OrderId, Owner, Symbol
from app.domain.order_counts import OrderCounts
from app.storage.journal.rows import Part

Key = tuple[Owner, str]
"""An owner and the ``client_order_id`` of an order."""


@dataclass(slots=True, eq=False)
class Entry:
    """One part in the queue, and the caller that waits for it.

    Attributes:
        part: The part to store. In a marker it has no content.
        waiter: Set once the part is durable or refused; None if no caller waits.
        is_queued: Whether the entry is still in the queue.
    """

    part: Part
    waiter: asyncio.Future[None] | None
    is_queued: bool = True

    @property
    def order(self) -> Order | None:
        """The accepted order, if the entry is an acceptance."""
        return self.part.order

    @property
    def is_marker(self) -> bool:
        """Whether the entry stores nothing and marks the end of the entries before it."""
        return self.part.content is None

    @property
    def key(self) -> Key | None:
        """The owner and ``client_order_id`` of the order, if it has one."""
        order = self.order
        if order is None or order.client_order_id is None:
            return None
        return order.owner, order.client_order_id

    @property
    def is_waiting_order(self) -> bool:
        """Whether a caller waits for the result of an order."""
        return self.order is not None and self.waiter is not None and not self.waiter.done()

    @property
    def symbol(self) -> Symbol | None:
        """The symbol, if the entry is an outcome of its fulfillment."""
        return self.part.symbol

    @property
    def can_be_withdrawn(self) -> bool:
        """Whether the entry may be dropped: no fill or end of an order depends on it."""
        return not self.is_marker and self.symbol is None

    async def wait(self) -> None:
        """Wait until the entry is durable, or raise the error that it got."""
        assert self.waiter is not None, "a caller waits for this entry"
        await self.waiter

    def unknown_outcome(self) -> JournalUnavailableError | OutcomeUnknownError:
        """Return the error of an entry whose group is being written: its outcome is unknown."""
        order = self.order
        return JournalUnavailableError() if order is None else OutcomeUnknownError(order.order_id)

    def wake(self, error: Exception | None = None) -> None:
        """Pass the result to the caller that waits."""
        if self.waiter is None or self.waiter.done():
            return
        if error is None:
            self.waiter.set_result(None)
        else:
            self.waiter.set_exception(error)


def make_marker() -> Entry:
    """Return an entry that is done once all entries before it are; no caller has to wait for it."""
    waiter = asyncio.get_running_loop().create_future()
    # Without a waiting caller, asyncio would log that the exception was never retrieved.
    waiter.add_done_callback(lambda done: done.cancelled() or done.exception())
    return Entry(Part(content=None), waiter)


def parts_of(entries: Iterable[Entry]) -> list[Part]:
    """Return the parts to store: markers have none."""
    return [entry.part for entry in entries if not entry.is_marker]


def withdraw_from(entries: deque[Entry] | list[Entry]) -> list[Entry]:
    """Remove the entries that can be withdrawn and return them."""
    withdrawn = [entry for entry in entries if entry.can_be_withdrawn]
    kept = [entry for entry in entries if not entry.can_be_withdrawn]
    entries.clear()
    entries.extend(kept)
    for entry in withdrawn:
        entry.is_queued = False  # its timer may fire before the caller cancels it
    return withdrawn


class OrdersUnderWay:
    """The orders whose outcome is not known yet: queued, or being written."""

    def __init__(self) -> None:
        self.counts = OrderCounts()
        self._by_key: dict[Key, dict[Entry, None]] = {}

    def note(self, entry: Entry) -> None:
        """Add the entry, if it is an order."""
        if entry.order is not None:
            self.counts.add(entry.order)
        if entry.key is not None:
            self._by_key.setdefault(entry.key, {})[entry] = None

    def forget(self, entries: Iterable[Entry]) -> None:
        """Remove entries whose outcome is known."""
        for entry in entries:
            if entry.order is not None:
                self.counts.remove(entry.order)
            if entry.key is not None:
                same_key = self._by_key[entry.key]
                del same_key[entry]
                if not same_key:
                    del self._by_key[entry.key]

    def find(self, owner: Owner, client_order_id: str) -> OrderId | None:
        """Return the oldest order with the key, None without one."""
        for entry in self._by_key.get((owner, client_order_id), ()):
            assert entry.order is not None, "only orders have keys"
            return entry.order.order_id
        return None
