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
def test_isolated_orders_get_exactly_the_expected_splits(tape: str) -> None:
    """Twenty orders, each alone on the tape: statuses, quantities, costs and splits are equal."""
    isolated = read_expected(tape).isolated

    results = [replay(scenario.orders, read_quotes(tape)) for scenario in isolated]

    assert len(isolated) == 20
    assert results == [dict(scenario.expected) for scenario in isolated]


@pytest.mark.parametrize("tape", TAPES)
def test_orders_that_share_a_tape_get_exactly_the_expected_splits(tape: str) -> None:
    """Ten overlapping orders, and twenty together, compete for the same displayed quantity."""
    shared = read_expected(tape).shared

    results = [replay(scenario.orders, read_quotes(tape)) for scenario in shared]

    assert [len(scenario.orders) for scenario in shared] == [10, 20]
    assert results == [dict(scenario.expected) for scenario in shared]


@pytest.mark.parametrize("tape", TAPES[:1])  # one tape suffices, and each takes seconds
@pytest.mark.parametrize("rule", WRONG_RULES)
def test_a_wrong_rule_changes_as_many_isolated_results_as_was_measured(
    tape: str, rule: str
) -> None:
    """The tapes reveal each wrong rule, in exactly the measured number of orders."""
    expected = read_expected(tape)

    changed = _orders_changed_by(WRONG_RULES[rule], tape, expected.isolated)

    assert changed == expected.isolated_changed_by_wrong_rule[rule] > 0


@pytest.mark.parametrize("tape", TAPES[:1])  # one tape suffices, and each takes seconds
@pytest.mark.parametrize("rule", WRONG_RULES)
def test_a_wrong_rule_changes_as_many_overlapping_results_as_was_measured(
    tape: str, rule: str
) -> None:
    """The same holds when ten orders compete."""
    overlapping = read_expected(tape).shared[0]

    changed = _orders_changed_by(WRONG_RULES[rule], tape, (overlapping,))

    assert changed == overlapping.changed_by_wrong_rule[rule] > 0
