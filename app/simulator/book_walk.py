"""The walk of one pair's best bid and best ask: a pure generator, driven by its own randomness.

The price follows a fair value that wanders and is pulled back to where it began, so that it stays
sane for days. Where the spread is one tick, a new price is a sweep, as on real majors: the level in
the way shrinks to dust, its side moves on, the other side follows, all within a burst. Elsewhere
one side reprices alone. All else are changes of quantity at an unchanged price, pulled to the
pair's usual quantity. Every update changes exactly one side, so none repeats all four fields.

Amounts are whole ticks and steps, so the walk is exact; floats only decide about time and chance.
"""

import math
import random
from collections import deque
from collections.abc import Iterator
from typing import Final

from app.simulator.pairs import Pair, Temperament
from app.simulator.quotes import DECIMALS, VenueQuote, venue_quote

_UNITS: Final = 10**DECIMALS
_NS: Final = 1_000_000_000

_STATIONARY_BPS: Final = 120.0
"""Standard deviation of the fair value around the first price, in the long run."""

_FAIR_BPS_MAX: Final = 900.0
"""Beyond it the fair value does not go, seven standard deviations or not."""

_CALM_SECONDS: Final = 4.0
_EXCITED_SECONDS: Final = 1.2
_UPDATE_ID_SIGMA: Final = 1.4
_UPDATE_ID_MEDIAN: Final = 1.7
_BID: Final = 0
_ASK: Final = 1

_Change = tuple[int, int, int]
"""Side, its new price in ticks, its new quantity in steps."""


