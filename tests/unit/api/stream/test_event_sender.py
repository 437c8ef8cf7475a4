"""Sending events in order; resuming over real sockets is tested in ``test_order_stream``."""

import json
from collections.abc import Callable

import pytest

from app.api.docs import examples
from app.api.stream.event_models import EventTexts
from app.api.stream.event_sender import EventSender
from app.api.stream.stream_connection import StreamConnection
from app.api.stream.stream_cursors import PositionPrunedError
from app.domain.errors import UnauthorizedError
from app.domain.events import StoredEvent
from app.domain.order import PUBLIC, OrderId
from app.ports import EventFilter, EventReader
from tests.unit.api.stream.test_stream_connection import Peer

STORED = examples.events()


class Events:
    """A reader of two stored events, with a settable position of the last pruned event."""

    stream_id = examples.EXAMPLE_STREAM_ID

    def __init__(self, last_pruned: int = 0) -> None:
        self.last_pruned = last_pruned

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
        return self.last_pruned


def sender_of(
    connection: StreamConnection,
    events: EventReader,
    *,
    confirm: Callable[[], None] = lambda: None,
    may_miss_pruned: bool = False,
) -> EventSender:
    """Return a sender of all events."""
    return EventSender(
        connection,
        events,
        EventTexts(examples.EXAMPLE_STREAM_ID),
        EventFilter(owner=PUBLIC, order_ids=frozenset(), symbols=frozenset()),
        confirm=confirm,
        may_miss_pruned=may_miss_pruned,
    )


async def test_stored_events_are_sent_once_and_in_order() -> None:
    """Events are sent once and in order, and the position moves to the end of the read."""
    peer = Peer()
    sender = sender_of(await peer.connection(), Events())

    await sender.send_stored(until=500)
    await sender.send_stored(until=500)

    assert [json.loads(one["text"])["sequence"] for one in peer.sent] == [1, 2]
    assert sender.position == 500


async def test_a_gap_by_pruning_is_refused_unless_the_client_accepts_it() -> None:
    """A pruned gap is an error, unless the client asked for all events still stored."""
    peer = Peer()
    connection = await peer.connection()

    with pytest.raises(PositionPrunedError):
        await sender_of(connection, Events(last_pruned=50)).send_stored(until=500)
    assert not peer.sent
    await sender_of(connection, Events(last_pruned=50), may_miss_pruned=True).send_stored(until=500)

    assert len(peer.sent) == len(STORED)


async def test_nothing_is_sent_with_a_key_that_was_revoked() -> None:
    """The key is checked after the read, because a read may take long."""

    def refuse() -> None:
        raise UnauthorizedError

    peer = Peer()
    sender = sender_of(await peer.connection(), Events(), confirm=refuse)

    with pytest.raises(UnauthorizedError):
        await sender.send_stored(until=500)
    assert not peer.sent
