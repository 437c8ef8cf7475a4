"""The wire shapes as models: they document the API, and a test holds the answers against them.

The keys stand in the order in which they are sent. Amounts are strings in plain notation, so that
no reader turns them into binary fractions.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from app.api.fields import SYMBOL_FORM
from app.api.insight import Obstacle
from app.api.preference import CLIENT_ORDER_ID_FORM
from app.domain.order import OrderStatus, Reason, Side, TimeInForce

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

Amount = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$")]
SignedAmount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]*[1-9])?$")]
Time = Annotated[datetime, Field(description="UTC, RFC 3339 with six decimals and `Z`.")]
FeedStatus = Literal["idle", "connecting", "connected", "down"]


class Shape(BaseModel):
    """A JSON object with exactly these keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


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


class Split(Shape):
    """One execution of an order against one quote."""

    update_id: int = Field(
        ge=1, description="The venue's number of the quote that filled.", examples=[1742578110]
    )
    price: Amount = Field(
        description="Price displayed by the venue, in the quote asset; the limit price or better.",
        examples=["0.002577"],
    )
    quantity: Amount = Field(
        description="Quantity filled, in the base asset; never more than was displayed and not yet "
        "taken.",
        examples=["32.58"],
    )
    filled_at: Time = Field(
        description="When the quote filled, UTC.", examples=["2025-10-07T09:12:31.482913Z"]
    )


class OrderHead(Shape):
    """What is told of an order everywhere."""

    order_id: str = Field(
        description="The order's id: a UUID that sorts by time.",
        examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"],
    )
    client_order_id: str | None = Field(
        description="The name that the order was placed with, null without one.",
        examples=["my-order-1"],
    )
    symbol: str = Field(description="Trading pair, upper case.", examples=["LTCBTC"])
    side: Side = Field(description="`BUY` or `SELL`.", examples=["SELL"])
    time_in_force: TimeInForce = Field(description="How long it may rest.", examples=["GTD"])
    order_size: Amount = Field(
        description="Quantity asked for, in the base asset.", examples=["1000"]
    )
    price: Amount = Field(description="Limit price, in the quote asset.", examples=["0.0001"])
    status: OrderStatus = Field(
        description="`NEW`, `PARTIALLY_FILLED`, then finally `FILLED`, `EXPIRED` or `CANCELED`.",
        examples=["FILLED"],
    )
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null. `TIMEOUT`: its time ran out. "
        "`NO_MARKET_DATA`: not one quote was met. `TIMEOUT_DURING_OUTAGE`: the service was down or "
        "the symbol had no current quote when the time ended. `IOC_REMAINDER`: the first quote "
        "had no more for it. `FOK_UNFILLABLE`: the first quote had not all of it. "
        "`CANCELED_BY_CLIENT`.",
        examples=["TIMEOUT"],
    )
    filled_quantity: Amount = Field(
        description="Quantity filled so far, in the base asset: the exact sum of the splits.",
        examples=["1000"],
    )
    remaining_quantity: Amount = Field(
        description="Quantity not filled, in the base asset.", examples=["0"]
    )
    quote_quantity: Amount = Field(
        description="Exact sum of price times quantity of the splits, in the quote asset.",
        examples=["0.257731"],
    )
    average_price: Amount | None = Field(
        description="`quote_quantity` divided by `filled_quantity`, rounded half-even to 16 "
        "significant digits; null while nothing is filled.",
        examples=["0.00257731"],
    )
    accepted_at: Time = Field(
        description="When it was accepted, UTC.", examples=["2025-10-07T09:12:30.917204Z"]
    )
    expires_at: Time = Field(
        description="Until when it may fill, UTC.", examples=["2025-10-07T09:13:00.917204Z"]
    )
    closed_at: Time | None = Field(
        description="When it was filled or ended, UTC; null while it is open.",
        examples=["2025-10-07T09:12:34.038551Z"],
    )


class OrderSummary(OrderHead):
    """An order without its splits."""

    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[4])


class Order(OrderHead):
    """A whole order."""

    splits: list[Split] = Field(
        max_length=1_000,
        description="The first 1,000 splits in the order in which they were filled; the header "
        "`Link` leads to the rest.",
    )
    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[4])


