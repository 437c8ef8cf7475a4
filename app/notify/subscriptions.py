"""Deliver durable events to clients that follow many orders, each at its own pace within bounds.

Publishing must stay fast with many subscribers. An index finds them by the owner, order or symbol
of their filters, and subscribers with the same filter share one list of events.
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
"""Events that may wait for one subscriber. A transaction has about 1,000 at most, so a subscriber
that keeps pace never reaches the limit."""


_IndexKey = tuple[Owner, OrderId | None, Symbol | None]
"""Index key of a filter: an owner, with an order, a symbol, or neither."""


class Subscriptions:
    """All subscribers of one process (ports ``EventBus`` and ``EventSubscriptions``).

    Call it from one event loop only. ``head`` is the position of the newest published event; it
    starts with the newest stored one.
    """

    def __init__(self, *, head: int, waiting_events_max: int = WAITING_EVENTS_MAX) -> None:
        self.head = head
        self._waiting_events_max = waiting_events_max
        self._by_filter = dict[EventFilter, set[_Subscription]]()
        self._filters_by_key = dict[_IndexKey, set[EventFilter]]()
        self._is_stopping = False
        self._all_closed: asyncio.Event | None = None

    @property
    def total(self) -> int:
        """The number of open subscriptions."""
        return sum(len(subscriptions) for subscriptions in self._by_filter.values())

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Pass durable events to the subscribers, in commit order."""
        if not events:
            return
        self.head = events[-1].position
        if not self._by_filter:
            return
        admitted_by_filter = dict[EventFilter, list[StoredEvent]]()
        for stored in events:
            for event_filter in self._filters_for(stored.event.order):
                admitted_by_filter.setdefault(event_filter, []).append(stored)
        for event_filter, admitted in admitted_by_filter.items():
            for subscription in self._by_filter[event_filter]:
                subscription.receive(admitted)

    def _filters_for(self, order: Order) -> Iterator[EventFilter]:
        """Yield each subscribed filter that admits an order's events, once."""
        owner = order.owner
        # Every filter names one owner, so these three keys find all that can match.
        for key in (
            (owner, None, None),
            (owner, order.order_id, None),
            (owner, None, order.symbol),
        ):
            for event_filter in self._filters_by_key.get(key, ()):
                if event_filter.admits(order):
                    yield event_filter

    @contextmanager
    def open(self, event_filter: EventFilter) -> Iterator["_Subscription"]:
        """Provide a subscription for the duration of the block."""
        subscription = _Subscription(head=self.head, waiting_events_max=self._waiting_events_max)
        if self._is_stopping:  # its reader ends at the first call
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
            for key in _index_keys(event_filter):
                self._filters_by_key.setdefault(key, set()).add(event_filter)
        self._by_filter[event_filter].add(subscription)

    def _remove(self, event_filter: EventFilter, subscription: "_Subscription") -> None:
        self._by_filter[event_filter].discard(subscription)
        if self._by_filter[event_filter]:
            return
        del self._by_filter[event_filter]
        for key in _index_keys(event_filter):
            self._filters_by_key[key].discard(event_filter)
            if not self._filters_by_key[key]:
                del self._filters_by_key[key]

    async def stop(self, *, seconds: float) -> None:
        """End all present and later subscriptions, because the service shuts down.

        Wait at most ``seconds`` for their readers to leave.
        """
        self._is_stopping = True
        for subscription in chain.from_iterable(self._by_filter.values()):
            subscription.end(is_stopping=True)
        if self._by_filter:
            self._all_closed = asyncio.Event()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_closed.wait()


def _index_keys(event_filter: EventFilter) -> Iterable[_IndexKey]:
    """Return the index keys of a filter; an event matches at most one of them."""
    owner = event_filter.owner
    if event_filter.order_ids:
        return [(owner, order_id, None) for order_id in event_filter.order_ids]
    if event_filter.symbols:
        return [(owner, None, symbol) for symbol in event_filter.symbols]
    return [(owner, None, None)]


class _Subscription:
    """A queue of the events that a filter admits (port ``EventSubscription``)."""

    def __init__(self, *, head: int, waiting_events_max: int) -> None:
        self.head = head
        self._waiting_events_max = waiting_events_max
        self._waiting: list[Sequence[StoredEvent]] = []
        self._waiting_events = 0
        self._end: SubscriptionEndedError | None = None
        self._wake = asyncio.Event()

    async def next(self) -> Sequence[StoredEvent]:
        """Wait for events and return all that are queued."""
        await self._wake.wait()
        self.check()
        self._wake.clear()
        waiting, self._waiting, self._waiting_events = self._waiting, [], 0
        return list(chain.from_iterable(waiting))

    def check(self) -> None:
        """Raise ``SubscriptionEndedError`` if the subscription has ended."""
        if self._end is not None:
            raise self._end

    def receive(self, events: Sequence[StoredEvent]) -> None:
        """Queue events for the reader; the list is shared, so nothing may modify it."""
        if self._end is not None:
            return  # the reader has not left yet
        self._waiting_events += len(events)
        if self._waiting_events > self._waiting_events_max:
            # A slow reader must not use unlimited memory; the database has the events.
            self.end(is_stopping=False)
            return
        self._waiting.append(events)
        self._wake.set()

    def end(self, *, is_stopping: bool) -> None:
        """Deliver no more; queued events are dropped, since the database has them."""
        if self._end is None:
            self._end = SubscriptionEndedError(is_stopping=is_stopping)
        self._waiting.clear()
        self._wake.set()
