"""The AsyncAPI document of ``/ws/orders``, written from the models of its messages.

Its examples are made by the code that sends and reads the messages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel
from starlette.datastructures import URL

from app.api.docs import examples
from app.api.docs.openapi import Json, schemas_of
from app.api.problems import TooManyStreamsError, error_message
from app.api.server.websocket_protocol import MESSAGE_BYTES_MAX
from app.api.stream import message_shapes
from app.api.stream.client_messages import (
    POLICY_VIOLATION,
    SERVICE_RESTART,
    SUBSCRIBE_SECONDS_MAX,
    TRY_AGAIN_LATER,
    AlreadySubscribedError,
    BinaryMessageError,
    InvalidMessageError,
    StreamSilenceError,
)
from app.api.stream.event_models import event_view
from app.api.stream.stream_cursors import (
    BEGINNING,
    ForeignPositionError,
    InvalidPositionError,
    PositionBeyondHeadError,
    PositionPrunedError,
    write_position,
)
from app.domain.access import Scope
from app.domain.errors import (
    DatabaseUnavailableError,
    FieldProblem,
    JournalUnavailableError,
    MalformedRequestError,
    MissingScopeError,
    PapertapeError,
    RateLimitedError,
    UnauthorizedError,
)

ASYNCAPI_VERSION: Final = "3.0.0"
STREAM_PATH: Final = "/ws/orders"
_CHANNEL: Final = "orders"
_POSITION: Final = write_position(examples.EXAMPLE_STREAM_ID, 108)
_RESUME_REASON: Final = f"resume after {_POSITION}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCode:
    """How the service ends a connection: the code, an example of its reason, what it means."""

    code: int
    reason: str
    meaning: str


CLOSE_CODES: Final = (
    CloseCode(
        code=POLICY_VIOLATION,
        reason="position_beyond_head",
        meaning="An `error` message came before and says why; the reason is its code. The same "
        "again would end the same way.",
    ),
    CloseCode(
        code=SERVICE_RESTART,
        reason=_RESUME_REASON,
        meaning="The service stops. Connect again and subscribe with `after` set to the position.",
    ),
    CloseCode(
        code=TRY_AGAIN_LATER,
        reason=_RESUME_REASON,
        meaning="Events came faster than you read them. Connect again and subscribe with `after` "
        "set to the position. Or the database does not answer, or the owner of the key that you "
        "sent as a message has too many connections: then an `error` message came before, and the "
        "reason is its code.",
    ),
)

STREAM_ERRORS: Final[tuple[PapertapeError, ...]] = (
    PositionBeyondHeadError(),
    ForeignPositionError(),
    PositionPrunedError(),
    InvalidPositionError(),
    InvalidMessageError([FieldProblem(field="type", code="required", message="is missing")]),
    BinaryMessageError(),
    MalformedRequestError("the message is not JSON at line 1 column 12"),
    AlreadySubscribedError(),
    StreamSilenceError(),
    UnauthorizedError(),
    MissingScopeError(Scope.ORDERS_READ),
    RateLimitedError(50),
    TooManyStreamsError(200, "of one owner"),
    DatabaseUnavailableError(),
    JournalUnavailableError(),
)
"""An example of every error that is told in a message."""

_DESCRIPTION: Final = """\
Every transition of your orders, told once it is durable. `GET /order/{order_id}/events` tells the \
same events of one order; [/openapi.json](/openapi.json) describes the HTTP API."""

_CHANNEL_DESCRIPTION: Final = f"""\
One connection carries one subscription. Messages are JSON objects in text frames, a client's of \
at most {MESSAGE_BYTES_MAX:,} bytes.

**Key.** Send it as `Authorization: Bearer KEY` with the handshake, or as the first message \
(`authenticate`), which a browser has to do. In open access neither is needed.

**Subscribe.** Say within {SUBSCRIBE_SECONDS_MAX:g} seconds what you want to hear. The answer is \
`subscribed`, then every event follows, each once and by position. An order's events count from 1 \
without gaps; positions rise, and some numbers are never used.

**Resume.** Every event has a `position`. After any end of a connection, subscribe with `after` \
set to the position of the last event received: what happened since then comes first, then what \
happens, without gap or repeat, also after a restart of the service. Before the first event, use \
the `after` that you sent, or the position of `subscribed` if you sent none. `"{BEGINNING}"` tells \
all that is kept. A position that events cannot be told from without a gap is refused by name: \
`position_pruned`, `position_beyond_head`, `position_of_another_database`.

**End.** The service closes with one of the codes of `x-close-codes`:

{{close_codes}}