class Market(Shape):
    """What an open order would meet now, and what keeps it from being filled."""

    obstacle: Obstacle = Field(
        description="What keeps it from being filled: `no_quote`, `writes_held` (the database), "
        "`side_empty`, `price_not_reached`, `liquidity_taken`, or `none`.",
        examples=["price_not_reached"],
    )
    explanation: str = Field(
        description="The same in words.", examples=["the best bid is below the limit"]
    )
    best_price: Amount | None = Field(
        description="Best price on the other side, in the quote asset: the best ask for a BUY.",
        examples=["0.000911"],
    )
    distance: SignedAmount | None = Field(
        description="How far it is beyond the limit, in the quote asset; 0 or less is within it.",
        examples=["0.000002"],
    )
    displayed_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset.", examples=["568.906"]
    )
    taken_quantity: Amount | None = Field(
        description="How much of that your orders took before; null while that cannot be told.",
        examples=["118.61"],
    )
    quote_age_milliseconds: int | None = Field(
        ge=0, description="How long ago the quote was received.", examples=[132]
    )
    update_id: int | None = Field(
        ge=1, description="The venue's number of the quote.", examples=[1742578152]
    )
    feed: "SymbolFeed" = Field(description="The connection to the venue.")


class Execution(Shape):
    """How well a closed order was filled."""

    arrival_update_id: int | None = Field(
        ge=1,
        description="The venue's number of the first quote that the order met; null if it met "
        "none, or if that is not known any more after a restart.",
        examples=[1742578110],
    )
    arrival_price: Amount | None = Field(
        description="Best price on the other side in that quote; null where it was empty.",
        examples=["0.000912"],
    )
    slippage: SignedAmount | None = Field(
        description="How much worse the average price is than the arrival price; below zero it "
        "is better.",
        examples=["-0.000001"],
    )
    improvement: SignedAmount | None = Field(
        description="How much better the average price is than the limit price.",
        examples=["0.000811"],
    )
    first_fill_milliseconds: int | None = Field(
        ge=0, description="From acceptance to the first split.", examples=[0]
    )
    last_fill_milliseconds: int | None = Field(
        ge=0, description="From acceptance to the last split.", examples=[3121]
    )
    quotes_seen: int = Field(
        ge=0,
        description="How many quotes it met, without those between its last stored event and a "
        "restart.",
        examples=[42],
    )


class OrderDetail(Order):
    """A whole order, and why it is not filled or how well it was."""

    market: Market | None = Field(description="For an open order, else null.")
    execution: Execution | None = Field(description="For a closed order, else null.")


class CanceledOrders(Shape):
    """The orders that were canceled together."""

    symbol: str = Field(description="Trading pair.", examples=["LTCBTC"])
    canceled_total: int = Field(ge=0, description="How many they are.", examples=[1])
    orders: list[OrderSummary] = Field(
        max_length=1_000, description="The first 1,000 of them, by acceptance."
    )


class EventSplit(Shape):
    """The fill that an event tells of."""

    split_number: int = Field(ge=1, description="Counts the order's splits.", examples=[1])
    update_id: int = Field(
        ge=1, description="The venue's number of the quote that filled.", examples=[1742578110]
    )
    price: Amount = Field(description="Price displayed by the venue.", examples=["0.000912"])
    quantity: Amount = Field(description="Quantity filled, in the base asset.", examples=["312.5"])


class Event(Shape):
    """One transition of one order, told once it is durable."""

    type: Literal["event"] = Field(description="Always `event`.", examples=["event"])
    position: str = Field(
        description="Its place among all events, opaque; `after` resumes behind it.",
        examples=["MDEyMzQ1Njc4OWFiY2RlZi00Mg"],
    )
    order_id: str = Field(
        description="The order's id.", examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"]
    )
    client_order_id: str | None = Field(
        description="The name that it was placed with, null without one.", examples=["my-order-1"]
    )
    sequence: int = Field(
        ge=1, description="Counts the order's events from 1 without gaps.", examples=[2]
    )
    symbol: str = Field(description="Trading pair.", examples=["LTCBTC"])
    side: Side = Field(description="`BUY` or `SELL`.", examples=["SELL"])
    order_size: Amount = Field(description="Quantity asked for.", examples=["1000"])
    price: Amount = Field(description="Limit price.", examples=["0.0001"])
    status: OrderStatus = Field(
        description="Status after the event.", examples=["PARTIALLY_FILLED"]
    )
    reason: Reason | None = Field(
        description="Why it ended unfilled, else null.", examples=["TIMEOUT"]
    )
    at: Time = Field(description="When it happened, UTC.", examples=["2025-10-07T09:12:31.482913Z"])
    split: EventSplit | None = Field(description="This fill; null if the event is none.")
    filled_quantity: Amount = Field(
        description="Quantity filled so far, this event included.", examples=["312.484"]
    )
    remaining_quantity: Amount = Field(description="Quantity not filled.", examples=["687.516"])
    quote_quantity: Amount = Field(
        description="Exact sum of price times quantity so far.", examples=["0.284985408"]
    )


