"""The HTTP answers of the venue, and the bodies that Binance sends with its failures."""

import http
import json
from collections.abc import Mapping
from typing import Final

from websockets.datastructures import Headers
from websockets.http11 import Response

JSON: Final = "application/json;charset=UTF-8"
HTML: Final = "text/html"

TOO_MANY_REQUESTS: Final = 429
BANNED: Final = 418


def http_answer(
    status: int,
    body: str = "",
    *,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an answer that ends the connection of its client."""
    content = body.encode()
    # A fault may have any status, also a status that Python does not know.
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    fields = {
        "Content-Type": content_type,
        "Content-Length": str(len(content)),
        "Connection": "close",
        **(headers or {}),
    }
    return Response(status, phrase, Headers(fields), content)


def json_answer(status: int, body: object, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON without white space, as Binance sends it."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return http_answer(status, text, headers=headers)


def _page(title: str) -> str:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


MAINTENANCE_PAGE: Final = _page("We will be back soon")
"""HTML where a client expects JSON."""

_BODIES: Final = {
    400: '{"code":-1100,"msg":"Illegal characters found in a parameter."}',
    403: _page("403 Forbidden"),
    404: _page("404 Not Found"),
    429: (
        '{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight '
        'per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}'
    ),
    451: (
        '{\n  "code": 0,\n  "msg": "Service unavailable from a restricted location according to '
        "'b. Eligibility' in https://www.binance.com/en/terms. Please contact customer service if "
        'you believe you received this message in error."\n}'
    ),
    500: '{"code":-1000,"msg":"An unknown error occured while processing the request."}',
    502: _page("502 Bad Gateway"),
    503: _page("503 Service Temporarily Unavailable"),
    504: _page("504 Gateway Time-out"),
}
"""Recorded or documented answers of Binance. The HTML pages are our own, in the same form."""

_BAN_SECONDS_DEFAULT: Final = 120


def banned_message(until_ms: int) -> str:
    """Return Binance's text for a ban that ends at this epoch time in milliseconds."""
    return (
        f"Way too much request weight used; IP banned until {until_ms}. Please use the websocket "
        "for live updates to avoid bans."
    )


def default_body(status: int, *, retry_after: int | None, now_ms: int) -> str:
    """Return the usual body of a status; empty for a status without one."""
    if status == BANNED:
        until_ms = now_ms + 1000 * (retry_after or _BAN_SECONDS_DEFAULT)
        return f'{{"code":-1003,"msg":"{banned_message(until_ms)}"}}'
    return _BODIES.get(status, "")


def is_page(body: str) -> bool:
    """Return whether a body is HTML."""
    return body.lstrip().startswith("<")
