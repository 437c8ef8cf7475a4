"""Follow one order: yield each of its events once and in order, across lost connections.

New events come from the stream. Events from before the stream, or missing in it, are read with a
request. Without a stream, the order itself is polled.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Final

from app.cli.client import answers as wire
from app.cli.client.client_errors import RefusedError, UnexpectedAnswerError
from app.cli.client.event_stream import EventStream, StreamLostError, Subscription
from app.cli.client.service_client import ServiceClient

STREAM_ATTEMPTS_MAX: Final = 4
"""Few attempts, because polling shows the same events, only later."""


class OrderFollower:
    """Follows one order until it is closed."""

    def __init__(self, service: ServiceClient, order_id: str) -> None:
        self._service = service
        self._order_id = order_id
        self._sequence = 0
        self._cursor: str | None = None
        self._is_closed = False

    async def events(self) -> AsyncGenerator[wire.Event]:
        """Yield the order's events from the first to the last.

        Raises:
            ClientError: the service stopped answering; the order is not affected.
        """
        try:
            async with contextlib.aclosing(self._streamed()) as events:
                async for event in events:
                    yield event
        except (RefusedError, UnexpectedAnswerError, StreamLostError):
            # A problem that is not limited to the stream also makes polling fail.
            async with contextlib.aclosing(self._polled()) as events:
                async for event in events:
                    yield event

    async def _streamed(self) -> AsyncGenerator[wire.Event]:
        service = self._service
        stream = EventStream(
            service.address,
            Subscription(order_ids=(self._order_id,)),
            retries=replace(service.retries, attempts_max=STREAM_ATTEMPTS_MAX),
            was_reached=True,
        )
        async with contextlib.aclosing(stream.messages()) as messages:
            async for message in messages:
                if message["type"] == "event" and message["sequence"] == self._sequence + 1:
                    self._note(message)
                    yield message
                # Events happened before the stream began, or the stream skipped some.
                elif message["type"] == "subscribed" or message["sequence"] > self._sequence:
                    for event in await self._missed():
                        yield event
                if self._is_closed:
                    return

    async def _polled(self) -> AsyncGenerator[wire.Event]:
        known = None
        while known is None or known[0] not in wire.CLOSED:
            order = await self._service.order(self._order_id)
            now = (order["status"], order["filled_quantity"])
            if now == known:
                await asyncio.sleep(self._service.retries.poll_seconds)
                continue
            known = now
            for event in await self._missed():
                yield event

    async def _missed(self) -> list[wire.Event]:
        """Read the events that were not yielded yet, from the first page that may have some."""
        missed = []
        while True:
            page = await self._service.events_page(self._order_id, cursor=self._cursor)
            for event in page["events"]:
                if event["sequence"] == self._sequence + 1:
                    self._note(event)
                    missed.append(event)
            if page["next_cursor"] is None:
                return missed
            self._cursor = page["next_cursor"]

    def _note(self, event: wire.Event) -> None:
        self._sequence = event["sequence"]
        self._is_closed = event["status"] in wire.CLOSED
