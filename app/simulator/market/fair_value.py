"""The fair value of a synthetic pair: it jumps, sometimes jumps back, and stays in a range.

Jumps occur at random times, more often while the pair is excited. A weak pull keeps the value near
the first price. After days of jumps it is about one percent away, rarely two.
"""

import math
import random
from typing import Final

from app.simulator.market.pair_dynamics import PairDynamics

NS: Final = 1_000_000_000
_COIN: Final = 0.5

_STATIONARY_BPS: Final = 120.0
"""Long-term standard deviation of the value around the first price."""

_BPS_MAX: Final = 900.0
"""Greatest distance of the value from the first price."""

_SIZE_SIGMA: Final = 0.8
_UNDONE_SHARE: Final = 0.3
_UNDONE_GAP_PART: Final = 0.2
"""Time until a jump is undone, as a share of the usual gap between two jumps."""

_CALM_SECONDS: Final = 4.0
_EXCITED_SECONDS: Final = 1.2


class FairValue:
    """A value at the distance ``bps`` from the first price; its next jump is at ``due_ns``."""

    def __init__(self, dynamics: PairDynamics, chance: random.Random) -> None:
        self._dynamics = dynamics
        self._chance = chance
        self._jump_bps = 0.0
        self._is_undone_next = False
        self._excited_until_ns = 0
        self._calm_until_ns = int(chance.expovariate(1 / _CALM_SECONDS) * NS)
        self.bps = 0.0
        self.due_ns = self._next_ns(0)

    def jump(self, now_ns: int) -> None:
        """Change the value, and schedule the next jump."""
        dynamics, chance = self._dynamics, self._chance
        if self._is_undone_next:
            self._is_undone_next = False
            self._jump_bps = -self._jump_bps
        else:
            size = dynamics.move_bps * math.exp(chance.gauss(0.0, _SIZE_SIGMA))
            self._jump_bps = size if chance.random() < _COIN else -size
            self._is_undone_next = chance.random() < _UNDONE_SHARE
        # The pull grows with the square of the jumps, so that large jumps stay in range as well.
        pull = 0.5 * (dynamics.move_bps / _STATIONARY_BPS) ** 2
        value = self.bps * (1.0 - pull) + self._jump_bps
        self.bps = max(-_BPS_MAX, min(_BPS_MAX, value))
        self.due_ns = self._next_ns(now_ns)

    def is_excited(self, now_ns: int) -> bool:
        """Return whether the pair is excited; calm and excited periods alternate, calm first."""
        if now_ns < self._excited_until_ns:
            return True
        if now_ns < self._calm_until_ns:
            return False
        excited = int(self._chance.expovariate(1 / _EXCITED_SECONDS) * NS)
        calm = int(self._chance.expovariate(1 / _CALM_SECONDS) * NS)
        self._excited_until_ns = now_ns + excited
        self._calm_until_ns = self._excited_until_ns + calm
        return True

    def _next_ns(self, now_ns: int) -> int:
        gap = self._dynamics.move_gap
        if self.is_excited(now_ns):
            gap /= self._dynamics.activity
        if self._is_undone_next:
            gap *= _UNDONE_GAP_PART
        return now_ns + int(self._chance.expovariate(1.0) * gap * NS)
