"""The market of a test, a matcher in any state, and the settings of hypothesis."""

from collections.abc import Callable, Iterable

import pytest

from app.domain.liquidity import TakenLevel
from app.domain.matcher import NO_GATE, SymbolMatcher
from app.domain.order import Order, Side
from app.domain.quote import Quote
from tests.support.builders import FAR_NS, LTCBTC, MirroredMarket
from tests.support.hypothesis_profiles import load_profile

Event = Order | Quote | Callable[[SymbolMatcher], object]
"""An order rests without a deadline, a quote is applied, and a function is called."""


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the modules are imported, since their settings inherit from it."""
    load_profile(config)


@pytest.fixture(params=Side)
def market(request: pytest.FixtureRequest) -> MirroredMarket:
    """Run the test for BUY orders, and mirrored for SELL orders."""
    return MirroredMarket(request.param)


def matcher_after(
    *events: Event, gate: int = NO_GATE, levels: Iterable[TakenLevel] = ()
) -> SymbolMatcher:
    """Make a matcher in which these events happened, in order."""
    matcher = SymbolMatcher(LTCBTC, gate=gate, levels=levels)
    happen(matcher, *events)
    return matcher


def happen(matcher: SymbolMatcher, *events: Event) -> None:
    """Let these events happen in a matcher."""
    for event in events:
        match event:
            case Order():
                matcher.rest(event, deadline_ns=FAR_NS)
            case Quote():
                matcher.apply_quote(event)
            case _:
                event(matcher)
