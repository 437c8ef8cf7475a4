"""The messages that a client sends on ``/ws/orders``, and the errors that they can cause."""

from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator
from pydantic_core import PydanticCustomError

from app.api.fields import InputModel, is_order_id, read_symbol, read_text
from app.api.problems import FixedTextError
from app.domain.errors import InvalidInputError
from app.domain.order import OrderId, Symbol

AUTHENTICATE: Final = "authenticate"
SUBSCRIBE: Final = "subscribe"

EXPECTED_MESSAGE: Final = 'a message as a JSON object, such as {"type": "subscribe"}'
NAMED_MAX: Final = 1_000
"""Orders or symbols that a subscription may name; a client that wants more subscribes to all."""

SUBSCRIBE_SECONDS_MAX: Final = 10.0
"""How long a client may take to authenticate and subscribe."""

# RFC 6455 section 7.4.1, and the registry of close codes that IANA keeps.
POLICY_VIOLATION: Final = 1008
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013


class InvalidMessageError(InvalidInputError):
    """A message that is not one of those a client may send."""

    code = "invalid_message"


class BinaryMessageError(FixedTextError):
    """A binary message."""

    code = "invalid_message"
    text = "messages are JSON objects in text frames"


class StreamSilenceError(FixedTextError):
    """The client did not subscribe in time."""

    code = "subscribe_timeout"
    text = f"no subscribe message came within {SUBSCRIBE_SECONDS_MAX:g} s"


class AlreadySubscribedError(FixedTextError):
    """A connection carries one subscription."""

    code = "already_subscribed"
    text = "a connection has one subscription; open another connection"


def _read_type(value: object) -> str:
    text = read_text(value)
    if text != SUBSCRIBE:
        raise PydanticCustomError(
            "invalid_type", f'must be "{SUBSCRIBE}", or first "{AUTHENTICATE}"'
        )
    return text


def _read_order_ids(value: object) -> frozenset[OrderId]:
    return frozenset(_read_order_id(one) for one in _read_list(value))


def _read_order_id(value: object) -> OrderId:
    text = read_text(value).lower()
    if not is_order_id(text):
        raise PydanticCustomError(
            "invalid_order_id", "must hold ids as the answer to an order tells them"
        )
    return OrderId(text)


def _read_symbols(value: object) -> frozenset[Symbol]:
    return frozenset(read_symbol(one) for one in _read_list(value))


def _read_list(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise PydanticCustomError(
            "wrong_type", "must be a list of at least one; leave it out for all"
        )
    if len(value) > NAMED_MAX:
        message = f"must have at most {NAMED_MAX}; leave it out for all"
        raise PydanticCustomError("too_many", message)
    return value


def _read_after(value: object) -> str | None:
    return None if value is None else read_text(value)


class ClientMessage(InputModel):
    """A message of a client."""

    error = InvalidMessageError


class Authenticate(ClientMessage):
    """Identifies the client; the first message, unless a header did."""

    type: Literal["authenticate"]
    key: Annotated[str, PlainValidator(read_text)]


class Subscribe(ClientMessage):
    """Asks for events; without ``order_ids`` and ``symbols``, for the events of all orders.

    ``after`` is the text of a position, ``None`` for events from now on.
    """

    type: Annotated[Literal["subscribe"], BeforeValidator(_read_type)]
    order_ids: Annotated[frozenset[OrderId], PlainValidator(_read_order_ids)] = Field(
        default=frozenset()
    )
    symbols: Annotated[frozenset[Symbol], PlainValidator(_read_symbols)] = Field(
        default=frozenset()
    )
    after: Annotated[str | None, PlainValidator(_read_after)] = None
