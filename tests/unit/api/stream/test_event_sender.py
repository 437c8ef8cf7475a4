"""Sending stored events; ``test_order_stream`` tests gaps and resuming over real sockets."""

import json
from collections.abc import Callable

import pytest

from app.api.docs import examples
from app.api.stream.event_models import EventTexts
from app.api.stream.event_sender import EventSender
from app.domain.errors import UnauthorizedError
from app.domain.events import StoredEvent
from app.domain.order import PUBLIC, OrderId
from app.ports import EventFilter
from tests.unit.api.stream.test_stream_connection import Peer

STORED = examples.events()


class Events:
    """A reader of two stored events, none of which was pruned."""

    stream_id = examples.EXAMPLE_STREAM_ID

    async def list_events(
        self, _filter: EventFilter, *, after: int, until: int, limit: int
    ) -> list[StoredEvent]:
        """Return the events between two positions."""
        return [one for one in STORED if after < one.position <= until][:limit]

    async def list_order_events(
        self, order_id: OrderId, *, after: int, limit: int
    ) -> list[StoredEvent]:
        """Fail, since a sender never reads the events of a single order."""
        raise NotImplementedError

    async def last_pruned_position(self) -> int:
        """Return the greatest position of a pruned event."""
        return 0


async def sender_to(peer: Peer, confirm: Callable[[], None] = lambda: None) -> EventSender:
    """Return a sender of all events to a peer."""
    return EventSender(
        await peer.connection(),
        Events(),
        EventTexts(examples.EXAMPLE_STREAM_ID),
        EventFilter(owner=PUBLIC),
        confirm=confirm,
        may_miss_pruned=False,
    )


async def test_stored_events_are_sent_once_and_in_order() -> None:
    """Events are sent once and in order, and the position moves to the end of the read."""
    peer = Peer()
    sender = await sender_to(peer)

    await sender.send_stored(until=500)
    await sender.send_stored(until=500)

    assert [json.loads(one["text"])["sequence"] for one in peer.sent] == [1, 2]
    assert sender.position == 500


async def test_nothing_is_sent_with_a_key_that_was_revoked() -> None:
    """The key is checked after the read, because a read may take long."""

    def refuse() -> None:
        raise UnauthorizedError

    peer = Peer()
    sender = await sender_to(peer, refuse)

    with pytest.raises(UnauthorizedError):
        await sender.send_stored(until=500)
    assert not peer.sent
