"""Tells a venue that counts its updates anew from one that is a little behind."""

from typing import Final

STALE_SEEDS_OF_A_RESET: Final = 3
STALE_NS_OF_A_RESET: Final = 10_000_000_000
"""So many seeds below one gate over so long, and nothing above it: the venue counts anew."""


class StaleSeeds:
    """The seeds in a row that were below the gate; instants are monotonic nanoseconds."""

    def __init__(self) -> None:
        self._gate = 0
        self._first_ns = 0
        self._count = 0

    def shows_a_reset(self, received_ns: int, *, gate: int) -> bool:
        """Count a seed below ``gate``; whether there were enough of them below this one."""
        if not self._count or gate != self._gate:
            self._gate = gate
            self._first_ns = received_ns
            self._count = 0
        self._count += 1
        has_lasted = received_ns - self._first_ns >= STALE_NS_OF_A_RESET
        return self._count >= STALE_SEEDS_OF_A_RESET and has_lasted

    def clear(self) -> None:
        """Begin anew: another connection, or a seed that was not stale."""
        self._count = 0
