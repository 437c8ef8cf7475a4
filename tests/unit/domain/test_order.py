"""Tests of ``app.domain.order``."""

from dataclasses import FrozenInstanceError, replace
from datetime import timedelta
from decimal import Decimal, localcontext

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
    "again",
    [
        ASKED,
        replace(ASKED, quantity=Decimal("5.000"), limit_price=Decimal("100.0")),
        replace(ASKED, timeout_seconds=Decimal("30.000000")),
        replace(ASKED, client_order_id=None),
    ],
)
def test_the_same_values_ask_for_the_same_order(again: NewOrder) -> None:
    """Spelling does not matter, and the key is not part of the terms."""
    assert make_order(5).has_terms_of(again)


@pytest.mark.parametrize(
    "another",
    [
        replace(ASKED, owner=Owner("alice")),
        replace(ASKED, symbol=Symbol("ETHBTC")),
        replace(ASKED, side=Side.SELL),
        replace(ASKED, time_in_force=TimeInForce.IOC),
        replace(ASKED, quantity=Decimal("5.001")),
        replace(ASKED, limit_price=Decimal("100.01")),
        replace(ASKED, timeout_seconds=Decimal(31)),
        replace(ASKED, timeout_seconds=Decimal("30.000001")),
    ],
)
def test_any_other_value_asks_for_another_order(another: NewOrder) -> None:
    """Every digit of the terms counts."""
    assert not make_order(5).has_terms_of(another)


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
