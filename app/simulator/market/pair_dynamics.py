"""How active a synthetic pair is: the parameters of its quotes, and the kinds of pairs.

The parameters are fitted to recorded book tickers: two majors of 2024, and pairs of 2021 with one
to fifteen updates a second. ``python -m tests.support.market_statistics`` shows how well they fit.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDynamics:
    """How a pair's best bid and ask move. Gaps are means in seconds, shares lie from 0 to 1.

    *Median* is the median quantity of the pair, *edge* where a side belongs by the fair value.
    """

    # When updates come: in a burst, as an echo of the one before, or after an idle gap.
    idle_gap: float
    activity: float
    """How many times shorter idle gaps and the gaps between moves are while it is excited."""
    burst_share: float
    """Share of the updates that come in a burst."""
    busy_burst_share: float
    """The same while busy, when all others are echoes."""
    burst_persistence: float
    """The same right after an update that came in a burst, busy or not."""
    burst_gap: float
    echo_share: float
    echo_gap: float
    busy_updates: float
    """How many updates a move keeps it busy for, beside those that bring a side to its edge."""
    gap_min: float = 0.0

    # Where the price goes.
    move_gap: float
    move_bps: float
    """Median size of a jump of the fair value."""
    spread_bps: float
    """Between the edges; one tick at least."""
    jitter_bps: float
    """Standard deviation by which a side sees its edge elsewhere, anew each time."""
    urgency: float
    """Share of the updates that would bring a side to its edge."""
    open_urgency: float
    """The same while the spread is wider than it should be."""
    stepping_share: float
    """Share of the better levels that go only a step toward the edge, not all the way."""
    step_bps: float
    """Median size of such a step."""
    gap_bps: float
    """Median distance to the level behind a touch, where none is known."""
    stay_share: float
    """Share of the covered levels that stay behind; the others are withdrawn."""
    kept_share: float
    """Share of the levels back from behind that show the quantity they had."""

    # What is displayed.
    quantity_sigma: float
    """Standard deviation of the logarithm of what a level is going for."""
    quantity_span: float = 12.0
    """The most that is displayed, in medians."""
    fresh_part: float
    """What a better level begins with, in medians."""
    goal_part: float
    """What a level is going for, in medians; many updates come before it is there."""
    dust_share: float
    """Share of the fuller levels that are eaten to dust before they are gone."""
    order_part: float
    """Median order that is added to a level of median quantity or taken off it, in medians."""
    flicker: float
    """Share of the changes of a quantity that undo the one before."""
    sided_share: float
    """Share of the changes of a quantity that keep off a side which is in the way."""

    both_share: float
    """Share of the updates that change the other side too."""
    update_id_sigma: float
    """Standard deviation of the logarithm of how many book events lie between two updates."""


MAJOR: Final = PairDynamics(
    idle_gap=0.08,
    activity=4.0,
    burst_share=0.1,
    burst_gap=0.00005,
    echo_share=0.25,
    echo_gap=0.0018,
    busy_burst_share=0.26,
    burst_persistence=0.6,
    busy_updates=20.0,
    move_gap=2.5,
    move_bps=1.0,
    spread_bps=0.0,
    jitter_bps=0.0,
    urgency=0.12,
    open_urgency=0.75,
    step_bps=0.08,
    stepping_share=0.5,
    gap_bps=0.15,
    stay_share=0.28,
    kept_share=0.4,
    quantity_sigma=0.45,
    fresh_part=0.13,
    goal_part=2.4,
    dust_share=0.86,
    order_part=0.08,
    flicker=0.08,
    sided_share=0.9,
    both_share=0.006,
    update_id_sigma=1.5,
)
"""Some eighty updates a second, one tick wide but for the milliseconds of a sweep."""

LIQUID: Final = replace(
    MAJOR,
    idle_gap=0.13,
    activity=2.0,
    burst_gap=0.003,
    echo_gap=0.01,
    busy_updates=10.0,
    move_gap=0.6,
    move_bps=0.9,
    open_urgency=0.4,
    step_bps=2.0,
    gap_bps=2.0,
    quantity_sigma=0.7,
    quantity_span=3.0,
    fresh_part=0.4,
    goal_part=1.4,
    dust_share=0.3,
    order_part=0.3,
)
"""Some thirty updates a second, one coarse tick wide, never more than three medians displayed."""

LIVELY: Final = PairDynamics(
    idle_gap=0.28,
    activity=3.0,
    burst_share=0.06,
    burst_gap=0.0003,
    echo_share=0.45,
    echo_gap=0.018,
    busy_burst_share=0.25,
    burst_persistence=0.35,
    busy_updates=8.0,
    move_gap=2.5,
    move_bps=1.3,
    spread_bps=7.0,
    jitter_bps=2.0,
    urgency=0.65,
    open_urgency=0.65,
    step_bps=0.3,
    stepping_share=0.9,
    gap_bps=1.2,
    stay_share=0.4,
    kept_share=0.6,
    quantity_sigma=1.1,
    fresh_part=0.8,
    goal_part=1.8,
    dust_share=0.1,
    order_part=0.3,
    flicker=0.09,
    sided_share=0.0,
    both_share=0.006,
    update_id_sigma=1.1,
)
"""Some ten updates a second, many ticks wide; a touch is bettered by little and goes while full."""

ALT: Final = replace(
    LIVELY,
    idle_gap=1.45,
    burst_share=0.05,
    echo_share=0.42,
    echo_gap=0.025,
    busy_burst_share=0.15,
    busy_updates=4.0,
    move_gap=4.0,
    move_bps=1.7,
    spread_bps=10.0,
    jitter_bps=2.8,
    gap_bps=1.8,
)
"""Two to five updates a second."""

QUIET: Final = replace(
    ALT,
    idle_gap=2.0,
    burst_share=0.05,
    echo_share=0.35,
    echo_gap=0.1,
    busy_updates=1.0,
)
"""About one update a second."""

THIN: Final = replace(
    QUIET,
    idle_gap=3.0,
    activity=1.0,
    burst_share=0.0,
    burst_persistence=0.0,
    echo_share=0.0,
    busy_updates=0.0,
    gap_min=2.0,
)
"""One update every few seconds and never two at once, for whoever wants to see silence."""
