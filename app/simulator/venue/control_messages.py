"""The control messages of a stream connection: SUBSCRIBE, UNSUBSCRIBE and three others.

Formats and texts come from Binance's documentation, "Live Subscribing/Unsubscribing to streams".
The answer to too many streams comes from a recording. Documented errors are sent as they are; the
recorded one is wrapped in ``error`` and names the request. Both forms exist on the wire.
"""

import json
import re
from dataclasses import dataclass
from typing import Final

from app.exact_json import is_nested_too_deeply
from app.simulator.venue.venue_limits import STREAMS_MAX

METHODS: Final = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")

RequestId = int | str | None

_INT64_MAX: Final = 2**63 - 1
_TEXT_ID: Final = re.compile(r"[a-zA-Z0-9_-]{1,36}")
_COMBINED: Final = "combined"

_UNKNOWN_PROPERTY: Final = 0
_NOT_BOOLEAN: Final = 1
_INVALID_REQUEST: Final = 2
_INVALID_JSON: Final = 3
_TOO_MANY_STREAMS: Final = 4


@dataclass(slots=True)
class Subscriptions:
    """The streams of one connection in the order of subscribing, and the form of its frames.

    ``time_scale`` is 1,000 for a client that asked for microseconds.
    """

    streams: dict[str, None]
    is_combined: bool
    time_scale: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The reply to a control message, with the parsed message for the observations.

    Attributes:
        text: the reply as sent.
        method: the method of the message; empty if it was unreadable.
        params: its parameters.
        is_over_limit: whether it asked for more streams than allowed.
    """

    text: str
    method: str = ""
    params: tuple[object, ...] = ()
    is_over_limit: bool = False


class _RefusedError(Exception):
    """A message is refused with this code and text."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)

    def body(self, request_id: RequestId) -> dict[str, object]:
        """Return the reply; only two of the errors carry the id of the request."""
        error: dict[str, object] = {"code": self.code, "msg": self.text}
        # The recorded answer wraps the error and names the request.
        if self.code == _TOO_MANY_STREAMS:
            return {"error": error, "id": request_id}
        # The documentation shows this error with the id, and all others without it.
        if self.code == _UNKNOWN_PROPERTY:
            return {**error, "id": request_id}
        return error


def answer(message: str, subscriptions: Subscriptions) -> Reply:
    """Apply a control message to a connection's subscriptions, and return the reply."""
    try:
        method, params, request_id = _read(message)
    except _RefusedError as refused:
        return Reply(text=_dump(refused.body(None)))
    is_over_limit = False
    try:
        body = {"result": _apply(method, params, subscriptions), "id": request_id}
    except _RefusedError as refused:
        is_over_limit = refused.code == _TOO_MANY_STREAMS
        body = refused.body(request_id)
    return Reply(text=_dump(body), method=method, params=params, is_over_limit=is_over_limit)


def _invalid(text: str) -> _RefusedError:
    return _RefusedError(_INVALID_REQUEST, f"Invalid request: {text}")


def _invalid_json(line: int = 1, column: int = 1) -> _RefusedError:
    text = f"Invalid JSON: expected value at line {line} column {column}"
    return _RefusedError(_INVALID_JSON, text)


def _read(message: str) -> tuple[str, tuple[object, ...], RequestId]:
    """Return the method, the parameters and the id of a message."""
    # json.loads would raise RecursionError, and the connection would end with status 1011.
    if is_nested_too_deeply(message):
        raise _invalid_json()
    try:
        fields = json.loads(message)
    except json.JSONDecodeError as error:
        raise _invalid_json(error.lineno, error.colno) from None
    except ValueError:  # an integer with more digits than Python converts
        raise _invalid_json() from None
    end = f"at line {message.count(chr(10)) + 1} column {len(message.rpartition(chr(10))[2])}"
    if not isinstance(fields, dict):
        raise _invalid(f"invalid type: expected struct Request {end}")
    if "method" not in fields:
        raise _invalid(f"missing field `method` {end}")
    method = _method(fields["method"], message, end)
    return method, _params(fields, end), _request_id(fields)


