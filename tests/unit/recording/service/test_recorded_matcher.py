"""Tests of ``app.recording.service.recorded_matcher``; ``verify`` is tested apart."""

import inspect
from typing import Any

from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, OrderId
from app.domain.quote import Quote
from app.recording.service.recorded_matcher import RecordedMatcher
from app.recording.service.recording_notes import AnyNote
from tests.support.builders import FAR_NS, LTCBTC, make_order, make_quote

ASKS_ONLY = {
    "arrival",
    "holds",
    "resting_of",
    "taken",
    "next_deadline_ns",
    "ledger_levels",
    "must_confirm",
}


class Notebook:
    """Writes down what a matcher tells, in words."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def note(self, note: AnyNote) -> None:
        """Write down the kind."""
        self.told.append(type(note).__name__)

    def note_quote(self, quote: Quote, *, gate: int) -> None:
        """Write down the ids."""
        self.told.append((quote.update_id, gate))

    def note_seed(self, seed: Quote, *, is_applied: bool) -> None:
        """Write down what came of it."""
        self.told.append((seed.update_id, is_applied))

    def note_expiry(self, symbol: str, now_ns: int) -> None:
        """Write down the instant."""
        self.told.append((symbol, now_ns))

    def flush(self) -> None:
        """Write down that everything was flushed."""
        self.told.append("flushed")


def test_whatever_can_be_told_a_matcher_is_noted() -> None:
    """A new method of the matcher is one that asks only, or has to be recorded."""
    methods = {
        name
        for name, _ in inspect.getmembers(SymbolMatcher, inspect.isfunction)
        if not name.startswith("_")
    }

    assert methods - ASKS_ONLY == {
        name for name in vars(RecordedMatcher) if name in methods and not name.startswith("_")
    }


def test_a_matcher_tells_its_inputs_in_their_order() -> None:
    """And nothing of a cancel or an expiry that ended nothing."""
    notebook = Notebook()
    matcher = RecordedMatcher(LTCBTC, gate=5, levels=(), recorder=notebook)

    matcher.apply_quote(make_quote(5))
    assert matcher.apply_seed(make_quote(4)) is None
    matcher.apply_seed(make_quote(6))
    matcher.rest(make_order(1), deadline_ns=FAR_NS)
    matcher.rest(make_order(90, number=2), deadline_ns=10)
    matcher.cancel(OrderId("unknown"))
    matcher.cancel_all(PUBLIC)
    matcher.rest(make_order(90, number=3), deadline_ns=10)
    matcher.expire(10)
    matcher.expire(11)
    matcher.interrupt()
    matcher.hold()
    matcher.release()
    matcher.reset_gate(make_quote(1))

    assert notebook.told == [
        (5, 5),
        (4, False),
        (6, True),
        "OrderRested",
        "OrderRested",
        "OrdersCanceled",
        "OrderRested",
        (LTCBTC, 11),
        "Interrupted",
        "Held",
        "Released",
        "GateReset",
    ]


def test_what_led_to_an_outcome_is_flushed_before_the_outcome_is_handed_on() -> None:
    """Where nothing happened to an order, that is told, since the ledger is stored all the same."""
    notebook = Notebook()
    matcher = RecordedMatcher(LTCBTC, gate=5, levels=(), recorder=notebook)
    matcher.rest(make_order(1), deadline_ns=FAR_NS)
    matcher.apply_quote(make_quote(6))

    assert matcher.drain_ledger_changes()
    matcher.drain_ledger_changes()

    assert notebook.told == ["OrderRested", (6, 5), "flushed", "LedgerStored", "flushed"]
