"""The WebSocket ``/ws/orders``: durable events of one's orders, without gap or repeat.

A client that names where it left off is first told what is stored from there on, page by page, and
only when little is missing does it hear what happens: so what waits for it meanwhile is little too.
Between the two nothing is lost, since it is heard from before the last of the stored is read.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.api.authorization import Admission, bearer_of
from app.api.problems import error_message
from app.api.server.text_frames import EXTENSION, takes_text_frames
from app.api.services import ApiOptions, ApiServices
from app.api.stream.client_messages import (
    POLICY_VIOLATION,
    SERVICE_RESTART,
    SUBSCRIBE_SECONDS_MAX,
    TRY_AGAIN_LATER,
    AlreadySubscribedError,
    BinaryMessageError,
    StreamSilenceError,
    SubscribeMessage,
    read_key,
    read_message,
    read_subscribe,
)
from app.api.stream.connection_slots import StreamPlace, StreamPlaces
from app.api.stream.event_models import EventText, EventTexts
from app.api.stream.stream_cursors import (
    BEGINNING,
    PositionBeyondHeadError,
    PositionPrunedError,
    read_position,
    write_position,
)
from app.domain.access import Caller, Scope
from app.domain.errors import PapertapeError, UnauthorizedError, UnavailableError
from app.domain.events import StoredEvent
from app.domain.order import Owner
from app.ports import EventFilter, EventReader, EventSubscription, SubscriptionEndedError

SEND_SECONDS_MAX: Final = 20.0
"""How long a reader may take to make room for one message before it counts as gone."""

ABNORMAL_CLOSURE: Final = 1006
"""What stands for the code of a connection that was closed without one (RFC 6455 section 7.1.5)."""

EVENTS_PER_READ: Final = 1_000
"""Stored events that are read at once."""

EVENTS_PER_TURN: Final = 64
"""Events that are told to one client, in one go, before others have their turn: as long as there is
room to send, nothing else would interrupt the telling of thousands to hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPatience:
    """How long a client may keep us waiting: for what it wants to hear, for room to tell it."""

    subscribe_seconds_max: float = SUBSCRIBE_SECONDS_MAX
    send_seconds_max: float = SEND_SECONDS_MAX


class OrderStream:
    """Handler of ``/ws/orders``."""

    def __init__(
        self,
        services: ApiServices,
        options: ApiOptions,
        admission: Admission,
        *,
        patience: StreamPatience = StreamPatience(),
    ) -> None:
        self._services = services
        self._admission = admission
        self._patience = patience
        total_max, per_owner_max = options.websockets_max, options.websockets_per_owner_max
        if not admission.asks_for_keys:
            per_owner_max = total_max  # everybody is the same owner
        self._texts = EventTexts(services.events.stream_id)
        self._places = StreamPlaces(total_max=total_max, per_owner_max=per_owner_max)

    async def serve(self, websocket: WebSocket) -> None:
        """Serve one connection until either side ends it.

        What is raised before it is accepted is answered in HTTP.
        """
        visitor = self._visitor(websocket)
        with self._places.take(visitor.owner) as place:
            try:
                await websocket.accept()
                line = _Line(websocket, self._patience.send_seconds_max)
                await self._converse(line, visitor, place)
            except (WebSocketDisconnect, TimeoutError):
                pass  # the client left, or reads no more: nobody is there to be told

    def _visitor(self, websocket: WebSocket) -> "_Visitor":
        """Return who comes by the key in the header, or nobody yet: the key may come later."""
        bearer = bearer_of(websocket.headers)
        try:
            return _Visitor(bearer, self._admission.admit(bearer, Scope.ORDERS_READ))
        except UnauthorizedError:
            if bearer is not None:
                raise
            return _Visitor(None, None)

    async def _converse(self, line: "_Line", visitor: "_Visitor", place: StreamPlace) -> None:
        try:
            visitor, subscribe = await self._wait_for_subscribe(line, visitor, place)
            await self._until_either_ends(line, visitor, subscribe)
        except PapertapeError as error:
            await line.send(error_message(error))
            code = TRY_AGAIN_LATER if isinstance(error, UnavailableError) else POLICY_VIOLATION
            await line.close(code, error.code)

    async def _wait_for_subscribe(
        self, line: "_Line", visitor: "_Visitor", place: StreamPlace
    ) -> tuple["_Visitor", SubscribeMessage]:
        try:
            async with asyncio.timeout(self._patience.subscribe_seconds_max):
                values = read_message(await line.receive())
                key = read_key(values)
                if key is not None:
                    caller = self._admission.admit(key, Scope.ORDERS_READ)
                    place.pass_to(caller.owner)
                    visitor = _Visitor(key, caller)
                    await line.send({"type": "authenticated", "owner": caller.owner})
                    values = read_message(await line.receive())
                if visitor.caller is None:
                    raise UnauthorizedError
                return visitor, read_subscribe(values)
        except TimeoutError:
            raise StreamSilenceError from None

    async def _until_either_ends(
        self, line: "_Line", visitor: "_Visitor", subscribe: SubscribeMessage
    ) -> None:
        """Tell events until the client leaves or says something, or until there is an end here."""
        following = asyncio.create_task(self._follow(line, visitor, subscribe))
        listening = asyncio.create_task(line.receive())
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
        self, line: "_Line", visitor: "_Visitor", subscribe: SubscribeMessage
    ) -> None:
        assert visitor.caller is not None, "nobody subscribes without being known"
        owner = visitor.caller.owner
        event_filter = EventFilter(
            owner=owner,
            order_ids=subscribe.order_ids,
            symbols=subscribe.symbols,
        )
        teller = _Teller(
            line,
            self._services.events,
            self._texts,
            event_filter,
            confirm=lambda: self._admission.confirm(visitor.bearer, Scope.ORDERS_READ, owner=owner),
            may_miss_pruned=subscribe.after == BEGINNING,
        )
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
            await teller.tell_heard(subscription)

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

    @property
    def owner(self) -> Owner | None:
        """Whose events they are."""
        return None if self.caller is None else self.caller.owner


