"""Tests of ``app.simulator.venue.request_weight``."""

from app.simulator.venue.request_weight import WeightMeter
from tests.support.hand_driven import HandClock


def test_weight_over_the_limit_must_wait_for_the_next_minute() -> None:
    """The seconds to wait are those until the clock's minute is over, and then it is forgotten."""
    clock = HandClock()  # 14 s into a minute
    meter = WeightMeter(clock, weight_max=10)

    assert [meter.spend(6), meter.spend(4), meter.spend(1)] == [None, None, 46]
    clock.advance(46)
    assert meter.spend(1) is None
    assert meter.used == 1
