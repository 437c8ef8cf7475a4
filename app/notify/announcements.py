"""Wakes whoever waits for an order, once what happened to it is durable."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.domain.events import OrderEvent, StoredEvent, snapshot_after
from app.domain.order import OrderId, OrderSnapshot, Split
from app.ports import SPLITS_PER_ANSWER_MAX


class Announcements:
    """The event bus of one process; used from its event loop only.

    Implements the ports ``EventBus`` and ``OrderWaiters``. It keeps nothing for those who come
    late: they read the database.
    """

    def __init__(self) -> None:
        self._waiters: dict[OrderId, set[_EventWaiter]] = {}
        self._is_stopping = False

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Tell events that are on disk, in commit order."""
        for stored in events:
            for waiter in self._waiters.get(stored.event.order.order_id, ()):
                waiter.hear(stored.event)

    @contextmanager
    def expect(self, order_id: OrderId) -> Iterator["_EventWaiter"]:
        """Enter before the order is placed, so that none of its events is missed."""
        waiter = _EventWaiter()
        if self._is_stopping:
            waiter.resolve(is_closed=False)
        waiters = self._waiters.setdefault(order_id, set())
        waiters.add(waiter)
        try:
            yield waiter
        finally:
            waiters.discard(waiter)
            if not waiters:
                self._waiters.pop(order_id, None)

    def stop(self) -> None:
        """Let everybody go who waits, now and later: the service is about to end."""
        self._is_stopping = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.resolve(is_closed=False)


class _EventWaiter:
    """Hears one order (port ``OrderWaiter``)."""

    def __init__(self) -> None:
        self.splits: list[Split] = []
        self._last: OrderEvent | None = None
        self._is_closed: bool | None = None
        self._sleeping: asyncio.Future[None] | None = None

    @property
    def snapshot(self) -> OrderSnapshot:
        """The order after the newest event heard."""
        assert self._last is not None, "an order is placed before anybody asks how it stands"
        return snapshot_after(self._last)

    async def wait(self, seconds: float) -> bool:
        """Return True once the order's end is durable, False after ``seconds`` or at a stop.

        A bare future and a timer: ``asyncio.wait`` takes three times as long to wake thousands.
        """
        if self._is_closed is None and seconds > 0:
            loop = asyncio.get_running_loop()
            self._sleeping = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._sleeping
            finally:
                timer.cancel()
        return self._is_closed is True

    def hear(self, event: OrderEvent) -> None:
        self._last = event
        if event.split is not None and len(self.splits) < SPLITS_PER_ANSWER_MAX:
            self.splits.append(event.split)
        if event.status.is_terminal:
            self.resolve(is_closed=True)

    def resolve(self, *, is_closed: bool) -> None:
        if self._is_closed is None:
            self._is_closed = is_closed
            self._wake()

    def _wake(self) -> None:
        if self._sleeping is not None and not self._sleeping.done():
            self._sleeping.set_result(None)
