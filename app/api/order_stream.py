"""The WebSocket ``/ws/orders``: durable events of one's orders, without gap or repeat.

A client that names where it left off is first told what is stored from there on, page by page, and
only when little is missing does it hear what happens: so what waits for it meanwhile is little too.
Between the two nothing is lost, since it is heard from before the last of the stored is read.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.admission import Admission, bearer_of
from app.api.errors import error_message
from app.api.event_shapes import event_view
from app.api.positions import PositionBeyondHeadError, read_position, write_position
from app.api.services import ApiOptions, ApiServices
from app.api.stream_form import (
    SUBSCRIBE_SECONDS_MAX,
    AlreadySubscribedError,
    BinaryMessageError,
    StreamSilenceError,
    SubscribeMessage,
    TooManyStreamsError,
    read_key,
    read_message,
    read_subscribe,
)
from app.domain.access import Caller, Scope
from app.domain.errors import PapertapeError, UnauthorizedError, UnavailableError
from app.domain.events import StoredEvent
from app.ports import EventFilter, EventSubscription, SubscriptionEndedError

SEND_SECONDS_MAX: Final = 20.0
"""How long a reader may take to make room for one message before it counts as gone."""

EVENTS_PER_READ: Final = 1_000
"""Stored events that are read at once."""

# RFC 6455 section 7.4.1, and the registry of close codes that IANA keeps.
POLICY_VIOLATION: Final = 1008
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013


class OrderStream:
    """Handler of ``/ws/orders``."""

    def __init__(self, services: ApiServices, options: ApiOptions, admission: Admission) -> None:
        self._services = services
        self._options = options
        self._admission = admission
        self._connections = 0

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection until either side ends it.

        What is raised before it is accepted is answered in HTTP.
        """
        if self._connections >= self._options.websockets_max:
            raise TooManyStreamsError(self._options.websockets_max)
        visitor = self._visitor(websocket)
        self._connections += 1
        try:
            await websocket.accept()
            await self._converse(websocket, visitor)
        except (WebSocketDisconnect, TimeoutError):
            pass  # the client left, or reads no more: nobody is there to be told
        finally:
            self._connections -= 1

    def _visitor(self, websocket: WebSocket) -> "_Visitor":
        """Return who comes by the key in the header, or nobody yet: the key may come later."""
        bearer = bearer_of(websocket.headers)
        try:
            return _Visitor(bearer, self._admission.admit(bearer, Scope.ORDERS_READ))
        except UnauthorizedError:
            if bearer is not None:
                raise
            return _Visitor(None, None)

    async def _converse(self, websocket: WebSocket, visitor: "_Visitor") -> None:
        try:
            visitor, subscribe = await self._wait_for_subscribe(websocket, visitor)
            await self._until_either_ends(websocket, visitor, subscribe)
        except PapertapeError as error:
            await _send(websocket, error_message(error))
            code = TRY_AGAIN_LATER if isinstance(error, UnavailableError) else POLICY_VIOLATION
            await _close(websocket, code, error.code)

    async def _wait_for_subscribe(
        self, websocket: WebSocket, visitor: "_Visitor"
    ) -> tuple["_Visitor", SubscribeMessage]:
        try:
            async with asyncio.timeout(SUBSCRIBE_SECONDS_MAX):
                values = read_message(await _receive_text(websocket))
                key = read_key(values)
                if key is not None:
                    caller = self._admission.admit(key, Scope.ORDERS_READ)
                    visitor = _Visitor(key, caller)
                    await _send(websocket, {"type": "authenticated", "owner": caller.owner})
                    values = read_message(await _receive_text(websocket))
                if visitor.caller is None:
                    raise UnauthorizedError
                return visitor, read_subscribe(values)
        except TimeoutError:
            raise StreamSilenceError from None

    async def _until_either_ends(
        self, websocket: WebSocket, visitor: "_Visitor", subscribe: SubscribeMessage
    ) -> None:
        """Tell events until the client leaves or says something, or until there is an end here."""
        following = asyncio.create_task(self._follow(websocket, visitor, subscribe))
        listening = asyncio.create_task(_receive_text(websocket))
        try:
            await asyncio.wait({following, listening}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            has_ended_here = following.done()
            for task in (following, listening):
                task.cancel()
            ends = await asyncio.gather(following, listening, return_exceptions=True)
        end = ends[0] if has_ended_here else ends[1]
        if isinstance(end, BaseException):
            raise end
        if not has_ended_here:
            raise AlreadySubscribedError

    async def _follow(
        self, websocket: WebSocket, visitor: "_Visitor", subscribe: SubscribeMessage
    ) -> None:
        assert visitor.caller is not None, "nobody subscribes without being known"
        event_filter = EventFilter(
            owner=visitor.caller.owner,
            order_ids=subscribe.order_ids,
            symbols=subscribe.symbols,
        )
        teller = _Teller(websocket, self._services, event_filter)
        subscriptions = self._services.subscriptions
        if subscribe.after is not None:
            teller.position = await self._position(subscribe.after)
            await teller.confirm(subscriptions.head)
            while teller.position < subscriptions.head - EVENTS_PER_READ:
                await teller.tell_stored(until=subscriptions.head, pages_max=1)
        with subscriptions.open(event_filter) as subscription:
            if subscribe.after is None:
                teller.position = subscription.head
                await teller.confirm(subscription.head)
            await teller.tell_stored(until=subscription.head)
            await teller.tell_heard(
                subscription,
                confirm=lambda: self._admission.confirm(visitor.bearer, Scope.ORDERS_READ),
            )

    async def _position(self, text: str) -> int:
        events, subscriptions = self._services.events, self._services.subscriptions
        last_pruned = await events.last_pruned_position()

        def read() -> int:
            return read_position(
                text,
                stream_id=events.stream_id,
                head=subscriptions.head,
                last_pruned=last_pruned,
            )

        try:
            return read()
        except PositionBeyondHeadError:
            # It may have been read from the database before it was announced: wait for that.
            await self._services.journal.settle()
            return read()


class _Visitor(NamedTuple):
    """The key that a client sent, and who it is by that: nobody yet, perhaps."""

    bearer: str | None
    caller: Caller | None


class _Teller:
    """Tells one client its events; ``position`` is up to where it was told all of them."""

    def __init__(
        self, websocket: WebSocket, services: ApiServices, event_filter: EventFilter
    ) -> None:
        self.position = 0
        self._websocket = websocket
        self._events = services.events
        self._filter = event_filter

    async def confirm(self, head: int) -> None:
        """Tell that the subscription holds, and where the stream is now."""
        position = write_position(self._events.stream_id, head)
        await _send(self._websocket, {"type": "subscribed", "position": position})

    async def tell_stored(self, *, until: int, pages_max: int | None = None) -> None:
        """Tell what is stored up to a position, or the first pages of it."""
        pages = 0
        while self.position < until and pages != pages_max:
            page = await self._events.list_events(
                self._filter, after=self.position, until=until, limit=EVENTS_PER_READ
            )
            for stored in page:
                await self._tell(stored)
            if len(page) < EVENTS_PER_READ:
                self.position = until
            pages += 1

    async def tell_heard(
        self, subscription: EventSubscription, *, confirm: Callable[[], None]
    ) -> None:
        """Tell what happens, until the subscription ends; then say where to resume.

        ``confirm`` sees that the client may still be told.
        """
        try:
            while True:
                heard = await subscription.next()
                confirm()
                for stored in heard:
                    subscription.check()
                    if stored.position > self.position:
                        await self._tell(stored)
        except SubscriptionEndedError as end:
            position = write_position(self._events.stream_id, self.position)
            code = SERVICE_RESTART if end.is_stopping else TRY_AGAIN_LATER
            await _close(self._websocket, code, f"resume after {position}")

    async def _tell(self, stored: StoredEvent) -> None:
        view = event_view(stored, stream_id=self._events.stream_id)
        await _send(self._websocket, view)
        self.position = stored.position


async def _receive_text(websocket: WebSocket) -> str:
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message["code"])
    text = message.get("text")
    if not isinstance(text, str):
        raise BinaryMessageError
    return text


async def _send(websocket: WebSocket, message: Mapping[str, object]) -> None:
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await websocket.send_text(msgspec.json.encode(message).decode())


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    async with asyncio.timeout(SEND_SECONDS_MAX):
        await websocket.close(code, reason)
