"""Quotes per second through decoding, ledger and matching, by the number of resting orders.

Every row gets the same seeded frames, as Binance sends them. Each frame is parsed, orders whose
time is up end, and the quote is applied, as the service does it. The same run also measures another
matching engine on the same tape. All figures are quotes per second of CPU time, the best of some
rounds in which all rows take turns.

    python -m bench.matching
"""

import random
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final, cast

from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, Symbol
from app.domain.quote import Quote
from app.market.book_ticker import FrameReader
from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import venue_quote
from bench.harness.measuring import measured
from bench.harness.orders import buy_order
from bench.harness.peer_environments import run_peer
from bench.harness.report import Result, Section, Table, amount, compared, main, method_of, tell

ORDERS_TOTALS: Final = (1, 100, 10_000, 100_000)
NAUTILUS_TOTALS: Final = (1, 100, 10_000)
"""It takes minutes to place 100,000 orders: it sorts all of them at each one."""

QUOTES: Final = 40_000
ROUNDS: Final = 3
GROWTH_MAX: Final = 1.3
NAUTILUS_MIN: Final = {1: 1.5, 10_000: 500.0}
"""Its loop over all orders is compiled and our code is interpreted, so the second ratio depends on
the processor: runs gave 337 on a slow one, and 600 to 780."""

SEED: Final = 20240808
SYMBOL: Final = Symbol("BTCUSDT")
LIMIT_PRICE: Final = 30_000
"""The best limit of the orders that rest far from the market, which is at about 62,000."""

FAR_NS: Final = 2**62
FAR_SPREAD_NS: Final = 10**12
"""Far deadlines are spread over a thousand seconds, so they are not in the order of arrival."""

NS_PER_QUOTE: Final = 10_000
"""100,000 quotes a second, a fraction of the matcher's limit."""

QUOTES_PER_ORDER: Final = 20
"""So 5,000 orders a second come and 5,000 end: half are canceled, half expire."""

NS_PER_ORDER: Final = QUOTES_PER_ORDER * NS_PER_QUOTE
LIFETIME_NS: Final = 10_000_000
MARKETABLE_LIMIT_PRICE: Final = 62_001


@dataclass(frozen=True, slots=True, kw_only=True)
class RestingOrder:
    """An order and its deadline."""

    order: Order
    deadline_ns: int


def market_frames(total: int) -> list[bytes]:
    """Make frames of the simulator's BTCUSDT; each call returns the same."""
    (pair,) = (pair for pair in PAIRS if pair.symbol == SYMBOL)
    quotes = SyntheticMarket(SEED).pair_quotes(pair, first_update_id=1)
    return [quote.data.encode() for quote in islice(quotes, total)]


def filling_frames(total: int) -> list[bytes]:
    """Make frames that each show one unit more than the frame before."""
    return [
        venue_quote(
            symbol=SYMBOL,
            update_id=update_id,
            bid=("61000.00000000", "1.00000000"),
            ask=("62000.00000000", f"{update_id}.00000000"),
        ).data.encode()
        for update_id in range(1, total + 1)
    ]


def make_order(number: int, limit_price: Decimal, deadline_ns: int | None = None) -> RestingOrder:
    """Make an order of one unit; without a given deadline it never ends."""
    if deadline_ns is None:
        deadline_ns = FAR_NS + random.Random(number).randrange(FAR_SPREAD_NS)  # noqa: S311 - a load
    order = buy_order(number, symbol=SYMBOL, limit_price=limit_price)
    return RestingOrder(order=order, deadline_ns=deadline_ns)


def far_limit(place: int) -> Decimal:
    """Return the limit price at a place far from the market; places are a hundredth apart."""
    return LIMIT_PRICE - Decimal(place) / 100


@cache
def far_orders(total: int) -> tuple[RestingOrder, ...]:
    """Make orders far from the market."""
    return tuple(make_order(1 + place, far_limit(place)) for place in range(total))


@cache
def marketable_orders(total: int, *, first: int = 1) -> tuple[RestingOrder, ...]:
    """Make orders that the touch of ``filling_frames`` reaches."""
    limit_price = Decimal(MARKETABLE_LIMIT_PRICE)
    return tuple(make_order(number, limit_price) for number in range(first, first + total))


