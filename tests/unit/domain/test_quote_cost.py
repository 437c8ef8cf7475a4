"""The cost of a quote that crosses nothing, in interpreted steps instead of time.

The test counts every bytecode while the matcher applies the quote. Limit prices, remembered levels
and heap keys are numbers that compare in Python. Therefore comparisons inside a C function, such as
a heap operation, a sort or a minimum, count as steps too.
"""

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from types import FrameType
from typing import Any

import pytest

from app.domain.liquidity import TakenLevel
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Arrival, OrderId, Owner, Side
from tests.support.builders import FAR_NS, LTCBTC, make_order, make_quote

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

MIDDLE = 1_000_000
"""The price between the limits and the remembered levels."""


class CountedDecimal(Decimal):
    """A decimal whose comparisons run in Python."""

    def __lt__(self, other: object) -> bool:
        """Compare in Python, where it is counted."""
        assert isinstance(other, Decimal)
        return super().__lt__(other)

    def __gt__(self, other: object) -> bool:
        """Compare in Python, where it is counted."""
        assert isinstance(other, Decimal)
        return super().__gt__(other)

    def __eq__(self, other: object) -> bool:
        """Compare in Python, where it is counted."""
        return super().__eq__(other)

    def __hash__(self) -> int:
        """Hash the number in Python, where it is counted."""
        return super().__hash__()


class CountedInt(int):
    """An acceptance number that compares in Python, and so does every key made from it."""

    def __radd__(self, other: int) -> "CountedInt":
        """Make the key a counted number too."""
        return CountedInt(other + int(self))

    def __lt__(self, other: int) -> bool:
        """Compare in Python, where it is counted."""
        return super().__lt__(other)

    def __eq__(self, other: object) -> bool:
        """Compare in Python, where it is counted."""
        return super().__eq__(other)

    def __hash__(self) -> int:
        """Hash the number in Python, where it is counted."""
        return super().__hash__()


def _steps(act: Callable[[], object]) -> int:
    """Return how many bytecodes ``act`` runs."""
    steps = 0

    def trace(frame: FrameType, event: str, _argument: Any) -> Any:  # noqa: ANN401 - typeshed's
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    tracer_before = sys.gettrace()  # the tracer of coverage, if it runs
    gc.collect()
    gc.disable()  # or a finalizer of another test's garbage would count
    # Python 3.12 counts from the first call on only if some frame asked for it before.
    sys._getframe().f_trace_opcodes = True
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(tracer_before)
        gc.enable()
    return steps


def _steps_of_quotes_that_cross_nothing(
    side: Side, *, orders_total: int, levels_total: int
) -> list[int]:
    """Apply a new price, a new quantity and a repetition, between limits and levels."""
    away = 1 if side is Side.BUY else -1  # from the limits to the touch to the hidden levels
    levels = [
        TakenLevel(
            owner=PUBLIC,
            side=side,
            price=CountedDecimal(MIDDLE + away * (1_000 + number)),
            quantity=Decimal(5),
        )
        for number in range(levels_total)
    ]
    matcher = SymbolMatcher(LTCBTC, levels=levels)
    pattern = make_order(side=side)
    for number in range(orders_total):
        order = replace(
            pattern,
            order_id=OrderId(str(number)),
            acceptance_number=CountedInt(number),
            limit_price=CountedDecimal(MIDDLE - away * (1_000 + number)),
        )
        matcher.rest(order, deadline_ns=number)
    quotes = [
        make_quote(update_id, bid=touch, ask=(0, 0))
        if side is Side.SELL
        else make_quote(update_id, bid=(0, 0), ask=touch)
        for update_id, touch in enumerate(
            [(MIDDLE, 5), (MIDDLE + 1, 5), (MIDDLE + 1, 7), (MIDDLE + 1, 7)], 1
        )
    ]
    matcher.apply_quote(quotes[0])

    steps = [_steps(partial(matcher.apply_quote, quote)) for quote in quotes[1:]]

    assert matcher.resting_total == orders_total
    assert len(matcher.ledger_levels()) == levels_total
    return steps


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize("many", [{"orders_total": 2_000}, {"levels_total": 2_000}], ids=str)
def test_quote_that_crosses_nothing_costs_the_same_at_any_size(
    side: Side, many: dict[str, int]
) -> None:
    """The matcher takes as many steps with 2,000 orders or remembered levels as with ten."""
    ten = {"orders_total": 10, "levels_total": 10}

    few_steps = _steps_of_quotes_that_cross_nothing(side, **ten)
    many_steps = _steps_of_quotes_that_cross_nothing(side, **(ten | many))

    assert few_steps == many_steps
    assert min(few_steps) > 0


@pytest.mark.parametrize("side", Side)
def test_quote_costs_nothing_for_owners_without_orders_and_levels(side: Side) -> None:
    """A thousand former owners add no steps to a quote."""

    def steps_after(owners_total: int) -> int:
        matcher = SymbolMatcher(LTCBTC)
        matcher.rest(make_order(side=side, number=1), deadline_ns=FAR_NS)
        for number in range(2, 2 + owners_total):
            order = make_order(side=side, number=number, owner=Owner(f"owner-{number}"))
            matcher.rest(order, deadline_ns=FAR_NS)
            matcher.cancel(order.order_id)
            matcher.drain_ledger_changes()
        return _steps(partial(matcher.apply_quote, make_quote(1, bid=(0, 0), ask=(0, 0))))

    assert steps_after(1_000) == steps_after(1)


def test_first_quote_costs_the_same_however_many_orders_waited_for_it() -> None:
    """The first quote takes the same number of steps after a start with 5,000 orders and with ten.

    The quote is the arrival of all these orders.
    """

    def steps_of_first_quote(orders_total: int) -> int:
        matcher = SymbolMatcher(LTCBTC)
        for number in range(1, 1 + orders_total):
            matcher.rest(make_order(number=number, limit_price=50), deadline_ns=FAR_NS)
        steps = _steps(partial(matcher.apply_quote, make_quote(7)))
        arrivals = {closing.arrival for closing in matcher.cancel_all(PUBLIC)}
        assert arrivals == {Arrival(update_id=7, price=Decimal("99.99"))}
        return steps

    assert steps_of_first_quote(5_000) == steps_of_first_quote(10)


def test_steps_of_a_scan_would_be_seen() -> None:
    """The measure works: a scan of many counted prices costs more than a scan of few."""
    prices = [CountedDecimal(number) for number in range(1_000)]
    keys = [(number << 3) + CountedInt(number) for number in range(1_000)]

    assert _steps(lambda: max(prices[:10])) < _steps(lambda: max(prices)) // 50
    assert _steps(lambda: min(keys[:10])) < _steps(lambda: min(keys)) // 50
