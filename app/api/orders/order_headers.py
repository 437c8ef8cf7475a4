"""The headers of ``POST /order/limit``: ``Prefer`` and ``Idempotency-Key``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic_core import PydanticCustomError

from app.api.fields import read_client_order_id

IDEMPOTENCY_HEADER: Final = "Idempotency-Key"
IDEMPOTENCY_KEY_FORM: Final = r'^("[a-zA-Z0-9-_]{1,36}"|[a-zA-Z0-9-_]{1,36})$'
"""The form of a ``client_order_id``, which may stand in quotes as a structured field (RFC 9651)."""

_QUOTED = re.compile(r'"([^"\\]*)"')
_PREFERENCES = re.compile(r'(?:[^",]|"(?:[^"\\]|\\.)*")+')  # a comma in quotes separates nothing
_WAIT = re.compile(r'wait\s*=\s*(?:([0-9]{1,100})|"([0-9]{1,100})")', re.ASCII | re.IGNORECASE)
_ASYNC = re.compile(r'respond-async(?:\s*=\s*"")?', re.ASCII | re.IGNORECASE)
_RESPOND_ASYNC: Final = "respond-async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """How long a request waits for the end of its order.

    Attributes:
        wait_seconds: The longest time to wait.
        applied: The value of ``Preference-Applied`` (RFC 7240 section 3), ``None`` without a wish.
    """

    wait_seconds: int
    applied: str | None


def read_preference(values: Sequence[str], *, wait_seconds_max: int) -> Preference:
    """Read the values of ``Prefer`` (RFC 7240); without a wish the answer comes with the end.

    ``wait`` is granted up to the maximum. Of a preference that is given more than once the first
    counts. An unknown or malformed one is ignored, as the RFC requires.
    """
    wishes = [
        wish.split(";", 1)[0].strip() for value in values for wish in _PREFERENCES.findall(value)
    ]
    waits = [found[1] or found[2] for wish in wishes if (found := _WAIT.fullmatch(wish))]
    if waits:
        # Together with respond-async it says how long to try for an answer before a 202.
        seconds = min(int(waits[0]), wait_seconds_max)
        return Preference(wait_seconds=seconds, applied=f"wait={seconds}")
    if any(_ASYNC.fullmatch(wish) for wish in wishes):
        return Preference(wait_seconds=0, applied=_RESPOND_ASYNC)
    return Preference(wait_seconds=wait_seconds_max, applied=None)


def read_idempotency_key(values: Sequence[str]) -> str | None:
    """Return the key of the only ``Idempotency-Key`` header, with or without quotes.

    Raises:
        PydanticCustomError: it is given twice, or is not a valid ``client_order_id``.
    """
    if not values:
        return None
    if len(values) > 1:
        raise PydanticCustomError("duplicate", "is given more than once")
    quoted = _QUOTED.fullmatch(values[0].strip())
    return read_client_order_id(quoted[1] if quoted else values[0].strip())
