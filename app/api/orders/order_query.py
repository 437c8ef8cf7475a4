"""Query parameters: all are read by hand, so that none is ignored, and all problems are told."""

import base64
import binascii
import re
from collections.abc import Collection
from typing import Final

from starlette.requests import Request

from app.api.cursors import Cursor, write_cursor
from app.api.fields import FieldForm, FieldRefusal, read_symbol, read_text
from app.api.orders.order_headers import read_client_order_id
from app.domain.errors import InvalidQueryError
from app.domain.order import OrderStatus, Symbol
from app.domain.symbols import upper

ORDERS_PER_PAGE_DEFAULT: Final = 100
SPLITS_PER_PAGE_DEFAULT: Final = 1_000
EVENTS_PER_PAGE_DEFAULT: Final = 1_000
PAGE_LIMIT_MAX: Final = 1_000
"""An answer of 1,000 entries has about half a megabyte; more goes page by page."""

_LIMIT = re.compile(r"[0-9]{1,4}", re.ASCII)
_POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)  # fits the 64 bits of a stored integer


class QueryForm(FieldForm):
    """A request's query parameters; one that is unknown or given twice is refused."""

    def __init__(self, request: Request, known: Collection[str] = ()) -> None:
        items = request.query_params.multi_items()
        super().__init__(dict(items))
        seen: set[str] = set()
        for name, _ in items:
            if name in known and name in seen:
                self.refuse(name, "duplicate", "is given more than once")
            seen.add(name)
        self.refuse_unknown(known)

    def symbol(self) -> Symbol | None:
        """Return the symbol asked for, in the venue's spelling."""
        return self.read("symbol", read_symbol, None)

    def status(self) -> OrderStatus | None:
        """Return the status asked for."""
        return self.read("status", _read_status, None)

    def limit(self, default: int) -> int:
        """Return how many entries a page may have."""
        return self.read("limit", _read_limit, default)

    def position(self, kind: Cursor) -> int | None:
        """Return the position that a cursor of ``kind`` stands for."""
        return self.read("cursor", lambda value: _read_cursor(value, kind), None)

    def client_order_id(self) -> str | None:
        """Return the key asked for."""
        return self.read(
            "client_order_id", lambda value: read_client_order_id(read_text(value)), None
        )

    def done(self) -> None:
        """Raise what was found."""
        self.finish(InvalidQueryError)


def refuse_query(request: Request) -> None:
    """Refuse query parameters on a route that has none."""
    if request.scope["query_string"]:
        QueryForm(request).done()


def _read_status(value: object) -> OrderStatus:
    try:
        return OrderStatus(upper(read_text(value)))
    except ValueError:
        raise FieldRefusal("invalid_status", f"must be one of {', '.join(OrderStatus)}") from None


def _read_limit(value: object) -> int:
    text = read_text(value)
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= PAGE_LIMIT_MAX:
        raise FieldRefusal("out_of_range", f"must be a whole number from 1 to {PAGE_LIMIT_MAX}")
    return int(text)


def _read_cursor(value: object, kind: Cursor) -> int:
    refusal = FieldRefusal("invalid_cursor", "must be the next_cursor of a page of this listing")
    text = read_text(value)
    try:
        plain = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        raise refusal from None
    digits = plain.removeprefix(kind)
    # Written again it must be the same: decoding by itself overlooks characters it does not know.
    if not _POSITION.fullmatch(digits) or write_cursor(kind, int(digits)) != text:
        raise refusal
    return int(digits)
