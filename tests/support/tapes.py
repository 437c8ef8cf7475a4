"""Real recordings with their expected results, and their replay through the matcher.

The recordings are in ``../shared/tapes`` beside the repository and not part of it. A test that
needs a missing recording is skipped.
"""

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import pytest

from app.domain.amounts import ZERO
from app.domain.matcher import SymbolMatcher
from app.domain.order import Order, OrderId, Side, Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
from tests.support.builders import fills_of, make_order

TAPES_FOLDER: Final = Path(__file__).parents[2] / "../shared/tapes"
NANOSECONDS_PER_MICROSECOND: Final = 1_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

_received_ns = attrgetter("received_ns")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedOrder:
    """An order of a replay; the first quote it meets is the current one at ``placed_ns``."""

    order: Order
    placed_ns: int
    deadline_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeSplit:
    """One split; ``received_ns`` is the time of its quote on the tape."""

    update_id: int
    price: Decimal
    quantity: Decimal
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeResult:
    """The outcome of an order after its deadline on the tape."""

    final_state: str
    filled_quantity: Decimal
    remaining_quantity: Decimal
    quote_quantity: Decimal
    splits: tuple[TapeSplit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Orders on one tape, their expected results, and how many results each wrong rule changes."""

    name: str
    orders: tuple[PlacedOrder, ...]
    expected: Mapping[OrderId, TapeResult]
    changed_by_wrong_rule: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedResults:
    """The results file of one tape; each isolated scenario has one order."""

    isolated: tuple[Scenario, ...]
    isolated_changed_by_wrong_rule: Mapping[str, int]
    shared: tuple[Scenario, ...]


def find_tape_file(name: str) -> Path:
    """Return the path of a file among the tapes; skip the test where it is absent."""
    path = TAPES_FOLDER / name
    if not path.is_file():
        pytest.skip(f"{name} is not beside this repository, in ../shared/tapes")
    return path


@cache
def read_quotes(tape: str) -> Mapping[Symbol, Sequence[Quote]]:
    """Read a tape once per process: its quotes by symbol, in the order of receipt."""
    quotes: dict[Symbol, list[Quote]] = {}
    with gzip.open(find_tape_file(f"{tape}.jsonl.gz"), "rt", encoding="utf-8") as lines:
        for line in lines:
            quote = _quote(json.loads(line))
            quotes.setdefault(quote.symbol, []).append(quote)
    return quotes


@cache
def read_expected_document(tape: str) -> dict[str, Any]:
    """Read the results file of a tape as JSON, once per process."""
    text = find_tape_file(f"{tape}.expected.json").read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


@cache
def read_expected(tape: str) -> ExpectedResults:
    """Read the expected results of a tape once per process."""
    content = read_expected_document(tape)
    return ExpectedResults(
        isolated=tuple(
            _scenario(one["order"]["id"], [one["order"]], [one["expected"]])
            for one in content["isolated"]
        ),
        isolated_changed_by_wrong_rule=content["isolated_results_that_a_wrong_rule_would_change"],
        shared=tuple(
            _scenario(
                one["name"],
                one["orders"],
                one["expected"],
                one.get("orders_that_a_wrong_rule_would_change", {}),
            )
            for one in content["shared"]
        ),
    )


def replay(
    orders: Iterable[PlacedOrder],
    quotes: Mapping[Symbol, Sequence[Quote]],
    *,
    matcher_class: type[SymbolMatcher] = SymbolMatcher,
) -> dict[OrderId, TapeResult]:
    """Place the orders on the tape and return their results."""
    by_symbol: dict[Symbol, list[PlacedOrder]] = {}
    for placed in orders:
        by_symbol.setdefault(placed.order.symbol, []).append(placed)
    results: dict[OrderId, TapeResult] = {}
    for symbol, symbol_orders in by_symbol.items():
        results |= _replay_symbol(matcher_class(symbol), symbol_orders, quotes[symbol])
    return results


def _replay_symbol(
    matcher: SymbolMatcher, orders: Sequence[PlacedOrder], quotes: Sequence[Quote]
) -> dict[OrderId, TapeResult]:
    """Merge orders and quotes by time; at the same instant the quote comes first.

    Quotes before the first order leave no trace in the ledger. So the replay starts at the quote
    that the first order meets, and it ends with the last deadline.
    """
    splits: dict[OrderId, list[TapeSplit]] = {placed.order.order_id: [] for placed in orders}
    pending = sorted(orders, key=lambda placed: placed.placed_ns)
    last_deadline_ns = max(placed.deadline_ns for placed in orders)
    position = max(bisect_right(quotes, pending[0].placed_ns, key=_received_ns) - 1, 0)

    def run_until(stop: int) -> None:
        for quote in quotes[position:stop]:
            matcher.expire(quote.received_ns)
            _note(splits, matcher.apply_quote(quote), received_ns=quote.received_ns)

    for placed in pending:
        stop = bisect_right(quotes, placed.placed_ns, lo=position, key=_received_ns)
        run_until(stop)
        position = stop
        matcher.expire(placed.placed_ns)
        steps = matcher.rest(placed.order, deadline_ns=placed.deadline_ns)
        _note(splits, steps, received_ns=quotes[max(position - 1, 0)].received_ns)
    run_until(bisect_right(quotes, last_deadline_ns, lo=position, key=_received_ns))
    matcher.expire(last_deadline_ns + 1)
    assert matcher.resting_total == 0, "every order ends with its deadline"
    return {
        placed.order.order_id: _result(placed.order, splits[placed.order.order_id])
        for placed in orders
    }


def _note(
    splits: dict[OrderId, list[TapeSplit]], steps: Iterable[Step], *, received_ns: int
) -> None:
    for fill in fills_of(steps):
        split = TapeSplit(
            update_id=fill.update_id,
            price=fill.price,
            quantity=fill.quantity,
            received_ns=received_ns,
        )
        splits[fill.order.order_id].append(split)


def _result(order: Order, splits: Sequence[TapeSplit]) -> TapeResult:
    filled = sum((split.quantity for split in splits), ZERO)
    if filled == order.quantity:
        final_state = "filled"
    else:
        final_state = "expired_partial" if filled else "expired_unfilled"
    return TapeResult(
        final_state=final_state,
        filled_quantity=filled,
        remaining_quantity=order.quantity - filled,
        quote_quantity=sum((split.price * split.quantity for split in splits), ZERO),
        splits=tuple(splits),
    )


def _quote(frame: Mapping[str, Any]) -> Quote:
    data = frame["data"]
    return Quote(
        symbol=Symbol(data["s"]),
        update_id=data["u"],
        bid_price=Decimal(data["b"]),
        bid_quantity=Decimal(data["B"]),
        ask_price=Decimal(data["a"]),
        ask_quantity=Decimal(data["A"]),
        received_ns=frame["ts"] * NANOSECONDS_PER_MICROSECOND,
    )


def _scenario(
    name: str,
    orders: Sequence[Mapping[str, Any]],
    results: Sequence[Mapping[str, Any]],
    changed_by_wrong_rule: Mapping[str, int] | None = None,
) -> Scenario:
    return Scenario(
        name=name,
        orders=tuple(_placed_order(order, number) for number, order in enumerate(orders, 1)),
        expected={OrderId(result["id"]): _expected_result(result) for result in results},
        changed_by_wrong_rule=changed_by_wrong_rule or {},
    )


def _placed_order(order: Mapping[str, Any], number: int) -> PlacedOrder:
    placed_ns = order["placed_ts"] * NANOSECONDS_PER_MICROSECOND
    return PlacedOrder(
        order=make_order(
            order["order_size"],
            number=number,
            order_id=order["id"],
            limit_price=order["price"],
            side=Side(order["side"]),
            symbol=Symbol(order["symbol"]),
        ),
        placed_ns=placed_ns,
        deadline_ns=placed_ns + order["timeout_ms"] * NANOSECONDS_PER_MILLISECOND,
    )


def _expected_result(result: Mapping[str, Any]) -> TapeResult:
    return TapeResult(
        final_state=result["final_state"],
        filled_quantity=Decimal(result["filled_quantity"]),
        remaining_quantity=Decimal(result["remaining_quantity"]),
        quote_quantity=Decimal(result["total_cost"]),
        splits=tuple(
            TapeSplit(
                update_id=split["update_id"],
                price=Decimal(split["price"]),
                quantity=Decimal(split["quantity"]),
                received_ns=split["ts"] * NANOSECONDS_PER_MICROSECOND,
            )
            for split in result["splits"]
        ),
    )