class BookWalk:
    """One trading pair from the opening on; the same ``chance`` gives the same quotes."""

    def __init__(self, pair: Pair, chance: random.Random, *, first_update_id: int) -> None:
        assert pair.temperament is not None, "a halted pair has no quotes"
        self._temperament: Temperament = pair.temperament
        self._symbol = pair.symbol
        self._chance = chance
        self._tick_units = int(pair.tick_size * _UNITS)
        self._step_units = int(pair.step_size * _UNITS)
        self._anchor_ticks = float(pair.price / pair.tick_size)
        self._log_median = math.log(float(pair.quantity / pair.step_size))
        self._quantity_max = int(math.exp(self._log_median) * self._temperament.quantity_span)
        self._at_ns = 0
        self._update_id = first_update_id
        self._fair_bps = 0.0
        self._excited_until_ns = 0
        self._calm_until_ns = int(chance.expovariate(1 / _CALM_SECONDS) * _NS)
        self._plan: deque[_Change] = deque()
        bid = max(round(self._anchor_ticks), 1)
        self._prices = [bid, bid + self._temperament.spread_ticks]
        self._quantities = [self._draw_quantity(), self._draw_quantity()]

    def quotes(self) -> Iterator[VenueQuote]:
        """Yield quotes without end, the first one at the opening."""
        yield self._quote()
        while True:
            self._pass_time()
            if not self._plan:
                self._make_plan()
            side, price, quantity = self._plan.popleft()
            self._prices[side] = price
            self._quantities[side] = quantity
            self._update_id += self._update_id_step()
            yield self._quote()

    def _quote(self) -> VenueQuote:
        return venue_quote(
            at_ns=self._at_ns,
            symbol=self._symbol,
            update_id=self._update_id,
            bid=self._amounts(_BID),
            ask=self._amounts(_ASK),
        )

    def _amounts(self, side: int) -> tuple[str, str]:
        return (
            _decimal_text(self._prices[side] * self._tick_units),
            _decimal_text(self._quantities[side] * self._step_units),
        )

    # --- time ---------------------------------------------------------------------------------

    def _pass_time(self) -> None:
        temperament, chance = self._temperament, self._chance
        if self._plan or chance.random() < temperament.burst_share:
            gap = chance.expovariate(1.0) * temperament.burst_gap
        else:
            gap = chance.expovariate(1.0) * temperament.idle_gap
            if self._is_excited():
                gap /= temperament.activity
        gap = max(gap, temperament.gap_min)
        self._at_ns += max(int(gap * _NS), 1)
        self._drift(gap)

    def _is_excited(self) -> bool:
        """Alternate between calm and excited stretches, the first one calm."""
        if self._at_ns < self._excited_until_ns:
            return True
        if self._at_ns < self._calm_until_ns:
            return False
        excited = int(self._chance.expovariate(1 / _EXCITED_SECONDS) * _NS)
        calm = int(self._chance.expovariate(1 / _CALM_SECONDS) * _NS)
        self._excited_until_ns = self._at_ns + excited
        self._calm_until_ns = self._excited_until_ns + calm
        return True

    def _drift(self, seconds: float) -> None:
        """Let the fair value wander, an Ornstein-Uhlenbeck step."""
        volatility = self._temperament.volatility_bps
        pull = 0.5 * (volatility / _STATIONARY_BPS) ** 2
        self._fair_bps += -self._fair_bps * min(pull * seconds, 1.0) + self._chance.gauss(
            0.0, 1.0
        ) * volatility * math.sqrt(seconds)
        self._fair_bps = max(-_FAIR_BPS_MAX, min(_FAIR_BPS_MAX, self._fair_bps))

    def _update_id_step(self) -> int:
        """Skip the book events that did not touch the best levels; the median is 2."""
        events = self._chance.lognormvariate(math.log(_UPDATE_ID_MEDIAN), _UPDATE_ID_SIGMA)
        return 1 + min(int(events), 400)

    # --- what happens -------------------------------------------------------------------------

    def _make_plan(self) -> None:
        if self._chance.random() < self._temperament.reprice_share:
            self._plan_reprice()
        if not self._plan:
            side = _BID if self._chance.random() < 0.5 else _ASK  # noqa: PLR2004 - a coin
            self._plan.append((side, self._prices[side], self._next_quantity(side)))

    def _plan_reprice(self) -> None:
        spread = self._temperament.spread_ticks
        fair = self._anchor_ticks * (1.0 + self._fair_bps / 10_000)
        fair += self._chance.gauss(0.0, 1.0) * self._temperament.jitter_ticks
        if spread == 1:
            self._plan_sweep(max(math.floor(fair), 1))
        else:
            self._plan_one_side(fair, spread)

    def _plan_sweep(self, bid: int) -> None:
        """Move both sides to a touch one tick wide, the side in the way first."""
        if bid == self._prices[_BID]:
            return
        hit, follower = (_ASK, _BID) if bid > self._prices[_BID] else (_BID, _ASK)
        targets = (bid, bid + 1)
        dust = max(int(self._quantities[hit] * self._chance.random() * 0.1), 1)
        if dust != self._quantities[hit]:
            self._plan.append((hit, self._prices[hit], dust))
        self._plan.append((hit, targets[hit], self._fresh_quantity()))
        self._plan.append((follower, targets[follower], self._fresh_quantity()))

    def _plan_one_side(self, fair: float, spread: int) -> None:
        """Move one side to about half a spread from the fair value, never across the other."""
        distance = 0.5 * spread * (0.6 + 0.8 * self._chance.random())
        if self._chance.random() < 0.5:  # noqa: PLR2004 - a coin
            side = _BID
            price = max(min(math.floor(fair - distance), self._prices[_ASK] - 1), 1)
        else:
            side = _ASK
            price = max(math.ceil(fair + distance), self._prices[_BID] + 1)
        if price != self._prices[side]:
            self._plan.append((side, price, self._fresh_quantity()))

    # --- quantities ---------------------------------------------------------------------------

    def _draw_quantity(self) -> int:
        draw = self._chance.gauss(self._log_median, self._temperament.quantity_sigma)
        return max(min(int(math.exp(draw)), self._quantity_max), 1)

    def _fresh_quantity(self) -> int:
        """Draw what a new level begins with: mostly a part of the usual quantity."""
        share = self._chance.random()
        return max(int(self._draw_quantity() * (0.2 + 0.8 * share)), 1)

    def _next_quantity(self, side: int) -> int:
        """Pull the quantity toward a fresh draw, mostly a little and now and then all the way."""
        quantity = self._quantities[side]
        weight = min(self._chance.expovariate(1.0) * self._temperament.pull, 1.0)
        log_quantity = (1 - weight) * math.log(quantity) + weight * math.log(self._draw_quantity())
        changed = max(min(round(math.exp(log_quantity)), self._quantity_max), 1)
        return changed if changed != quantity else quantity + 1


def _decimal_text(units: int) -> str:
    whole, fraction = divmod(units, _UNITS)
    return f"{whole}.{fraction:0{DECIMALS}d}"