class Matcher(SymbolMatcher):
    """The matcher of the service, with the decoding before it."""

    def __init__(self, orders: Sequence[RestingOrder]) -> None:
        super().__init__(SYMBOL)
        self._read = FrameReader().read
        for one in orders:
            self.rest(one.order, deadline_ns=one.deadline_ns)

    def take(self, frame: bytes, received_ns: int) -> int:
        """Process a frame as the service does; return how many orders fill or end."""
        quote = self._read(frame, received_ns)
        assert isinstance(quote, Quote)
        ended = self.expire(received_ns) if self.first_deadline_ns < received_ns else ()
        return len(ended) + len(self.apply_quote(quote))


Load = Callable[[int, Sequence[bytes]], float]
"""Measures the matcher at a number of resting orders; returns CPU seconds for all frames."""


def far_from_the_market(orders_total: int, frames: Sequence[bytes]) -> float:
    """No quote fills an order, like almost every quote of a real stream."""
    matcher = Matcher(far_orders(orders_total))
    with measured(len(frames)) as cost:
        for number, frame in enumerate(frames):
            matcher.take(frame, number * NS_PER_QUOTE)
    assert matcher.resting_total == orders_total, "no order was to be filled"
    return cost.cpu_seconds


def one_fill_a_quote(orders_total: int, frames: Sequence[bytes]) -> float:
    """Every order reaches the touch, every quote fills one order, and a new order replaces it."""
    matcher = Matcher(marketable_orders(orders_total))
    more = marketable_orders(len(frames), first=orders_total + 1)
    filled = 0
    with measured(len(frames)) as cost:
        for number, (frame, one) in enumerate(zip(frames, more, strict=True)):
            filled += matcher.take(frame, number * NS_PER_QUOTE)
            matcher.rest(one.order, deadline_ns=one.deadline_ns)
    assert filled == len(frames), "every quote was to fill one order"
    return cost.cpu_seconds