def _method(value: object, message: str, end: str) -> str:
    if isinstance(value, str) and value in METHODS:
        return value
    # Binance's parser reports the column after the wrong word, not the end of the message.
    if isinstance(value, str) and (at := message.find(f'"{value}"')) >= 0:
        end = f"at line 1 column {at + len(value) + 2}"
    expected = ", ".join(f"`{one}`" for one in METHODS)
    raise _invalid(f"unknown variant `{str(value)[:40]}`, expected one of {expected} {end}")


def _params(fields: dict[str, object], end: str) -> tuple[object, ...]:
    params = fields.get("params")
    if fields["method"] == "LIST_SUBSCRIPTIONS":
        # Some clients always send the field, so an empty list is accepted.
        if params:
            raise _invalid("too many parameters")
        return ()
    if params is None:
        raise _invalid(f"missing field `params` {end}")
    if not isinstance(params, list):
        raise _invalid(f"invalid type: expected a sequence {end}")
    return tuple(params)


def _request_id(fields: dict[str, object]) -> RequestId:
    """Return the id: "64-bit signed integer", "alphanumeric strings; max length 36", or null."""
    request_id = fields.get("id", False)
    match request_id:
        # A missing id is False here. The case must precede int(), which matches booleans.
        case bool():
            pass
        case None:
            return None
        case int() if abs(request_id) <= _INT64_MAX:
            return request_id
        case str() if _TEXT_ID.fullmatch(request_id):
            return request_id
    raise _invalid("request ID must be an unsigned integer")


def _apply(method: str, params: tuple[object, ...], subscriptions: Subscriptions) -> object:
    """Apply a message to the subscriptions, and return the result."""
    match method:
        case "SUBSCRIBE":
            _subscribe(params, subscriptions)
        case "UNSUBSCRIBE":
            # An UNSUBSCRIBE of an unknown stream succeeds at Binance.
            for stream in _streams(params):
                subscriptions.streams.pop(stream, None)
        case "SET_PROPERTY":
            _set_property(params, subscriptions)
        case "LIST_SUBSCRIPTIONS":
            return list(subscriptions.streams)
        case _:
            _property_name(params, 1)
            return subscriptions.is_combined
    return None


def _subscribe(params: tuple[object, ...], subscriptions: Subscriptions) -> None:
    """Add streams; an unknown name is accepted and never gets a frame, as at Binance."""
    wanted = dict.fromkeys(_streams(params))
    # "A single connection can listen to a maximum of 1024 streams." None of the new ones is added.
    if len(subscriptions.streams | wanted) > STREAMS_MAX:
        raise _RefusedError(_TOO_MANY_STREAMS, "Too many subscriptions")
    subscriptions.streams.update(wanted)


def _set_property(params: tuple[object, ...], subscriptions: Subscriptions) -> None:
    _property_name(params, 2)
    value = params[1] if len(params) > 1 else None
    if not isinstance(value, bool):
        raise _RefusedError(_NOT_BOOLEAN, "Invalid value type: expected Boolean")
    subscriptions.is_combined = value


def _property_name(params: tuple[object, ...], params_max: int) -> None:
    """Check the name of the property; ``combined`` is the only one."""
    if not params or not isinstance(params[0], str):
        raise _invalid("property name must be a string")
    if len(params) > params_max:
        raise _invalid("too many parameters")
    if params[0] != _COMBINED:
        raise _RefusedError(_UNKNOWN_PROPERTY, "Unknown property")


def _streams(params: tuple[object, ...]) -> list[str]:
    streams = [param for param in params if isinstance(param, str)]
    if len(streams) != len(params):
        raise _invalid("stream names must be strings")
    return streams


def _dump(body: dict[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False)
