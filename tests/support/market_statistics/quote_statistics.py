"""Statistics of one symbol's quotes: its best bid and best ask over time.

The module has no I/O: it turns observations into figures. The definitions match the published
figures of the tapes.

- A *change of the ask* is an update whose ask differs from the previous one in price or quantity.
- A *level* lasts from the update that shows an ask price to the update that shows another price.
- A level is *lost* when the ask rises away from it, and *covered* when a better ask appears.
- A percentile is always an observed value: of ``n`` sorted values, counted from 0, the value at
  ``n * percent / 100``, rounded down.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Final, NamedTuple

NS_PER_SECOND: Final = 1_000_000_000
NS_PER_MS: Final = 1_000_000
BPS: Final = 10_000
BURST_GAP_NS: Final = NS_PER_MS
"""Updates closer together than this belong to one burst."""

RANGE_SECONDS: Final = 60


class Observation(NamedTuple):
    """One quote of one symbol. Prices in whole ticks, quantities in whole steps."""

    at_ns: int
    update_id: int
    bid_price: int
    bid_quantity: int
    ask_price: int
    ask_quantity: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Percentiles of a distribution; all are NaN if there are no values."""

    p5: float
    p25: float
    p50: float
    p75: float
    p90: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When updates come."""

    updates: int
    seconds: float
    per_second: float
    in_one_second: Distribution
    """Updates in each second since the first update, silent seconds included."""

    gap_ms: Distribution
    gaps_under_1ms: float
    burst_updates: Distribution
    """Lengths of runs of updates less than 1 ms apart; a single update is a burst of one."""

    update_id_step: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Which sides an update changes, and how wide the spread is."""

    repeats_ask: float
    one_side: float
    both_sides: float
    neither_side: float
    spread_ticks: Distribution
    spread_bps: Distribution
    """In basis points of the ask."""

    one_tick: float
    one_tick_of_time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AskQuantity:
    """The quantity at the best ask, counted per update."""

    median_steps: float
    relative: Distribution
    """Divided by its median."""

    new_over_old: Distribution
    """Ratios of changes of the quantity at an unchanged price."""

    flicker: float
    """Share of the changes of the quantity at an unchanged price that undo the previous change."""

    log_sd: float
    log_autocorrelation: float
    """Of the natural logarithm of the quantity, at a lag of one update."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPrice:
    """How the best ask moves. The first four fields are shares of its changes and add up to 1."""

    price_up: float
    price_down: float
    quantity_up: float
    quantity_down: float
    price_changes: float
    """Share of all updates."""

    jump_bps: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class AskLevels:
    """How long levels last and whether they return."""

    life_seconds: Distribution
    before_lost: Distribution
    """The last quantity of a lost level, divided by the median of all quantities."""

    lost_regained: float
    """Share of the lost levels that became the best ask again before the end."""

    regained_after_seconds: Distribution
    back_from_behind: float
    """Rises of the ask to a covered level that it has not passed since, per price change."""

    away_seconds: Distribution
    same_quantity: float
    """Share of the levels in ``back_from_behind`` with the quantity they were covered with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """How far the midpoint between bid and ask moves."""

    return_1s_sd_bps: float
    """Standard deviation around zero, not around the mean."""

    return_1s_max_bps: float
    range_60s_bps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteStatistics:
    """All figures of one symbol."""

    pace: Pace
    sides: Sides
    quantity: AskQuantity
    price: AskPrice
    levels: AskLevels
    movement: Movement


def quote_statistics(observations: Iterable[Observation]) -> QuoteStatistics:
    """Measure the quotes of one symbol, in their order of arrival.

    Raises:
        ValueError: there are fewer than two quotes.
    """
    seen = list(observations)
    if len(seen) < 2:
        raise ValueError("one quote is no stream")
    median = _distribution([one.ask_quantity for one in seen]).p50 or math.nan
    asks = [next(equal) for _, equal in groupby(seen, _ask)]
    return QuoteStatistics(
        pace=_pace(seen),
        sides=_sides(seen),
        quantity=_quantity(seen, asks, median=median),
        price=_price(seen, asks),
        levels=_levels(seen, median=median),
        movement=_movement(seen),
    )


