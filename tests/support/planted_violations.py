"""Every kind of violation, as statements that plant it in the database of ``sound_database``."""

# ruff: noqa: S608 - statements made of constants

from typing import Final, NamedTuple

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


class Planted(NamedTuple):
    """A change to the database, and the violation that an audit must report.

    ``number`` is the order that must be named, None if the violation belongs to no order.
    ``is_constrained`` says that a constraint of the schema forbids the change.
    """

    invariant: Invariant
    is_constrained: bool
    number: int | None
    name: str
    statements: list[str]


_Change = tuple[bool, int | None, str, list[str]]


def _allowed(number: int | None, name: str, *statements: str) -> _Change:
    """Return a change that the schema does not prevent; ``{id}`` is the id of the order."""
    order_id = "" if number is None else id_of(number)
    return False, number, name, [one.replace("{id}", order_id) for one in statements]


def _forbidden(number: int | None, name: str, *statements: str) -> _Change:
    """Return a change that the schema prevents."""
    return True, *_allowed(number, name, *statements)[1:]


def _order(change: str) -> str:
    return f"UPDATE orders SET {change} WHERE order_id = '{{id}}'"


def _event(sequence: int, change: str) -> str:
    condition = f"order_id = '{{id}}' AND sequence = {sequence}"
    return f"UPDATE order_events SET {change} WHERE {condition}"


def _split(split_number: int, change: str) -> str:
    condition = f"order_id = '{{id}}' AND split_number = {split_number}"
    return f"UPDATE fulfilled_order_splits SET {change} WHERE {condition}"


def _ended(sequence: int, at: str) -> tuple[str, str]:
    """Return the change of the time at which an order ended, by the event with this sequence."""
    return _event(sequence, f"at = {at}"), _order(f"closed_at = {at}")


def _fulfilled(change: str) -> str:
    return f"UPDATE fulfilled_orders SET {change} WHERE id = '{{id}}'"


def _no_events(condition: str = "true") -> str:
    return f"DELETE FROM order_events WHERE order_id = '{{id}}' AND {condition}"


def _level(symbol: str, price: str, change: str) -> str:
    return f"UPDATE taken_liquidity SET {change} WHERE symbol = '{symbol}' AND price = '{price}'"


LATER: Final = "'2024-08-08T23:54:20.000000Z'"
EARLY: Final = "'2024-08-08T23:54:14.500000Z'"
LATE: Final = "'2024-08-08T23:54:54.000000Z'"
ACCEPTED: Final = "'2024-08-08T23:54:14.000000Z'"
EARLIER: Final = "'2024-08-08T23:54:10.000000Z'"

_TWICE_ENDED: Final = """
INSERT INTO order_events
  (position, order_id, sequence, status, reason, at, filled_quantity, quote_quantity)
SELECT 1000, order_id, 3, status, reason, at, filled_quantity, quote_quantity
FROM order_events WHERE order_id = '{id}' AND sequence = 2
"""

_FULFILLED_AFTER_ALL: Final = """
INSERT INTO fulfilled_orders (id, created_at, symbol, side, quantity, price, average_price)
SELECT order_id, closed_at, symbol, side, quantity, limit_price, limit_price
FROM orders WHERE order_id = '{id}'
"""

