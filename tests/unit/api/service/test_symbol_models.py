"""The response model of a symbol."""

from dataclasses import replace

from app.api.docs import examples
from app.api.service.symbol_models import Symbol

STATE = examples.EXAMPLE_STATE


def test_age_of_a_quote_is_never_negative() -> None:
    """A quote received after the instant has the age zero."""
    early = replace(STATE.instant, now_ns=examples.EXAMPLE_QUOTE.received_ns - 1)

    told = Symbol.of(
        examples.EXAMPLE_RULES,
        is_subscribed=True,
        quote=examples.EXAMPLE_QUOTE,
        rules_state=STATE.rules,
        feed=STATE.feed,
        instant=early,
    )

    assert told.quote is not None
    assert told.quote.age_milliseconds == 0
    assert told.rules_age_seconds == 42 * 60
