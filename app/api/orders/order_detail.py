"""The answer to ``GET /order/{order_id}``: the order with its market, or with its execution."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Self

from pydantic import Field

from app.api.models import Amount, ResponseModel, SetAmount, SignedAmount
from app.api.orders.order_models import Order, order_fields
from app.api.service.feed_models import NANOSECONDS_PER_MILLISECOND, SymbolFeed
from app.domain import order as domain
from app.domain.amounts import EXACT, average_price
from app.domain.order import MICROSECOND, OrderSnapshot, Side, Split
from app.domain.quote import Quote
from app.ports import FeedState, MarketView

_MICROSECONDS_PER_MILLISECOND: Final = 1_000


class Obstacle(StrEnum):
    """The one thing that keeps an order from being filled now."""

    HALTED = "halted"
    NO_QUOTE = "no_quote"
    WRITES_HELD = "writes_held"
    SIDE_EMPTY = "side_empty"
    PRICE_NOT_REACHED = "price_not_reached"
    LIQUIDITY_TAKEN = "liquidity_taken"
    QUOTE_OLD = "quote_old"
    NONE = "none"


class Market(ResponseModel):
    """The quote that an open order would meet now, and what keeps it from being filled."""

    obstacle: Obstacle = Field(
        description="What keeps it from being filled: `halted` (by the venue), `no_quote`, "
        "`writes_held` (by the database), "
        "`side_empty`, `price_not_reached`, `liquidity_taken`, `quote_old` (it is to be "
        "confirmed), or `none`."
    )
    explanation: str = Field(description="The same in words.")
    best_price: SetAmount = Field(
        description="Best price on the other side, in the quote asset: the best ask for a BUY."
    )
    distance: SignedAmount | None = Field(
        description="How far it is beyond the limit, in the quote asset; 0 or less is within it."
    )
    displayed_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset."
    )
    taken_quantity: Amount | None = Field(
        description="How much of that your orders took before; null while that is unknown."
    )
    quote_age_milliseconds: int | None = Field(
        ge=0, description="How long ago the quote was received."
    )
    update_id: int | None = Field(ge=1, description="The venue's number of the quote.")
    feed: SymbolFeed = Field(description="The connection to the venue.")

    @classmethod
    def of(
        cls,
        order: domain.Order,
        view: MarketView,
        feed: FeedState,
        *,
        is_settled: bool,
        now_ns: int,
    ) -> Self:
        """Return the market of an open order.

        ``is_settled`` means that every fill behind ``view`` is durable. Until then the answer
        shows neither the quantity taken nor an obstacle from which a client could infer it.
        """
        quote = view.quote
        price, displayed = (None, None) if quote is None else _touch(quote, order.side)
        distance = None if not price else _worse_by(order.side, price, order.limit_price)
        obstacle = _obstacle(view, displayed, distance, is_settled=is_settled)
        return cls(
            obstacle=obstacle,
            explanation=_explanation(obstacle, order, feed),
            best_price=price,
            distance=distance,
            displayed_quantity=displayed,
            taken_quantity=view.taken_quantity if quote is not None and is_settled else None,
            quote_age_milliseconds=None
            if quote is None
            else max(0, now_ns - quote.received_ns) // NANOSECONDS_PER_MILLISECOND,
            update_id=None if quote is None else quote.update_id,
            feed=feed,
        )


class Decision(ResponseModel):
    """The quote that decided an IOC or FOK order, as the order met it.

    The difference of the two quantities was left for the order, if its limit reached the price.
    """

    update_id: int = Field(
        ge=1,
        description="The venue's number of the quote. It may differ from the arrival's: nothing is "
        "decided while nothing can be written.",
    )
    price: SetAmount = Field(description="Best price on the other side; null where it was empty.")
    displayed_quantity: Amount = Field(description="Quantity displayed at it, in the base asset.")
    taken_quantity: Amount = Field(description="How much of that your orders took before.")


class Execution(ResponseModel):
    """How well a closed order was filled."""

    arrival_update_id: int | None = Field(
        ge=1,
        description="The venue's number of the first quote that the order met; null if it met "
        "none, or if a restart lost it.",
    )
    arrival_price: Amount | None = Field(
        description="Best price on the other side in that quote; null where it was empty."
    )
    slippage: SignedAmount | None = Field(
        description="How much worse the average price is than the arrival price; below zero it "
        "is better."
    )
    improvement: SignedAmount | None = Field(
        description="How much better the average price is than the limit price."
    )
    first_fill_milliseconds: int | None = Field(
        ge=0, description="From acceptance to the first split."
    )
    last_fill_milliseconds: int | None = Field(
        ge=0, description="From acceptance to the last split."
    )
    quotes_seen: int = Field(
        ge=0,
        description="How many quotes it met, without those between its last stored event and a "
        "restart.",
    )
    decision: Decision | None = Field(
        description="Why an IOC or FOK order was not filled; null for any other order, and if it "
        "ended without a quote or before the service kept this."
    )

    @classmethod
    def of(
        cls, snapshot: OrderSnapshot, *, first_split: Split | None, last_split: Split | None
    ) -> Self:
        """Return how well a closed order was filled.

        A positive slippage is to its disadvantage, a positive improvement to its advantage.
        """
        order, arrival = snapshot.order, snapshot.arrival
        average = average_price(
            quote_quantity=snapshot.quote_quantity, filled_quantity=snapshot.filled_quantity
        )
        arrival_price = None if arrival is None or not arrival.price else arrival.price
        return cls(
            arrival_update_id=None if arrival is None else arrival.update_id,
            arrival_price=arrival_price,
            slippage=None
            if average is None or arrival_price is None
            else _worse_by(order.side, average, arrival_price),
            improvement=None
            if average is None
            else _worse_by(order.side, order.limit_price, average),
            first_fill_milliseconds=_milliseconds_after(order.accepted_at, first_split),
            last_fill_milliseconds=_milliseconds_after(order.accepted_at, last_split),
            quotes_seen=snapshot.quotes_seen,
            decision=_decision(snapshot),
        )


class OrderDetail(Order):
    """A whole order, and why it is not filled or how well it was."""

    market: Market | None = Field(description="For an open order, else null.")
    execution: Execution | None = Field(description="For a closed order, else null.")

    @classmethod
    def of(
        cls,
        snapshot: OrderSnapshot,
        splits: Sequence[Split],
        *,
        market: Market | None = None,
        execution: Execution | None = None,
    ) -> "OrderDetail":
        """Return an open order with the market it meets, or a closed one with its execution."""
        fields = order_fields(snapshot, splits)
        return OrderDetail(**fields, market=market, execution=execution)


def _decision(snapshot: OrderSnapshot) -> Decision | None:
    decision = snapshot.decision
    if decision is None:
        return None
    assert snapshot.departure_update_id is not None, "a decision belongs to a quote"
    return Decision(
        update_id=snapshot.departure_update_id,
        price=decision.price,
        displayed_quantity=decision.displayed_quantity,
        taken_quantity=decision.taken_quantity,
    )


def _touch(quote: Quote, side: Side) -> tuple[Decimal, Decimal]:
    """Return the price and quantity that an order of ``side`` takes from."""
    if side is Side.BUY:
        return quote.ask_price, quote.ask_quantity
    return quote.bid_price, quote.bid_quantity


def _worse_by(side: Side, price: Decimal, reference: Decimal) -> Decimal:
    """Return by how much a price is worse than another for an order of ``side``."""
    higher = EXACT.subtract(price, reference)
    return higher if side is Side.BUY else EXACT.minus(higher)


def _obstacle(
    view: MarketView,
    displayed: Decimal | None,
    distance: Decimal | None,
    *,
    is_settled: bool,
) -> Obstacle:
    if view.is_halted:
        return Obstacle.HALTED
    if view.quote is None:
        return Obstacle.NO_QUOTE
    return _obstacle_at(view, displayed, distance) if is_settled else Obstacle.WRITES_HELD


def _obstacle_at(view: MarketView, displayed: Decimal | None, distance: Decimal | None) -> Obstacle:
    """Return the obstacle that lies in the quote itself."""
    if not displayed or distance is None:
        return Obstacle.SIDE_EMPTY
    if distance > 0:
        return Obstacle.PRICE_NOT_REACHED
    if view.taken_quantity >= displayed:
        return Obstacle.LIQUIDITY_TAKEN
    return Obstacle.QUOTE_OLD if view.awaits_confirmation else Obstacle.NONE


def _explanation(obstacle: Obstacle, order: domain.Order, feed: FeedState) -> str:
    is_buy = order.side is Side.BUY
    best, beyond = ("best ask", "above") if is_buy else ("best bid", "below")
    if obstacle is Obstacle.NO_QUOTE and feed.status == "down":
        return f"the connection to the venue is down ({feed.cause}); the order waits"
    return {
        Obstacle.HALTED: f"the venue has halted trading in {order.symbol}; the order waits",
        Obstacle.NO_QUOTE: f"no quote of {order.symbol} has arrived yet on this connection",
        Obstacle.WRITES_HELD: "the database takes no writes now; nothing is filled until it does",
        Obstacle.SIDE_EMPTY: f"the venue shows no {best}",
        Obstacle.PRICE_NOT_REACHED: f"the {best} is {beyond} the limit",
        Obstacle.LIQUIDITY_TAKEN: f"all that the {best} shows was taken; the order waits for more",
        Obstacle.QUOTE_OLD: "the quote is old; the order waits until the venue has confirmed it",
        Obstacle.NONE: "nothing: the order is being filled",
    }[obstacle]


def _milliseconds_after(accepted_at: datetime, split: Split | None) -> int | None:
    if split is None:
        return None
    microseconds = (split.filled_at - accepted_at) // MICROSECOND
    # A clock that was set back must not give a negative duration.
    return max(0, microseconds) // _MICROSECONDS_PER_MILLISECOND