_CHANGES: Final[dict[Invariant, tuple[_Change, ...]]] = {
    Invariant.REFERENCES: (
        _forbidden(NEW, "a row without an order", "DELETE FROM orders WHERE order_id = '{id}'"),
    ),
    Invariant.FORM: (
        _forbidden(FILLED, "a malformed amount", _order("quantity = '8.0'")),
        _forbidden(FILLED, "an amount that is no number", _split(1, "price = 'NaN'")),
        _forbidden(CANCELED, "a time that is not UTC", _order("closed_at = '2024-08-08 23:54:15'")),
        _forbidden(OPEN, "an unknown status", _order("status = 'PENDING'")),
        _forbidden(None, "a malformed level", _level("LTCBTC", "99.5", "quantity = 'four'")),
        _forbidden(OPEN, "a number that is a text", _order("splits_total = 'one'")),
    ),
    Invariant.SEQUENCES: (
        _allowed(FILLED, "an event is missing", _no_events("sequence = 2")),
        _allowed(NEW, "no event at all", _no_events()),
        _forbidden(
            NEW,
            "the first event is not NEW",
            _event(1, "status = 'PARTIALLY_FILLED', split_number = 1"),
        ),
    ),
    Invariant.POSITIONS: (
        _allowed(
            CANCELED, "falling positions", _event(1, "position = 1000"), _event(2, "position = 999")
        ),
    ),
    Invariant.TRANSITIONS: (_allowed(EXPIRED_EMPTY, "an event after the last", _TWICE_ENDED),),
    Invariant.ORDER_STATE: (
        _allowed(
            CANCELED,
            "another status than the events",
            _order("status = 'EXPIRED', reason = 'TIMEOUT'"),
        ),
        _allowed(CANCELED, "another closing time than the events", _order(f"closed_at = {LATER}")),
        _allowed(
            EXPIRED_EMPTY,
            "an order without its last event",
            _order(
                "status = 'NEW', reason = NULL, closed_at = NULL, departure_update_id = NULL,"
                " last_sequence = 1"
            ),
        ),
    ),
    Invariant.SPLIT_NUMBERS: (
        _allowed(OPEN, "a split without its event", _no_events("sequence = 2")),
        _forbidden(
            OPEN,
            "an event without its split",
            "DELETE FROM fulfilled_order_splits WHERE order_id = '{id}'",
        ),
        _forbidden(OPEN, "splits that do not count from 1", _split(1, "split_number = 2")),
        _allowed(
            FILLED, "a split at another time than its event", _split(2, f"filled_at = {LATER}")
        ),
    ),
    Invariant.SUMS: (
        _allowed(FILLED, "a wrong quantity of a split", _split(2, "quantity = '2.999999999999'")),
        _allowed(
            FILLED,
            "a wrong cost of an order",
            _order("quote_quantity = '798.4500000000000000000001'"),
        ),
        _allowed(FILLED, "a wrong quantity of an event", _event(2, "filled_quantity = '4'")),
    ),
    Invariant.LIMIT_PRICE: (
        _allowed(FILLED, "a BUY above its limit", _order("limit_price = '99.98'")),
        _allowed(ANOTHER_OWNERS, "a SELL below its limit", _order("limit_price = '99.3'")),
    ),
    Invariant.OVERFILLED: (
        _forbidden(OPEN, "an order filled beyond its quantity", _order("quantity = '2.4'")),
        _forbidden(OPEN, "an order that is filled but not FILLED", _order("quantity = '2.5'")),
    ),
    Invariant.DISPLAYED: (
        _forbidden(OPEN, "a split beyond its quote", _split(1, "displayed_quantity = '2.4'")),
    ),
    Invariant.FULFILLED_ORDERS: (
        _allowed(
            FILLED,
            "a FILLED order without a fulfilled row",
            "DELETE FROM fulfilled_orders WHERE id = '{id}'",
        ),
        _allowed(CANCELED, "a canceled order with a fulfilled row", _FULFILLED_AFTER_ALL),
        _allowed(FILLED, "a wrong average price", _fulfilled("average_price = '99.80626'")),
        _allowed(FILLED, "a fulfilled order on the other side", _fulfilled("side = 'SELL'")),
    ),
    Invariant.CLIENT_ORDER_IDS: (
        _allowed(ANOTHER_OWNERS, "a forgotten client order id", "DELETE FROM client_order_ids"),
        _allowed(
            ANOTHER_OWNERS,
            "a client order id of another order",
            f"UPDATE client_order_ids SET order_id = '{'0' * 36}'",
        ),
        _allowed(ANOTHER_OWNERS, "an unused client order id", _order("client_order_id = NULL")),
    ),
    Invariant.TIME_IN_FORCE: (
        _allowed(EXPIRED_PARTLY, "a partly filled FOK order", _order("time_in_force = 'FOK'")),
        _allowed(FILLED, "an IOC order filled by two quotes", _order("time_in_force = 'IOC'")),
    ),
    Invariant.DECISIONS: (
        _forbidden(
            FILL_OR_KILL,
            "a fill beyond the deciding quote",
            _order(
                "decision_price = '99.99', decision_displayed_quantity = '5',"
                " decision_taken_quantity = '4.6'"
            ),
        ),
    ),
    Invariant.REASONS: (
        _allowed(
            EXPIRED_EMPTY, "a GTD order with a reason of IOC", _order("reason = 'IOC_REMAINDER'")
        ),
        _allowed(CANCELED, "a canceled order that timed out", _order("reason = 'TIMEOUT'")),
        _forbidden(
            FILL_OR_KILL, "a filled order with a reason", _order("reason = 'FOK_UNFILLABLE'")
        ),
        _allowed(EXPIRED_PARTLY, "no market data but a split", _order("reason = 'NO_MARKET_DATA'")),
    ),
    Invariant.TIMES: (
        _allowed(
            CANCELED,
            "an end before the acceptance",
            *_ended(2, EARLIER),
        ),
        _allowed(
            OPEN,
            "a split before the acceptance",
            _event(2, f"at = {EARLIER}"),
            _split(1, f"filled_at = {EARLIER}"),
        ),
        _allowed(
            FILLED,
            "a split before the one before it",
            *_ended(3, ACCEPTED),
            _split(2, f"filled_at = {ACCEPTED}"),
            _fulfilled(f"created_at = {ACCEPTED}"),
        ),
        _allowed(
            EXPIRED_EMPTY,
            "a timeout before its time",
            *_ended(2, EARLY),
        ),
        _allowed(
            EXPIRED_PARTLY,
            "a timeout ten seconds after its time",
            *_ended(3, LATE),
        ),
        _allowed(
            FILLED,
            "a split ten seconds after the time of its order",
            *_ended(3, LATE),
            _split(2, f"filled_at = {LATE}"),
            _fulfilled(f"created_at = {LATE}"),
        ),
        _allowed(
            CANCELED,
            "a cancel ten seconds after the time of its order",
            *_ended(2, LATE),
        ),
        _allowed(NEW, "an acceptance at two times", _event(1, f"at = {LATER}")),
        _forbidden(NEW, "an expiry before the acceptance", _order(f"expires_at = {EARLIER}")),
    ),
    Invariant.SOLD_ONCE: (
        _allowed(
            EXPIRED_PARTLY,
            "a quote sold beyond its quantity",
            "UPDATE fulfilled_order_splits SET displayed_quantity = '3.9' WHERE update_id = 12",
        ),
        _allowed(EXPIRED_PARTLY, "a quote with two prices", _split(1, "price = '99.4'")),
        _allowed(
            EXPIRED_PARTLY, "a quote with two quantities", _split(1, "displayed_quantity = '4.1'")
        ),
    ),
    Invariant.LEDGER: (
        _allowed(
            None,
            "a ledger without the last fill",
            "DELETE FROM taken_liquidity WHERE symbol = 'ETHBTC'",
        ),
        _allowed(
            None,
            "a ledger below the last fill",
            _level("ETHBTC", "0.03", "quantity = '2.499999999999'"),
        ),
        _allowed(None, "a ledger above the fills", _level("LTCBTC", "99.2", "quantity = '5.5'")),
        _allowed(
            None,
            "a ledger above the displayed quantity",
            "UPDATE fulfilled_order_splits SET displayed_quantity = '3.9' WHERE update_id = 12",
        ),
        _allowed(
            None, "a ledger at a price without fills", _level("LTCBTC", "99.2", "price = '99.1'")
        ),
    ),
    Invariant.GATES: (
        _allowed(
            None,
            "a symbol without its gate",
            "DELETE FROM taken_liquidity WHERE symbol = 'BNBBTC'",
            "DELETE FROM symbol_gates WHERE symbol = 'BNBBTC'",
        ),
        _forbidden(
            None,
            "a ledger without its gate",
            "UPDATE taken_liquidity SET symbol = 'XRPBTC' WHERE symbol = 'BNBBTC'",
        ),
    ),
    Invariant.UPDATE_ID_BOUNDS: (
        _allowed(
            EXPIRED_PARTLY,
            "a split after the departure",
            _order("departure_update_id = 11, arrival_update_id = 10"),
        ),
        _allowed(FILLED, "a split before the arrival", _order("arrival_update_id = 12")),
        _allowed(FILLED, "a departure after the last split", _order("departure_update_id = 13")),
        _forbidden(OPEN, "an open order with a departure", _order("departure_update_id = 21")),
    ),
}

PLANTED: Final = tuple(
    Planted(invariant, *change) for invariant, changes in _CHANGES.items() for change in changes
)
