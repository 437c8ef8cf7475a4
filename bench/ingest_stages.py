"""Where the cost of a quote goes: each step of its way alone, over the same frames, in one process.

Every step is what the service runs, given what the step before it makes; the sum is less than the
cost of the whole way, which also has the calls between them, the socket and the event loop.
"""

import gc
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from app.clock import SystemClock
from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, Order, OrderId, Side, Symbol, TimeInForce
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.market.transport.framing import leading_texts
from bench.burst_frames import FIRST_UPDATE_ID, burst_pairs, market_quotes, wire_parts
from bench.report import Table, amount, tell

QUOTES: Final = 100_000
ROUNDS: Final = 5
"""The cheapest counts: whatever disturbs a round makes it dearer."""

FRAMES_PER_READ: Final = 2_000
"""About what one read of a burst brings."""


class _Wire(msgspec.Struct, gc=False):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


def stage_table() -> Table:
    """Measure each step."""
    tell("the steps of a quote")
    reads = [
        part.data
        for part in wire_parts(
            market_quotes(1),
            first_update_id=FIRST_UPDATE_ID,
            total=QUOTES,
            frames_per_part=FRAMES_PER_READ,
            is_combined=False,
        )
    ]
    texts = [text for data in reads for text in leading_texts(data, 0)[0]]
    read = FrameReader().read
    quotes = [quote for text in texts if isinstance(quote := read(text, 1), Quote)]
    assert len(texts) == len(quotes) == QUOTES, "every frame is a quote"
    decode = msgspec.json.Decoder(_Wire).decode
    cut = partial(leading_texts, position=0)
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("cut the text out of what was read", lambda: _each(cut, reads)),
        ("a typed quote of the text, checked", lambda: _each(lambda text: read(text, 1), texts)),
        ("of that: to decode six fields, and no more", lambda: _each(decode, texts)),
        ("gate, ledger and matcher, one order resting", lambda: _apply(quotes)),
    )
    rows = [(name, amount(_microseconds(act))) for name, act in steps]
    return Table(
        title="Where it goes",
        headings=("step", "CPU µs/quote"),
        rows=tuple(rows),
        note=f"Each step alone, the cheapest of {ROUNDS} rounds. The rest of the whole is the "
        "socket, the calls between the steps, and what counts and looks after the stream.",
    )


def _each(act: Callable[[bytes], object], items: Iterable[bytes]) -> None:
    """Do it to each, and keep nothing: a quote is dropped with the next one."""
    for item in items:
        act(item)


def _apply(quotes: Iterable[Quote]) -> None:
    matcher = SymbolMatcher(Symbol(burst_pairs(1)[0].symbol))
    now = SystemClock().now()
    far = Order(
        order_id=OrderId("1"),
        acceptance_number=1,
        owner=PUBLIC,
        client_order_id=None,
        symbol=matcher.symbol,
        side=Side.BUY,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1),
        limit_price=Decimal("0.00000001"),
        accepted_at=now,
        expires_at=now,
    )
    matcher.rest(far, deadline_ns=2**62)
    apply_quote = matcher.apply_quote
    for quote in quotes:
        apply_quote(quote)


def _microseconds(act: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        gc.collect()
        started = time.process_time()
        act()
        seconds.append(time.process_time() - started)
    return min(seconds) / QUOTES * 1e6
