"""Every kind of violation, as statements that plant it in the database of ``sound_database``."""

# ruff: noqa: S608 - statements made of constants

from dataclasses import dataclass
from typing import Final

from app.auditing.audit_report import Invariant
from tests.support.sound_database import (
    ANOTHER_OWNERS,
    CANCELED,
    EXPIRED_EMPTY,
    EXPIRED_PARTLY,
    FILL_OR_KILL,
    FILLED,
    NEW,
    OPEN,
    id_of,
)


@dataclass(frozen=True, slots=True)
class Planted:
    """What is done to the database, and what an audit must say of it.

    ``number`` is the order that must be named, None if no order is to blame. ``is_constrained``
    says that a constraint of the schema forbids it, which has to be lifted first.
    """

    name: str
    invariant: Invariant
    number: int | None
    statements: tuple[str, ...]
    is_constrained: bool = False


def _order(number: int, change: str) -> str:
    return f"UPDATE orders SET {change} WHERE order_id = '{id_of(number)}'"


def _event(number: int, sequence: int, change: str) -> str:
    return (
        f"UPDATE order_events SET {change}"
        f" WHERE order_id = '{id_of(number)}' AND sequence = {sequence}"
    )


def _split(number: int, split_number: int, change: str) -> str:
    return (
        f"UPDATE fulfilled_order_splits SET {change}"
        f" WHERE order_id = '{id_of(number)}' AND split_number = {split_number}"
    )


def _fulfilled(number: int, change: str) -> str:
    return f"UPDATE fulfilled_orders SET {change} WHERE id = '{id_of(number)}'"


def _no_events(number: int, condition: str = "true") -> str:
    return f"DELETE FROM order_events WHERE order_id = '{id_of(number)}' AND {condition}"


def _level(symbol: str, price: str, change: str) -> str:
    return f"UPDATE taken_liquidity SET {change} WHERE symbol = '{symbol}' AND price = '{price}'"


LATER: Final = "'2024-08-08T23:54:20.000000Z'"
EARLIER: Final = "'2024-08-08T23:54:10.000000Z'"

_TWICE_ENDED: Final = f"""
INSERT INTO order_events
  (position, order_id, sequence, status, reason, at, filled_quantity, quote_quantity)
SELECT 1000, order_id, 3, status, reason, at, filled_quantity, quote_quantity
FROM order_events WHERE order_id = '{id_of(EXPIRED_EMPTY)}' AND sequence = 2
"""

_FULFILLED_AFTER_ALL: Final = f"""
INSERT INTO fulfilled_orders (id, created_at, symbol, side, quantity, price, average_price)
SELECT order_id, closed_at, symbol, side, quantity, limit_price, limit_price
FROM orders WHERE order_id = '{id_of(CANCELED)}'
"""