class EventsPage(Shape):
    """A page of an order's events, the first ones first."""

    events: list[Event] = Field(description="The events of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["ZTEwMDA"]
    )


class Message(Shape):
    """What became of a request, in words."""

    message: Literal[
        "Order successfully fulfilled", "Order not fulfilled", "Order accepted, not finished"
    ] = Field(
        description="What became of the order, in words; `status` says it to programs.",
        examples=["Order successfully fulfilled"],
    )


class OrderAnswer(Order, Message):
    """The answer to a placed order: the message, then the whole order."""


class OrdersPage(Shape):
    """A page of orders, the newest first."""

    orders: list[OrderSummary] = Field(description="The orders of this page.")
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["bzQy"]
    )


class SplitsPage(Shape):
    """A page of an order's splits, the first ones first."""

    splits: list[Split] = Field(description="The splits of this page.")
    splits_total: int = Field(ge=0, description="How many splits the order has.", examples=[1234])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to read on; null on the last page.", examples=["czEwMDA"]
    )


class Rules(Shape):
    """The venue's filters for a symbol; null where it sets no such limit."""

    price_min: Amount | None = Field(
        description="Lowest price, in the quote asset.", examples=["0.000001"]
    )
    price_max: Amount | None = Field(
        description="Highest price, in the quote asset.", examples=["100000"]
    )
    tick_size: Amount | None = Field(
        description="Prices are multiples of it, in the quote asset.", examples=["0.000001"]
    )
    quantity_min: Amount | None = Field(
        description="Smallest quantity, in the base asset.", examples=["0.001"]
    )
    quantity_max: Amount | None = Field(
        description="Largest quantity, in the base asset.", examples=["100000"]
    )
    step_size: Amount | None = Field(
        description="Quantities are multiples of it, in the base asset.", examples=["0.001"]
    )
    notional_min: Amount | None = Field(
        description="Least price times quantity, in the quote asset.", examples=["0.0001"]
    )
    notional_max: Amount | None = Field(
        description="Most price times quantity, in the quote asset.", examples=["9000000"]
    )


class Quote(Shape):
    """Best bid and best ask as the venue shows them; null on an empty side."""

    update_id: int = Field(
        ge=1, description="The venue's number of the quote.", examples=[1742578152]
    )
    bid_price: Amount | None = Field(
        description="Highest displayed price to buy, in the quote asset.", examples=["0.000911"]
    )
    bid_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset.", examples=["568.906"]
    )
    ask_price: Amount | None = Field(
        description="Lowest displayed price to sell, in the quote asset.", examples=["0.000912"]
    )
    ask_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset.", examples=["74.3"]
    )
    age_milliseconds: int = Field(
        ge=0, description="How long ago it was received, in milliseconds.", examples=[132]
    )


class SymbolFeed(Shape):
    """How the connection to the venue is."""

    status: FeedStatus = Field(
        description="`idle` while nothing is subscribed, else `connecting`, `connected` or `down`.",
        examples=["connected"],
    )
    cause: str | None = Field(
        description="What is wrong, with the connection or with a symbol's depth, else null.",
        examples=["connection refused"],
    )
    since: Time = Field(description="Since when, UTC.", examples=["2025-10-07T08:31:30.917204Z"])


