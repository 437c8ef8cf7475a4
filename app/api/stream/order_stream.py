"""The WebSocket ``/ws/orders``: the durable events of a client's orders, without gap or repeat.

A client that resumes first receives the stored events, page by page. Only when few are missing does
it subscribe to live ones, so that few of those wait meanwhile. It subscribes before the last stored
events are read, so none is lost between the two.
"""

import asyncio
from typing import Annotated, Final, NamedTuple

from fastapi import APIRouter, Depends
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.authorization import Authorizer, bearer_of
from app.api.json_body import read_json_object
from app.api.problems import error_message
from app.api.services import ApiOptions, ApiServices
from app.api.stream.client_messages import (
    AUTHENTICATE,
    EXPECTED_MESSAGE,
    POLICY_VIOLATION,
    SUBSCRIBE_SECONDS_MAX,
    TRY_AGAIN_LATER,
    AlreadySubscribedError,
    Authenticate,
    StreamSilenceError,
    Subscribe,
)
from app.api.stream.connection_slots import ConnectionSlot, ConnectionSlots
from app.api.stream.event_models import EventTexts
from app.api.stream.event_sender import EventSender
from app.api.stream.stream_connection import SEND_SECONDS_MAX, StreamConnection
from app.api.stream.stream_cursors import BEGINNING, PositionBeyondHeadError, read_position
from app.domain.caller import Caller, Scope
from app.domain.errors import PapertapeError, UnauthorizedError, UnavailableError
from app.domain.order import Owner
from app.ports import EventFilter

STREAM_PATH: Final = "/ws/orders"

router = APIRouter()


class OrderStream:
    """Serves the connections of ``/ws/orders``.

    It waits at most ``subscribe_seconds_max`` for a client to subscribe, and ``send_seconds_max``
    for it to make room for a message.
    """

    def __init__(
        self,
        services: ApiServices,
        options: ApiOptions,
        authorizer: Authorizer,
        *,
        subscribe_seconds_max: float = SUBSCRIBE_SECONDS_MAX,
        send_seconds_max: float = SEND_SECONDS_MAX,
    ) -> None:
        self._services = services
        self._authorizer = authorizer
        self._subscribe_seconds_max = subscribe_seconds_max
        self._send_seconds_max = send_seconds_max
        total_max, per_owner_max = options.websockets_max, options.websockets_per_owner_max
        if not authorizer.requires_keys:
            per_owner_max = total_max  # all clients are the same owner
        self._texts = EventTexts(services.events.stream_id)
        self._slots = ConnectionSlots(total_max=total_max, per_owner_max=per_owner_max)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection until either side ends it.

        An error before the handshake is accepted is answered in HTTP.
        """
        client = self._client_of(websocket)
        with self._slots.reserve(client.owner) as slot:
            try:
                await websocket.accept()
                connection = StreamConnection(websocket, self._send_seconds_max)
                await self._converse(connection, client, slot)
            except (WebSocketDisconnect, TimeoutError):
                pass  # the client left or does not read any more, so there is nothing to send

    def _client_of(self, websocket: WebSocket) -> "_Client":
        """Return the client by the key in the header; without one, the key may come later."""
        key = bearer_of(websocket.headers)
        try:
            return _Client(key, self._authorizer.authorize(key, Scope.ORDERS_READ))
        except UnauthorizedError:
            if key is not None:
                raise
            return _Client(None, None)

    async def _converse(
        self, connection: StreamConnection, client: "_Client", slot: ConnectionSlot
    ) -> None:
        try:
            client, subscribe = await self._wait_for_subscribe(connection, client, slot)
            await self._until_either_ends(connection, client, subscribe)
        except PapertapeError as error:
            await connection.send(error_message(error))
            code = TRY_AGAIN_LATER if isinstance(error, UnavailableError) else POLICY_VIOLATION
            await connection.close(code, error.code)

    async def _wait_for_subscribe(
        self, connection: StreamConnection, client: "_Client", slot: ConnectionSlot
    ) -> tuple["_Client", Subscribe]:
        try:
            async with asyncio.timeout(self._subscribe_seconds_max):
                values = await _receive_object(connection)
                if values.get("type") == AUTHENTICATE:
                    key = Authenticate.model_validate(values).key
                    caller = self._authorizer.authorize(key, Scope.ORDERS_READ)
                    slot.pass_to(caller.owner)
                    client = _Client(key, caller)
                    await connection.send({"type": "authenticated", "owner": caller.owner})
                    values = await _receive_object(connection)
                if client.caller is None:
                    raise UnauthorizedError
                return client, Subscribe.model_validate(values)
        except TimeoutError:
            raise StreamSilenceError from None

    async def _until_either_ends(
        self, connection: StreamConnection, client: "_Client", subscribe: Subscribe
    ) -> None:
        """Send events until the client leaves or sends a message, or until the events end."""
        following = asyncio.create_task(self._follow(connection, client, subscribe))
        listening = asyncio.create_task(connection.receive())
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
        self, connection: StreamConnection, client: "_Client", subscribe: Subscribe
    ) -> None:
        assert client.caller is not None, "a subscription has a caller"
        owner = client.caller.owner
        event_filter = EventFilter(
            owner=owner,
            order_ids=subscribe.order_ids,
            symbols=subscribe.symbols,
        )
        sender = EventSender(
            connection,
            self._services.events,
            self._texts,
            event_filter,
            confirm=lambda: self._authorizer.confirm(client.key, Scope.ORDERS_READ, owner=owner),
            may_miss_pruned=subscribe.after == BEGINNING,
        )
        subscriptions = self._services.subscriptions
        if subscribe.after is not None:
            sender.position = await self._position(subscribe.after)
            await sender.send_subscribed(subscriptions.head)
            await sender.catch_up(lambda: subscriptions.head)
        with subscriptions.open(event_filter) as subscription:
            if subscribe.after is None:
                sender.position = subscription.head
                await sender.send_subscribed(subscription.head)
            await sender.send_stored(until=subscription.head)
            await sender.send_live(subscription)

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
            # The client may have read it from the database before it was announced: wait for that.
            await self._services.journal.settle()
            return read()


async def _receive_object(connection: StreamConnection) -> dict[str, object]:
    text = await connection.receive()
    return read_json_object(text.encode(), expected=EXPECTED_MESSAGE)


class _Client(NamedTuple):
    """A client's key, and the caller behind it; both are ``None`` until it authenticates."""

    key: str | None
    caller: Caller | None

    @property
    def owner(self) -> Owner | None:
        """The owner whose events the client may receive."""
        return None if self.caller is None else self.caller.owner


async def get_order_stream(connection: HTTPConnection) -> OrderStream:
    """Return the stream that all connections share."""
    stream = connection.app.state.order_stream
    assert isinstance(stream, OrderStream), "set by build_application"
    return stream


@router.websocket(STREAM_PATH)
async def follow_orders(
    websocket: WebSocket, stream: Annotated[OrderStream, Depends(get_order_stream)]
) -> None:
    """Send a client the events of its orders; the AsyncAPI document describes the messages."""
    await stream.serve(websocket)
