"""Real recordings: every expected split, exactly, and the wrong rules that they would reveal."""

import pytest

from app.domain.matcher import SymbolMatcher
from tests.support.tapes import Scenario, read_expected, read_quotes, replay
from tests.unit.domain.planted_faults import (
    FreshMatcher,
    KeepingMatcher,
    ResettingMatcher,
    UncappedMatcher,
)

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

TAPES = ("alts10-20210405", "majors-20240808", "ethusdt-20240809")
WRONG_RULES: dict[str, type[SymbolMatcher]] = {
    "fresh": FreshMatcher,
    "reset": ResettingMatcher,
    "keep": KeepingMatcher,
    "nocap": UncappedMatcher,
}


def _orders_changed_by(
    matcher_class: type[SymbolMatcher], tape: str, scenarios: tuple[Scenario, ...]
) -> int:
    changed = 0
    for scenario in scenarios:
        results = replay(scenario.orders, read_quotes(tape), matcher_class=matcher_class)
        changed += sum(results[order_id] != scenario.expected[order_id] for order_id in results)
    return changed


@pytest.mark.parametrize("tape", TAPES)
def test_every_order_gets_exactly_the_expected_splits(tape: str) -> None:
    """Statuses, quantities, costs and splits equal those of the tape.

    Twenty orders are each alone on the tape. Ten overlapping orders, and twenty together, compete
    for the same displayed quantity.
    """
    expected = read_expected(tape)
    scenarios = [*expected.isolated, *expected.shared]

    results = [replay(scenario.orders, read_quotes(tape)) for scenario in scenarios]

    assert [len(scenario.orders) for scenario in scenarios] == [1] * 20 + [10, 20]
    assert results == [dict(scenario.expected) for scenario in scenarios]


@pytest.mark.parametrize("tape", TAPES[:1])  # one tape suffices, and each takes seconds
@pytest.mark.parametrize("rule", WRONG_RULES)
def test_a_wrong_rule_changes_as_many_results_as_was_measured(tape: str, rule: str) -> None:
    """The tapes reveal each wrong rule, in exactly the measured number of orders.

    The number differs for isolated orders and for ten orders that compete.
    """
    expected = read_expected(tape)
    overlapping = expected.shared[0]
    matcher_class = WRONG_RULES[rule]

    isolated_changed = _orders_changed_by(matcher_class, tape, expected.isolated)
    overlapping_changed = _orders_changed_by(matcher_class, tape, (overlapping,))

    assert isolated_changed == expected.isolated_changed_by_wrong_rule[rule] > 0
    assert overlapping_changed == overlapping.changed_by_wrong_rule[rule] > 0
