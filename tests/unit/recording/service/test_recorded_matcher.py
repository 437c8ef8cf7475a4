"""Tests of ``app.recording.service.recorded_matcher``; ``verify`` is tested apart."""

import inspect
from pathlib import Path

import pytest

from app.domain.matcher import SymbolMatcher
from app.domain.order import PUBLIC, OrderId
from app.ports import StoredLedger
from app.recording.service.recorded_matcher import RecordedMatcher
from app.recording.service.recorder import Recorder
from tests.support.builders import FAR_NS, LTCBTC, make_order, make_quote
from tests.unit.recording.service.conftest import lines_of

ASKS_ONLY = {
    "arrival",
    "holds",
    "resting_of",
    "taken",
    "next_deadline_ns",
    "ledger_levels",
    "must_confirm",
}


@pytest.fixture
def matcher(recorder: Recorder) -> SymbolMatcher:
    """A recorded matcher with the gate 5."""
    return recorder.begin(LTCBTC, StoredLedger(gate=5, levels=()))


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


def test_inputs_are_recorded_in_order(
    tmp_path: Path, recorder: Recorder, matcher: SymbolMatcher
) -> None:
    """A cancel or an expiry that ends no order is not recorded."""
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
    recorder.flush()

    assert lines_of(tmp_path)[2:] == [
        *("quote", "refused", "seed", "seed"),
        *("rested", "rested", "all_canceled", "rested", "expired"),
        *("interrupted", "held", "released", "gate_reset"),
    ]


def test_inputs_are_flushed_before_the_outcome_is_handed_on(
    tmp_path: Path, matcher: SymbolMatcher
) -> None:
    """A hand-over without fills or closings has a note of its own, since the ledger is stored."""
    matcher.rest(make_order(1), deadline_ns=FAR_NS)
    matcher.apply_quote(make_quote(6))
    assert "rested" not in lines_of(tmp_path)

    assert matcher.drain_ledger_changes()
    assert lines_of(tmp_path)[2:] == ["rested", "quote"]

    matcher.drain_ledger_changes()
    assert lines_of(tmp_path)[2:] == ["rested", "quote", "ledger"]
