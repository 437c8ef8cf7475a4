"""How close the synthetic market must be to the tapes: one bound per figure, each with a reason.

The comparable symbols of the tapes differ from each other. A bound extends the range that they
span. The name of a figure is its path in ``QuoteStatistics``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import Final

from tests.support.market_statistics.quote_statistics import QuoteStatistics


class Around(StrEnum):
    """How a bound extends the range of the tapes."""

    FACTOR = "factor"
    MARGIN = "margin"


@dataclass(frozen=True, slots=True)
class Bound:
    """The values allowed for one figure: the tapes' range, extended by a factor or a margin."""

    figure: str
    around: Around
    width: float
    reason: str

    def limits(self, of_tapes: Sequence[float]) -> tuple[float, float]:
        """Return the smallest and the greatest value allowed; ignore tapes without the figure."""
        known = [one for one in of_tapes if not math.isnan(one)]
        if self.around is Around.FACTOR:
            return min(known) / self.width, max(known) * self.width
        return min(known) - self.width, max(known) + self.width

    def measured(self, statistics: QuoteStatistics) -> float:
        """Return this figure from all statistics of a symbol."""
        return float(attrgetter(self.figure)(statistics))


def _factor(figure: str, width: float, reason: str) -> Bound:
    return Bound(figure, Around.FACTOR, width, reason)


def _margin(figure: str, width: float, reason: str) -> Bound:
    return Bound(figure, Around.MARGIN, width, reason)


MAJOR_BOUNDS: Final = (
    _factor("pace.per_second", 1.5, "the same pair differs by 1.6 from one day to the next"),
    _factor("pace.in_one_second.p50", 1.5, "halves and doubles with the hour"),
    _factor("pace.in_one_second.p99", 1.5, "the three busiest seconds of a stretch"),
    _factor("pace.in_one_second.max", 2.0, "one second decides"),
    _factor("pace.gap_ms.p50", 1.5, "the middle, over 20,000 gaps"),
    _factor("pace.gap_ms.p99", 1.5, "over 200 gaps lie above it"),
    _factor("pace.gap_ms.max", 2.0, "one gap decides"),
    _margin("pace.gaps_under_1ms", 0.06, "hardly differs among the tapes"),
    _factor("pace.burst_updates.p90", 1.5, "a small whole number"),
    _factor("pace.burst_updates.p99", 1.5, "over 100 bursts lie above it"),
    _factor("pace.burst_updates.max", 2.0, "one burst decides"),
    _factor("pace.update_id_step.p50", 1.5, "a small whole number"),
    _factor("pace.update_id_step.p99", 1.5, "over 200 steps lie above it"),
    _factor("pace.update_id_step.max", 1.5, "the walk caps it"),
    _margin("sides.repeats_ask", 0.05, "0.44 to 0.50: one half, whatever the day"),
    _margin("sides.one_side", 0.005, "over 99 %, and not all"),
    _factor("sides.both_sides", 1.5, "a coin of its own in the walk"),
    _margin("sides.neither_side", 0.0, "the venue never repeats all four fields"),
    _factor("sides.spread_ticks.p50", 1.0, "one tick"),
    _factor("sides.spread_bps.p99", 1.5, "wide for milliseconds, while a side is swept"),
    _margin("sides.one_tick", 0.05, "0.88 on all three tapes"),
    _margin("sides.one_tick_of_time", 0.01, "0.99 on all three tapes"),
    _factor("quantity.relative.p5", 5.0, "dust, which lies over orders of magnitude"),
    _factor("quantity.relative.p25", 1.5, "in the body of the distribution"),
    _factor("quantity.relative.p75", 1.5, "in the body of the distribution"),
    _factor("quantity.relative.p95", 1.5, "full levels, a small multiple of the median"),
    _margin("quantity.new_over_old.p5", 0.15, "an order leaves a touch that it was much of"),
    _margin("quantity.new_over_old.p25", 0.03, "most changes are small"),
    _margin("quantity.new_over_old.p50", 0.03, "slightly more is added than taken off"),
    _margin("quantity.new_over_old.p75", 0.08, "most changes are small"),
    _factor("quantity.new_over_old.p95", 1.5, "a young level doubles"),
    _margin("quantity.flicker", 0.02, "0.06 to 0.08 on all three tapes"),
    _factor("quantity.log_sd", 1.2, "dust and full levels, both are needed for it"),
    _margin("quantity.log_autocorrelation", 0.03, "0.91 to 0.94 on all three tapes"),
    _factor("price.price_up", 1.5, "a level is gone, once in fifty updates"),
    _factor("price.price_down", 1.5, "a level is bettered, once in thirty updates"),
    _margin("price.quantity_up", 0.06, "0.55 to 0.57 on all three tapes"),
    _margin("price.quantity_down", 0.06, "0.33 to 0.35 on all three tapes"),
    _factor("price.price_changes", 1.5, "0.05 to 0.06 on all three tapes"),
    _factor("price.jump_bps.p50", 1.5, "over 1,000 jumps"),
    _factor("price.jump_bps.p99", 1.5, "over ten jumps lie above it"),
    _factor("price.jump_bps.max", 2.0, "one jump decides"),
    _factor("levels.life_seconds.p50", 2.0, "a few milliseconds, beside lives of seconds"),
    _factor("levels.life_seconds.p90", 1.5, "the tapes differ by 2.5"),
    _factor("levels.life_seconds.p99", 1.5, "seconds; the tapes differ by 2.6"),
    _factor("levels.before_lost.p50", 2.0, "dust, which lies over orders of magnitude"),
    _factor("levels.before_lost.p95", 3.0, "a full level taken at once, in 25 cases"),
    _factor("levels.lost_regained", 1.5, "the coarser the tick, the more often"),
    _factor("levels.regained_after_seconds.p50", 3.0, "milliseconds to minutes, over 100 cases"),
    _factor("levels.back_from_behind", 1.5, "over 100 cases"),
    _factor("levels.away_seconds.p50", 1.5, "the tapes differ by a hundred"),
    _factor("levels.same_quantity", 1.5, "under 200 cases"),
    _factor("movement.return_1s_sd_bps", 1.5, "the tapes differ by 1.3"),
    _factor("movement.return_1s_max_bps", 2.0, "one second decides"),
    _factor("movement.range_60s_bps", 2.0, "one minute decides"),
)
"""For BTC and ETH against USDT, over about five minutes."""

