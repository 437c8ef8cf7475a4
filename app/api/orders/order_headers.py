"""The headers that say how an order is to be taken: ``Prefer`` and ``Idempotency-Key``."""

import re
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from app.api.fields import FieldRefusal

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
CLIENT_ORDER_ID_FORM: Final = r"^[a-zA-Z0-9-_]{1,36}$"
"""Binance's form of a ``newClientOrderId``, but for the characters that a URL has to escape."""

IDEMPOTENCY_KEY_FORM: Final = r'^("[a-zA-Z0-9-_]{1,36}"|[a-zA-Z0-9-_]{1,36})$'
"""The same as a header: it may stand in quotes, as a structured field has it (RFC 9651)."""

_CLIENT_ORDER_ID = re.compile(CLIENT_ORDER_ID_FORM.strip("^$"), re.ASCII)
_QUOTED = re.compile(r'"([^"\\]*)"')
_PREFERENCES = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')  # a comma in quotes parts nothing
_WAIT = re.compile(r'wait\s*=\s*(?:([0-9]{1,100})|"([0-9]{1,100})")', re.ASCII | re.IGNORECASE)
_ASYNC = re.compile(r'respond-async(?:\s*=\s*"")?', re.ASCII | re.IGNORECASE)
_RESPOND_ASYNC: Final = "respond-async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How long to wait for an order's end, and what of the client's wish that grants.

    ``applied`` is the value of ``Preference-Applied`` (RFC 7240 section 3), None without a wish.
    """

    wait_seconds: int
    applied: str | None


def read_preference(headers: Headers, *, wait_seconds_max: int) -> Preference:
    """Read ``Prefer`` (RFC 7240); without a wish the answer comes when the order is finished.

    ``wait`` beyond the maximum is granted up to it. Of a preference that is given more than once
    the first counts. One that is unknown or malformed is ignored: the RFC says a server must.
    """
    wishes = [
        wish.split(";", 1)[0].strip()
        for value in headers.getlist("prefer")
        for wish in _PREFERENCES.findall(value)
    ]
    waits = [found[1] or found[2] for wish in wishes if (found := _WAIT.fullmatch(wish))]
    if waits:
        # Together with respond-async it says how long to try for an answer before a 202.
        seconds = min(int(waits[0]), wait_seconds_max)
        return Preference(wait_seconds=seconds, applied=f"wait={seconds}")
    if any(_ASYNC.fullmatch(wish) for wish in wishes):
        return Preference(wait_seconds=0, applied=_RESPOND_ASYNC)
    return Preference(wait_seconds=wait_seconds_max, applied=None)


def read_idempotency_key(headers: Headers) -> str | None:
    """Return the key of the header; it may stand in quotes, as a structured field has it.

    Raises:
        FieldRefusal: it is given twice, or has not the form of a ``client_order_id``.
    """
    values = headers.getlist(IDEMPOTENCY_HEADER)
    if not values:
        return None
    if len(values) > 1:
        raise FieldRefusal("duplicate", "is given more than once")
    quoted = _QUOTED.fullmatch(values[0].strip())
    return read_client_order_id(quoted[1] if quoted else values[0].strip())


def read_client_order_id(text: str) -> str:
    """Return a key if it has the form of one."""
    if not _CLIENT_ORDER_ID.fullmatch(text):
        raise FieldRefusal(
            "invalid_client_order_id", "must be 1 to 36 of the letters a-z and A-Z, 0-9, - and _"
        )
    return text
