"""Generated histories, run on the real desk, journal and database."""

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
"""The number of histories of a campaign; a plain run has a few, which are always the same."""

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
    # A failed history is printed unchanged, because shortening it takes too long for a test.
    phases=[Phase.generate],
    derandomize=True,
    database=None,
)
# A campaign generates other histories every time, after the ones that failed before.
CAMPAIGN = settings(
    ANY_SPEED, max_examples=int(HISTORIES or 1), phases=[Phase.reuse, Phase.generate]
)
# The search ends at the first history that shows the fault, at present the fourth.
UNTIL_A_FAULT_SHOWS = settings(REPEATABLE, max_examples=200)


def test_every_history_ends_as_the_model_says() -> None:
    """After any history, fills, ends, events and rows equal the model, and the audit succeeds."""
    run_state_machine_as_test(OrderMachine, settings=CAMPAIGN if HISTORIES else REPEATABLE)


def test_a_ledger_forgotten_at_a_restart_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine finds a ledger that a restart forgets."""
    load_ledger = StoredOrders.load_ledger

    async def forget(self: StoredOrders, symbol: Symbol) -> StoredLedger:
        return replace(await load_ledger(self, symbol), levels=())

    monkeypatch.setattr(StoredOrders, "load_ledger", forget)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(OrderMachine, settings=UNTIL_A_FAULT_SHOWS)


def test_a_retry_that_makes_a_second_order_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine finds a second order with the same key."""
    place = FulfillmentDesk.place

    async def place_without_key(self: Any, order_id: OrderId, new_order: NewOrder) -> Order:  # noqa: ANN401 - either desk
        return await place(self, order_id, replace(new_order, client_order_id=None))

    monkeypatch.setattr(FulfillmentDesk, "place", place_without_key)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(OrderMachine, settings=UNTIL_A_FAULT_SHOWS)
