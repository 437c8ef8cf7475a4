"""Durable events to those who follow many orders, each at its own pace within bounds.

Telling them must not hold up the service, however many there are: subscribers are found by what
their filters name, and those with the same filter share one list of events.
"""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Final

from app.domain.events import StoredEvent
from app.domain.order import Order, OrderId, Owner, Symbol
from app.ports import EventFilter, SubscriptionEndedError

WAITING_EVENTS_MAX: Final = 20_000
"""Events that may wait for one subscriber. One transaction tells some 1,000 at most, so that
whoever keeps pace is never at the limit."""


_Key = tuple[Owner, OrderId | None, Symbol | None]
"""What an event may be looked for by: its owner and its order, or its symbol, or neither."""


class Subscriptions:
    """Every subscriber of one process (ports ``EventBus`` and ``EventSubscriptions``).

    Used from the process's event loop only. ``head`` is the position of the newest event that was
    published, at first that of the newest one stored.
    """

    def __init__(self, *, head: int, waiting_events_max: int = WAITING_EVENTS_MAX) -> None:
        self.head = head
        self._waiting_events_max = waiting_events_max
        self._by_filter = dict[EventFilter, set[_Subscription]]()
        self._filters = dict[_Key, set[EventFilter]]()
        self._is_stopping = False
        self._all_closed: asyncio.Event | None = None

    @property
    def total(self) -> int:
        """How many subscriptions are open."""
        return sum(len(subscriptions) for subscriptions in self._by_filter.values())

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Tell events that are on disk, in commit order."""
        if not events:
            return
        self.head = events[-1].position
        if not self._by_filter:
            return
        heard = dict[EventFilter, list[StoredEvent]]()
        for stored in events:
            for event_filter in self._filters_for(stored.event.order):
                heard.setdefault(event_filter, []).append(stored)
        for event_filter, admitted in heard.items():
            for subscription in self._by_filter[event_filter]:
                subscription.hear(admitted)

    def _filters_for(self, order: Order) -> Iterator[EventFilter]:
        """Yield each filter of a subscriber that admits an order's events, once."""
        owner = order.owner
        for key in (
            (owner, None, None),
            (owner, order.order_id, None),
            (owner, None, order.symbol),
        ):
            for event_filter in self._filters.get(key, ()):
                if event_filter.admits(order):
                    yield event_filter

    @contextmanager
    def open(self, event_filter: EventFilter) -> Iterator["_Subscription"]:
        """Hand out a subscription for the time of the block."""
        subscription = _Subscription(head=self.head, waiting_events_max=self._waiting_events_max)
        if self._is_stopping:
            subscription.end(is_stopping=True)
        self._add(event_filter, subscription)
        try:
            yield subscription
        finally:
            self._remove(event_filter, subscription)
            if not self._by_filter and self._all_closed is not None:
                self._all_closed.set()

    def _add(self, event_filter: EventFilter, subscription: "_Subscription") -> None:
        if event_filter not in self._by_filter:
            self._by_filter[event_filter] = set()
            for key in _keys(event_filter):
                self._filters.setdefault(key, set()).add(event_filter)
        self._by_filter[event_filter].add(subscription)

    def _remove(self, event_filter: EventFilter, subscription: "_Subscription") -> None:
        self._by_filter[event_filter].discard(subscription)
        if self._by_filter[event_filter]:
            return
        del self._by_filter[event_filter]
        for key in _keys(event_filter):
            self._filters[key].discard(event_filter)
            if not self._filters[key]:
                del self._filters[key]

    async def stop(self, *, seconds: float) -> None:
        """End every subscription, now and later; give them time to say good-bye.

        The service is about to end.
        """
        self._is_stopping = True
        for subscription in chain.from_iterable(self._by_filter.values()):
            subscription.end(is_stopping=True)
        if self._by_filter:
            self._all_closed = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_closed.wait()


def _keys(event_filter: EventFilter) -> Iterable[_Key]:
    """Return what the events that a filter admits are found by: an event has but one of them."""
    owner = event_filter.owner
    if event_filter.order_ids:
        return [(owner, order_id, None) for order_id in event_filter.order_ids]
    if event_filter.symbols:
        return [(owner, None, symbol) for symbol in event_filter.symbols]
    return [(owner, None, None)]


class _Subscription:
    """Hears the events of a filter (port ``EventSubscription``)."""

    def __init__(self, *, head: int, waiting_events_max: int) -> None:
        self.head = head
        self._waiting_events_max = waiting_events_max
        self._waiting: list[Sequence[StoredEvent]] = []
        self._waiting_events = 0
        self._end: SubscriptionEndedError | None = None
        self._wake = asyncio.Event()

    async def next(self) -> Sequence[StoredEvent]:
        """Wait for events and return all that are there."""
        await self._wake.wait()
        self.check()
        self._wake.clear()
        heard, self._waiting, self._waiting_events = self._waiting, [], 0
        return list(chain.from_iterable(heard))

    def check(self) -> None:
        """Raise ``SubscriptionEndedError`` if no more events come."""
        if self._end is not None:
            raise self._end

    def hear(self, events: Sequence[StoredEvent]) -> None:
        """Keep events for the reader; others may hold the same list, which stays as it is."""
        if self._end is not None:
            return
        self._waiting_events += len(events)
        if self._waiting_events > self._waiting_events_max:
            self.end(is_stopping=False)
            return
        self._waiting.append(events)
        self._wake.set()

    def end(self, *, is_stopping: bool) -> None:
        """Tell no more; what waits is forgotten, since it can be read from the database."""
        if self._end is None:
            self._end = SubscriptionEndedError(is_stopping=is_stopping)
        self._waiting.clear()
        self._wake.set()
