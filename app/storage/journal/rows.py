"""The parts that the journal writes, and their rows by table."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from app.domain.amounts import average_price, format_amount
from app.domain.events import OrderEvent, StoredEvent, SymbolOutcome
from app.domain.order import Arrival, Order, OrderId, OrderStatus, Owner, Side, Split, Symbol
from app.domain.rules import TradingRules
from app.ports import StoredRules
from app.storage.schema.tables import THE_ONLY_ROW

Value = str | int | Decimal | datetime | None
Row = dict[str, Value]
"""The values of a row by the name of their column."""

_LevelKey = tuple[Symbol, Owner, Side, Decimal]

_TEXTS_OF_RULES: Final = frozenset({"symbol", "status", "base_asset", "quote_asset"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One item that is stored as a whole or not at all.

    Attributes:
        content: An accepted order, the outcome of a symbol, or a copy of the trading rules. None in
            a marker of the queue, which stores nothing.
        events: The events of the content.
        position: The position of the first event in the stream; the next events follow it.
    """

    content: Order | SymbolOutcome | StoredRules | None
    events: tuple[OrderEvent, ...] = ()
    position: int = 0

    @property
    def order(self) -> Order | None:
        """The accepted order, if the part is an acceptance."""
        return self.content if isinstance(self.content, Order) else None

    @property
    def symbol(self) -> Symbol | None:
        """The symbol, if the part is an outcome."""
        return self.content.symbol if isinstance(self.content, SymbolOutcome) else None

    @property
    def stored_events(self) -> Iterator[StoredEvent]:
        """The events with their positions."""
        for position, event in enumerate(self.events, start=self.position):
            yield StoredEvent(position=position, event=event)


