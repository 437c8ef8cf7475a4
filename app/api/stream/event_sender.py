"""Sends one client its events: first the stored ones, page by page, then the live ones."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from app.api.stream.client_messages import SERVICE_RESTART, TRY_AGAIN_LATER
from app.api.stream.event_models import EventTexts
from app.api.stream.stream_connection import EVENTS_PER_TURN, StreamConnection
from app.api.stream.stream_cursors import PositionPrunedError, write_position
from app.domain.events import StoredEvent
from app.ports import EventFilter, EventReader, EventSubscription, SubscriptionEndedError

EVENTS_PER_READ: Final = 1_000
"""Stored events that are read at once."""


class EventSender:
    """Sends one client its events in order; ``position`` is the last position it has received.

    Args:
        connection: The connection to the client.
        events: The stored events.
        texts: The encoded events, shared by all connections.
        event_filter: The events that the client asked for.
        confirm: Raises if the client may not receive events any more.
        may_miss_pruned: Whether the client asked for all that is kept, not for a position.
    """

    def __init__(
        self,
        connection: StreamConnection,
        events: EventReader,
        texts: EventTexts,
        event_filter: EventFilter,
        *,
        confirm: Callable[[], None],
        may_miss_pruned: bool,
    ) -> None:
        self.position = 0
        self._connection = connection
        self._events = events
        self._texts = texts
        self._sent_in_turn = 0
        self._filter = event_filter
        self._confirm = confirm
        self._may_miss_pruned = may_miss_pruned

    async def send_subscribed(self, head: int) -> None:
        """Confirm the subscription, with the newest position of the stream."""
        position = write_position(self._events.stream_id, head)
        await self._connection.send({"type": "subscribed", "position": position})

    async def send_stored(self, *, until: int, pages_max: int | None = None) -> None:
        """Send the stored events up to a position, or the first pages of them.

        Raises:
            PositionPrunedError: some of them were pruned while the client caught up.
        """
        pages = 0
        while self.position < until and pages != pages_max:
            page = await self._events.list_events(
                self._filter, after=self.position, until=until, limit=EVENTS_PER_READ
            )
            # Asked after the read: events pruned before it lie at or below this answer.
            if not self._may_miss_pruned and await self._was_pruned():
                raise PositionPrunedError
            self._confirm()
            for portion in self._connection.portions(page):
                await self._send(portion)
            if len(page) < EVENTS_PER_READ:
                self.position = until
            pages += 1

    async def catch_up(self, head: Callable[[], int]) -> None:
        """Send stored events until less than a page is missing to ``head``, which moves on."""
        while self.position < head() - EVENTS_PER_READ:
            await self.send_stored(until=head(), pages_max=1)

    async def _was_pruned(self) -> bool:
        """Whether events that were not sent yet are missing."""
        return await self._events.last_pruned_position() > self.position

    async def send_live(self, subscription: EventSubscription) -> None:
        """Send live events until the subscription ends; then close with where to resume."""
        try:
            while True:
                live = await subscription.next()
                self._confirm()
                assert live[0].position > self.position, "a live event is not among the stored"
                for portion in self._connection.portions(live):
                    subscription.check()
                    await self._send(portion)
        except SubscriptionEndedError as end:
            position = write_position(self._events.stream_id, self.position)
            code = SERVICE_RESTART if end.is_stopping else TRY_AGAIN_LATER
            await self._connection.close(code, f"resume after {position}")

    async def _send(self, events: Sequence[StoredEvent]) -> None:
        await self._connection.send_events([self._texts.of(stored) for stored in events])
        self.position = events[-1].position
        self._sent_in_turn += len(events)
        if self._sent_in_turn >= EVENTS_PER_TURN:
            self._sent_in_turn = 0
            await asyncio.sleep(0)
