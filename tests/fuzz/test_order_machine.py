"""Histories that nobody thought of, lived through by the real desk, journal and database."""

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from app.domain.order import NewOrder, Order, OrderId, Symbol
from app.fulfillment.desk import FulfillmentDesk
from app.ports import StoredLedger
from app.storage.queries import StoredOrders
from tests.fuzz.order_machine import OrderMachine

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

HISTORIES = os.environ.get("ORDER_HISTORIES")
"""How many histories a campaign wants; a plain run lives through a few, the same every time."""

HISTORIES_OF_A_PLAIN_RUN = 8
STEPS = 40
ANY_SPEED = settings(
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
REPEATABLE = settings(
    ANY_SPEED,
    max_examples=HISTORIES_OF_A_PLAIN_RUN,
    # A history that failed is printed as it is. Shortening it takes longer than a test may.
    phases=[Phase.generate],
    derandomize=True,
    database=None,
)
# A campaign makes up other histories every time, and begins with those that failed before.
CAMPAIGN = settings(
    ANY_SPEED, max_examples=int(HISTORIES or 1), phases=[Phase.reuse, Phase.generate]
)
# The search ends at the first history that shows the fault: the fourth, if nothing changes.
UNTIL_A_FAULT_SHOWS = settings(REPEATABLE, max_examples=200)


def test_every_history_ends_as_the_model_says() -> None:
    """Whatever happens in whatever order: the same fills, the same ends, told as stored, sound."""
    run_state_machine_as_test(OrderMachine, settings=CAMPAIGN if HISTORIES else REPEATABLE)


def test_a_ledger_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has never found anything proves nothing."""
    load_ledger = StoredOrders.load_ledger

    async def forget(self: StoredOrders, symbol: Symbol) -> StoredLedger:
        return replace(await load_ledger(self, symbol), levels=())

    monkeypatch.setattr(StoredOrders, "load_ledger", forget)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(OrderMachine, settings=UNTIL_A_FAULT_SHOWS)


def test_a_retry_that_makes_a_second_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Likewise, for keys."""
    place = FulfillmentDesk.place

    async def place_without_key(self: Any, order_id: OrderId, new_order: NewOrder) -> Order:  # noqa: ANN401 - either desk
        return await place(self, order_id, replace(new_order, client_order_id=None))

    monkeypatch.setattr(FulfillmentDesk, "place", place_without_key)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(OrderMachine, settings=UNTIL_A_FAULT_SHOWS)