def orders_come_and_go(orders_total: int, frames: Sequence[bytes]) -> float:
    """At every twentieth quote an order comes, anywhere among the others, and one ends.

    In turn the new order expires soon, or it stays and another order, chosen at random, is
    canceled.
    """
    chance = random.Random(SEED)  # noqa: S311 - a load, no secret
    resting = list(far_orders(orders_total))
    coming = [
        make_order(
            1 + orders_total + turn,
            far_limit(chance.randrange(orders_total)),
            None if turn % 2 else turn * NS_PER_ORDER + LIFETIME_NS,
        )
        for turn in range(len(frames) // QUOTES_PER_ORDER)
    ]
    matcher = Matcher(resting)
    ended = 0
    with measured(len(frames)) as cost:
        for number, frame in enumerate(frames):
            ended += matcher.take(frame, number * NS_PER_QUOTE)
            turn, rest = divmod(number, QUOTES_PER_ORDER)
            if rest == 0:
                matcher.rest(coming[turn].order, deadline_ns=coming[turn].deadline_ns)
            elif rest == QUOTES_PER_ORDER // 2 and turn % 2:
                leaving = chance.randrange(orders_total)
                matcher.cancel(resting[leaving].order.order_id)
                resting[leaving] = coming[turn]
    living = LIFETIME_NS // NS_PER_ORDER
    assert ended == max(0, len(coming) - living) // 2, "orders were to expire"
    expected = orders_total + (len(coming) + 1) // 2 - ended
    assert matcher.resting_total == expected, "as many end as come"
    return cost.cpu_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The rates of another engine by number of orders, or why there are none."""

    name: str
    rates: dict[int, dict[str, float]]
    cause: str = ""

    def rate(self, kind: str, orders_total: int) -> float | None:
        """Return a rate in quotes per second, None if it was not measured."""
        return self.rates.get(orders_total, {}).get(kind)


def rates_of(load: Load, frames: list[bytes]) -> list[float]:
    """Return quotes per second for each number of orders."""
    tell((load.__doc__ or "").partition("\n")[0])
    rounds = [[load(total, frames) for total in ORDERS_TOTALS] for _ in range(ROUNDS)]
    return [len(frames) / min(seconds) for seconds in zip(*rounds, strict=True)]


def ask_peer(name: str, script: str, tape: Path, totals: tuple[int, ...]) -> Peer:
    """Run another engine on the tape; the result says if that failed."""
    tell(f"running {name}")
    try:
        printed = run_peer("matching", script, str(tape), str(LIMIT_PRICE), *map(str, totals))
    except (subprocess.CalledProcessError, OSError) as error:
        return Peer(name=name, rates={}, cause=str(error))
    rates = cast("dict[str, dict[str, float]]", printed["rates"])
    return Peer(
        name=f"{name} {printed['version']}",
        rates={int(total): of_total for total, of_total in rates.items()},
    )


def flatness(what: str, rates: list[float], *, note: str = "") -> Result:
    """Compare the rate at one order with the rate at the most."""
    first, last = ORDERS_TOTALS[0], ORDERS_TOTALS[-1]
    return compared(
        what,
        "quotes/s",
        {f"at {last:,}": rates[-1], f"at {first:,}": rates[0]},
        ratio=rates[0] / rates[-1],
        ratio_of=f"the cost at {first:,}",
        at_most=GROWTH_MAX,
        note=note,
    )


def against(peer: Peer, rates: list[float], orders_total: int) -> Result:
    """Compare our rate with the rate of another engine, both from the frame on."""
    ours = rates[ORDERS_TOTALS.index(orders_total)]
    theirs = peer.rate("decoded", orders_total)
    figures = {"ours": ours}
    if theirs is not None:
        figures[f"{peer.name}, decoded by it"] = theirs
    parsed = peer.rate("parsed", orders_total)
    return compared(
        f"Quotes through decode, ledger and match at {orders_total:,}",
        "quotes/s",
        figures,
        ratio=None if theirs is None else ours / theirs,
        ratio_of="the rate of nautilus_trader",
        at_least=NAUTILUS_MIN[orders_total],
        note=f"Could not be measured: {peer.cause}"
        if parsed is None
        else f"Its bare engine processes {amount(parsed)} quotes a second that were parsed before.",
    )


def rate_table(loads: Sequence[Sequence[float]], peer: Peer) -> Table:
    """Show all loads and the other engine, which gets the first load."""

    def cells(total: int) -> list[str]:
        found = [peer.rate(kind, total) for kind in ("decoded", "parsed")]
        return ["-" if rate is None else amount(rate) for rate in found]

    return Table(
        title="Quotes per second",
        headings=(
            "resting orders",
            "no quote fills an order",
            "every quote fills one order",
            "orders come, are canceled and expire",
            f"{peer.name}, no quote fills an order",
            "the same, parsed before",
        ),
        rows=tuple(
            (f"{total:,}", *map(amount, rates), *cells(total))
            for total, *rates in zip(ORDERS_TOTALS, *loads, strict=True)
        ),
        note="Where every quote fills one order, all orders reach the touch, each quote shows one "
        "unit more, and a new order replaces the filled one. Where orders come and go, quotes come "
        "at 100,000 a second and orders at 5,000, anywhere among the resting ones, and as many "
        "end, canceled or expired in turn. nautilus_trader: its OrderMatchingEngine alone on L1 "
        "quotes, decoded by its Binance adapter, and again with quotes made before. It takes "
        "minutes to place 100,000 orders, and it does not track the taken part of the displayed "
        f"quantity. {peer.cause}",
    )


def measure() -> Section:
    """Measure every row."""
    market, filling = market_frames(QUOTES), filling_frames(QUOTES)
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "tape.jsonl"
        tape.write_bytes(b"\n".join(market) + b"\n")
        nautilus = ask_peer("nautilus_trader", "matching_nautilus.py", tape, NAUTILUS_TOTALS)
    far, filled, moving = (
        rates_of(load, frames)
        for load, frames in (
            (far_from_the_market, market),
            (one_fill_a_quote, filling),
            (orders_come_and_go, market),
        )
    )
    return Section(
        name="matching",
        title="Matching",
        method=method_of(__doc__),
        results=(
            flatness("Quotes, none of which fills an order", far),
            flatness(
                "Quotes, each of which fills one order",
                filled,
                note="By a profile of such a run (perf), the growth is mainly the wait for memory: "
                "an order that waited among 100,000 is in no cache of the processor when its turn "
                "comes, and neither are its entries in the three tables by id, rank and deadline. "
                "A smaller part is the heap of ranks. A plain queue, the cheapest structure, was "
                "measured once at some 0.05 less.",
            ),
            flatness("Quotes, while orders come, are canceled and expire", moving),
            *(against(nautilus, far, total) for total in NAUTILUS_MIN),
        ),
        tables=(rate_table((far, filled, moving), nautilus),),
    )


if __name__ == "__main__":
    main(measure)
