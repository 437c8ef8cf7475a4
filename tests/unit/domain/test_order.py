"""The order's statuses and the values around it."""

from dataclasses import FrozenInstanceError

import pytest

from app.domain.order import PUBLIC, TRANSITIONS, OrderStatus, Reason, Side, TimeInForce
from tests.support.builders import make_order

TERMINAL = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED}


def test_every_status_has_a_row_of_next_ones() -> None:
    """The table of transitions and the enum name the same statuses."""
    assert set(TRANSITIONS) == set(OrderStatus)


@pytest.mark.parametrize("status", OrderStatus)
def test_terminal_is_final_and_the_others_go_on_to_all_but_new(status: OrderStatus) -> None:
    """An order is never new again; it is filled in parts as often as it takes, then ends once."""
    after = set() if status in TERMINAL else set(OrderStatus) - {OrderStatus.NEW}

    assert TRANSITIONS[status] == after
    assert status.is_terminal is (status in TERMINAL)


def test_names_are_those_of_the_venue_and_of_the_contract() -> None:
    """Statuses, sides, times in force and reasons are what clients read: they do not change."""
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
    """What was accepted stays as it was."""
    order = make_order()

    with pytest.raises(FrozenInstanceError):
        order.owner = PUBLIC  # type: ignore[misc]  # assigning is what must fail
