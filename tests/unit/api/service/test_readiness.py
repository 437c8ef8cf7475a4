"""The readiness of the service and its view of the venue."""

from dataclasses import replace

from app.api.docs import examples
from app.api.service.readiness import Readiness

STATE = examples.EXAMPLE_STATE


def test_readiness_tells_connections_quotes_and_rules() -> None:
    """The answer shows states, causes and ages, which explain why nothing is filled."""
    view = Readiness.of(STATE)

    (connection,) = view.feed.connections
    assert (connection.status, connection.streams, connection.cause) == ("connected", 1, None)
    assert (view.feed.live_symbols, view.feed.symbols) == (1, 1)
    assert view.feed.newest_quote_age_milliseconds == 132
    assert (view.rules.age_seconds, view.rules.failures) == (42 * 60, 1)


def test_without_quotes_and_rules_there_is_no_age() -> None:
    """A missing age is null and not zero."""
    rules = replace(STATE.rules, source="none", loaded_at=None, symbols=0)
    desk = replace(STATE.desk, newest_quote_ns=None, oldest_quote_ns=None)

    view = Readiness.of(replace(STATE, rules=rules, desk=desk))

    assert (view.rules.age_seconds, view.rules.loaded_at) == (None, None)
    assert view.feed.newest_quote_age_milliseconds is None
    assert view.feed.oldest_quote_age_milliseconds is None
