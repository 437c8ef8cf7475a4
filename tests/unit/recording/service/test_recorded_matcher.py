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
    """An ``InputRecorder`` that keeps each call as a string."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def note(self, note: AnyNote) -> None:
        """Keep the kind."""
        self.calls.append(type(note).__name__)

    def note_quote(self, quote: Quote, *, gate: int) -> None:
        """Keep the ids."""
        self.calls.append((quote.update_id, gate))

    def note_seed(self, seed: Quote, *, is_applied: bool) -> None:
        """Keep whether it was applied."""
        self.calls.append((seed.update_id, is_applied))

    def note_expiry(self, symbol: str, now_ns: int) -> None:
        """Keep the instant."""
        self.calls.append((symbol, now_ns))

    def flush(self) -> None:
        """Keep the flush."""
        self.calls.append("flushed")


def test_every_input_of_a_matcher_is_recorded() -> None:
    """Every public method of a matcher either only reads or is recorded."""
    methods = {
        name
        for name, _ in inspect.getmembers(SymbolMatcher, inspect.isfunction)
        if not name.startswith("_")
    }

    assert methods - ASKS_ONLY == {
        name for name in vars(RecordedMatcher) if name in methods and not name.startswith("_")
    }


def test_inputs_are_recorded_in_order() -> None:
    """A cancel or an expiry that ends no order is not recorded."""
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

    assert notebook.calls == [
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


def test_inputs_are_flushed_before_the_outcome_is_handed_on() -> None:
    """A hand-over without fills or closings has a note of its own, since the ledger is stored."""
    notebook = Notebook()
    matcher = RecordedMatcher(LTCBTC, gate=5, levels=(), recorder=notebook)
    matcher.rest(make_order(1), deadline_ns=FAR_NS)
    matcher.apply_quote(make_quote(6))

    assert matcher.drain_ledger_changes()
    matcher.drain_ledger_changes()

    assert notebook.calls == ["OrderRested", (6, 5), "flushed", "LedgerStored", "flushed"]