class Symbol(Shape):
    """A symbol: its trading rules, its current quote, the state of the feed."""

    symbol: str = Field(description="Trading pair, upper case.", examples=["LTCBTC"])
    status: str = Field(
        description="The venue's status; orders are accepted while it is `TRADING`.",
        examples=["TRADING"],
    )
    base_asset: str = Field(description="The asset that is bought or sold.", examples=["LTC"])
    quote_asset: str = Field(description="The asset that prices are in.", examples=["BTC"])
    rules: Rules = Field(description="What the venue accepts.")
    quote: Quote | None = Field(
        description="What a resting order would meet now; null while no order of the symbol is or "
        "was just open, since asking does not subscribe."
    )
    feed: SymbolFeed = Field(description="The connection to the venue.")


class Health(Shape):
    """The process runs."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])
    version: str = Field(description="Version of the service.", examples=["0.1.0"])


class JournalState(Shape):
    """The database."""

    writable: bool = Field(description="Whether the last write went through.", examples=[True])


class Recovery(Shape):
    """The orders that were open at the last stop."""

    done: bool = Field(description="Whether they were read back.", examples=[True])


class RulesState(Shape):
    """The trading rules."""

    source: Literal["venue", "stored", "none"] = Field(
        description="Where they come from: the venue, the copy stored last, or nowhere yet.",
        examples=["venue"],
    )
    loaded_at: Time | None = Field(
        description="When they were loaded, UTC.", examples=["2025-10-07T08:30:30.917204Z"]
    )
    symbols: int = Field(ge=0, description="How many symbols they cover.", examples=[1483])
    cause: str | None = Field(
        description="What failed last, else null.", examples=["connection refused"]
    )


class FeedState(SymbolFeed):
    """The connection to the venue; it does not decide readiness."""

    symbols: int = Field(ge=0, description="How many symbols are subscribed.", examples=[1])
    counters: dict[str, int] = Field(
        description="Connections, frames and drops by name, since the start.",
        examples=[{"connections": 1, "frames": 18233}],
    )


class Readiness(Shape):
    """Whether orders can be accepted durably."""

    ready: bool = Field(description="Whether they can.", examples=[True])
    missing: list[Literal["journal", "recovery", "rules"]] = Field(
        description="What keeps orders from being accepted.", examples=[[]]
    )
    journal: JournalState = Field(description="The database.")
    recovery: Recovery = Field(description="The orders that were open at the last stop.")
    rules: RulesState = Field(description="The trading rules.")
    feed: FeedState = Field(description="The connection to the venue.")


class ReadyAlone(Shape):
    """Whether orders can be accepted durably, and nothing else: there was no valid key."""

    ready: bool = Field(description="Whether they can.", examples=[True])


class FieldProblem(Shape):
    """What is wrong with one field."""

    field: str = Field(description="Field, query parameter or header.", examples=["price"])
    code: str = Field(description="Stable name of the problem.", examples=["price_filter"])
    message: str = Field(
        description="What is wrong, and what to do about it.",
        examples=["LOT_SIZE: 0.0005 is below the minimum 0.001; the nearest valid value is 0.001"],
    )


class Problem(Shape):
    """An error as RFC 9457 has it; `code` is stable, the texts are for people."""

    type: str = Field(
        description="`urn:papertape:problem:` and the code.",
        examples=["urn:papertape:problem:malformed_json"],
    )
    title: str = Field(description="The same for the same code.", examples=["Malformed JSON"])
    status: int = Field(ge=400, le=599, description="The HTTP status.", examples=[400])
    detail: str = Field(
        description="What happened this time.",
        examples=["the body is not JSON at line 1 column 12"],
    )
    code: str = Field(description="Stable name of the error.", examples=["malformed_json"])


class OrderProblem(Problem):
    """An error about an order that is there."""

    order_id: str = Field(
        description="Which one.", examples=["0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10"]
    )


class ClosedOrderProblem(Problem):
    """An error that an order is closed."""

    order: Order = Field(description="The order.")


class InputProblem(Problem):
    """An error of the input, with every problem found."""

    errors: list[FieldProblem] = Field(min_length=1, description="Every problem found.")


class NotReadyAlone(ReadyAlone, Problem):
    """The service cannot accept orders; only a valid key is told why."""


class NotReady(Readiness, Problem):
    """The service cannot accept orders; `missing` says why."""