def _pace(seen: Sequence[Observation]) -> Pace:
    gaps = [b.at_ns - a.at_ns for a, b in pairwise(seen)]
    counts = [0] * ((seen[-1].at_ns - seen[0].at_ns) // NS_PER_SECOND + 1)
    for one in seen:
        counts[(one.at_ns - seen[0].at_ns) // NS_PER_SECOND] += 1
    burst_ends = [at for at, gap in enumerate(gaps) if gap >= BURST_GAP_NS]
    bursts = [b - a for a, b in pairwise([-1, *burst_ends, len(gaps)])]
    seconds = (seen[-1].at_ns - seen[0].at_ns) / NS_PER_SECOND
    return Pace(
        updates=len(seen),
        seconds=seconds,
        per_second=len(seen) / seconds if seconds else math.nan,
        in_one_second=_distribution(counts),
        gap_ms=_distribution([gap / NS_PER_MS for gap in gaps]),
        gaps_under_1ms=_share(gap < BURST_GAP_NS for gap in gaps),
        burst_updates=_distribution(bursts),
        update_id_step=_distribution([b.update_id - a.update_id for a, b in pairwise(seen)]),
    )


def _sides(seen: Sequence[Observation]) -> Sides:
    changes = [(_bid(a) != _bid(b), _ask(a) != _ask(b)) for a, b in pairwise(seen)]
    prices = [(one.bid_price, one.ask_price) for one in seen]
    spreads = [ask - bid for bid, ask in prices]
    shown_ns = [b.at_ns - a.at_ns for a, b in pairwise(seen)]
    one_tick_ns = sum(ns for spread, ns in zip(spreads, shown_ns, strict=False) if spread == 1)
    return Sides(
        repeats_ask=_share(not ask for _, ask in changes),
        one_side=_share(bid != ask for bid, ask in changes),
        both_sides=_share(bid and ask for bid, ask in changes),
        neither_side=_share(not bid and not ask for bid, ask in changes),
        spread_ticks=_distribution(spreads),
        spread_bps=_distribution([(ask - bid) / ask * BPS for bid, ask in prices if ask]),
        one_tick=_share(spread == 1 for spread in spreads),
        one_tick_of_time=_ratio(one_tick_ns, sum(shown_ns)),
    )


def _quantity(
    seen: Sequence[Observation], asks: Sequence[Observation], *, median: float
) -> AskQuantity:
    same_price = [b.ask_price == a.ask_price for a, b in pairwise(asks)]
    undone = [
        was_same and is_same and a.ask_quantity == c.ask_quantity
        for a, c, was_same, is_same in zip(asks, asks[2:], same_price, same_price[1:], strict=False)
    ]
    logs = [math.log(one.ask_quantity) for one in seen if one.ask_quantity > 0]
    return AskQuantity(
        median_steps=median,
        relative=_distribution([one.ask_quantity / median for one in seen]),
        new_over_old=_distribution(
            [
                b.ask_quantity / a.ask_quantity
                for a, b in pairwise(asks)
                if a.ask_price == b.ask_price and a.ask_quantity
            ]
        ),
        flicker=_ratio(sum(undone), sum(same_price)),
        log_sd=statistics.pstdev(logs),
        log_autocorrelation=_autocorrelation(logs),
    )


def _price(seen: Sequence[Observation], asks: Sequence[Observation]) -> AskPrice:
    changes = list(pairwise(asks))
    jumps = [
        abs(b.ask_price - a.ask_price) / a.ask_price * BPS
        for a, b in changes
        if a.ask_price != b.ask_price
    ]
    same_price = [(a, b) for a, b in changes if a.ask_price == b.ask_price]
    return AskPrice(
        price_up=_share(a.ask_price < b.ask_price for a, b in changes),
        price_down=_share(a.ask_price > b.ask_price for a, b in changes),
        quantity_up=_ratio(
            sum(a.ask_quantity < b.ask_quantity for a, b in same_price), len(changes)
        ),
        quantity_down=_ratio(
            sum(a.ask_quantity > b.ask_quantity for a, b in same_price), len(changes)
        ),
        price_changes=len(jumps) / (len(seen) - 1),
        jump_bps=_distribution(jumps),
    )


def _levels(seen: Sequence[Observation], *, median: float) -> AskLevels:
    lives: list[float] = []
    before_lost: list[float] = []
    lost_at: dict[int, list[int]] = {}
    lost = 0
    regained_after: list[float] = []
    covered: dict[int, tuple[int, int]] = {}
    away: list[float] = []
    same_quantity = 0
    shown_at = seen[0].at_ns
    for a, b in pairwise(seen):
        if a.ask_price == b.ask_price:
            continue
        lives.append((b.at_ns - shown_at) / NS_PER_SECOND)
        shown_at = b.at_ns
        regained_after += [
            (b.at_ns - at_ns) / NS_PER_SECOND for at_ns in lost_at.pop(b.ask_price, ())
        ]
        if b.ask_price < a.ask_price:
            covered[a.ask_price] = (b.at_ns, a.ask_quantity)
            continue
        lost += 1
        lost_at.setdefault(a.ask_price, []).append(b.at_ns)
        before_lost.append(a.ask_quantity / median)
        returned = covered.get(b.ask_price)
        if returned is not None:
            away.append((b.at_ns - returned[0]) / NS_PER_SECOND)
            same_quantity += b.ask_quantity == returned[1]
        covered = {price: one for price, one in covered.items() if price > b.ask_price}
    return AskLevels(
        life_seconds=_distribution(lives),
        before_lost=_distribution(before_lost),
        lost_regained=_ratio(len(regained_after), lost),
        regained_after_seconds=_distribution(regained_after),
        back_from_behind=_ratio(len(away), len(lives)),
        away_seconds=_distribution(away),
        same_quantity=_ratio(same_quantity, len(away)),
    )


def _movement(seen: Sequence[Observation]) -> Movement:
    middles = list(_middle_by_second(seen))
    returns = [(b / a - 1) * BPS for a, b in pairwise(middles)]
    ranges = [
        (max(window) - min(window)) / min(window) * BPS
        for start in range(max(1, len(middles) - RANGE_SECONDS))
        for window in (middles[start : start + RANGE_SECONDS + 1],)
    ]
    return Movement(
        return_1s_sd_bps=math.sqrt(statistics.fmean([one * one for one in returns])),
        return_1s_max_bps=max(map(abs, returns)),
        range_60s_bps=max(ranges),
    )


def _middle_by_second(seen: Sequence[Observation]) -> Iterator[float]:
    """Yield the midpoint at the first quote, at every full second after it, and at the end."""
    due = seen[0].at_ns
    for a, b in pairwise(seen):
        while due < b.at_ns:
            yield (a.bid_price + a.ask_price) / 2
            due += NS_PER_SECOND
    yield (seen[-1].bid_price + seen[-1].ask_price) / 2


_ask = attrgetter("ask_price", "ask_quantity")
_bid = attrgetter("bid_price", "bid_quantity")


def _autocorrelation(values: Sequence[float]) -> float:
    mean = statistics.fmean(values)
    centered = [value - mean for value in values]
    return _ratio(
        sum(a * b for a, b in pairwise(centered)), sum(value * value for value in centered)
    )


def _share(flags: Iterable[bool]) -> float:
    counted = list(flags)
    return _ratio(sum(counted), len(counted))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _distribution(values: Sequence[float]) -> Distribution:
    ordered = sorted(values)

    def percentile(percent: int) -> float:
        if not ordered:
            return math.nan
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]

    return Distribution(
        p5=percentile(5),
        p25=percentile(25),
        p50=percentile(50),
        p75=percentile(75),
        p90=percentile(90),
        p95=percentile(95),
        p99=percentile(99),
        max=percentile(100),
    )
