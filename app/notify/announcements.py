"""Wake requests that wait for an order, once its events are durable."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from app.domain.events import OrderEvent, StoredEvent, snapshot_after
from app.domain.order import OrderId, OrderSnapshot, Split
from app.ports import SPLITS_PER_ANSWER_MAX, EventBus


class Announcements:
    """The event bus of one process; call it from one event loop only.

    It implements the ports ``EventBus`` and ``OrderWaiters``. It stores no events: a late waiter
    reads the database.
    """

    def __init__(self) -> None:
        self._waiters: dict[OrderId, set[_EventWaiter]] = {}
        self._is_stopping = False

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Pass durable events to their waiters, in commit order."""
        for stored in events:
            for waiter in self._waiters.get(stored.event.order.order_id, ()):
                waiter.receive(stored.event)

    @contextmanager
    def expect(self, order_id: OrderId) -> Iterator["_EventWaiter"]:
        """Register a waiter; enter before the order is placed, so that no event is missed."""
        waiter = _EventWaiter()
        if self._is_stopping:  # a request must not delay the shutdown
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
        """Release all present and later waiters, because the service shuts down."""
        self._is_stopping = True
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.resolve(is_closed=False)


class _EventWaiter:
    """Waits for the end of one order (port ``OrderWaiter``)."""

    def __init__(self) -> None:
        self.splits: list[Split] = []
        self._last: OrderEvent | None = None
        self._is_closed: bool | None = None
        self._wakeup: asyncio.Future[None] | None = None

    @property
    def snapshot(self) -> OrderSnapshot:
        """The order after the newest event received."""
        assert self._last is not None, "the acceptance of the order is its first event"
        return snapshot_after(self._last)

    async def wait(self, seconds: float) -> bool:
        """Return True once the order's end is durable, False after ``seconds`` or at a stop.

        A plain future and a timer: ``asyncio.wait`` takes three times as long to wake thousands.
        """
        if self._is_closed is None and seconds > 0:
            loop = asyncio.get_running_loop()
            self._wakeup = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._wakeup
            finally:
                timer.cancel()
        return self._is_closed is True

    def receive(self, event: OrderEvent) -> None:
        self._last = event
        # An order may have any number of splits; an answer holds only the first ones.
        if event.split is not None and len(self.splits) < SPLITS_PER_ANSWER_MAX:
            self.splits.append(event.split)
        if event.status.is_terminal:
            self.resolve(is_closed=True)

    def resolve(self, *, is_closed: bool) -> None:
        if self._is_closed is None:
            self._is_closed = is_closed
            self._wake()

    def _wake(self) -> None:
        # The timeout and the end may both come before the waiter runs.
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)


class FanOut:
    """Passes events to each receiver in turn (port ``EventBus``)."""

    def __init__(self, *receivers: EventBus) -> None:
        self._receivers = receivers

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Pass durable events on, in commit order."""
        for receiver in self._receivers:
            receiver.publish(events)
