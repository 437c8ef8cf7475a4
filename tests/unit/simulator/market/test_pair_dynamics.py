"""Tests of ``app.simulator.market.pair_dynamics``."""

import dataclasses

import pytest

from app.simulator.market.pair_dynamics import KINDS, PairDynamics
from app.simulator.market.pairs import PAIRS


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_shares_are_shares_and_gaps_are_gaps(kind: PairDynamics) -> None:
    """Shares are between 0 and 1, times are not negative, and the gaps are ordered."""
    for field in dataclasses.fields(kind):
        value = getattr(kind, field.name)
        is_share = field.name.endswith(("_share", "urgency", "flicker", "persistence"))
        assert 0 <= value <= (1 if is_share else 1_000), field.name
    assert kind.burst_share + kind.echo_share <= 1
    assert kind.burst_gap < kind.echo_gap < kind.idle_gap


def test_the_market_has_pairs_of_every_kind() -> None:
    """The kinds range from a major to a pair that is silent for seconds."""
    of_pairs = [pair.dynamics for pair in PAIRS]

    assert all(kind in of_pairs for kind in KINDS.values())
