"""What the service tells of itself and of the venue."""

from dataclasses import replace

from app.api.docs import examples
from app.api.service import state_shapes
from app.api.service.readiness import SymbolState, readiness_view, split_counters, symbol_view

VITALS = examples.EXAMPLE_VITALS


def test_counters_are_told_by_cause_and_new_causes_by_themselves() -> None:
    """A kind of loss that was added yesterday is seen today."""
    counters = {"lost_keepalive": 2, "lost_to_the_moon": 1, "frames": 3, "failed_dns": 1}
    nothing = {"lost_reset": 0, "failed_tls": 0, "dropped_binary": 0}

    assert split_counters(counters, "lost_") == {"keepalive": 2, "to_the_moon": 1}
    feed = replace(VITALS.feed, counters=counters | nothing | {"dropped_crossed": 4})
    view = state_shapes.Readiness.model_validate(readiness_view(replace(VITALS, feed=feed)))

    assert view.feed.lost == {"keepalive": 2, "to_the_moon": 1}
    assert view.feed.failed == {"dns": 1}
    assert view.feed.dropped == {"crossed": 4}
    assert view.feed.counters == {"frames": 3}


def test_readiness_tells_connections_quotes_and_rules() -> None:
    """State, cause, age: what somebody asks who sees that nothing is filled."""
    view = state_shapes.Readiness.model_validate(readiness_view(VITALS))

    (connection,) = view.feed.connections
    assert (connection.status, connection.streams, connection.cause) == ("connected", 1, None)
    assert (view.feed.live_symbols, view.feed.symbols) == (1, 1)
    assert view.feed.newest_quote_age_milliseconds == 132
    assert (view.rules.age_seconds, view.rules.failures) == (42 * 60, 1)


def test_without_quotes_and_rules_there_is_no_age() -> None:
    """Nothing is told as zero that is not there."""
    rules = replace(VITALS.rules, source="none", loaded_at=None, symbols=0)
    desk = replace(VITALS.desk, newest_quote_ns=None, oldest_quote_ns=None)

    view = state_shapes.Readiness.model_validate(
        readiness_view(replace(VITALS, rules=rules, desk=desk))
    )

    assert (view.rules.age_seconds, view.rules.loaded_at) == (None, None)
    assert view.feed.newest_quote_age_milliseconds is None
    assert view.feed.oldest_quote_age_milliseconds is None


def test_age_of_a_quote_is_never_negative() -> None:
    """A quote that comes while the answer is made is of age zero."""
    early = replace(VITALS.present, now_ns=examples.EXAMPLE_QUOTE.received_ns - 1)
    symbol = SymbolState(
        rules=examples.EXAMPLE_RULES, is_subscribed=True, quote=examples.EXAMPLE_QUOTE
    )

    view = symbol_view(symbol, VITALS.rules, VITALS.feed, early)

    told = state_shapes.Symbol.model_validate(view)
    assert told.quote is not None
    assert told.quote.age_milliseconds == 0
    assert told.rules_age_seconds == 42 * 60
