"""Why an open order is not filled, and how well a closed one was."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from app.api.service.readiness import NANOSECONDS_PER_MILLISECOND, feed_view
from app.domain.amounts import EXACT, average_price, format_amount
from app.domain.order import MICROSECOND, Order, OrderSnapshot, Side, Split
from app.domain.quote import Quote
from app.ports import FeedState, MarketView

_MICROSECONDS_PER_MILLISECOND: Final = 1_000


class Obstacle(StrEnum):
    """What keeps an order from being filled now."""

    HALTED = "halted"
    NO_QUOTE = "no_quote"
    WRITES_HELD = "writes_held"
    SIDE_EMPTY = "side_empty"
    PRICE_NOT_REACHED = "price_not_reached"
    LIQUIDITY_TAKEN = "liquidity_taken"
    QUOTE_OLD = "quote_old"
    NONE = "none"


def market_view(
    order: Order,
    view: MarketView,
    feed: FeedState,
    *,
    is_settled: bool,
    now_ns: int,
) -> dict[str, object]:
    """Return what an open order meets now, and what keeps it from being filled.

    ``is_settled`` says that what was taken may be told: all of it is durable. Until then not even
    the obstacle gives away that something was.
    """
    quote = view.quote
    price, displayed = (None, None) if quote is None else _touch(quote, order.side)
    distance = None if not price else _distance(order, price)
    obstacle = _obstacle(view, displayed, distance, is_settled=is_settled)
    return {
        "obstacle": obstacle.value,
        "explanation": _explanation(obstacle, order, feed),
        "best_price": format_amount(price) if price else None,
        "distance": None if distance is None else _signed(distance),
        "displayed_quantity": None if displayed is None else format_amount(displayed),
        "taken_quantity": format_amount(view.taken_quantity)
        if quote is not None and is_settled
        else None,
        "quote_age_milliseconds": None
        if quote is None
        else max(0, now_ns - quote.received_ns) // NANOSECONDS_PER_MILLISECOND,
        "update_id": None if quote is None else quote.update_id,
        "feed": feed_view(feed),
    }


def execution_view(
    snapshot: OrderSnapshot, *, first_split: Split | None, last_split: Split | None
) -> dict[str, object]:
    """Return how well a closed order was filled.

    A positive slippage is to its disadvantage, a positive improvement to its advantage.
    """
    order, arrival = snapshot.order, snapshot.arrival
    average = average_price(
        quote_quantity=snapshot.quote_quantity, filled_quantity=snapshot.filled_quantity
    )
    arrival_price = None if arrival is None or not arrival.price else arrival.price
    return {
        "arrival_update_id": None if arrival is None else arrival.update_id,
        "arrival_price": None if arrival_price is None else format_amount(arrival_price),
        "slippage": None
        if average is None or arrival_price is None
        else _signed(_worse_by(order.side, average, arrival_price)),
        "improvement": None
        if average is None
        else _signed(_worse_by(order.side, order.limit_price, average)),
        "first_fill_milliseconds": _milliseconds_after(order.accepted_at, first_split),
        "last_fill_milliseconds": _milliseconds_after(order.accepted_at, last_split),
        "quotes_seen": snapshot.quotes_seen,
        "decision": _decision_view(snapshot),
    }


def _decision_view(snapshot: OrderSnapshot) -> dict[str, object] | None:
    decision = snapshot.decision
    if decision is None:
        return None
    return {
        "update_id": snapshot.departure_update_id,
        "price": format_amount(decision.price) if decision.price else None,
        "displayed_quantity": format_amount(decision.displayed_quantity),
        "taken_quantity": format_amount(decision.taken_quantity),
    }


def _touch(quote: Quote, side: Side) -> tuple[Decimal, Decimal]:
    if side is Side.BUY:
        return quote.ask_price, quote.ask_quantity
    return quote.bid_price, quote.bid_quantity


def _distance(order: Order, price: Decimal) -> Decimal:
    """Return how far the best price is beyond the limit; zero or less is within it."""
    return _worse_by(order.side, price, order.limit_price)


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
    """Say what the quote itself has against the order."""
    if not displayed or distance is None:
        return Obstacle.SIDE_EMPTY
    if distance > 0:
        return Obstacle.PRICE_NOT_REACHED
    if view.taken_quantity >= displayed:
        return Obstacle.LIQUIDITY_TAKEN
    return Obstacle.QUOTE_OLD if view.awaits_confirmation else Obstacle.NONE


def _explanation(obstacle: Obstacle, order: Order, feed: FeedState) -> str:
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


def _signed(amount: Decimal) -> str:
    """Write an amount that may be negative in plain notation."""
    text = format_amount(amount.copy_abs())
    return f"-{text}" if amount < 0 else text


def _milliseconds_after(accepted_at: datetime, split: Split | None) -> int | None:
    if split is None:
        return None
    microseconds = (split.filled_at - accepted_at) // MICROSECOND
    return max(0, microseconds) // _MICROSECONDS_PER_MILLISECOND