PLANTED: Final = (
    Planted(
        "a row without an order",
        Invariant.REFERENCES,
        NEW,
        (f"DELETE FROM orders WHERE order_id = '{id_of(NEW)}'",),
        is_constrained=True,
    ),
    Planted(
        "an amount in a form we never write",
        Invariant.FORM,
        FILLED,
        (_order(FILLED, "quantity = '8.0'"),),
        is_constrained=True,
    ),
    Planted(
        "an amount that is no number",
        Invariant.FORM,
        FILLED,
        (_split(FILLED, 1, "price = 'NaN'"),),
        is_constrained=True,
    ),
    Planted(
        "a time that is not UTC",
        Invariant.FORM,
        CANCELED,
        (_order(CANCELED, "closed_at = '2024-08-08 23:54:15'"),),
        is_constrained=True,
    ),
    Planted(
        "a status that nobody knows",
        Invariant.FORM,
        OPEN,
        (_order(OPEN, "status = 'PENDING'"),),
        is_constrained=True,
    ),
    Planted(
        "a level in a form we never write",
        Invariant.FORM,
        None,
        (_level("LTCBTC", "99.5", "quantity = 'four'"),),
        is_constrained=True,
    ),
    Planted(
        "a number that is none",
        Invariant.FORM,
        OPEN,
        (_order(OPEN, "splits_total = 'one'"),),
        is_constrained=True,
    ),
    Planted(
        "an event is missing",
        Invariant.SEQUENCES,
        FILLED,
        (_no_events(FILLED, "sequence = 2"),),
    ),
    Planted("no event at all", Invariant.SEQUENCES, NEW, (_no_events(NEW),)),
    Planted(
        "the first event is not NEW",
        Invariant.SEQUENCES,
        NEW,
        (_event(NEW, 1, "status = 'PARTIALLY_FILLED', split_number = 1"),),
        is_constrained=True,
    ),
    Planted(
        "positions that fall within an order",
        Invariant.POSITIONS,
        CANCELED,
        (
            _event(CANCELED, 1, "position = 1000"),
            _event(CANCELED, 2, "position = 999"),
        ),
    ),
    Planted(
        "an event after the last",
        Invariant.TRANSITIONS,
        EXPIRED_EMPTY,
        (_TWICE_ENDED,),
    ),
    Planted(
        "a status that the events do not give",
        Invariant.ORDER_STATE,
        CANCELED,
        (_order(CANCELED, "status = 'EXPIRED', reason = 'TIMEOUT'"),),
    ),
    Planted(
        "a time of closing that the events do not give",
        Invariant.ORDER_STATE,
        CANCELED,
        (_order(CANCELED, f"closed_at = {LATER}"),),
    ),
    Planted(
        "an order that forgot its last event",
        Invariant.ORDER_STATE,
        EXPIRED_EMPTY,
        (
            _order(
                EXPIRED_EMPTY,
                "status = 'NEW', reason = NULL, closed_at = NULL, departure_update_id = NULL,"
                " last_sequence = 1",
            ),
        ),
    ),
    Planted(
        "a split without its event",
        Invariant.SPLIT_NUMBERS,
        OPEN,
        (_no_events(OPEN, "sequence = 2"),),
    ),
    Planted(
        "an event without its split",
        Invariant.SPLIT_NUMBERS,
        OPEN,
        (f"DELETE FROM fulfilled_order_splits WHERE order_id = '{id_of(OPEN)}'",),
        is_constrained=True,
    ),
    Planted(
        "splits that do not count from 1",
        Invariant.SPLIT_NUMBERS,
        OPEN,
        (_split(OPEN, 1, "split_number = 2"),),
        is_constrained=True,
    ),
    Planted(
        "a split and its event at different times",
        Invariant.SPLIT_NUMBERS,
        FILLED,
        (_split(FILLED, 2, f"filled_at = {LATER}"),),
    ),
    Planted(
        "splits that do not sum to the filled quantity",
        Invariant.SUMS,
        FILLED,
        (_split(FILLED, 2, "quantity = '2.999999999999'"),),
    ),
    Planted(
        "splits that do not sum to the cost",
        Invariant.SUMS,
        FILLED,
        (_order(FILLED, "quote_quantity = '798.4500000000000000000001'"),),
    ),
    Planted(
        "a cumulative quantity that is wrong on the way",
        Invariant.SUMS,
        FILLED,
        (_event(FILLED, 2, "filled_quantity = '4'"),),
    ),
    Planted(
        "a BUY above its limit",
        Invariant.LIMIT_PRICE,
        FILLED,
        (_order(FILLED, "limit_price = '99.98'"),),
    ),
    Planted(
        "a SELL below its limit",
        Invariant.LIMIT_PRICE,
        ANOTHER_OWNERS,
        (_order(ANOTHER_OWNERS, "limit_price = '99.3'"),),
    ),
    Planted(
        "an order filled beyond its quantity",
        Invariant.OVERFILLED,
        OPEN,
        (_order(OPEN, "quantity = '2.4'"),),
        is_constrained=True,
    ),
    Planted(
        "an order that is filled but not FILLED",
        Invariant.OVERFILLED,
        OPEN,
        (_order(OPEN, "quantity = '2.5'"),),
        is_constrained=True,
    ),
    Planted(
        "a split of more than was displayed",
        Invariant.DISPLAYED,
        OPEN,
        (_split(OPEN, 1, "displayed_quantity = '2.4'"),),
        is_constrained=True,
    ),
    Planted(
        "a FILLED order that is not among the fulfilled",
        Invariant.FULFILLED_ORDERS,
        FILLED,
        (f"DELETE FROM fulfilled_orders WHERE id = '{id_of(FILLED)}'",),
    ),
    Planted(
        "an unfilled order among the fulfilled",
        Invariant.FULFILLED_ORDERS,
        CANCELED,
        (_FULFILLED_AFTER_ALL,),
    ),
    Planted(
        "an average price that is another",
        Invariant.FULFILLED_ORDERS,
        FILLED,
        (_fulfilled(FILLED, "average_price = '99.80626'"),),
    ),
    Planted(
        "a fulfilled order on the other side",
        Invariant.FULFILLED_ORDERS,
        FILLED,
        (_fulfilled(FILLED, "side = 'SELL'"),),
    ),
    Planted(
        "a client order id that is not kept",
        Invariant.CLIENT_ORDER_IDS,
        ANOTHER_OWNERS,
        ("DELETE FROM client_order_ids",),
    ),
    Planted(
        "a client order id that is kept for another order",
        Invariant.CLIENT_ORDER_IDS,
        ANOTHER_OWNERS,
        (f"UPDATE client_order_ids SET order_id = '{'0' * 36}'",),
    ),
    Planted(
        "a client order id that the order does not have",
        Invariant.CLIENT_ORDER_IDS,
        ANOTHER_OWNERS,
        (_order(ANOTHER_OWNERS, "client_order_id = NULL"),),
    ),
    Planted(
        "a FOK order that is filled in part",
        Invariant.TIME_IN_FORCE,
        EXPIRED_PARTLY,
        (_order(EXPIRED_PARTLY, "time_in_force = 'FOK'"),),
    ),
    Planted(
        "an IOC order filled by two quotes",
        Invariant.TIME_IN_FORCE,
        FILLED,
        (_order(FILLED, "time_in_force = 'IOC'"),),
    ),
    Planted(
        "a filled order that its quote had too little for",
        Invariant.DECISIONS,
        FILL_OR_KILL,
        (
            _order(
                FILL_OR_KILL,
                "decision_price = '99.99', decision_displayed_quantity = '5',"
                " decision_taken_quantity = '4.6'",
            ),
        ),
        is_constrained=True,
    ),
    Planted(
        "a reason that the time in force does not know",
        Invariant.REASONS,
        EXPIRED_EMPTY,
        (_order(EXPIRED_EMPTY, "reason = 'IOC_REMAINDER'"),),
    ),
    Planted(
        "a canceled order whose time was up",
        Invariant.REASONS,
        CANCELED,
        (_order(CANCELED, "reason = 'TIMEOUT'"),),
    ),
    Planted(
        "a reason to be filled",
        Invariant.REASONS,
        FILL_OR_KILL,
        (_order(FILL_OR_KILL, "reason = 'FOK_UNFILLABLE'"),),
        is_constrained=True,
    ),
    Planted(
        "no market data, and yet a split",
        Invariant.REASONS,
        EXPIRED_PARTLY,
        (_order(EXPIRED_PARTLY, "reason = 'NO_MARKET_DATA'"),),
    ),
    Planted(
        "an end before the acceptance",
        Invariant.TIMES,
        CANCELED,
        (_event(CANCELED, 2, f"at = {EARLIER}"), _order(CANCELED, f"closed_at = {EARLIER}")),
    ),
    Planted(
        "a split before the acceptance",
        Invariant.TIMES,
        OPEN,
        (_event(OPEN, 2, f"at = {EARLIER}"), _split(OPEN, 1, f"filled_at = {EARLIER}")),
    ),
    Planted(
        "an acceptance at two times",
        Invariant.TIMES,
        NEW,
        (_event(NEW, 1, f"at = {LATER}"),),
    ),
    Planted(
        "an end of time before the acceptance",
        Invariant.TIMES,
        NEW,
        (_order(NEW, f"expires_at = {EARLIER}"),),
        is_constrained=True,
    ),
    Planted(
        "a quote sold beyond its quantity",
        Invariant.SOLD_ONCE,
        EXPIRED_PARTLY,
        ("UPDATE fulfilled_order_splits SET displayed_quantity = '3.9' WHERE update_id = 12",),
    ),
    Planted(
        "a quote at two prices",
        Invariant.SOLD_ONCE,
        EXPIRED_PARTLY,
        (_split(EXPIRED_PARTLY, 1, "price = '99.4'"),),
    ),
    Planted(
        "a quote of two quantities",
        Invariant.SOLD_ONCE,
        EXPIRED_PARTLY,
        (_split(EXPIRED_PARTLY, 1, "displayed_quantity = '4.1'"),),
    ),
    Planted(
        "a ledger that forgot what the last quote gave",
        Invariant.LEDGER,
        None,
        ("DELETE FROM taken_liquidity WHERE symbol = 'ETHBTC'",),
    ),
    Planted(
        "a ledger that remembers less than the last quote gave",
        Invariant.LEDGER,
        None,
        (_level("ETHBTC", "0.03", "quantity = '2.499999999999'"),),
    ),
    Planted(
        "a ledger that remembers more than was sold",
        Invariant.LEDGER,
        None,
        (_level("LTCBTC", "99.2", "quantity = '5.5'"),),
    ),
    Planted(
        "a ledger that remembers more than was displayed",
        Invariant.LEDGER,
        None,
        ("UPDATE fulfilled_order_splits SET displayed_quantity = '3.9' WHERE update_id = 12",),
    ),
    Planted(
        "a ledger of a price that nothing was sold at",
        Invariant.LEDGER,
        None,
        (_level("LTCBTC", "99.2", "price = '99.1'"),),
    ),
    Planted(
        "a symbol without its gate",
        Invariant.GATES,
        None,
        (
            "DELETE FROM taken_liquidity WHERE symbol = 'BNBBTC'",
            "DELETE FROM symbol_gates WHERE symbol = 'BNBBTC'",
        ),
    ),
    Planted(
        "a ledger without its gate",
        Invariant.GATES,
        None,
        ("UPDATE taken_liquidity SET symbol = 'XRPBTC' WHERE symbol = 'BNBBTC'",),
        is_constrained=True,
    ),
    Planted(
        "a split of a quote after its order had gone",
        Invariant.UPDATE_ID_BOUNDS,
        EXPIRED_PARTLY,
        (_order(EXPIRED_PARTLY, "departure_update_id = 11, arrival_update_id = 10"),),
    ),
    Planted(
        "a split of a quote before its order had come",
        Invariant.UPDATE_ID_BOUNDS,
        FILLED,
        (_order(FILLED, "arrival_update_id = 12"),),
    ),
    Planted(
        "a filled order that departed after its last split",
        Invariant.UPDATE_ID_BOUNDS,
        FILLED,
        (_order(FILLED, "departure_update_id = 13"),),
    ),
    Planted(
        "an open order that has departed",
        Invariant.UPDATE_ID_BOUNDS,
        OPEN,
        (_order(OPEN, "departure_update_id = 21"),),
        is_constrained=True,
    ),
)