LIVELY_BOUNDS: Final = (
    _factor("pace.per_second", 1.5, "the tapes' pairs differ by 1.7"),
    _factor("pace.in_one_second.p50", 1.5, "the tapes' pairs differ by 2.3"),
    _factor("pace.in_one_second.p99", 1.5, "the two busiest seconds of a tape"),
    _factor("pace.in_one_second.max", 1.5, "one second decides"),
    _factor("pace.gap_ms.p50", 1.5, "in the body of the distribution"),
    _factor("pace.gap_ms.p99", 1.5, "the tapes' pairs differ by 3"),
    _factor("pace.gap_ms.max", 1.5, "the tapes' pairs differ by 8"),
    _margin("pace.gaps_under_1ms", 0.06, "the tapes' pairs differ by 0.1"),
    _factor("pace.burst_updates.p99", 1.5, "a small whole number"),
    _factor("pace.burst_updates.max", 2.0, "one burst decides"),
    _factor("pace.update_id_step.p50", 1.5, "a small whole number"),
    _factor("pace.update_id_step.p99", 1.5, "the tapes' pairs differ by 2.7"),
    _margin("sides.repeats_ask", 0.05, "one half; the tapes' pairs lean to a side"),
    _margin("sides.one_side", 0.005, "99 % and more"),
    _factor("sides.both_sides", 1.5, "at most a hundredth"),
    _margin("sides.neither_side", 0.0, "the venue never repeats all four fields"),
    _factor("sides.spread_bps.p50", 1.5, "the tapes' pairs differ by 3"),
    _factor("sides.spread_bps.p99", 1.5, "ten updates of a tape lie above it"),
    _margin("sides.one_tick", 0.02, "many ticks wide, almost always"),
    _factor("quantity.relative.p5", 2.0, "the tapes' pairs differ by 30"),
    _factor("quantity.relative.p95", 1.5, "the tapes' pairs differ by 2"),
    _factor("quantity.new_over_old.p5", 1.5, "the tapes' pairs differ by 37"),
    _factor("quantity.new_over_old.p25", 1.2, "in the body of the distribution"),
    _factor("quantity.new_over_old.p50", 1.2, "in the body of the distribution"),
    _factor("quantity.new_over_old.p75", 1.2, "in the body of the distribution"),
    _factor("quantity.new_over_old.p95", 1.5, "ten changes of a tape lie above it"),
    _margin("quantity.flicker", 0.02, "0.04 to 0.07"),
    _factor("quantity.log_sd", 1.2, "the tapes' pairs differ by 2.4"),
    _margin("quantity.log_autocorrelation", 0.05, "0.35 to 0.78"),
    _factor("price.price_up", 1.5, "0.18 to 0.23"),
    _factor("price.price_down", 1.5, "0.28 to 0.70"),
    _factor("price.quantity_up", 1.5, "0.04 to 0.30"),
    _factor("price.quantity_down", 1.5, "0.03 to 0.28"),
    _factor("price.price_changes", 1.2, "0.24 to 0.62"),
    _factor("price.jump_bps.p50", 1.5, "the tapes' pairs differ by 12"),
    _factor("price.jump_bps.p99", 1.5, "five jumps of a tape lie above it"),
    _factor("price.jump_bps.max", 1.5, "one jump decides"),
    _factor("levels.life_seconds.p50", 1.5, "the tapes' pairs differ by 5"),
    _factor("levels.life_seconds.p90", 1.5, "the tapes' pairs differ by 2.5"),
    _factor("levels.life_seconds.p99", 1.5, "the tapes' pairs differ by 3"),
    _factor("levels.before_lost.p50", 1.5, "taken away while full, not eaten to dust"),
    _factor("levels.lost_regained", 1.3, "half to four fifths, more on coarse ticks"),
    _factor("levels.regained_after_seconds.p50", 5.0, "the finer the tick, the later; they differ"),
    _factor("levels.back_from_behind", 1.5, "0.16 to 0.33"),
    _factor("levels.away_seconds.p50", 1.5, "the tapes' pairs differ by 7"),
    _factor("levels.same_quantity", 1.5, "0.37 to 0.83"),
    _factor("movement.return_1s_sd_bps", 1.5, "2.1 to 2.7"),
    _factor("movement.return_1s_max_bps", 2.0, "one second decides"),
    _factor("movement.range_60s_bps", 1.5, "one minute decides"),
)
"""For pairs with ten to fifteen updates a second."""

