"""The rows that the parts of a batch become."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain.events import SymbolOutcome
from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, OrderStatus, Side
from app.domain.rules import TradingRules
from app.ports import StoredRules
from app.storage.journal.rows import Part, Rows, read_rules
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order, make_quote
from tests.support.outcomes import SymbolAtWork


def outcome(gate: int, price: str, quantity: str) -> SymbolOutcome:
    """Return an outcome with one changed level."""
    level = TakenLevel(
        owner=PUBLIC, side=Side.SELL, price=Decimal(price), quantity=Decimal(quantity)
    )
    return SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(level,), gate=gate)


def test_an_order_has_one_state_and_all_its_events() -> None:
    """A group writes all events of an order, and its state after the newest event."""
    order = make_order(8, number=1)
    work = SymbolAtWork()
    work.rest(order)
    outcomes = [work.meet(make_quote(n, ask=("99", n))) for n in (2, 4, 9)]
    positions = (5, 6, 7)

    rows = Rows(
        Part(content=one, events=one.events, position=position)
        for one, position in zip(outcomes, positions, strict=True)
    )

    assert [row["position"] for row in rows.events] == [5, 6, 7]
    assert [row["split_number"] for row in rows.splits] == [1, 2, 3]
    assert len(rows.states) == len(rows.fulfilled) == 1
    assert rows.states[order.order_id]["new_status"] is OrderStatus.FILLED
    assert rows.states[order.order_id]["new_closed_at"] == outcomes[-1].events[0].at
    assert rows.fulfilled[0]["average_price"] == 99


def test_the_last_change_of_a_level_wins() -> None:
    """Equal prices are one level, in any notation, and its last change is written."""
    put_then_forgotten = [outcome(1, "99.0", "5"), outcome(2, "99", "0")]
    forgotten_then_put = [outcome(3, "98", "0"), outcome(4, "98.00", "2")]

    rows = Rows(Part(content=one) for one in [*put_then_forgotten, *forgotten_then_put])

    assert [row["price"] for row in rows.forgotten.values()] == [Decimal(99)]
    assert [(row["quantity"], row["update_id"]) for row in rows.taken.values()] == [(2, 4)]
    assert [row["update_id"] for row in rows.gates.values()] == [4]


def test_no_gate_is_no_row() -> None:
    """A symbol without a quote writes no gate."""
    nothing = SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=0)

    assert not Rows([Part(content=nothing)]).gates


def test_the_newest_rules_are_kept() -> None:
    """The last of two copies in one group is written."""
    rules = TradingRules(symbol=LTCBTC, status="BREAK", base_asset="LTC", quote_asset="BTC")
    older = StoredRules(rules=(), fetched_at=ACCEPTED_AT)
    newer = StoredRules(rules=(replace(rules, tick_size=Decimal("1E-8")),), fetched_at=ACCEPTED_AT)

    [row] = Rows([Part(content=older), Part(content=newer)]).rules

    assert '"tick_size":"0.00000001"' in str(row["rules"])
    assert read_rules(str(row["rules"])) == newer.rules


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '[{"symbol": "A"}]', '{"a": 1}', '[{"tick_size": "x"}]']
)
def test_rules_of_another_form_are_an_error(text: str) -> None:
    """Rules that another release wrote raise ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - its text is of no use to anybody
        read_rules(text)
