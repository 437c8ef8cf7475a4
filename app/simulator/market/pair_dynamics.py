"""How active a synthetic pair is: the parameters of its quotes, and the kinds of pairs.

The parameters are fitted to recorded book tickers: two majors of 2024, and pairs of 2021 with one
to fifteen updates a second. ``python -m tests.support.market_statistics`` shows how well they fit.
"""

from dataclasses import dataclass
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
    gap_min: float

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
    quantity_span: float
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


_TABLE: Final = """
                     major  liquid  lively     alt   quiet    thin
idle_gap              0.08    0.13    0.28    1.45       2       3
activity                 4       2       3       3       3       1
burst_share            0.1     0.1    0.06    0.05    0.05       0
busy_burst_share      0.26    0.26    0.25    0.15    0.15    0.15
burst_persistence      0.6     0.6    0.35    0.35    0.35       0
burst_gap          0.00005   0.003  0.0003  0.0003  0.0003  0.0003
echo_share            0.25    0.25    0.45    0.42    0.35       0
echo_gap            0.0018    0.01   0.018   0.025     0.1     0.1
busy_updates            20      10       8       4       1       0
gap_min                  0       0       0       0       0       2
move_gap               2.5     0.6     2.5       4       4       4
move_bps                 1     0.9     1.3     1.7     1.7     1.7
spread_bps               0       0       7      10      10      10
jitter_bps               0       0       2     2.8     2.8     2.8
urgency               0.12    0.12    0.65    0.65    0.65    0.65
open_urgency          0.75     0.4    0.65    0.65    0.65    0.65
stepping_share         0.5     0.5     0.9     0.9     0.9     0.9
step_bps              0.08       2     0.3     0.3     0.3     0.3
gap_bps               0.15       2     1.2     1.8     1.8     1.8
stay_share            0.28    0.28     0.4     0.4     0.4     0.4
kept_share             0.4     0.4     0.6     0.6     0.6     0.6
quantity_sigma        0.45     0.7     1.1     1.1     1.1     1.1
quantity_span           12       3      12      12      12      12
fresh_part            0.13     0.4     0.8     0.8     0.8     0.8
goal_part              2.4     1.4     1.8     1.8     1.8     1.8
dust_share            0.86     0.3     0.1     0.1     0.1     0.1
order_part            0.08     0.3     0.3     0.3     0.3     0.3
flicker               0.08    0.08    0.09    0.09    0.09    0.09
sided_share            0.9     0.9       0       0       0       0
both_share           0.006   0.006   0.006   0.006   0.006   0.006
update_id_sigma        1.5     1.5     1.1     1.1     1.1     1.1
"""


def _kinds() -> dict[str, PairDynamics]:
    """Read the table: a column for each kind of pair, and a row for each parameter."""
    names, *rows = (line.split() for line in _TABLE.strip().splitlines())
    return {
        name: PairDynamics(**{row[0]: float(row[column]) for row in rows})
        for column, name in enumerate(names, 1)
    }


KINDS: Final = _kinds()
"""The kinds of pairs.

- ``major``: about eighty updates a second. The spread is one tick, except for milliseconds of a
  sweep.
- ``liquid``: about thirty updates a second, a spread of one coarse tick, and at most three medians.
- ``lively``: about ten updates a second and a wide spread; levels improve by little and vanish
  while full.
- ``alt``: two to five updates a second.
- ``quiet``: about one update a second.
- ``thin``: one update every few seconds and never two together, to test silent streams.
"""
