"""The wire shape of the order that a client sends."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field, WithJsonSchema

from app.api.fields import SYMBOL_FORM
from app.api.orders.order_headers import CLIENT_ORDER_ID_FORM
from app.api.orders.shapes import Shape
from app.domain.order import Side, TimeInForce

_PLAIN = r"^[0-9]{1,16}(\.[0-9]{1,12})?$"

SentAmount = Annotated[
    Decimal,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "pattern": _PLAIN, "not": {"pattern": "^[0.]+$"}},
                {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 10**16},
            ]
        }
    ),
]
"""An amount as it may be sent: a string, or a JSON number read by its text."""


class LimitOrderRequest(Shape):
    """A limit order: buy or sell `order_size` of `symbol` at `price` or better."""

    symbol: str = Field(
        pattern=SYMBOL_FORM,
        description="Trading pair as Binance spells it: 1 to 20 letters or digits. Lower case is "
        "accepted. `GET /symbols/{symbol}` tells its rules.",
        examples=["LTCBTC"],
    )
    order_size: SentAmount = Field(
        description="How much to buy or sell, in the base asset (LTC in LTCBTC). A number or a "
        "string in plain decimal notation, without sign or exponent, exact to the digit as sent; "
        "above 0, at most 16 digits before the point and 12 behind it. The symbol's `LOT_SIZE` and "
        "`NOTIONAL` apply.",
        examples=["1000"],
    )
    price: SentAmount = Field(
        description="Limit price: the worst price that the order accepts, in the quote asset per "
        "base asset (BTC per LTC in LTCBTC). The highest for a BUY, the lowest for a SELL. Written "
        "like `order_size`. The symbol's `PRICE_FILTER` applies.",
        examples=["0.0001"],
    )
    side: Side = Field(
        Side.BUY,
        description="`BUY` takes from the best ask, `SELL` from the best bid.",
        examples=["SELL"],
    )
    time_in_force: TimeInForce = Field(
        TimeInForce.GTD,
        description="How long the order may rest. `GTD`: until `timeout_seconds` after its "
        "acceptance. `IOC`: it takes what the first quote it meets has for it, the rest expires. "
        "`FOK`: that quote fills the whole order or nothing. IOC and FOK wait at most 5 seconds "
        "for the quote.",
        examples=["GTD"],
    )
    timeout_seconds: SentAmount = Field(
        Decimal(30),
        description="For `GTD` only: seconds after acceptance when the order expires with what was "
        "filled until then. A number or a string in plain decimal notation, at most 3 digits "
        "behind the point.",
        examples=[30],
    )
    client_order_id: str | None = Field(
        None,
        pattern=CLIENT_ORDER_ID_FORM,
        description="Your name for the order, one order each for ever. Whoever sends the same "
        "order with the same name again gets the stored order instead of a second one. The header "
        "`Idempotency-Key` does the same.",
        examples=["my-order-1"],
    )
