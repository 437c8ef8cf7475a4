"""Reads a request's body, up to a limit, as one JSON object.

The documented ``curl --data`` sends no JSON content type, so the type is not checked. Anything
that a reader would have to guess about, such as a key given twice, is malformed.
"""

import asyncio
import codecs
import json
from collections.abc import Iterable
from typing import Final

from starlette.requests import Request

from app.api.problems import BodyTooLargeError, BodyTooSlowError, ContentEncodingError
from app.domain.errors import MalformedRequestError
from app.exact_json import ConstantError, NestingError, RepeatedKeyError, decode_json

BODY_SECONDS_MAX: Final = 10.0
"""A body fits into a few packets; one that takes longer holds a connection for nothing."""

EXPECTED_ORDER: Final = 'an order as a JSON object, such as {"symbol": "LTCBTC", …}'

WHOLE_BODY_EXTENSION: Final = "papertape.whole_body"
"""Set by our server in the ASGI scope of a request whose body has arrived."""

_LENGTH_DIGITS_MAX: Final = 9
_NUL: Final = "\x00"


async def read_body(
    request: Request, *, bytes_max: int, seconds_max: float = BODY_SECONDS_MAX
) -> bytes:
    """Read a request's body, at most ``bytes_max`` bytes of it.

    Raises:
        ContentEncodingError: it is compressed, or encoded otherwise.
        BodyTooLargeError: it is longer, or says so in advance.
        BodyTooSlowError: it did not arrive within ``seconds_max``.
    """
    # "identity" is the one coding that means none (RFC 9110 section 8.4.1).
    codings = ",".join(request.headers.getlist("content-encoding")).lower().split(",")
    if any(coding.strip() not in {"", "identity"} for coding in codings):
        raise ContentEncodingError
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


def read_json_object(body: bytes, *, expected: str = EXPECTED_ORDER) -> dict[str, object]:
    """Read one JSON object (RFC 8259) without guessing; numbers become ``JsonNumber``.

    A byte order mark is skipped: "implementations that parse JSON texts MAY ignore the presence of
    a byte order mark rather than treating it as an error" (section 8.1).

    Args:
        body: The bytes, in UTF-8.
        expected: What the sender should send; it ends the message of an error.

    Raises:
        MalformedRequestError: it is anything else.
    """
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise MalformedRequestError(f"the text is empty; send {expected}")
    try:
        text = body.decode()
        value = decode_json(text)
    except UnicodeDecodeError as error:
        raise MalformedRequestError(f"the text is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedRequestError(
            f"the text is not JSON at line {error.lineno} column {error.colno}; send {expected}"
        ) from None
    except RepeatedKeyError:
        raise MalformedRequestError("a key is given twice in the same object") from None
    except ConstantError as error:
        raise MalformedRequestError(str(error)) from None
    except NestingError:
        raise MalformedRequestError("the text is nested too deeply") from None
    if not isinstance(value, dict):
        raise MalformedRequestError(f"the text is JSON, but not an object; send {expected}")
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
