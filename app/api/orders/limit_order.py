"""The body of ``POST /order/limit``: one model that reads an order, checks and documents it.

The venue's rules are checked apart from it, in ``place_order``.
"""

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from app.api.fields import (
    CLIENT_ORDER_ID_FORM,
    SYMBOL_FORM,
    choice_reader,
    field_problems,
    read_client_order_id,
    read_number_text,
    read_symbol,
    read_text,
)
from app.api.orders.order_headers import IDEMPOTENCY_HEADER, read_idempotency_key
from app.api.services import ApiOptions
from app.domain.amounts import EXACT, format_amount, parse_amount, parse_number
from app.domain.errors import FieldProblem, InvalidOrderError
from app.domain.order import NewOrder, Owner, Side, Symbol, TimeInForce
from app.exact_json import JsonNumber

TIMEOUT_STEP_SECONDS: Final = Decimal("0.001")
"""Timers do not keep an end that is finer than a millisecond."""

QUOTE_WAIT_SECONDS: Final = Decimal(5)
"""How long an IOC or FOK order waits for the one quote that decides it."""

_SHARED_AMOUNTS_MAX: Final = 4_096
shared_amount = lru_cache(_SHARED_AMOUNTS_MAX)(parse_amount)
shared_number = lru_cache(_SHARED_AMOUNTS_MAX)(parse_number)
"""Read an amount. Orders ask for the same quantities again and again, and share one of each."""

_PLAIN: Final = r"^[0-9]{1,16}(\.[0-9]{1,12})?$"
_AMOUNT_FORM: Final = {
    "anyOf": [
        {"type": "string", "pattern": _PLAIN, "not": {"pattern": "^[0.]+$"}},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**16},
    ]
}


def _read_amount(value: object) -> Decimal:
    text = read_number_text(value)
    # A string is plain, so that it reads the same everywhere; JSON lets a number have an exponent.
    read = shared_number if isinstance(value, JsonNumber) else shared_amount
    try:
        amount = read(text.removeprefix("-"))
    except ValueError as error:
        hint = "" if read is shared_number else "; a JSON number may have an exponent"
        raise PydanticCustomError("invalid_amount", f"{error}{hint}") from None
    if text.startswith("-") or not amount:
        raise PydanticCustomError("not_positive", "must be above zero")
    return amount


def _read_timeout(value: object, info: ValidationInfo) -> Decimal:
    options = info.context
    assert isinstance(options, ApiOptions), "read_limit_order passes them"
    time_in_force = info.data.get("time_in_force", TimeInForce.GTD)
    if time_in_force is not TimeInForce.GTD:
        message = f"belongs to GTD; {time_in_force} is decided by its first quote"
        raise PydanticCustomError("not_applicable", message)
    seconds = _read_amount(value)
    if EXACT.remainder(seconds, TIMEOUT_STEP_SECONDS):
        raise PydanticCustomError("too_precise", "must have at most 3 digits behind the point")
    if seconds > options.timeout_seconds_max:
        message = f"must be at most {format_amount(options.timeout_seconds_max)}"
        raise PydanticCustomError("out_of_range", message)
    return seconds


_read_side: Final = choice_reader(
    Side, code="invalid_side", message="must be BUY (the default) or SELL"
)
_read_time_in_force: Final = choice_reader(
    TimeInForce,
    code="invalid_time_in_force",
    message="must be GTD (the default), IOC or FOK",
)


def _read_client_order_id(value: object) -> str | None:
    return None if value is None else read_client_order_id(read_text(value))


SentAmount = Annotated[Decimal, PlainValidator(_read_amount), WithJsonSchema(_AMOUNT_FORM)]
"""An amount as it may be sent: a string, or a JSON number, read by its text."""


