"""The cost of each step of a quote alone, over the same frames, in one process.

Every step is code of the service and gets the results of the step before. The sum is less than the
cost of the whole path, which also includes the calls between the steps, the socket and the event
loop.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from app.domain.matcher import SymbolMatcher
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.market.transport.framing import leading_texts
from bench.burst.frames import FIRST_UPDATE_ID, burst_pairs, market_quotes, wire_parts
from bench.harness.measuring import least_microseconds
from bench.harness.orders import buy_order
from bench.harness.report import Table, amount, tell

QUOTES: Final = 100_000
ROUNDS: Final = 5
FRAMES_PER_READ: Final = 2_000
"""About as many as one read of a burst brings."""

_Wire: Final = msgspec.defstruct("_Wire", [("u", int), *((key, str) for key in "sbBaA")], gc=False)


def stage_table() -> Table:
    """Measure each step."""
    tell("the steps of a quote")
    reads = list(
        wire_parts(
            market_quotes(1),
            first_update_id=FIRST_UPDATE_ID,
            total=QUOTES,
            frames_per_part=FRAMES_PER_READ,
            is_combined=False,
        )
    )
    texts = [text for data in reads for text in leading_texts(data, 0)[0]]
    read = FrameReader().read
    quotes = [quote for text in texts if isinstance(quote := read(text, 1), Quote)]
    assert len(texts) == len(quotes) == QUOTES, "every frame is a quote"
    decode = msgspec.json.Decoder(_Wire).decode
    cut = partial(leading_texts, position=0)
    steps: tuple[tuple[str, Callable[[], object]], ...] = (
        ("cut the texts out of a read", lambda: _each(cut, reads)),
        ("make a checked, typed quote of the text", lambda: _each(lambda one: read(one, 1), texts)),
        ("included there: decode six fields only", lambda: _each(decode, texts)),
        ("gate, ledger and matcher, one order resting", lambda: _apply(quotes)),
    )
    return Table(
        title="Where it goes",
        headings=("step", "CPU µs/quote"),
        rows=tuple(
            (name, amount(least_microseconds(act, total=QUOTES, rounds=ROUNDS)))
            for name, act in steps
        ),
        note=f"Each step alone, the cheapest of {ROUNDS} rounds. The rest of the whole cost is the "
        "socket, the calls between the steps, and the feed's counters and checks.",
    )


def _each(act: Callable[[bytes], object], items: Iterable[bytes]) -> None:
    """Call it for each item without keeping a result: a quote is dropped with the next one."""
    for item in items:
        act(item)


def _apply(quotes: Iterable[Quote]) -> None:
    symbol = burst_pairs(1)[0].symbol
    far = buy_order(1, symbol=symbol, limit_price=Decimal("0.00000001"))
    matcher = SymbolMatcher(far.symbol)
    matcher.rest(far, deadline_ns=2**62)
    apply_quote = matcher.apply_quote
    for quote in quotes:
        apply_quote(quote)
