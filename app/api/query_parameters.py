"""Query parameters: the models of each listing, and the refusal of what none of them has.

FastAPI reads and documents the models. It ignores that a parameter is repeated, and it ignores any
parameter where a route declares none; both are refused here.
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Query
from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError
from starlette.requests import Request

from app.api.cursors import Cursor, read_cursor
from app.api.fields import (
    CLIENT_ORDER_ID_FORM,
    SYMBOL_FORM,
    InputModel,
    choice_reader,
    read_client_order_id,
    read_symbol,
    read_text,
    unknown_field_problems,
)
from app.domain.errors import FieldProblem, InvalidQueryError
from app.domain.order import OrderStatus, Symbol

ORDERS_PER_PAGE_DEFAULT: Final = 100
ENTRIES_PER_PAGE_DEFAULT: Final = 1_000
PAGE_LIMIT_MAX: Final = 1_000
"""An answer of 1,000 entries has about half a megabyte; more goes page by page."""

_LIMIT = re.compile(r"[0-9]{1,4}", re.ASCII)
_LIMIT_DESCRIPTION: Final = f"How many entries the page may have, from 1 to {PAGE_LIMIT_MAX}."


def _read_limit(value: object) -> object:
    if isinstance(value, int):  # the default
        return value
    text = read_text(value)
    if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= PAGE_LIMIT_MAX:
        message = f"must be a whole number from 1 to {PAGE_LIMIT_MAX}"
        raise PydanticCustomError("out_of_range", message)
    return int(text)


_read_status: Final = choice_reader(
    OrderStatus, code="invalid_status", message=f"must be one of {', '.join(OrderStatus)}"
)


def _cursor_reader(kind: Cursor) -> PlainValidator:
    return PlainValidator(lambda value: read_cursor(read_text(value), kind))


_CURSOR_SCHEMA: Final = WithJsonSchema({"type": "string", "pattern": "^[a-zA-Z0-9_-]+$"})
_SYMBOL_SCHEMA: Final = WithJsonSchema(
    {"type": "string", "pattern": SYMBOL_FORM, "examples": ["LTCBTC"]}
)
_CURSOR_FIELD: Final = Field(
    None,
    description="`next_cursor` of the page before, such as `bzQy`; without it, the first page.",
)

Limit = Annotated[int, BeforeValidator(_read_limit)]


class QueryParameters(InputModel):
    """The query parameters of a route."""

    error = InvalidQueryError


class OrdersParameters(QueryParameters):
    """Which orders to list, and which page of them."""

    symbol: Annotated[Symbol | None, PlainValidator(read_symbol), _SYMBOL_SCHEMA] = Field(
        None, description="Only orders of this trading pair, such as `LTCBTC`."
    )
    status: Annotated[
        OrderStatus | None,
        PlainValidator(_read_status),
        WithJsonSchema({"type": "string", "enum": list(OrderStatus)}),
    ] = Field(None, description="Only orders that have this status now, such as `FILLED`.")
    client_order_id: Annotated[
        str | None,
        PlainValidator(lambda value: read_client_order_id(read_text(value))),
        WithJsonSchema({"type": "string", "pattern": CLIENT_ORDER_ID_FORM}),
    ] = Field(None, description="Only the order that was placed with this name.")
    limit: Limit = Field(
        ORDERS_PER_PAGE_DEFAULT, ge=1, le=PAGE_LIMIT_MAX, description=_LIMIT_DESCRIPTION
    )
    cursor: Annotated[int | None, _cursor_reader(Cursor.ORDERS), _CURSOR_SCHEMA] = _CURSOR_FIELD


class PageParameters(QueryParameters):
    """Which page of an order's splits or events."""

    limit: Limit = Field(
        ENTRIES_PER_PAGE_DEFAULT, ge=1, le=PAGE_LIMIT_MAX, description=_LIMIT_DESCRIPTION
    )


class SplitsParameters(PageParameters):
    """Which page of an order's splits."""

    cursor: Annotated[int | None, _cursor_reader(Cursor.SPLITS), _CURSOR_SCHEMA] = _CURSOR_FIELD


class EventsParameters(PageParameters):
    """Which page of an order's events."""

    cursor: Annotated[int | None, _cursor_reader(Cursor.EVENTS), _CURSOR_SCHEMA] = _CURSOR_FIELD


class SymbolParameters(QueryParameters):
    """The symbol whose orders are meant."""

    symbol: Annotated[Symbol, PlainValidator(read_symbol), _SYMBOL_SCHEMA] = Field(
        description="Trading pair, such as `LTCBTC`."
    )


_Parameters = TypeVar("_Parameters", bound=QueryParameters)


def read_parameters(model: type[_Parameters]) -> Callable[..., Awaitable[_Parameters]]:
    """Return the dependency that reads a route's parameters and refuses a repeated one.

    Which of two values counts is unknown, so the repetition is refused before either is judged.
    """

    async def refuse_repeated(request: Request) -> None:
        names = Counter(name for name, _ in request.query_params.multi_items())
        repeated = [name for name in model.model_fields if names[name] > 1]
        if repeated:
            raise InvalidQueryError(
                [
                    FieldProblem(field=name, code="duplicate", message="is given more than once")
                    for name in repeated
                ]
            )

    async def read(
        _: Annotated[None, Depends(refuse_repeated)],
        parameters: Annotated[model, Query()],  # type: ignore[valid-type] # FastAPI reads it at run time
    ) -> Any:  # noqa: ANN401 - it is of the model, which mypy cannot know
        return parameters

    return read


async def refuse_parameters(request: Request) -> None:
    """Refuse all query parameters: the dependency of a route that has none."""
    if request.scope["query_string"]:
        names = list(request.query_params)
        if names:
            raise InvalidQueryError(list(unknown_field_problems(names, known=())))


NoParameters = Annotated[None, Depends(refuse_parameters)]