A connection may also end without a close code or without its reason, or with 1009 (a message too \
long) or 1011 (no answer to pings): resume from the last event in the same way. A handshake is \
refused by HTTP status with a problem document, such as 429 `too_many_websockets` with \
`Retry-After`: there is a maximum of connections in all, of one owner, and of those that have not \
sent a key yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Message:
    """A message; ``is_sent`` tells that the service sends it."""

    name: str
    model: type[BaseModel]
    examples: Sequence[object]
    is_sent: bool


def document(*, version: str) -> Json:
    """Return the document; it has no ``servers``: see ``server_of``."""
    messages = _messages()
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Papertape order events",
            "version": version,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {_CHANNEL: _channel(messages)},
        "operations": _operations(),
        "components": {
            "messages": {message.name: _message(message) for message in messages},
            "schemas": schemas_of(message.model for message in messages),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Optional: in open access no key is asked, and a key may be "
                    "sent as the first message instead. Scope `orders:read`.",
                }
            },
        },
    }


def server_of(url: URL) -> Json:
    """Return the server object for the address under which the service was called."""
    return {
        "host": url.netloc,
        "protocol": "wss" if url.scheme == "https" else "ws",
        "description": "The service that answered.",
        "security": [{"$ref": "#/components/securitySchemes/key"}],
    }


def _messages() -> tuple[_Message, ...]:
    events = [
        event_view(stored, stream_id=examples.EXAMPLE_STREAM_ID) for stored in examples.events()
    ]
    return (
        _Message(
            name="authenticate",
            model=message_shapes.Authenticate,
            examples=[{"type": "authenticate", "key": "pt_example"}],
            is_sent=False,
        ),
        _Message(
            name="subscribe",
            model=message_shapes.Subscribe,
            examples=[
                {"type": "subscribe"},
                {"type": "subscribe", "symbols": [examples.EXAMPLE_SYMBOL], "after": _POSITION},
                {"type": "subscribe", "after": BEGINNING},
            ],
            is_sent=False,
        ),
        _Message(
            name="authenticated",
            model=message_shapes.Authenticated,
            examples=[{"type": "authenticated", "owner": "alice"}],
            is_sent=True,
        ),
        _Message(
            name="subscribed",
            model=message_shapes.Subscribed,
            examples=[{"type": "subscribed", "position": _POSITION}],
            is_sent=True,
        ),
        _Message(name="event", model=message_shapes.Event, examples=events, is_sent=True),
        _Message(
            name="error",
            model=message_shapes.StreamError,
            examples=[error_message(error) for error in STREAM_ERRORS],
            is_sent=True,
        ),
    )


def _channel(messages: Sequence[_Message]) -> Json:
    rows = [f"- {one.code}, such as `{one.reason}`: {one.meaning}" for one in CLOSE_CODES]
    return {
        "address": STREAM_PATH,
        "title": "Order events",
        "description": _CHANNEL_DESCRIPTION.format(close_codes="\n".join(rows)),
        "messages": {
            message.name: {"$ref": f"#/components/messages/{message.name}"} for message in messages
        },
        "bindings": {"ws": {"method": "GET"}},
        "x-close-codes": [
            {"code": one.code, "reason": one.reason, "meaning": one.meaning} for one in CLOSE_CODES
        ],
    }


def _message(message: _Message) -> Json:
    """Return a message; ``x-direction`` says who sends it, which operations say only in part."""
    return {
        "name": message.name,
        "title": message.model.__name__,
        "summary": (message.model.__doc__ or "").strip(),
        "payload": {"$ref": f"#/components/schemas/{message.model.__name__}"},
        "examples": [{"payload": example} for example in message.examples],
        "x-direction": "service to client" if message.is_sent else "client to service",
    }


def _operations() -> Json:
    """Return the operations as the service sees them: it receives what a client sends."""
    return {
        "authenticate": _operation(
            "receive",
            "Say whose orders the connection is about",
            ["authenticate"],
            reply=["authenticated", "error"],
        ),
        "subscribe": _operation(
            "receive",
            "Say what the connection wants to hear, and from where on",
            ["subscribe"],
            reply=["subscribed", "error"],
        ),
        "tellEvent": _operation("send", "Tell what happened to an order", ["event"]),
        "tellError": _operation("send", "Say why the connection is closed next", ["error"]),
    }


def _operation(
    action: str, summary: str, messages: Sequence[str], *, reply: Sequence[str] = ()
) -> Json:
    channel = {"$ref": f"#/channels/{_CHANNEL}"}
    operation: Json = {
        "action": action,
        "channel": channel,
        "summary": summary,
        "messages": [_message_reference(name) for name in messages],
    }
    if reply:
        operation["reply"] = {
            "channel": channel,
            "messages": [_message_reference(name) for name in reply],
        }
    return operation


def _message_reference(name: str) -> Json:
    return {"$ref": f"#/channels/{_CHANNEL}/messages/{name}"}