ALT_BOUNDS: Final = (
    _factor("pace.per_second", 1.5, "the tapes' pairs differ by 2.4"),
    _factor("pace.in_one_second.p99", 1.5, "the second busiest second of a tape"),
    _factor("pace.gap_ms.p50", 1.5, "the tapes' pairs differ by 4"),
    _factor("pace.gap_ms.p99", 1.5, "three gaps of a tape lie above it"),
    _margin("pace.gaps_under_1ms", 0.05, "the tapes' pairs differ"),
    _factor("pace.update_id_step.p50", 1.5, "a small whole number"),
    _factor("pace.update_id_step.p99", 1.5, "three steps of a tape lie above it"),
    _margin("sides.repeats_ask", 0.1, "one half and more; the tapes' pairs lean to a side"),
    _margin("sides.one_side", 0.01, "99 % and more"),
    _margin("sides.neither_side", 0.0, "the venue never repeats all four fields"),
    _factor("sides.spread_bps.p50", 1.5, "the tapes' pairs differ by 8"),
    _factor("quantity.relative.p95", 2.0, "the tapes' pairs differ by 70"),
    _factor("quantity.log_sd", 1.5, "some tens of quantities make a tape"),
    _factor("price.price_up", 2.0, "some tens of changes make a tape"),
    _factor("price.price_down", 2.0, "some tens of changes make a tape"),
    _margin("price.price_changes", 0.05, "0.09 to 0.30"),
    _factor("price.jump_bps.p50", 2.0, "some tens of changes make a tape"),
    _factor("price.jump_bps.max", 2.0, "one jump decides"),
    _factor("levels.life_seconds.p50", 3.0, "some tens of levels make a tape"),
    _factor("levels.life_seconds.p90", 2.0, "some tens of levels make a tape"),
    _factor("levels.lost_regained", 1.5, "some tens of levels make a tape"),
    _factor("levels.back_from_behind", 2.0, "some tens of levels make a tape"),
    _factor("levels.same_quantity", 2.0, "ten levels came back on a tape"),
    _factor("movement.return_1s_sd_bps", 2.0, "most seconds show no update"),
    _factor("movement.range_60s_bps", 2.0, "one minute decides"),
)
"""For pairs with two to five updates a second; a tape has a few hundred of them in total."""

QUIET_BOUNDS: Final = (
    _factor("pace.per_second", 1.5, "0.8 to 1.3"),
    _factor("pace.in_one_second.p99", 2.0, "the second busiest second of a tape"),
    _factor("pace.gap_ms.p50", 1.5, "the tapes' pairs differ by 7"),
    _factor("pace.gap_ms.p99", 2.0, "one gap of a tape lies above it"),
    _factor("pace.update_id_step.p50", 1.5, "a small whole number"),
    _margin("sides.repeats_ask", 0.1, "the tapes' pairs lean to a side"),
    _margin("sides.neither_side", 0.0, "the venue never repeats all four fields"),
    _factor("sides.spread_bps.p50", 1.5, "the tapes' pairs differ by 19"),
    _margin("price.price_changes", 0.1, "0.16 to 0.61"),
    _factor("levels.life_seconds.p50", 3.0, "some twenty levels make a tape"),
    _factor("movement.return_1s_sd_bps", 2.0, "most seconds show no update"),
    _factor("movement.range_60s_bps", 2.0, "one minute decides"),
)
"""For pairs with about one update a second; a tape has a hundred of them in total."""
