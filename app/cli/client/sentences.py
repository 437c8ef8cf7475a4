"""Answers and events as sentences for people."""

from collections.abc import Iterator
from decimal import Context, Decimal
from typing import Final

from app.cli.client import answers as wire
from app.domain.amounts import format_amount

SIGNIFICANT_DIGITS: Final = 10
"""The digits of a printed average or difference; JSON has all digits."""

_SOLD_ONCE: Final = "a quantity that your earlier orders took is not sold again"

_REASONS: Final = {
    "TIMEOUT": "it expired at its timeout",
    "NO_MARKET_DATA": "it expired before any quote was received",
    "TIMEOUT_DURING_OUTAGE": "it expired while the service or its market data was down",
    "IOC_REMAINDER": "IOC: the quantity left in the first quote within the limit was filled, "
    f"the rest expired; {_SOLD_ONCE}",
    "FOK_UNFILLABLE": "FOK: the first quote had less than the whole quantity left within the "
    f"limit; {_SOLD_ONCE}",
    "CANCELED_BY_CLIENT": "it was canceled",
}


def rounded(amount: str) -> str:
    """Return an amount with 10 significant digits, but keep every digit of its integer part."""
    exact = Decimal(amount)
    # Rounding must not replace digits of the integer part by zeros.
    digits = max(SIGNIFICANT_DIGITS, exact.adjusted() + 1)
    return format_amount(Context(prec=digits).plus(exact))


def order_title(order: wire.OrderSummary | wire.Event) -> str:
    """Return side, quantity, symbol and limit price."""
    return f"{order['side']} {order['order_size']} {order['symbol']} at {order['price']}"


def order_outcome(order: wire.OrderSummary) -> str:
    """Return an order's status, reason, filled quantity and average price on one line."""
    ending = order["status"] if order["reason"] is None else f"{order['status']}, {order['reason']}"
    average = order["average_price"]
    price = "" if average is None else f" at {rounded(average)} on average"
    filled = f"{order['filled_quantity']} of {order['order_size']}"
    return f"{ending}: {filled}{price} in {count_of(order['splits_total'], 'split')}"


def execution_quality(execution: wire.Execution) -> str:
    """Return the execution quality of a closed order on one line."""
    parts = []
    if execution["improvement"] is not None:
        parts.append(_compared(execution["improvement"], "better", "worse", "the limit"))
    if execution["slippage"] is not None:
        arrival = f"the price at arrival, {execution['arrival_price']}"
        parts.append(_compared(execution["slippage"], "worse", "better", arrival))
    elif execution["arrival_price"] is not None:
        parts.append(f"the price at arrival was {execution['arrival_price']}")
    first, last = execution["first_fill_milliseconds"], execution["last_fill_milliseconds"]
    if first is not None:
        until = "" if last in {None, first} else f", the last after {last} ms"
        parts.append(f"first fill after {first} ms{until}")
    parts.append(f"{count_of(execution['quotes_seen'], 'quote')} seen")
    return "; ".join(parts)


def why_not_filled(order: wire.Order) -> Iterator[str]:
    """Yield lines that explain why an order is not filled, or was not."""
    market = order.get("market")
    if market is not None:
        yield market["explanation"]
        yield from _market_facts(market)
    elif order["reason"] is not None:
        yield _REASONS.get(order["reason"], order["reason"])
        execution = order.get("execution")
        if execution is not None and (decision := execution.get("decision")) is not None:
            yield _decision_facts(decision)


def event_line(event: wire.Event) -> str:
    """Return an event on one line; two spaces separate its parts."""
    parts = [event["at"], event["order_id"], order_title(event), f"#{event['sequence']}"]
    status = event["status"]
    parts.append(status if event["reason"] is None else f"{status}, {event['reason']}")
    if (split := event["split"]) is not None:
        parts.append(f"{split['quantity']} at {split['price']}")
    parts.append(f"{event['filled_quantity']} of {event['order_size']}")
    return "  ".join(parts)


def count_of(number: int, noun: str, *, plural: str | None = None) -> str:
    """Return for example ``1 frame`` or ``2 frames``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def _market_facts(market: wire.Market) -> Iterator[str]:
    if market["best_price"] is not None:
        age = market["quote_age_milliseconds"]
        yield f"best price {market['best_price']}" + ("" if age is None else f", {age} ms old")
    # A negative distance means that the price is within the limit.
    if market["distance"] is not None and not market["distance"].startswith("-"):
        yield f"beyond the limit by {market['distance']}"
    if market["displayed_quantity"] is not None:
        taken = market["taken_quantity"]
        known = "" if taken is None else f", {taken} of it taken by earlier fills"
        yield f"displayed quantity {market['displayed_quantity']}{known}"
    if feed := market.get("feed"):
        cause = "" if feed["cause"] is None else f" ({feed['cause']})"
        yield f"market data: {feed['status']}{cause}"


def _decision_facts(decision: wire.Decision) -> str:
    quote = f"quote {decision['update_id']}"
    if decision["price"] is None:
        return f"{quote} displayed nothing"
    shown = f"{quote} displayed {decision['displayed_quantity']} at {decision['price']}"
    return f"{shown}, {decision['taken_quantity']} of it taken by earlier fills"


def _compared(difference: str, plus: str, minus: str, to: str) -> str:
    """Return a difference in words instead of a sign."""
    if difference == "0":
        return f"exactly {to}"
    word = minus if difference.startswith("-") else plus
    return f"{rounded(difference.removeprefix('-'))} {word} than {to}"