class Rows:
    """The rows of some parts, by table.

    A state, a gate, a ledger level and the rules replace the stored value, so only the last value
    of each is kept.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self.orders: list[Row] = []
        self.splits: list[Row] = []
        self.events: list[Row] = []
        self.fulfilled: list[Row] = []
        self.states: dict[OrderId, Row] = {}
        self.gates: dict[Symbol, Row] = {}
        self.taken: dict[_LevelKey, Row] = {}
        self.forgotten: dict[_LevelKey, Row] = {}
        self.rules: list[Row] = []
        for part in parts:
            self._add(part)

    def _add(self, part: Part) -> None:
        match part.content:
            case Order():
                (acceptance,) = part.events
                self.orders.append(_order_row(acceptance))
            case SymbolOutcome() as outcome:
                self._add_ledger(outcome)
            case StoredRules() as stored_rules:
                self.rules = [_rules_row(stored_rules)]
        for position, event in enumerate(part.events, start=part.position):
            self._add_event(event, position)

    def _add_event(self, event: OrderEvent, position: int) -> None:
        self.events.append(_event_row(event, position))
        if event.status is not OrderStatus.NEW:
            self.states[event.order.order_id] = _state_row(event)
        if event.split is not None:
            self.splits.append(_split_row(event.split))
        if event.status is OrderStatus.FILLED:
            self.fulfilled.append(_fulfilled_row(event))

    def _add_ledger(self, outcome: SymbolOutcome) -> None:
        symbol = outcome.symbol
        if outcome.gate:
            self.gates[symbol] = {"symbol": symbol, "update_id": outcome.gate}
        for level in outcome.ledger_changes:
            key = (symbol, level.owner, level.side, level.price)
            row: Row = dict(zip(("symbol", "owner", "side", "price"), key, strict=True))
            # Only the last change of a level counts. The delete runs after the write, so it would
            # remove a level that was forgotten first and put again later.
            if level.quantity:
                self.forgotten.pop(key, None)
                self.taken[key] = row | {"quantity": level.quantity, "update_id": outcome.gate}
            else:
                self.taken.pop(key, None)
                self.forgotten[key] = row


def read_rules(text: str) -> tuple[TradingRules, ...]:
    """Parse the rules as ``Rows`` wrote them.

    Raises:
        ValueError: another release wrote the rules in another form.
    """
    try:
        return tuple(_rules(one) for one in json.loads(text))
    except (AttributeError, TypeError, LookupError, ArithmeticError) as error:
        raise ValueError("not the rules as this release writes them") from error


def _rules(stored: dict[str, str]) -> TradingRules:
    amounts = {
        name: Decimal(value) for name, value in stored.items() if name not in _TEXTS_OF_RULES
    }
    return TradingRules(
        symbol=Symbol(stored["symbol"]),
        status=stored["status"],
        base_asset=stored["base_asset"],
        quote_asset=stored["quote_asset"],
        **amounts,
    )


def key_row(order: Order) -> Row:
    """Return the row that reserves the key of an order."""
    return {
        "owner": order.owner,
        "client_order_id": order.client_order_id,
        "order_id": order.order_id,
    }


def _order_row(acceptance: OrderEvent) -> Row:
    order = acceptance.order
    return {
        "acceptance_number": order.acceptance_number,
        "order_id": order.order_id,
        "owner": order.owner,
        "client_order_id": order.client_order_id,
        "symbol": order.symbol,
        "side": order.side,
        "time_in_force": order.time_in_force,
        "quantity": order.quantity,
        "limit_price": order.limit_price,
        "status": OrderStatus.NEW,
        "reason": None,
        "filled_quantity": Decimal(0),
        "quote_quantity": Decimal(0),
        "splits_total": 0,
        "last_sequence": 1,
        "accepted_at": order.accepted_at,
        "expires_at": order.expires_at,
        "closed_at": None,
        "arrival_update_id": _arrival_update_id(acceptance.arrival),
        "arrival_price": _arrival_price(acceptance.arrival),
        "quotes_seen": acceptance.quotes_seen,
        "departure_update_id": None,
        "decision_price": None,
        "decision_displayed_quantity": None,
        "decision_taken_quantity": None,
    }


def _event_row(event: OrderEvent, position: int) -> Row:
    return {
        "position": position,
        "order_id": event.order.order_id,
        "sequence": event.sequence,
        "status": event.status,
        "reason": event.reason,
        "at": event.at,
        "split_number": None if event.split is None else event.split.split_number,
        "filled_quantity": event.filled_quantity,
        "quote_quantity": event.quote_quantity,
    }


def _state_row(event: OrderEvent) -> Row:
    """Return the values that an event changes in its order.

    The names differ from the column names, which SQLAlchemy reserves in an UPDATE.
    """
    decision = event.decision
    return {
        "the_order_id": event.order.order_id,
        "new_status": event.status,
        "new_reason": event.reason,
        "new_filled_quantity": event.filled_quantity,
        "new_quote_quantity": event.quote_quantity,
        "new_splits_total": event.splits_total,
        "new_last_sequence": event.sequence,
        "new_closed_at": event.at if event.status.is_terminal else None,
        "new_arrival_update_id": _arrival_update_id(event.arrival),
        "new_arrival_price": _arrival_price(event.arrival),
        "new_quotes_seen": event.quotes_seen,
        "new_departure_update_id": event.departure_update_id,
        "new_decision_price": None if decision is None else decision.price,
        "new_decision_displayed_quantity": None
        if decision is None
        else decision.displayed_quantity,
        "new_decision_taken_quantity": None if decision is None else decision.taken_quantity,
    }


def _arrival_update_id(arrival: Arrival | None) -> int | None:
    return None if arrival is None else arrival.update_id


def _arrival_price(arrival: Arrival | None) -> Decimal | None:
    return None if arrival is None else arrival.price


def _split_row(split: Split) -> Row:
    return {
        "order_id": split.order_id,
        "split_number": split.split_number,
        "update_id": split.update_id,
        "price": split.price,
        "quantity": split.quantity,
        "displayed_quantity": split.displayed_quantity,
        "filled_at": split.filled_at,
    }


def _fulfilled_row(event: OrderEvent) -> Row:
    order = event.order
    return {
        "id": order.order_id,
        "created_at": event.at,
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "price": order.limit_price,
        "average_price": average_price(
            quote_quantity=event.quote_quantity, filled_quantity=event.filled_quantity
        ),
    }


def _rules_row(stored: StoredRules) -> Row:
    listed = [asdict(one) for one in stored.rules]
    text = json.dumps(listed, default=format_amount, separators=(",", ":"), ensure_ascii=False)
    return {"id": THE_ONLY_ROW, "fetched_at": stored.fetched_at, "rules": text}
