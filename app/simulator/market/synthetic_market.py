"""The synthetic market: seeded, realistic and without end.

Each pair has its own random numbers, derived from the seed and its symbol. So a seed always gives
the same quotes at the same times.

A fair value sets the price to which each side of a pair belongs, its edge. After a jump of the
fair value, the levels in its way shrink and disappear one after the other, on majors down to dust.
The other side follows into the wide spread with new levels. A better level covers the best one,
which stays behind it or is withdrawn. A level that disappears uncovers the next one, so levels
return, some of them with their former quantity. All other updates add, remove or restore orders at
a best level, which approaches a random quantity.

Amounts are whole ticks and steps, so they are exact; floats decide about times and probabilities
only. No update repeats all four fields.
"""

import heapq
import math
import random
from collections.abc import Iterator, Sequence
from typing import Final

from app.simulator.market.book_side import BookSide
from app.simulator.market.fair_value import NS, FairValue
from app.simulator.market.pairs import PAIRS, Pair
from app.simulator.market.playback import Playback
from app.simulator.market.venue_quotes import DECIMALS, VenueQuote, venue_quote
from app.simulator.venue.listing import Listing, listing_from_rules

_UNITS: Final = 10**DECIMALS
_COIN: Final = 0.5
_BPS: Final = 10_000

_GAP_SIGMA: Final = 1.25
"""Standard deviation of the logarithm of the distances between levels."""

_GAP_SPAN: Final = 40.0
_GAP_BPS_MAX: Final = 18.0
"""Greatest distances between levels, in median distances and in basis points."""

_ROUND_SHARE: Final = 0.5
"""Share of the levels behind the best one with a round price."""

_DUST_MEDIAN: Final = 0.002
_DUST_SIGMA: Final = 2.3
"""Remaining quantity of a level that shrank to dust: its median, in medians, and its sigma."""

_ORDER_SIGMA: Final = 1.7
_ORDER_EXPONENT: Final = 0.6
"""Orders at a small level are smaller, by this power of its quantity in medians."""

_UPDATE_ID_MEDIAN: Final = 1.7
"""Rounded down and increased by one, this gives a median step of 2."""

_UPDATE_ID_STEP_MAX: Final = 400


class SyntheticMarket:
    """A market of about sixty pairs; each trading pair has quotes from the opening on."""

    def __init__(self, seed: int, *, pairs: Sequence[Pair] = PAIRS) -> None:
        self.seed = seed
        self._pairs = tuple(pairs)
        self._listings = tuple(listing_from_rules(pair.rules) for pair in self._pairs)

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    async def run(self, playback: Playback) -> None:
        """Publish quotes until canceled."""
        await playback.play(self.quotes(first_update_id=playback.first_update_id))

    def quotes(self, *, first_update_id: int) -> Iterator[VenueQuote]:
        """Yield the quotes of all pairs in the order of their times."""
        trading = [pair for pair in self._pairs if pair.dynamics is not None]
        for pair in self._pairs:
            if pair.dynamics is None:
                yield venue_quote(symbol=pair.symbol, update_id=first_update_id)
        yield from _merge(
            [self.pair_quotes(pair, first_update_id=first_update_id) for pair in trading]
        )

    def pair_quotes(self, pair: Pair, *, first_update_id: int) -> Iterator[VenueQuote]:
        """Yield the quotes of one trading pair; they do not depend on other pairs."""
        chance = random.Random(f"{self.seed}/{pair.symbol}")  # noqa: S311 - a market, no secret
        return SyntheticBook(pair, chance, first_update_id=first_update_id).quotes()


def _merge(streams: Sequence[Iterator[VenueQuote]]) -> Iterator[VenueQuote]:
    """Merge endless streams of quotes by time, in half the time of ``heapq.merge`` with a key."""
    heap = [
        ((quote := next(stream)).at_ns, number, quote, stream)
        for number, stream in enumerate(streams)
    ]
    heapq.heapify(heap)
    while heap:
        _, number, quote, stream = heap[0]
        yield quote
        following = next(stream)
        heapq.heapreplace(heap, (following.at_ns, number, following, stream))


