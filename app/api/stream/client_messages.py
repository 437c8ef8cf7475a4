"""What a client says on ``/ws/orders``, and what it is told when that cannot be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.api.fields import FieldForm, FieldRefusal, is_order_id, read_symbol, read_text
from app.api.json_body import read_json_object
from app.domain.errors import CallerError, InvalidInputError
from app.domain.order import OrderId, Symbol

AUTHENTICATE: Final = "authenticate"
AUTHENTICATE_FIELDS: Final = ("type", "key")
SUBSCRIBE: Final = "subscribe"
SUBSCRIBE_FIELDS: Final = ("type", "order_ids", "symbols", "after")
NAMED_MAX: Final = 1_000
"""Orders or symbols that a subscription may name; whoever wants more wants all."""

SUBSCRIBE_SECONDS_MAX: Final = 10.0
"""How long a connection may take to say who it is and what it wants to hear."""

# RFC 6455 section 7.4.1, and the registry of close codes that IANA keeps.
POLICY_VIOLATION: Final = 1008
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013


class InvalidMessageError(InvalidInputError):
    """A message that is not one of those a client may send."""

    code = "invalid_message"


class BinaryMessageError(CallerError):
    """A message that is no text."""

    code = "invalid_message"

    def __init__(self) -> None:
        super().__init__("messages are JSON objects in text frames")


class StreamSilenceError(CallerError):
    """The client did not say in time what it wants to hear."""

    code = "subscribe_timeout"

    def __init__(self) -> None:
        super().__init__(f"no subscribe message came within {SUBSCRIBE_SECONDS_MAX:g} s")


class AlreadySubscribedError(CallerError):
    """A connection carries one subscription."""

    code = "already_subscribed"

    def __init__(self) -> None:
        super().__init__("a connection has one subscription; open another connection")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscribeMessage:
    """What a client wants to hear; ``after`` is the text of a position, None for from now on."""

    order_ids: frozenset[OrderId]
    symbols: frozenset[Symbol]
    after: str | None


def read_message(text: str) -> Mapping[str, object]:
    """Return the object of a message.

    Raises:
        MalformedRequestError: it is none.
    """
    return read_json_object(text.encode())


def read_key(values: Mapping[str, object]) -> str | None:
    """Return the key of an authenticate message, None if it is another message.

    Raises:
        InvalidMessageError: with everything that is wrong with it.
    """
    if values.get("type") != AUTHENTICATE:
        return None
    form = FieldForm(values)
    form.require("key")
    key = form.read("key", read_text, "")
    form.refuse_unknown(AUTHENTICATE_FIELDS)
    form.finish(InvalidMessageError)
    return key


def read_subscribe(values: Mapping[str, object]) -> SubscribeMessage:
    """Return what a subscribe message asks for.

    Raises:
        InvalidMessageError: with everything that is wrong with it.
    """
    form = FieldForm(values)
    form.require("type")
    form.read("type", _read_type, None)
    order_ids = form.read("order_ids", _read_order_ids, frozenset[OrderId]())
    symbols = form.read("symbols", _read_symbols, frozenset[Symbol]())
    after = form.read("after", _read_after, None)
    form.refuse_unknown(SUBSCRIBE_FIELDS)
    form.finish(InvalidMessageError)
    return SubscribeMessage(order_ids=order_ids, symbols=symbols, after=after)


def _read_type(value: object) -> None:
    if read_text(value) != SUBSCRIBE:
        raise FieldRefusal("invalid_type", f'must be "{SUBSCRIBE}", or first "{AUTHENTICATE}"')


def _read_order_ids(value: object) -> frozenset[OrderId]:
    return frozenset(_read_order_id(one) for one in _read_list(value))


def _read_order_id(value: object) -> OrderId:
    text = read_text(value).lower()
    if not is_order_id(text):
        raise FieldRefusal("invalid_order_id", "must hold ids as the answer to an order tells them")
    return OrderId(text)


def _read_symbols(value: object) -> frozenset[Symbol]:
    return frozenset(read_symbol(one) for one in _read_list(value))


def _read_list(value: object) -> list[object]:
    if not isinstance(value, list) or not value:
        raise FieldRefusal("wrong_type", "must be a list of at least one; leave it out for all")
    if len(value) > NAMED_MAX:
        raise FieldRefusal("too_many", f"must have at most {NAMED_MAX}; leave it out for all")
    return value


def _read_after(value: object) -> str | None:
    return None if value is None else read_text(value)
