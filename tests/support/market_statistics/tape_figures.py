"""Stored figures of the comparable symbols of the tapes, with four digits.

``python -m tests.support.market_statistics --tapes FOLDER`` measures them again and prints both
values. The name of a figure is its path in ``QuoteStatistics``. NaN means that the tape has no
case of it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_NAN: Final = math.nan


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFigures:
    """The figures of the comparable symbols, each tuple in the order of ``sources``.

    A source is a file name and a symbol.
    """

    sources: tuple[tuple[str, str], ...]
    figures: Mapping[str, tuple[float, ...]]


MAJOR: Final = TapeFigures(
    sources=(
        ("majors-20240808.jsonl.gz", "BTCUSDT"),
        ("majors-20240808.jsonl.gz", "ETHUSDT"),
        ("ethusdt-20240809.jsonl.gz", "ETHUSDT"),
    ),
    figures={
        "pace.per_second": (81.06, 69.61, 113.9),
        "pace.in_one_second.p50": (50, 52, 100),
        "pace.in_one_second.p99": (325, 278, 327),
        "pace.in_one_second.max": (405, 330, 362),
        "pace.gap_ms.p50": (1.073, 1.097, 1.077),
        "pace.gap_ms.p99": (170, 217.1, 124.3),
        "pace.gap_ms.max": (636.3, 873.7, 589),
        "pace.gaps_under_1ms": (0.4751, 0.4642, 0.4662),
        "pace.burst_updates.p90": (4, 4, 4),
        "pace.burst_updates.p99": (13, 12, 10),
        "pace.burst_updates.max": (37, 25, 28),
        "pace.update_id_step.p50": (3, 2, 3),
        "pace.update_id_step.p99": (54, 62, 70),
        "pace.update_id_step.max": (421, 327, 399),
        "sides.repeats_ask": (0.4951, 0.4754, 0.4367),
        "sides.one_side": (0.9936, 0.9949, 0.9937),
        "sides.both_sides": (0.006384, 0.005109, 0.006344),
        "sides.neither_side": (0, 0, 0),
        "sides.spread_ticks.p50": (1, 1, 1),
        "sides.spread_bps.p99": (1.236, 0.8208, 0.7094),
        "sides.one_tick": (0.8815, 0.8855, 0.8797),
        "sides.one_tick_of_time": (0.9928, 0.9947, 0.9933),
        "quantity.relative.p5": (0.0003093, 0.0005244, 0.0004856),
        "quantity.relative.p25": (0.1452, 0.2923, 0.2563),
        "quantity.relative.p75": (2.426, 2.099, 2.265),
        "quantity.relative.p95": (3.934, 3.822, 5.203),
        "quantity.new_over_old.p5": (0.6841, 0.5879, 0.5278),
        "quantity.new_over_old.p25": (0.9878, 0.9494, 0.9544),
        "quantity.new_over_old.p50": (1.011, 1.032, 1.018),
        "quantity.new_over_old.p75": (1.091, 1.153, 1.161),
        "quantity.new_over_old.p95": (2, 2.215, 2.49),
        "quantity.flicker": (0.07051, 0.06172, 0.07571),
        "quantity.log_sd": (2.7, 2.372, 2.577),
        "quantity.log_autocorrelation": (0.937, 0.9193, 0.9069),
        "price.price_up": (0.03807, 0.03816, 0.04367),
        "price.price_down": (0.05828, 0.05748, 0.05903),
        "price.quantity_up": (0.5698, 0.5722, 0.5506),
        "price.quantity_down": (0.3338, 0.3322, 0.3467),
        "price.price_changes": (0.04865, 0.05017, 0.05784),
        "price.jump_bps.p50": (0.09704, 0.1491, 0.1122),
        "price.jump_bps.p99": (1.55, 1.118, 0.8226),
        "price.jump_bps.max": (5.361, 2.086, 1.68),
        "levels.life_seconds.p50": (0.002588, 0.003222, 0.003031),
        "levels.life_seconds.p90": (0.3559, 0.8847, 0.4587),
        "levels.life_seconds.p99": (5.586, 4.385, 2.144),
        "levels.before_lost.p50": (0.006481, 0.004261, 0.00124),
        "levels.before_lost.p95": (0.2866, 0.6527, 0.3571),
        "levels.lost_regained": (0.1855, 0.6141, 0.6882),
        "levels.regained_after_seconds.p50": (4.542, 10.95, 8.902),
        "levels.back_from_behind": (0.07991, 0.1407, 0.1321),
        "levels.away_seconds.p50": (0.01775, 2.242, 1.153),
        "levels.same_quantity": (0.422, 0.2059, 0.166),
        "movement.return_1s_sd_bps": (1.302, 1.091, 1.415),
        "movement.return_1s_max_bps": (11.07, 6.564, 4.93),
        "movement.range_60s_bps": (24.26, 20.6, 40.32),
    },
)

LIVELY: Final = TapeFigures(
    sources=(
        ("alts10-20210405.jsonl.gz", "DENTUSDT"),
        ("alts10-20210405.jsonl.gz", "ZILUSDT"),
        ("alts10-20210405.jsonl.gz", "MANAUSDT"),
        ("alts4-20210814.jsonl.gz", "FTMUSDT"),
    ),
    figures={
        "pace.per_second": (14.94, 9.898, 8.778, 9.534),
        "pace.in_one_second.p50": (14, 7, 6, 8),
        "pace.in_one_second.p99": (44, 37, 32, 28),
        "pace.in_one_second.max": (51, 64, 74, 28),
        "pace.gap_ms.p50": (16.45, 13.21, 19.58, 17.47),
        "pace.gap_ms.p99": (551.5, 1243, 1768, 996.5),
        "pace.gap_ms.max": (843, 2566, 6687, 1900),
        "pace.gaps_under_1ms": (0.09233, 0.1836, 0.1541, 0.07778),
        "pace.burst_updates.p99": (3, 3, 4, 3),
        "pace.burst_updates.max": (15, 58, 59, 7),
        "pace.update_id_step.p50": (2, 2, 3, 3),
        "pace.update_id_step.p99": (11, 30, 27, 18),
        "sides.repeats_ask": (0.4189, 0.4862, 0.6213, 0.3296),
        "sides.one_side": (0.9896, 0.9966, 0.998, 1),
        "sides.both_sides": (0.01039, 0.003448, 0.001988, 0),
        "sides.neither_side": (0, 0, 0, 0),
        "sides.spread_bps.p50": (10.84, 7.924, 3.63, 8.229),
        "sides.spread_bps.p99": (29.08, 18.64, 14.31, 14.99),
        "sides.one_tick": (0.00519, 0.01895, 0.03873, 0),
        "quantity.relative.p5": (0.008062, 0.04355, 0.0034, 0.1009),
        "quantity.relative.p95": (5.9, 3.159, 4.8, 2.831),
        "quantity.new_over_old.p5": (0.25, 0.2041, 0.009434, 0.3533),
        "quantity.new_over_old.p25": (0.8698, 0.9095, 0.6441, 0.6667),
        "quantity.new_over_old.p50": (0.9687, 1.18, 0.9924, 1.546),
        "quantity.new_over_old.p75": (0.9924, 1.913, 1.731, 2.558),
        "quantity.new_over_old.p95": (2, 11.05, 25, 16.68),
        "quantity.flicker": (0.04012, 0.03785, 0.03704, 0.07143),
        "quantity.log_sd": (1.895, 1.232, 2.141, 0.8916),
        "quantity.log_autocorrelation": (0.6129, 0.4899, 0.7836, 0.353),
        "price.price_up": (0.2264, 0.1846, 0.1916, 0.2265),
        "price.price_down": (0.4518, 0.2836, 0.6667, 0.6961),
        "price.quantity_up": (0.03774, 0.2953, 0.06824, 0.0442),
        "price.quantity_down": (0.284, 0.2366, 0.07349, 0.03315),
        "price.price_changes": (0.3941, 0.2405, 0.325, 0.6185),
        "price.jump_bps.p50": (0.3804, 0.4665, 0.1009, 1.175),
        "price.jump_bps.p99": (18.44, 14.91, 7.767, 5.591),
        "price.jump_bps.max": (18.57, 16.31, 10.38, 6.762),
        "levels.life_seconds.p50": (0.02031, 0.09332, 0.06768, 0.02031),
        "levels.life_seconds.p90": (0.5252, 1.138, 0.8342, 0.4543),
        "levels.life_seconds.p99": (1.53, 4.056, 4.579, 2.007),
        "levels.before_lost.p50": (0.9882, 0.4378, 1.504, 1),
        "levels.lost_regained": (0.5088, 0.7909, 0.5616, 0.6098),
        "levels.regained_after_seconds.p50": (1.946, 0.226, 5.516, 1.263),
        "levels.back_from_behind": (0.2357, 0.3262, 0.1621, 0.1796),
        "levels.away_seconds.p50": (0.2023, 0.1102, 0.7704, 0.3449),
        "levels.same_quantity": (0.7143, 0.3736, 0.8302, 0.7),
        "movement.return_1s_sd_bps": (2.668, 2.134, 2.083, 2.167),
        "movement.return_1s_max_bps": (11.29, 10.95, 10.89, 5.588),
        "movement.range_60s_bps": (35.71, 28.71, 19.27, 20.33),
    },
)

ALT: Final = TapeFigures(
    sources=(
        ("alts10-20210405.jsonl.gz", "QTUMETH"),
        ("alts10-20210405.jsonl.gz", "AXSBNB"),
        ("alts10-20210405.jsonl.gz", "BTCSTUSDT"),
    ),
    figures={
        "pace.per_second": (2.967, 2.329, 1.288),
        "pace.in_one_second.p99": (18, 10, 7),
        "pace.gap_ms.p50": (18.65, 28.63, 110),
        "pace.gap_ms.p99": (4743, 5204, 7612),
        "pace.gaps_under_1ms": (0.1349, 0.05, 0.05517),
        "pace.update_id_step.p50": (2, 2, 2),
        "pace.update_id_step.p99": (17, 27, 24),
        "sides.repeats_ask": (0.8974, 0.55, 0.6414),
        "sides.one_side": (1, 1, 0.9655),
        "sides.neither_side": (0, 0, 0),
        "sides.spread_bps.p50": (51.28, 73.73, 11.84),
        "quantity.relative.p95": (75.86, 4.95, 7.948),
        "quantity.log_sd": (2.122, 1.602, 1.218),
        "price.price_up": (0.3143, 0.1111, 0.1346),
        "price.price_down": (0.5429, 0.547, 0.3077),
        "price.price_changes": (0.08798, 0.2962, 0.1586),
        "price.jump_bps.p50": (1.832, 0.3728, 0.1715),
        "price.jump_bps.max": (20.18, 16.4, 12.37),
        "levels.life_seconds.p50": (0.09579, 0.1227, 2.678),
        "levels.life_seconds.p90": (14.88, 4.57, 14.43),
        "levels.lost_regained": (0.7273, 0.5385, 0.5714),
        "levels.back_from_behind": (0.3333, 0.1429, 0.2609),
        "levels.same_quantity": (0.7, 0.5455, 0.1667),
        "movement.return_1s_sd_bps": (2.514, 2.15, 1.783),
        "movement.range_60s_bps": (17.46, 26.4, 25.49),
    },
)

QUIET: Final = TapeFigures(
    sources=(
        ("alts10-20210405.jsonl.gz", "BTCSTUSDT"),
        ("alts10-20210405.jsonl.gz", "ETHBRL"),
        ("alts10-20210405.jsonl.gz", "RENBTCETH"),
        ("alts10-20210405.jsonl.gz", "BTCAUD"),
    ),
    figures={
        "pace.per_second": (1.288, 0.8592, 0.7965, 0.7483),
        "pace.in_one_second.p99": (7, 5, 4, 5),
        "pace.gap_ms.p50": (110, 437.4, 814.7, 176.3),
        "pace.gap_ms.p99": (7612, 9253, 1.088e04, 1.617e04),
        "pace.update_id_step.p50": (2, 2, 2, 2),
        "sides.repeats_ask": (0.6414, 0.5051, 0.2022, 0.3966),
        "sides.neither_side": (0, 0, 0, 0),
        "sides.spread_bps.p50": (11.84, 8.739, 165, 13.58),
        "price.price_changes": (0.1586, 0.3535, 0.6067, 0.3276),
        "levels.life_seconds.p50": (2.678, 0.05748, 1.771, 0.5942),
        "movement.return_1s_sd_bps": (1.783, 1.16, 0.01398, 0.6304),
        "movement.range_60s_bps": (25.49, 11.31, 0.4085, 6.099),
    },
)