class LimitOrder(BaseModel):
    """A limit order: buy or sell `order_size` of `symbol` at `price` or better."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: Annotated[
        Symbol,
        PlainValidator(read_symbol),
        WithJsonSchema({"type": "string", "pattern": SYMBOL_FORM}),
    ] = Field(
        description="Trading pair as Binance spells it: 1 to 20 letters or digits. Lower case is "
        "accepted. `GET /symbols/{symbol}` shows its rules.",
        examples=["LTCBTC"],
    )
    order_size: SentAmount = Field(
        description="How much to buy or sell, in the base asset (LTC in LTCBTC). A string in plain "
        "decimal notation, without sign or exponent, or a JSON number in any notation (`1e-05` is "
        "0.00001), exact to the digit as sent; above 0, at most 16 digits before the decimal point "
        "and 12 behind it. The symbol's `LOT_SIZE` and `NOTIONAL` apply.",
        examples=["1000"],
    )
    price: SentAmount = Field(
        description="Limit price: the worst price that the order accepts, in the quote asset per "
        "base asset (BTC per LTC in LTCBTC). The highest for a BUY, the lowest for a SELL. Written "
        "like `order_size`. The symbol's `PRICE_FILTER` applies.",
        examples=["0.0001"],
    )
    side: Annotated[Side, BeforeValidator(_read_side)] = Field(
        Side.BUY,
        description="`BUY` takes from the best ask, `SELL` from the best bid.",
        examples=["SELL"],
    )
    time_in_force: Annotated[TimeInForce, BeforeValidator(_read_time_in_force)] = Field(
        TimeInForce.GTD,
        description="How long the order may rest. `GTD`: until `timeout_seconds` after its "
        "acceptance. `IOC`: it takes the liquidity of the first quote it meets, the rest expires. "
        "`FOK`: that quote fills the whole order or nothing. IOC and FOK wait at most 5 seconds "
        "for the quote.",
        examples=["GTD"],
    )
    # Behind time_in_force, since pydantic validates in this order and the two belong together.
    timeout_seconds: Annotated[
        Decimal | None, PlainValidator(_read_timeout), WithJsonSchema(_AMOUNT_FORM)
    ] = Field(
        None,
        description="For `GTD` only: seconds after acceptance when the order expires with its "
        "fills until then. Written like `order_size`, at most 3 digits behind the decimal "
        "point.",
        examples=[30],
    )
    client_order_id: Annotated[
        str | None,
        PlainValidator(_read_client_order_id),
        WithJsonSchema(
            {"anyOf": [{"type": "string", "pattern": CLIENT_ORDER_ID_FORM}, {"type": "null"}]}
        ),
    ] = Field(
        None,
        description="Your name for the order, never used for another one. A client that sends the "
        "same order with the same name again gets the stored order instead of a second one. The "
        "header `Idempotency-Key` does the same.",
        examples=["my-order-1"],
    )

    def new_order(self, *, owner: Owner, options: ApiOptions) -> NewOrder:
        """Return the order as the domain knows it."""
        if self.time_in_force is TimeInForce.GTD:
            timeout_seconds = self.timeout_seconds or options.order_timeout_seconds
        else:
            timeout_seconds = QUOTE_WAIT_SECONDS
        return NewOrder(
            owner=owner,
            client_order_id=self.client_order_id,
            symbol=self.symbol,
            side=self.side,
            time_in_force=self.time_in_force,
            quantity=self.order_size,
            limit_price=self.price,
            timeout_seconds=timeout_seconds,
        )


def read_limit_order(
    values: dict[str, object],
    *,
    idempotency_keys: Sequence[str],
    options: ApiOptions,
) -> LimitOrder:
    """Return the order that a body and the headers beside it ask for.

    Args:
        values: The decoded body; its numbers are ``JsonNumber``.
        idempotency_keys: The values of every ``Idempotency-Key`` header of the request.
        options: The settings of the edge, for the default and the maximum of ``timeout_seconds``.

    Raises:
        InvalidOrderError: with everything that is wrong with the order.
    """
    problems: list[FieldProblem] = []
    in_body = values.get("client_order_id")
    in_header: str | None = None
    try:
        in_header = read_idempotency_key(idempotency_keys)
    except PydanticCustomError as error:
        problems.append(_header_problem(error.type, error.message()))
    if in_header is not None and in_body is None:
        values = values | {"client_order_id": in_header}
    order: LimitOrder | None = None
    try:
        order = LimitOrder.model_validate(values, context=options)
    except ValidationError as error:
        problems += field_problems(error, known=LimitOrder.model_fields)
    is_readable = all(problem.field != "client_order_id" for problem in problems)
    if None not in (in_header, in_body) and in_header != in_body and is_readable:
        message = "is not client_order_id; give one, or the same twice"
        problems.append(_header_problem("differs", message))
    if order is None or problems:
        raise InvalidOrderError(sorted(problems, key=_rank))
    return order


def _header_problem(code: str, message: str) -> FieldProblem:
    return FieldProblem(field=IDEMPOTENCY_HEADER, code=code, message=message)


def _rank(problem: FieldProblem) -> tuple[bool, bool]:
    """Put problems of the body first and unknown fields last, since there may be many."""
    return problem.code == "unknown_field", problem.field == IDEMPOTENCY_HEADER
