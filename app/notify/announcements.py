"""Wakes whoever waits for an order, once what happened to it is durable."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.domain.events import OrderEvent
from app.domain.order import OrderId


class Announcements:
    """The event bus of one process; used from its event loop only.

    Implements the ports ``EventBus`` and ``CloseWaiters``. It keeps nothing for those who come
    late: they read the database.
    """

    def __init__(self) -> None:
        self._waiters: dict[OrderId, set[_FutureWaiter]] = {}
        self._is_stopping = False

    def publish(self, events: Sequence[OrderEvent]) -> None:
        """Tell events that are on disk, in commit order."""
        for event in events:
            if event.status.is_terminal:
                for waiter in self._waiters.get(event.order.order_id, ()):
                    waiter.resolve(is_closed=True)

    @contextmanager
    def expect(self, order_id: OrderId) -> Iterator["_FutureWaiter"]:
        """Enter before the order is placed, so that its end is not missed."""
        waiter = _FutureWaiter()
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


class _FutureWaiter:
    """Waits for the end of one order (port ``CloseWaiter``)."""

    def __init__(self) -> None:
        self._closed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    async def wait(self) -> bool:
        """Return True once the order's end is durable, False if the service stops first."""
        return await asyncio.shield(self._closed)

    def resolve(self, *, is_closed: bool) -> None:
        if not self._closed.done():
            self._closed.set_result(is_closed)
