"""Tests of ``app.ports.health``."""

from app.ports import QuoteCounts


def test_counts_of_two_symbols_add_up() -> None:
    """The sum includes every count."""
    one = QuoteCounts(applied=1, refused=2, levels_dropped=3, gate_resets=4)

    assert one.plus(QuoteCounts(applied=10, refused=20, levels_dropped=30, gate_resets=40)) == (
        QuoteCounts(applied=11, refused=22, levels_dropped=33, gate_resets=44)
    )
