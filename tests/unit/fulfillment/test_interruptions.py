"""Tests of ``app.fulfillment.interruptions``."""

import pytest

from app.domain.order import Symbol
from app.fulfillment import interruptions
from app.fulfillment.interruptions import (
    LONG_SECONDS,
    InterruptionChanges,
    Interruptions,
    log_changes,
)
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

ETHBTC = Symbol("ETHBTC")
SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("checks", "begun", "over"),
    [
        ([(0, False), (29, False), (34, True), (40, False), (69, False)], None, None),
        ([(5, False), (35, False), (40, False), (45, True), (50, True)], 1, 3),
    ],
    ids=["short", "long"],
)
def test_a_long_interruption_and_its_end_are_reported_once(
    checks: list[tuple[int, bool]], begun: int | None, over: int | None
) -> None:
    """The log shows once when fills stopped, and once when they resumed.

    A connection that is replaced within seconds is normal.
    """
    interrupted = Interruptions(long_seconds=30)

    changes = [
        interrupted.update({LTCBTC: is_live, ETHBTC: True}, now_ns=second * SECOND)
        for second, is_live in checks
    ]

    assert changes == [
        InterruptionChanges([LTCBTC] * (number == begun), [LTCBTC] * (number == over))
        for number in range(5)
    ]


async def test_the_desk_checks_repeatedly(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state counts a symbol without a quote after 30 s, until its quote arrives."""
    monkeypatch.setattr(interruptions, "CHECK_SECONDS", 0.001)
    async with shop.restarted():
        await shop.place(5, limit_price=1)
        await eventually(lambda: LTCBTC in shop.desk._interruptions._since_ns)
        before = shop.desk.state().symbols_interrupted
        shop.clock.advance(LONG_SECONDS)
        await eventually(lambda: shop.desk.state().symbols_interrupted == 1)
        shop.feed.push(make_quote(1))
        await eventually(lambda: shop.desk.state().symbols_interrupted == 0)

    assert before == 0


def test_a_symbol_that_ended_is_forgotten() -> None:
    """No memory remains of an ended symbol, and a later interruption of it counts from zero."""
    interrupted = Interruptions(long_seconds=30)
    interrupted.update({LTCBTC: False}, now_ns=0)
    interrupted.update({LTCBTC: False}, now_ns=30 * SECOND)
    interrupted.update({}, now_ns=35 * SECOND)

    assert not interrupted._since_ns
    assert not interrupted._long
    assert interrupted.update({LTCBTC: False}, now_ns=65 * SECOND) == InterruptionChanges([], [])
    assert interrupted.update({LTCBTC: False}, now_ns=95 * SECOND) == InterruptionChanges(
        [LTCBTC], []
    )


def test_any_number_of_symbols_can_be_logged() -> None:
    """The log entry names a few symbols of a thousand."""
    many = [Symbol(f"A{number}BTC") for number in range(1_000)]

    log_changes(InterruptionChanges(many, many))
    log_changes(InterruptionChanges([], []))