class _Teller:
    """Tells one client its events; ``position`` is up to where it was told all of them.

    ``confirm`` sees that the client may still be told, and raises if not. ``may_miss_pruned`` says
    that it asked for what is kept, and not for what follows a position.
    """

    def __init__(
        self,
        line: "_Line",
        events: EventReader,
        texts: EventTexts,
        event_filter: EventFilter,
        *,
        confirm: Callable[[], None],
        may_miss_pruned: bool,
    ) -> None:
        self.position = 0
        self._line = line
        self._events = events
        self._texts = texts
        self._told_in_turn = 0
        self._filter = event_filter
        self._confirm = confirm
        self._may_miss_pruned = may_miss_pruned

    async def confirm(self, head: int) -> None:
        """Tell that the subscription holds, and where the stream is now."""
        position = write_position(self._events.stream_id, head)
        await self._line.send({"type": "subscribed", "position": position})

    async def tell_stored(self, *, until: int, pages_max: int | None = None) -> None:
        """Tell what is stored up to a position, or the first pages of it.

        Raises:
            PositionPrunedError: some of it was pruned while the client caught up.
        """
        pages = 0
        while self.position < until and pages != pages_max:
            page = await self._events.list_events(
                self._filter, after=self.position, until=until, limit=EVENTS_PER_READ
            )
            # Asked behind the read: whatever was pruned before it lies at or below the answer.
            if not self._may_miss_pruned and await self._was_pruned():
                raise PositionPrunedError
            self._confirm()
            for some in self._line.portions(page):
                await self._tell(some)
            if len(page) < EVENTS_PER_READ:
                self.position = until
            pages += 1

    async def _was_pruned(self) -> bool:
        """Whether events that were not told yet are missing."""
        return await self._events.last_pruned_position() > self.position

    async def tell_heard(self, subscription: EventSubscription) -> None:
        """Tell what happens, until the subscription ends; then say where to resume."""
        try:
            while True:
                heard = await subscription.next()
                self._confirm()
                assert heard[0].position > self.position, "it hears what was not stored before"
                for some in self._line.portions(heard):
                    subscription.check()
                    await self._tell(some)
        except SubscriptionEndedError as end:
            position = write_position(self._events.stream_id, self.position)
            code = SERVICE_RESTART if end.is_stopping else TRY_AGAIN_LATER
            await self._line.close(code, f"resume after {position}")

    async def _tell(self, events: Sequence[StoredEvent]) -> None:
        await self._line.send_texts([self._texts.of(stored) for stored in events])
        self.position = events[-1].position
        self._told_in_turn += len(events)
        if self._told_in_turn >= EVENTS_PER_TURN:
            self._told_in_turn = 0
            await asyncio.sleep(0)


class _Line:
    """The connection to one client.

    A message that could not be sent in time was not sent at all: the server waits for room first.
    """

    def __init__(self, websocket: WebSocket, send_seconds_max: float) -> None:
        self.websocket = websocket
        self._send_seconds_max = send_seconds_max
        self._takes_frames = takes_text_frames(websocket.scope)

    async def receive(self) -> str:
        """Wait for a message.

        Raises:
            WebSocketDisconnect: the client left.
            BinaryMessageError: it is no text.
        """
        message = await self.websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message["code"])
        text = message.get("text")
        if not isinstance(text, str):
            raise BinaryMessageError
        return text

    async def send(self, message: Mapping[str, object]) -> None:
        """Send a message; raises like ``send_text``."""
        await self.send_text(msgspec.json.encode(message).decode())

    async def send_text(self, text: str) -> None:
        """Send a message that was encoded before.

        Raises:
            TimeoutError: the client makes no room for it.
            WebSocketDisconnect: nobody is there any more.
        """
        await self._until_out(self.websocket.send_text(text))

    def portions(self, events: Sequence[StoredEvent]) -> Iterator[Sequence[StoredEvent]]:
        """Part events into what ``send_texts`` takes at once: one, if the server takes no more."""
        size = EVENTS_PER_TURN if self._takes_frames else 1
        for start in range(0, len(events), size):
            yield events[start : start + size]

    async def send_texts(self, texts: Sequence[EventText]) -> None:
        """Send a portion, each event as a message; raises like ``send_text``."""
        if self._takes_frames:
            frames = b"".join([one.frame for one in texts])
            await self._until_out(
                self.websocket.send({"type": "websocket.send", EXTENSION: frames})
            )
            return
        (only,) = texts
        await self.send_text(only.text)

    async def close(self, code: int, reason: str) -> None:
        """Say good-bye; raises like ``send_text``."""
        await self._until_out(self.websocket.close(code, reason))

    async def _until_out(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._send_seconds_max):
                await sending
        except RuntimeError:
            # Closed by the server itself, over a missing pong or a message that is too long; the
            # server tells us so before it tells that nobody is there.
            raise WebSocketDisconnect(ABNORMAL_CLOSURE) from None
