"""What the service says of itself and of the venue, as the JSON that ``state_shapes`` documents."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from app.api.orders.order_models import format_time, time_if_set
from app.api.service.service_state import Present, Vitals
from app.domain.amounts import format_amount
from app.domain.quote import Quote
from app.domain.rules import TradingRules
from app.ports import ConnectionState, FeedState
from app.states import DeskState, Lag, RulesState

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

LOST: Final = "lost_"
FAILED: Final = "failed_"
DROPPED: Final = "dropped_"
"""What the names of the feed's counters begin with that go by cause or reason. New causes appear by
themselves wherever these are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolState:
    """What is known of a symbol now; it is live if there is a quote."""

    rules: TradingRules
    is_subscribed: bool
    quote: Quote | None


def split_counters(counters: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the counters whose names begin with ``prefix``, by the rest of their names."""
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(counters.items())
        if name.startswith(prefix)
    }


def symbol_view(
    symbol: SymbolState, rules_state: RulesState, feed: FeedState, present: Present
) -> dict[str, object]:
    """Return what the venue allows for a symbol, and what it shows of it now."""
    rules, quote = symbol.rules, symbol.quote
    return {
        "symbol": rules.symbol,
        "status": rules.status,
        "base_asset": rules.base_asset,
        "quote_asset": rules.quote_asset,
        "rules": {
            "price_min": _amount_if_set(rules.price_min),
            "price_max": _amount_if_set(rules.price_max),
            "tick_size": _amount_if_set(rules.tick_size),
            "quantity_min": _amount_if_set(rules.quantity_min),
            "quantity_max": _amount_if_set(rules.quantity_max),
            "step_size": _amount_if_set(rules.step_size),
            "notional_min": _amount_if_set(rules.notional_min),
            "notional_max": _amount_if_set(rules.notional_max),
        },
        "rules_age_seconds": _age_seconds(rules_state, present),
        "subscribed": symbol.is_subscribed,
        "live": quote is not None,
        "quote": None if quote is None else _quote_view(quote, present),
        "feed": feed_view(feed),
    }


def feed_view(feed: FeedState) -> dict[str, object]:
    """Return how the connection to the venue is."""
    return {"status": feed.status, "cause": feed.cause, "since": format_time(feed.since)}


def readiness_view(vitals: Vitals) -> dict[str, object]:
    """Return whether orders can be accepted durably, and how each part is."""
    rules, missing = vitals.rules, vitals.missing
    return {
        "ready": not missing,
        "missing": missing,
        "journal": {"writable": vitals.journal.is_writable},
        "recording": None
        if vitals.recording is None
        else {"active": vitals.recording.is_recording, "cause": vitals.recording.cause},
        "recovery": {"done": vitals.is_recovered},
        "rules": {
            "source": rules.source,
            "loaded_at": time_if_set(rules.loaded_at),
            "symbols": rules.symbols,
            "age_seconds": _age_seconds(rules, vitals.present),
            "cause": rules.cause,
            "failures": rules.failures,
        },
        "feed": _whole_feed_view(vitals.feed, vitals.desk, vitals.present),
    }


def _whole_feed_view(feed: FeedState, desk: DeskState, present: Present) -> dict[str, object]:
    """Return how the feed is, and what it has been through."""
    by_cause = (LOST, FAILED, DROPPED)
    return feed_view(feed) | {
        **_lag_view(feed.lag),
        "connections": [_connection_view(connection) for connection in feed.connections],
        "symbols": feed.symbols,
        "live_symbols": desk.symbols_live,
        "newest_quote_age_milliseconds": _milliseconds_since(desk.newest_quote_ns, present),
        "oldest_quote_age_milliseconds": _milliseconds_since(desk.oldest_quote_ns, present),
        "lost": _happened(feed.counters, LOST),
        "failed": _happened(feed.counters, FAILED),
        "dropped": _happened(feed.counters, DROPPED),
        "counters": {
            name: count for name, count in feed.counters.items() if not name.startswith(by_cause)
        },
    }


def _lag_view(lag: Lag | None) -> dict[str, int | None]:
    return {
        "lag_milliseconds": None if lag is None else round(lag.seconds * 1_000),
        "excess_lag_milliseconds": None if lag is None else round(lag.excess_seconds * 1_000),
    }


def _happened(counters: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the counters by cause, without those of what never happened."""
    return {cause: count for cause, count in split_counters(counters, prefix).items() if count}


def _connection_view(connection: ConnectionState) -> dict[str, object]:
    return {
        "status": connection.status,
        "cause": connection.cause,
        "since": format_time(connection.since),
        "streams": connection.streams,
        **_lag_view(connection.lag),
    }


def _quote_view(quote: Quote, present: Present) -> dict[str, object]:
    return {
        "update_id": quote.update_id,
        "bid_price": _amount_if_set(quote.bid_price),
        "bid_quantity": _amount_if_set(quote.bid_quantity),
        "ask_price": _amount_if_set(quote.ask_price),
        "ask_quantity": _amount_if_set(quote.ask_quantity),
        "age_milliseconds": _milliseconds_since(quote.received_ns, present),
    }


def _milliseconds_since(instant_ns: int | None, present: Present) -> int | None:
    if instant_ns is None:
        return None
    return present.age_ns(instant_ns) // NANOSECONDS_PER_MILLISECOND


def _age_seconds(rules: RulesState, present: Present) -> int | None:
    if rules.loaded_at is None:
        return None
    return present.age(rules.loaded_at) // timedelta(seconds=1)


def _amount_if_set(amount: Decimal) -> str | None:
    """Return an amount, None for the zero that says a part is off or a side is empty."""
    return format_amount(amount) if amount else None
