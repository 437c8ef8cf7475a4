"""Quotes per second through hftbacktest's exchange, by the number of resting orders.

A backtester in Rust: it gets the whole tape as one prepared array of depth changes in floating
point, so nothing is decoded, and one call plays all of it, for its exchange and for its local view
of it. Of its two order books this is the faster one. It keeps no account of taken liquidity.

    matching_hftbacktest.py TAPE LIMIT_PRICE ORDERS...
"""

import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    BacktestAsset,
    ROIVectorMarketDepthBacktest,
)
from hftbacktest.types import event_dtype

ROUNDS: Final = 3
NS_PER_QUOTE: Final = 1_000_000
FIRST_NS: Final = 10_000_000_000
"""Long enough after the beginning for orders to be placed before the first quote."""

PRICE_MAX: Final = 100_000.0
CHANGE: Final = DEPTH_EVENT | EXCH_EVENT | LOCAL_EVENT


def depth_changes(frames: list[bytes]) -> np.ndarray:
    """Return the tape as changes of the depth: where a touch moves, the old one goes."""
    rows = [
        (CHANGE | flag, at_ns, at_ns, price, quantity, 0, 0, 0.0)
        for number, frame in enumerate(frames)
        for at_ns, flag, price, quantity in _changes(json.loads(frame), number)
    ]
    kept: list[tuple[float, ...]] = []
    last = {BUY_EVENT: 0.0, SELL_EVENT: 0.0}
    for row in rows:
        flag = BUY_EVENT if row[0] & BUY_EVENT else SELL_EVENT
        kept.append(row)
        if last[flag] not in {0.0, row[3]}:
            kept.append((*row[:3], last[flag], 0.0, 0, 0, 0.0))
        last[flag] = row[3]
    return np.array(kept, dtype=event_dtype)


def _changes(quote: dict[str, str], number: int) -> Iterator[tuple[int, int, float, float]]:
    at_ns = FIRST_NS + number * NS_PER_QUOTE
    yield at_ns, BUY_EVENT, float(quote["b"]), float(quote["B"])
    yield at_ns, SELL_EVENT, float(quote["a"]), float(quote["A"])


def seconds_at(orders_total: int, limit_price: int, changes: np.ndarray) -> float:
    """Return the CPU seconds of the whole tape, played once."""
    asset = (
        BacktestAsset()
        .data([changes])
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0, 0)
        .tick_size(0.01)
        .lot_size(0.00001)
        .roi_lb(0.0)
        .roi_ub(PRICE_MAX)
        .last_trades_capacity(0)
    )
    backtest = ROIVectorMarketDepthBacktest([asset])
    for number in range(orders_total):
        price = limit_price - number / 100
        backtest.submit_buy_order(0, number, price, 1.0, GTC, LIMIT, False)  # noqa: FBT003 - theirs
    started = time.process_time()
    backtest.elapse(FIRST_NS + len(changes) * NS_PER_QUOTE)
    seconds = time.process_time() - started
    assert len(backtest.orders(0)) == orders_total, "no order was to be filled"
    backtest.close()
    return seconds


def main() -> None:
    """Print the rates of each number of orders."""
    tape, limit_price, *totals = sys.argv[1:]
    frames = Path(tape).read_bytes().splitlines()
    changes = depth_changes(frames)
    seconds_at(1, int(limit_price), changes)  # what is compiled at the first use is no part of it
    rates = {
        total: len(frames)
        / min(seconds_at(int(total), int(limit_price), changes) for _ in range(ROUNDS))
        for total in totals
    }
    print(
        json.dumps(
            {
                "version": version("hftbacktest"),
                "rates": {t: {"prepared": r} for t, r in rates.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