class SyntheticBook:
    """The best bid and best ask of one pair; the same random numbers give the same quotes."""

    def __init__(self, pair: Pair, chance: random.Random, *, first_update_id: int) -> None:
        assert pair.dynamics is not None, "a halted pair has no quotes"
        self._dynamics = pair.dynamics
        self._symbol = pair.symbol
        self._chance = chance
        self._tick_units = int(pair.tick_size * _UNITS)
        self._step_units = int(pair.step_size * _UNITS)
        self._anchor_ticks = float(pair.price / pair.tick_size)
        self._ticks_per_bps = self._anchor_ticks / _BPS
        self._round_ticks = 10 ** max(math.floor(math.log10(self._ticks_per_bps)), 0)
        self._spread_ticks = max(round(self._dynamics.spread_bps * self._ticks_per_bps), 1)
        self._median = float(pair.quantity / pair.step_size)
        self._quantity_max = max(int(self._median * self._dynamics.quantity_span), 1)
        self._at_ns = 0
        self._update_id = first_update_id
        self._is_in_burst = False
        self._busy_updates = 0
        self._fair = FairValue(self._dynamics, chance)
        self._bid_edge = self._ask_edge = 0
        self._set_edges()
        self._bid = BookSide(-1, self._bid_edge, self._draw_quantity(_COIN))
        self._ask = BookSide(1, self._ask_edge, self._draw_quantity(_COIN))

    def quotes(self) -> Iterator[VenueQuote]:
        """Yield quotes without end; the first one is at the opening."""
        bid, ask = self._texts(self._bid), self._texts(self._ask)
        both_share, chance = self._dynamics.both_share, self._chance.random
        while True:
            yield venue_quote(
                at_ns=self._at_ns, symbol=self._symbol, update_id=self._update_id, bid=bid, ask=ask
            )
            self._advance_time()
            changed = self._change()
            if chance() < both_share:
                self._change_quantity(self._bid if changed is self._ask else self._ask)
                bid, ask = self._texts(self._bid), self._texts(self._ask)
            elif changed is self._bid:
                bid = self._texts(changed)
            else:
                ask = self._texts(changed)

    def _texts(self, side: BookSide) -> tuple[str, str]:
        return (
            _decimal_text(side.price * self._tick_units),
            _decimal_text(side.quantity * self._step_units),
        )

    # --- time ---------------------------------------------------------------------------------

    def _advance_time(self) -> None:
        dynamics, chance = self._dynamics, self._chance
        draw = chance.random()
        is_busy = self._is_busy()
        if self._is_in_burst:
            burst_share = dynamics.burst_persistence
        else:
            burst_share = dynamics.busy_burst_share if is_busy else dynamics.burst_share
        self._is_in_burst = draw < burst_share
        if self._is_in_burst:
            mean = dynamics.burst_gap
        elif is_busy or draw < burst_share + dynamics.echo_share:
            mean = dynamics.echo_gap
        else:
            mean = dynamics.idle_gap
            if self._fair.is_excited(self._at_ns):
                mean /= dynamics.activity
        gap = max(-math.log(1.0 - chance.random()) * mean, dynamics.gap_min)
        self._at_ns += int(gap * NS) + 1
        if self._at_ns >= self._fair.due_ns:
            self._fair.jump(self._at_ns)
            self._set_edges()
            self._busy_updates = int(chance.expovariate(1.0) * dynamics.busy_updates)
        events = _UPDATE_ID_MEDIAN * math.exp(chance.gauss(0.0, dynamics.update_id_sigma))
        # Binance also numbers book events behind the best levels, so ids have gaps.
        self._update_id += 1 + min(int(events), _UPDATE_ID_STEP_MAX)

    def _is_busy(self) -> bool:
        """Return whether the pair is busy after a move; count down once the move is complete."""
        is_jittery = self._dynamics.jitter_bps > 0
        # With jitter the sides hardly ever meet their edges, so the count does not wait for that.
        if is_jittery or (self._bid.price == self._bid_edge and self._ask.price == self._ask_edge):
            self._busy_updates -= 1
            return self._busy_updates >= 0
        return True

    def _set_edges(self) -> None:
        middle = self._anchor_ticks + self._fair.bps * self._ticks_per_bps
        self._bid_edge = max(math.floor(middle - 0.5 * (self._spread_ticks - 1)), 1)
        self._ask_edge = self._bid_edge + self._spread_ticks

    # --- prices -------------------------------------------------------------------------------

    def _change(self) -> BookSide:
        """Change one side, and return it."""
        dynamics, chance = self._dynamics, self._chance.random
        bid, ask = self._bid, self._ask
        side, other = (bid, ask) if chance() < _COIN else (ask, bid)
        is_open = ask.price - bid.price > self._spread_ticks
        if chance() < (dynamics.open_urgency if is_open else dynamics.urgency):
            if self._reprice(side, other):
                return side
            if self._reprice(other, side):
                return other
        if chance() < dynamics.sided_share:
            if bid.price > self._bid_edge:
                side = ask
            elif ask.price < self._ask_edge:
                side = bid
        self._change_quantity(side)
        return side

    def _reprice(self, side: BookSide, other: BookSide) -> bool:
        """Move a side towards its edge; return False if it is there already."""
        outward, jitter_bps = side.outward, self._dynamics.jitter_bps
        beyond = (side.price - (self._ask_edge if outward > 0 else self._bid_edge)) * outward
        if jitter_bps:
            beyond -= round(self._chance.gauss(0.0, jitter_bps) * self._ticks_per_bps)
        if beyond < 0:
            return self._retreat(side)
        # One tick must remain between the sides, or the book would be crossed.
        room = min(beyond, (side.price - other.price) * outward - 1)
        if room > 0:
            self._improve(side, room)
        return room > 0

    def _improve(self, side: BookSide, room: int) -> None:
        """Cover the best level by a new level that is at most ``room`` ticks better."""
        dynamics, chance = self._dynamics, self._chance.random
        if chance() < dynamics.stepping_share:
            room = min(room, self._draw_ticks(dynamics.step_bps))
        side.cover(
            side.price - room * side.outward,
            self._draw_quantity(dynamics.fresh_part),
            stays=chance() < dynamics.stay_share,
        )
        side.goal = self._draw_quantity(dynamics.goal_part)

    def _retreat(self, side: BookSide) -> bool:
        """Shrink or remove the best level; return False if no price is left behind it."""
        dynamics, chance = self._dynamics, self._chance.random
        is_dusty = chance() < dynamics.dust_share
        if is_dusty and side.quantity > dynamics.fresh_part * self._median:
            dust = min(self._draw_dust(), side.quantity)
            side.show(dust, quantity_max=self._quantity_max)
            return True
        distance = self._draw_ticks(dynamics.gap_bps)
        behind = side.price + distance * side.outward
        if chance() < _ROUND_SHARE:
            behind += (-side.outward * behind) % self._round_ticks * side.outward
            distance = abs(behind - side.price)
        if side.uncover(distance):
            if chance() >= dynamics.kept_share:
                side.quantity = self._draw_quantity(1.0)
        # A bid cannot be below one tick, so the last bid stays.
        elif behind < 1:
            return False
        else:
            side.recede(behind, self._draw_dust() if is_dusty else self._draw_quantity(1.0))
        side.goal = self._draw_quantity(dynamics.goal_part)
        return True

    def _draw_ticks(self, median_bps: float) -> int:
        bps = median_bps * min(math.exp(self._chance.gauss(0.0, _GAP_SIGMA)), _GAP_SPAN)
        return max(round(min(bps, _GAP_BPS_MAX) * self._ticks_per_bps), 1)

    # --- quantities ---------------------------------------------------------------------------

    def _change_quantity(self, side: BookSide) -> None:
        """Add an order to the best level, remove one, or undo the last change."""
        dynamics, chance = self._dynamics, self._chance
        quantity, goal = side.quantity, side.goal
        if side.before is not None and chance.random() < dynamics.flicker:
            side.show(side.before, quantity_max=self._quantity_max)
            return
        part = dynamics.order_part * math.exp(chance.gauss(0.0, _ORDER_SIGMA))
        order = int(part * self._median * (quantity / self._median) ** _ORDER_EXPONENT) or 1
        is_added = chance.random() * (goal * goal + quantity * quantity) < goal * goal
        if is_added and quantity + order <= self._quantity_max:
            changed = quantity + order
        else:
            changed = max(quantity - order, int(quantity * chance.random()), 1)
        side.show(changed, quantity_max=self._quantity_max)

    def _draw_quantity(self, part: float) -> int:
        """Return a random quantity around this part of the median."""
        return self._draw_steps(part, self._dynamics.quantity_sigma)

    def _draw_dust(self) -> int:
        return self._draw_steps(_DUST_MEDIAN, _DUST_SIGMA)

    def _draw_steps(self, part: float, sigma: float) -> int:
        draw = self._median * part * math.exp(self._chance.gauss(0.0, sigma))
        # Cutting a great value would give many levels the same, greatest quantity.
        if draw > self._quantity_max:
            draw = self._quantity_max * self._chance.random()
        return int(draw) or 1


def _decimal_text(units: int) -> str:
    whole, fraction = divmod(units, _UNITS)
    return f"{whole}.{fraction:0{DECIMALS}d}"
