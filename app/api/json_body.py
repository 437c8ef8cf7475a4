"""Reads a request's body, up to a limit, as one JSON object.

The documented ``curl --data`` sends no JSON content type, so the type is not checked. Anything
that a reader would have to guess about, such as a key given twice, is malformed.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from app.api.problems import BodyTooLargeError, BodyTooSlowError
from app.domain.errors import MalformedRequestError
from app.exact_json import ConstantError, NestingError, RepeatedKeyError, decode_json

BODY_SECONDS_MAX: Final = 10.0
"""A body fits into a few packets; one that takes longer holds a connection for nothing."""

WHOLE_BODY_EXTENSION: Final = "papertape.whole_body"
"""Set by our server in the ASGI scope of a request whose body has arrived."""

_LENGTH_DIGITS_MAX: Final = 9
_NUL: Final = "\x00"


async def read_body(
    request: Request, *, bytes_max: int, seconds_max: float = BODY_SECONDS_MAX
) -> bytes:
    """Read a request's body, at most ``bytes_max`` bytes of it.

    Raises:
        BodyTooLargeError: it is longer, or says so in advance.
        BodyTooSlowError: it did not arrive within ``seconds_max``.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > _LENGTH_DIGITS_MAX or int(declared) > bytes_max):
        raise BodyTooLargeError(bytes_max)
    if WHOLE_BODY_EXTENSION in request.scope.get("extensions", ()):
        return await _read(request, bytes_max)
    try:
        async with asyncio.timeout(seconds_max):
            return await _read(request, bytes_max)
    except TimeoutError:
        raise BodyTooSlowError from None


async def _read(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise BodyTooLargeError(bytes_max)
    return bytes(body)


def read_json_object(body: bytes) -> dict[str, object]:
    """Read one JSON object (RFC 8259) without guessing; numbers become ``JsonNumber``.

    Raises:
        MalformedRequestError: it is anything else.
    """
    if not body.strip():
        raise MalformedRequestError("the body is empty; send an order as a JSON object")
    try:
        text = body.decode()
        value = decode_json(text)
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"the body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedRequestError(
            f"the body is not JSON at line {error.lineno} column {error.colno}; "
            'send an order as a JSON object, such as {"symbol": "LTCBTC", …}'
        ) from None
    except RepeatedKeyError:
        raise MalformedRequestError("a key is given twice in the same object") from None
    except ConstantError as error:
        raise MalformedRequestError(str(error)) from None
    except NestingError:
        raise MalformedRequestError("the body is nested too deeply") from None
    if not isinstance(value, dict):
        raise MalformedRequestError("the body is JSON, but not an object")
    if "\\u" in text:
        _refuse_unusable_characters(value)
    return value


def _refuse_unusable_characters(value: object) -> None:
    """Refuse lone surrogates and NUL: JSON can escape both, and the database stores neither."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, str):
            if _NUL in part or any("\ud800" <= character <= "\udfff" for character in part):
                raise MalformedRequestError("a text holds NUL or half of a surrogate pair")
        elif isinstance(part, dict):
            pending += _flattened(part.items())
        elif isinstance(part, list):
            pending += part


def _flattened(items: Iterable[tuple[object, object]]) -> list[object]:
    return [part for item in items for part in item]
