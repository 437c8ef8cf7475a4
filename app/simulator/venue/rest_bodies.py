"""What the venue says with a status when it serves nothing, in its fixed texts where it has some.

The JSON bodies are recorded or documented answers of Binance; the pages, which come from whatever
stands before it, are our own of the same kind.
"""

from typing import Final

from app.simulator.venue.client_admission import BANNED, banned_message


def _page(title: str) -> str:
    return (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
        f"<center><h1>{title}</h1></center>\r\n</body>\r\n</html>\r\n"
    )


BAD_GATEWAY: Final = _page("502 Bad Gateway")
"""What Binance's load balancer says when a handshake fails."""

MAINTENANCE_PAGE: Final = _page("We will be back soon")
"""HTML where JSON is expected, with the status of an answer."""

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
    502: BAD_GATEWAY,
    503: _page("503 Service Temporarily Unavailable"),
    504: _page("504 Gateway Time-out"),
}

_BAN_SECONDS_DEFAULT: Final = 120


def default_body(status: int, *, retry_after: int | None, now_ms: int) -> str:
    """Return the body that comes with a status, empty for one that has none of its own."""
    if status == BANNED:
        until_ms = now_ms + 1000 * (retry_after or _BAN_SECONDS_DEFAULT)
        return f'{{"code":-1003,"msg":"{banned_message(until_ms)}"}}'
    return _BODIES.get(status, "")


def is_page(body: str) -> bool:
    """Tell whether a body is HTML."""
    return body.lstrip().startswith("<")
