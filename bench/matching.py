"""How many quotes per second go through the matcher, by the number of resting orders.

No order is crossed, which is what almost every quote of a real stream is like. Beside it, in the
same run, the same quotes go through the simplest honest way: the same ledger, and a look at every
resting order. Only the ratios mean something; the figures are those of this machine.

    python -m bench.matching
"""

import gc
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import cycle, islice
from typing import Final

from app.domain.liquidity import LiquidityLedger
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Order, OrderId, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from bench.report import Figure, Result, Section, Table, amount, main

SYMBOL: Final = Symbol("LTCBTC")
ORDERS_TOTALS: Final = (1, 100, 10_000, 100_000)
MATCHER_QUOTES: Final = 200_000
SCAN_LOOKS: Final = 2_000_000
"""Orders that the scan may look at per row; it sets how many quotes it gets."""

ROUNDS: Final = 3
"""The best of them counts: whatever disturbs a round makes it slower, never faster."""

ACCEPTED_AT: Final = datetime(2024, 8, 8, tzinfo=UTC)


def make_orders(total: int) -> list[Order]:
    """Make buy orders at rising distance below every ask of ``make_quotes``."""
    return [
        Order(
            order_id=OrderId(str(number)),
            acceptance_number=number,
            owner=PUBLIC,
            client_order_id=None,
            symbol=SYMBOL,
            side=Side.BUY,
            time_in_force=TimeInForce.GTD,
            quantity=Decimal(1),
            limit_price=Decimal(99) - Decimal(number) / 10_000,
            accepted_at=ACCEPTED_AT,
            expires_at=ACCEPTED_AT,
        )
        for number in range(1, total + 1)
    ]


def make_quotes(total: int) -> list[Quote]:
    """Make quotes of which, as on a liquid pair, about half change the ask, and few its price."""
    asks = [
        (Decimal("100.01") + Decimal(step // 20) / 100, Decimal(5 + step // 2 % 7))
        for step in range(200)
    ]
    return [
        Quote(
            symbol=SYMBOL,
            update_id=update_id,
            bid_price=Decimal("100.00"),
            bid_quantity=Decimal(1 + (update_id % 2)),
            ask_price=price,
            ask_quantity=quantity,
            received_ns=update_id,
        )
        for update_id, (price, quantity) in enumerate(islice(cycle(asks), total), 1)
    ]


def seconds_of_matcher(orders: Sequence[Order], quotes: Sequence[Quote]) -> float:
    """Return the seconds that the matcher takes for all quotes."""
    matcher = SymbolMatcher(SYMBOL)
    for order in orders:
        matcher.rest(order, deadline_ns=2**62)

    def apply_all() -> None:
        apply_quote = matcher.apply_quote
        for quote in quotes:
            assert not apply_quote(quote)

    return _seconds(apply_all)


def seconds_of_scan(orders: Sequence[Order], quotes: Sequence[Quote]) -> float:
    """Return the seconds that a look at every order takes for all quotes."""
    ledger = LiquidityLedger(PUBLIC, Side.BUY)

    def apply_all() -> None:
        for quote in quotes:
            ledger.observe(quote.ask_price, quote.ask_quantity)
            reaching = [order for order in orders if order.limit_price >= quote.ask_price]
            assert not reaching

    return _seconds(apply_all)


def _seconds(act: Callable[[], None]) -> float:
    """Return CPU seconds, so that other processes disturb little."""
    gc.collect()
    started = time.process_time()
    act()
    return time.process_time() - started


def measure() -> Section:
    """Measure every row."""
    quotes = make_quotes(MATCHER_QUOTES)
    rows: list[tuple[str, ...]] = []
    rates: list[float] = []
    for total in ORDERS_TOTALS:
        orders = make_orders(total)
        scanned = quotes[: max(10, min(MATCHER_QUOTES, SCAN_LOOKS // total))]
        rate = MATCHER_QUOTES / min(seconds_of_matcher(orders, quotes) for _ in range(ROUNDS))
        scan_rate = len(scanned) / min(seconds_of_scan(orders, scanned) for _ in range(ROUNDS))
        rates.append(rate)
        rows.append((f"{total:,}", amount(rate), amount(scan_rate), f"{amount(rate / scan_rate)}x"))
    return Section(
        name="matching",
        title="Matching",
        method=(__doc__ or "").partition("\n\n")[2].rpartition("\n\n")[0].replace("\n", " "),
        results=(
            Result(
                what="Quotes through the matcher at 100,000 resting orders",
                ours=Figure(of="at 100,000", value=rates[-1], unit="quotes/s"),
                beside=(Figure(of="at 1", value=rates[0], unit="quotes/s"),),
                ratio=rates[0] / rates[-1],
                ratio_of="slower than at 1",
                goal="at most 1.3x",
                holds=rates[0] / rates[-1] <= 1.3,
            ),
        ),
        tables=(
            Table(
                title="By the number of resting orders",
                headings=("resting orders", "matcher, quotes/s", "scan, quotes/s", "ratio"),
                rows=tuple(rows),
            ),
        ),
    )


if __name__ == "__main__":
    main(measure)
