"""Durable events to those who follow many orders, each at its own pace within bounds."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from app.domain.events import StoredEvent
from app.domain.order import Owner
from app.ports import EventFilter, SubscriptionEndedError

WAITING_EVENTS_MAX: Final = 20_000
"""Events that may wait for one subscriber. One transaction tells up to some 6,000 at once, so that
whoever keeps pace is never at the limit."""


class Subscriptions:
    """Every subscriber of one process (ports ``EventBus`` and ``EventSubscriptions``).

    Used from the process's event loop only. ``head`` is the position of the newest event that was
    published, at first that of the newest one stored.
    """

    def __init__(self, *, head: int, waiting_events_max: int = WAITING_EVENTS_MAX) -> None:
        self.head = head
        self._waiting_events_max = waiting_events_max
        self._by_owner = dict[Owner, set[_Subscription]]()
        self._is_stopping = False
        self._all_closed: asyncio.Event | None = None

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Tell events that are on disk, in commit order."""
        if not events:
            return
        self.head = events[-1].position
        if not self._by_owner:
            return
        for stored in events:
            for subscription in self._by_owner.get(stored.event.order.owner, ()):
                subscription.hear(stored)

    @contextmanager
    def open(self, event_filter: EventFilter) -> Iterator["_Subscription"]:
        """Hand out a subscription for the time of the block."""
        subscription = _Subscription(
            event_filter, head=self.head, waiting_events_max=self._waiting_events_max
        )
        if self._is_stopping:
            subscription.end(is_stopping=True)
        own = self._by_owner.setdefault(event_filter.owner, set())
        own.add(subscription)
        try:
            yield subscription
        finally:
            own.discard(subscription)
            if not own:
                self._by_owner.pop(event_filter.owner, None)
            if not self._by_owner and self._all_closed is not None:
                self._all_closed.set()

    async def stop(self, *, seconds: float) -> None:
        """End every subscription, now and later; give them time to say good-bye.

        The service is about to end.
        """
        self._is_stopping = True
        for own in self._by_owner.values():
            for subscription in own:
                subscription.end(is_stopping=True)
        if self._by_owner:
            self._all_closed = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_closed.wait()


class _Subscription:
    """Hears the events of a filter (port ``EventSubscription``)."""

    def __init__(self, event_filter: EventFilter, *, head: int, waiting_events_max: int) -> None:
        self.head = head
        self._filter = event_filter
        self._waiting_events_max = waiting_events_max
        self._waiting: list[StoredEvent] = []
        self._end: SubscriptionEndedError | None = None
        self._wake = asyncio.Event()

    async def next(self) -> Sequence[StoredEvent]:
        """Wait for events and return all that are there."""
        await self._wake.wait()
        self.check()
        self._wake.clear()
        heard, self._waiting = self._waiting, []
        return heard

    def check(self) -> None:
        """Raise ``SubscriptionEndedError`` if no more events come."""
        if self._end is not None:
            raise self._end

    def hear(self, stored: StoredEvent) -> None:
        if self._end is not None or not self._filter.admits(stored.event.order):
            return
        if len(self._waiting) >= self._waiting_events_max:
            self.end(is_stopping=False)
            return
        self._waiting.append(stored)
        self._wake.set()

    def end(self, *, is_stopping: bool) -> None:
        """Tell no more; what waits is forgotten, since it can be read from the database."""
        if self._end is None:
            self._end = SubscriptionEndedError(is_stopping=is_stopping)
        self._waiting.clear()
        self._wake.set()
