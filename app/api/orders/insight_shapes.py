"""The wire shapes of an order looked at closely: why it is not filled, or how well it was."""

from pydantic import Field

from app.api.orders.order_detail import Obstacle
from app.api.orders.shapes import Amount, Order, Shape, SignedAmount
from app.api.service.state_shapes import SymbolFeed


class Market(Shape):
    """What an open order would meet now, and what keeps it from being filled."""

    obstacle: Obstacle = Field(
        description="What keeps it from being filled: `halted` (by the venue), `no_quote`, "
        "`writes_held` (by the database), "
        "`side_empty`, `price_not_reached`, `liquidity_taken`, `quote_old` (it is to be "
        "confirmed), or `none`.",
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
    feed: SymbolFeed = Field(description="The connection to the venue.")


class Decision(Shape):
    """What the quote that decided an IOC or FOK order had for it when its turn came.

    What was left for it is the difference of the two quantities, if its limit reached the price.
    """

    update_id: int = Field(
        ge=1,
        description="The venue's number of the quote. Not always that of the arrival: nothing is "
        "decided while nothing can be written.",
        examples=[1742578110],
    )
    price: Amount | None = Field(
        description="Best price on the other side; null where it was empty.",
        examples=["0.000912"],
    )
    displayed_quantity: Amount = Field(
        description="Quantity displayed at it, in the base asset.", examples=["312.484"]
    )
    taken_quantity: Amount = Field(
        description="How much of that your orders took before.", examples=["118.61"]
    )


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
    decision: Decision | None = Field(
        description="Why an IOC or FOK order was not filled; null for any other, and for one that "
        "ended without a quote or before the service kept this.",
    )


class OrderDetail(Order):
    """A whole order, and why it is not filled or how well it was."""

    market: Market | None = Field(description="For an open order, else null.")
    execution: Execution | None = Field(description="For a closed order, else null.")
