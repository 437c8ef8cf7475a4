"""Tests of ``app.simulator.venue.venue_limits``."""

import pytest

from app.simulator.venue.venue_limits import BINANCE_LIMITS


def test_scaled_limits_have_shorter_windows_for_as_much() -> None:
    """Every time is divided, and no number of messages, connections or weight."""
    scaled = BINANCE_LIMITS.scaled(60)

    assert scaled.connection_seconds_max == 24 * 60
    assert (scaled.ping_interval_seconds, scaled.pong_timeout_seconds) == (20 / 60, 1)
    assert (scaled.weight_window_seconds, scaled.connection_window_seconds) == (1, 5)
    assert (scaled.ban_seconds_min, scaled.ban_seconds_max) == (2, 72 * 60)
    assert scaled.message_window_seconds == 1 / 60
    assert scaled.messages_per_second_max == 5
    assert scaled.connection_attempts_max == 300
    assert scaled.weight_per_minute_max == 6_000
    assert BINANCE_LIMITS.scaled(1) == BINANCE_LIMITS


def test_limits_are_not_scaled_by_nothing() -> None:
    """Time neither stands nor goes back."""
    for factor in (0, -1):
        with pytest.raises(ValueError, match="above 0"):
            BINANCE_LIMITS.scaled(factor)
