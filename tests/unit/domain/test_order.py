"""Tests of ``app.domain.order``."""

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from decimal import Decimal, localcontext
from typing import Any

import pytest

from app.domain.order import (
    PUBLIC,
    TRANSITIONS,
    NewOrder,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Symbol,
    TimeInForce,
)
from tests.support.builders import LTCBTC, make_order

TERMINAL = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED}


def test_every_status_has_a_row_of_next_ones() -> None:
    """The transition table and the enum name the same statuses."""
    assert set(TRANSITIONS) == set(OrderStatus)


@pytest.mark.parametrize("status", OrderStatus)
def test_terminal_is_final_and_the_others_lead_to_all_but_new(status: OrderStatus) -> None:
    """An order never becomes new again, fills in any number of parts, and ends once."""
    after = set() if status in TERMINAL else set(OrderStatus) - {OrderStatus.NEW}

    assert TRANSITIONS[status] == after
    assert status.is_terminal is (status in TERMINAL)


def test_names_are_part_of_the_contract() -> None:
    """Clients read statuses, sides, times in force and reasons, so they never change."""
    assert [*OrderStatus] == ["NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED"]
    assert [*Side] == ["BUY", "SELL"]
    assert [*TimeInForce] == ["GTD", "IOC", "FOK"]
    assert {*Reason} == {
        "TIMEOUT",
        "NO_MARKET_DATA",
        "TIMEOUT_DURING_OUTAGE",
        "IOC_REMAINDER",
        "FOK_UNFILLABLE",
        "CANCELED_BY_CLIENT",
    }


def test_an_accepted_order_cannot_be_edited() -> None:
    """The terms of an accepted order never change."""
    order = make_order()

    with pytest.raises(FrozenInstanceError):
        order.owner = PUBLIC  # type: ignore[misc]  # assigning is what must fail


ASKED = NewOrder(
    owner=PUBLIC,
    client_order_id="mine-1",
    symbol=LTCBTC,
    side=Side.BUY,
    time_in_force=TimeInForce.GTD,
    quantity=Decimal(5),
    limit_price=Decimal(100),
    timeout_seconds=Decimal(30),
)


@pytest.mark.parametrize(
    ("change", "is_same"),
    [
        ({}, True),
        ({"quantity": Decimal("5.000"), "limit_price": Decimal("100.0")}, True),
        ({"timeout_seconds": Decimal("30.000000")}, True),
        ({"client_order_id": None}, True),
        ({"owner": Owner("alice")}, False),
        ({"symbol": Symbol("ETHBTC")}, False),
        ({"side": Side.SELL}, False),
        ({"time_in_force": TimeInForce.IOC}, False),
        ({"quantity": Decimal("5.001")}, False),
        ({"limit_price": Decimal("100.01")}, False),
        ({"timeout_seconds": Decimal(31)}, False),
        ({"timeout_seconds": Decimal("30.000001")}, False),
    ],
    ids=str,
)
def test_the_same_terms_ask_for_the_same_order(change: dict[str, Any], *, is_same: bool) -> None:
    """Every digit counts, but its spelling does not, and the key is not part of the terms."""
    assert make_order(5).has_terms_of(replace(ASKED, **change)) is is_same


def test_a_repeated_order_is_known_to_the_microsecond_in_any_context() -> None:
    """The longest timeout with an odd length survives its conversion to a time."""
    seconds = Decimal("86399.999999")
    order = replace(make_order(5), expires_at=make_order().accepted_at + timedelta(days=1))
    order = replace(order, expires_at=order.expires_at - timedelta(microseconds=1))

    with localcontext(prec=1):
        assert order.has_terms_of(replace(ASKED, timeout_seconds=seconds))


def test_only_a_good_till_date_order_rests() -> None:
    """The first quote that they meet ends IOC and FOK orders."""
    rests = {kind: make_order(time_in_force=kind).rests for kind in TimeInForce}

    assert rests == {TimeInForce.GTD: True, TimeInForce.IOC: False, TimeInForce.FOK: False}
