"""How active a synthetic pair is: the parameters of its quotes, and the kinds of pairs.

The parameters are fitted to recorded book tickers: two majors of 2024, and pairs of 2021 with one
to fifteen updates a second. ``python -m tests.support.market_statistics`` shows how well they fit.
"""

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDynamics:
    """How the best bid and the best ask of a pair change.

    Gaps are means in seconds, and shares are between 0 and 1. A *median* is the median quantity of
    the pair. An *edge* is the price of a side according to the fair value. *Dust* is a quantity
    far below the median.
    """

    # The time of updates. An update belongs to a burst, echoes the previous update, or is idle.
    idle_gap: float
    activity: float
    """Factor by which idle gaps and gaps between moves are shorter while the pair is excited."""
    burst_share: float
    """Share of the updates that belong to a burst."""
    busy_burst_share: float
    """The same while the pair is busy; all its other updates are echoes then."""
    burst_persistence: float
    """The same directly after an update in a burst, busy or not."""
    burst_gap: float
    echo_share: float
    echo_gap: float
    busy_updates: float
    """Mean number of busy updates after a move, once both sides are at their edges."""
    gap_min: float = 0.0

    # Prices.
    move_gap: float
    move_bps: float
    """Median size of a jump of the fair value."""
    spread_bps: float
    """Distance between the edges, at least one tick."""
    jitter_bps: float
    """Standard deviation of a random offset of an edge, drawn for each change."""
    urgency: float
    """Share of the updates that try to move a side to its edge."""
    open_urgency: float
    """The same while the spread is too wide."""
    stepping_share: float
    """Share of the better levels that move one step towards the edge instead of the whole way."""
    step_bps: float
    """Median size of such a step."""
    gap_bps: float
    """Median distance to a new level behind the best one."""
    stay_share: float
    """Share of the covered levels that stay behind; the others are withdrawn."""
    kept_share: float
    """Share of the uncovered levels that show their former quantity."""

    # Quantities.
    quantity_sigma: float
    """Standard deviation of the logarithm of the quantity that a level approaches."""
    quantity_span: float = 12.0
    """Greatest displayed quantity, in medians."""
    fresh_part: float
    """First quantity of a better level, in medians."""
    goal_part: float
    """Quantity that a level approaches over many updates, in medians."""
    dust_share: float
    """Share of the large levels that shrink to dust before they disappear."""
    order_part: float
    """Median order that is added to or removed from a level of median quantity, in medians."""
    flicker: float
    """Share of the changes of a quantity that undo the previous change."""
    sided_share: float
    """Share of the changes of a quantity that spare a side beyond its edge."""

    both_share: float
    """Share of the updates that change both sides."""
    update_id_sigma: float
    """Standard deviation of the logarithm of the number of book events between two updates."""


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
"""About eighty updates a second. The spread is one tick, except for milliseconds of a sweep."""

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
"""About thirty updates a second, a spread of one coarse tick, and at most three medians."""

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
"""About ten updates a second and a wide spread; levels improve by little and vanish while full."""

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
"""One update every few seconds and never two together, to test silent streams."""
