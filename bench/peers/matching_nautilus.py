"""Quotes per second through nautilus_trader's matching engine, by the number of resting orders.

The engine is called directly, without an exchange, data engine or message bus before it, and with
all options off. It does not track taken liquidity. The orders are GTD limit orders, like ours.
``decoded`` includes the decoding of each frame by its Binance adapter, and ``parsed`` gets quotes
that were made before.

    matching_nautilus.py TAPE LIMIT_PRICE ORDERS...
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
from nautilus_trader.adapters.binance.common.schemas.market import BinanceQuoteData
from nautilus_trader.backtest.engine import OrderMatchingEngine
from nautilus_trader.backtest.models import FillModel, MakerTakerFeeModel
from nautilus_trader.common.component import MessageBus, TestClock
from nautilus_trader.core.datetime import unix_nanos_to_dt
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.enums import AccountType, BookType, OmsType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CurrencyPair
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.test_kit.stubs.component import TestComponentStubs
from nautilus_trader.test_kit.stubs.execution import TestExecStubs
from nautilus_trader.test_kit.stubs.identifiers import TestIdStubs

LOOKS_MAX: Final = 6_000_000
"""The orders to check per row: it checks each of them at every quote."""

ROUNDS: Final = 3
FAR_NS: Final = 4_000_000_000_000_000_000
DECIMALS: Final = 8
STEP: Final = "0.00000001"
INSTRUMENT: Final = CurrencyPair(
    instrument_id=InstrumentId(Symbol("BTCUSDT"), Venue("BINANCE")),
    raw_symbol=Symbol("BTCUSDT"),
    base_currency=BTC,
    quote_currency=USDT,
    price_precision=DECIMALS,
    size_precision=DECIMALS,
    price_increment=Price.from_str(STEP),
    size_increment=Quantity.from_str(STEP),
    ts_event=0,
    ts_init=0,
)

decode = msgspec.json.Decoder(BinanceQuoteData).decode


def make_engine(orders_total: int, limit_price: int) -> OrderMatchingEngine:
    """Make an engine with resting orders, each a hundredth below the one before."""
    clock = TestClock()
    msgbus = MessageBus(trader_id=TestIdStubs.trader_id(), clock=clock)
    msgbus.register("ExecEngine.process", lambda _: None)
    cache = TestComponentStubs.cache()
    cache.add_instrument(INSTRUMENT)
    engine = OrderMatchingEngine(
        instrument=INSTRUMENT,
        raw_id=0,
        fill_model=FillModel(),
        fee_model=MakerTakerFeeModel(),
        book_type=BookType.L1_MBP,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        msgbus=msgbus,
        cache=cache,
        clock=clock,
        support_contingent_orders=False,
        use_position_ids=False,
        use_reduce_only=False,
        bar_execution=False,
    )
    for number in range(orders_total):
        order = TestExecStubs.limit_order(
            instrument=INSTRUMENT,
            order_side=OrderSide.BUY,
            price=Price(limit_price - number / 100, DECIMALS),
            quantity=Quantity(1, DECIMALS),
            time_in_force=TimeInForce.GTD,
            expire_time=unix_nanos_to_dt(FAR_NS),
            client_order_id=ClientOrderId(f"O-{number}"),
        )
        cache.add_order(order)
        engine.process_order(order, TestIdStubs.account_id())
    return engine


def seconds_of(act: Callable[[Sequence[object]], None], given: Sequence[object]) -> float:
    """Return the CPU seconds of the best round."""
    found: list[float] = []
    for _ in range(ROUNDS):
        started = time.process_time()
        act(given)
        found.append(time.process_time() - started)
    return min(found)


def rates_at(orders_total: int, limit_price: int, frames: Sequence[bytes]) -> dict[str, float]:
    """Return quotes per second, decoded and parsed, and check that no order was filled."""
    engine = make_engine(orders_total, limit_price)
    instrument_id = INSTRUMENT.id
    some = frames[: max(20, min(len(frames), LOOKS_MAX // orders_total))]
    ticks = [decode(frame).parse_to_quote_tick(instrument_id, 1) for frame in some]
    process = engine.process_quote_tick

    def from_frames(given: Sequence[bytes]) -> None:
        for frame in given:
            process(decode(frame).parse_to_quote_tick(instrument_id, 1))

    def from_ticks(given: Sequence[object]) -> None:
        for tick in given:
            process(tick)

    rates = {
        "decoded": len(some) / seconds_of(from_frames, some),
        "parsed": len(some) / seconds_of(from_ticks, ticks),
    }
    assert len(engine.get_open_orders()) == orders_total, "no order was to be filled"
    return rates


def main() -> None:
    """Print the rates of each number of orders."""
    tape, limit_price, *totals = sys.argv[1:]
    frames = Path(tape).read_bytes().splitlines()
    rates = {total: rates_at(int(total), int(limit_price), frames) for total in totals}
    print(json.dumps({"version": version("nautilus_trader"), "rates": rates}))


if __name__ == "__main__":
    main()
