"""Tests of ``app.recording.service.recording_notes``."""

from decimal import Decimal

import msgspec
import pytest

from app.domain.liquidity import TakenLevel
from app.domain.order import PUBLIC, Arrival, OrderId, Side
from app.recording.service import recording_notes as notes
from app.recording.service.recording_notes import LEVELS_PER_NOTE, AnyNote, level_notes, read_note
from app.tapes.tape_lines import LINE_BYTES_MAX, note_line
from tests.support.builders import LTCBTC, make_order, make_quote

LEVEL = TakenLevel(
    owner=PUBLIC, side=Side.SELL, price=Decimal("0.000000000001"), quantity=Decimal("1.50")
)
QUOTE = make_quote(11, ask=("99.990", "0.00000001"), received_ns=2**62 + 1)
ORDER = make_order("0.1", client_order_id="mine-1")
ARRIVAL = Arrival(update_id=2**62 + 1, price=Decimal("1E-8"))
ORDER_ID = OrderId(ORDER.order_id)

NOTES: list[AnyNote] = [
    notes.FileBegun(
        stream_id="s", epoch=1, number=2, continues=True, acceptance_number=3, version="0.1.0"
    ),
    notes.FileContinued(),
    notes.RecordingEnded(),
    notes.ConnectionChanged(what="lost", cause="the peer closed"),
    notes.FrameDropped(symbol=None, reason="not_json", received_ns=1),
    notes.FrameRefused(symbol=LTCBTC, update_id=1, gate=2),
    notes.FrameIgnored(symbol=LTCBTC),
    notes.QuoteReceived(quote=QUOTE),
    notes.SeedReceived(quote=QUOTE, is_applied=None),
    notes.GateReset(quote=QUOTE),
    notes.SymbolState(
        symbol=LTCBTC,
        goes_on=True,
        gate=7,
        is_held=True,
        awaits_confirmation=True,
        quote=QUOTE,
        levels_total=1,
        resting_total=2,
    ),
    notes.LevelsKnown(symbol=LTCBTC, levels=(LEVEL,)),
    notes.OrderRested(
        order=ORDER,
        deadline_ns=2**62 + 3,
        now_ns=2**62 + 1,
        filled_quantity=Decimal("0.05"),
        quote_quantity=Decimal(5),
        splits_total=1,
        arrival=ARRIVAL,
        quotes_seen=4,
        may_have_met_quotes=True,
        goes_on=True,
    ),
    notes.OrderUnmet(
        order=ORDER,
        filled_quantity=Decimal(0),
        quote_quantity=Decimal(0),
        splits_total=0,
        last_sequence=1,
        arrival=None,
        quotes_seen=0,
    ),
    notes.OrderCanceled(symbol=LTCBTC, order_id=ORDER_ID),
    notes.OrdersCanceled(symbol=LTCBTC, owner=PUBLIC),
    notes.OrdersExpired(symbol=LTCBTC, now_ns=5),
    notes.Interrupted(symbol=LTCBTC),
    notes.Held(symbol=LTCBTC),
    notes.Released(symbol=LTCBTC, now_ns=None),
    notes.StatusChanged(symbol=LTCBTC, status="BREAK"),
    notes.LedgerStored(symbol=LTCBTC),
    notes.SymbolEnded(symbol=LTCBTC, how="ended"),
]


@pytest.mark.parametrize("note", NOTES, ids=lambda note: type(note).__name__)
def test_a_note_is_read_as_it_was_written(note: AnyNote) -> None:
    """Instants keep their nanoseconds and amounts their digits."""
    line = msgspec.json.decode(note_line(1, note))

    assert read_note(msgspec.json.encode(line["note"])) == note


def test_every_kind_of_note_is_tried_above() -> None:
    """A new kind of note needs an example here."""
    assert {type(note) for note in NOTES} == set(AnyNote.__args__)


@pytest.mark.parametrize("text", [b"{}", b'{"kind":"weed"}', b'{"kind":"held"}', b"[]", b"{"])
def test_an_unknown_text_is_refused(text: bytes) -> None:
    """Another release may write other notes, which this one must not misread."""
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec words the message
        read_note(text)


def test_many_levels_are_split_over_several_lines() -> None:
    """A single line cannot hold ten thousand levels."""
    levels = [LEVEL] * (2 * LEVELS_PER_NOTE + 1)

    split = list(level_notes(LTCBTC, levels))

    assert [len(note.levels) for note in split] == [LEVELS_PER_NOTE, LEVELS_PER_NOTE, 1]
    assert all(len(note_line(1, note)) < LINE_BYTES_MAX / 2 for note in split)
