"""The notes of a recording: all that a matcher is told beside the frames, and where it began.

A frame's line stands for what the fulfillment of its symbol does with a quote: end the orders whose
time was up when it was received, then apply it. A note tells what is not so. Frames and notes
together, given in their order to a new matcher, lead to the same splits; instants are nanoseconds
of the recorder's monotonic clock.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from app.domain.liquidity import TakenLevel
from app.domain.order import Arrival, Order, OrderId, Owner, Symbol
from app.domain.quote import Quote

LEVELS_PER_NOTE: Final = 500
"""So that a line stays far below what a reader takes."""


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """What every note has: the ``kind`` that tells them apart."""


class FileBegun(Note, frozen=True, kw_only=True, tag="file"):
    """The first line of a file.

    ``stream_id`` and ``epoch`` name the database and its owner, ``number`` counts the owner's
    files from 1. ``continues`` says that nothing is missing between the file before and this one.
    Orders up to ``acceptance_number`` were accepted before.
    """

    stream_id: str
    epoch: int
    number: int
    continues: bool
    acceptance_number: int
    version: str


class FileContinued(Note, frozen=True, kw_only=True, tag="continued"):
    """The last line of a file that another one continues."""


class RecordingEnded(Note, frozen=True, kw_only=True, tag="closed"):
    """The last line of a service that stopped in order.

    ``is_durable`` says that the database has all of it.
    """

    is_durable: bool = False


class ConnectionChanged(Note, frozen=True, kw_only=True, tag="connection"):
    """A connection to the venue was opened, lost, rotated or closed."""

    what: str
    cause: str | None


class FrameDropped(Note, frozen=True, kw_only=True, tag="dropped"):
    """A frame of no use came; it is no line of the tape."""

    symbol: Symbol | None
    reason: str
    received_ns: int


class FrameRefused(Note, frozen=True, kw_only=True, tag="refused"):
    """The quote before was not applied: its update id is not above the gate."""

    symbol: Symbol
    update_id: int
    gate: int


class FrameUnheard(Note, frozen=True, kw_only=True, tag="unheard"):
    """The frame before was not applied: no matcher was there to hear of it."""

    symbol: Symbol


class QuoteMet(Note, frozen=True, kw_only=True, tag="quote"):
    """A matcher was told a quote whose frame is no line of the tape."""

    quote: Quote


class SeedMet(Note, frozen=True, kw_only=True, tag="seed"):
    """A depth snapshot, and whether it was applied; None if no matcher heard of it."""

    quote: Quote
    is_applied: bool | None


class GateReset(Note, frozen=True, kw_only=True, tag="gate_reset"):
    """A depth snapshot was applied whose update id is below the gate: the venue counts anew."""

    quote: Quote


class SymbolState(Note, frozen=True, kw_only=True, tag="symbol"):
    """A matcher as it is now; as many levels and resting orders as it says follow at once.

    ``goes_on`` says that it was there before, in an earlier file or unrecorded; otherwise it begins
    here, with the ledger that was stored.
    """

    symbol: Symbol
    goes_on: bool
    gate: int
    is_held: bool
    awaits_confirmation: bool
    quote: Quote | None
    levels_total: int
    resting_total: int


class LevelsKnown(Note, frozen=True, kw_only=True, tag="levels"):
    """Levels of the ledger of the symbol before."""

    symbol: Symbol
    levels: tuple[TakenLevel, ...]


class OrderRested(Note, frozen=True, kw_only=True, tag="rested"):
    """An order came to its matcher, or with ``goes_on`` was there already.

    It brings what it had, at the instant ``now_ns``: see ``SymbolMatcher.rest``.
    """

    order: Order
    deadline_ns: int
    now_ns: int | None = None
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    arrival: Arrival | None
    quotes_seen: int
    may_have_met_quotes: bool
    goes_on: bool = False


class OrderUnmet(Note, frozen=True, kw_only=True, tag="unmet"):
    """An order ended without coming to its matcher: its time was over while nobody served it."""

    order: Order
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    last_sequence: int
    arrival: Arrival | None
    quotes_seen: int


class OrderCanceled(Note, frozen=True, kw_only=True, tag="canceled"):
    """A client ended an order."""

    symbol: Symbol
    order_id: OrderId


class OrdersCanceled(Note, frozen=True, kw_only=True, tag="all_canceled"):
    """A client ended all its orders of a symbol."""

    symbol: Symbol
    owner: Owner


class OrdersExpired(Note, frozen=True, kw_only=True, tag="expired"):
    """The orders with a deadline before this instant ended."""

    symbol: Symbol
    now_ns: int


class Interrupted(Note, frozen=True, kw_only=True, tag="interrupted"):
    """What was quoted is no longer current."""

    symbol: Symbol


class Held(Note, frozen=True, kw_only=True, tag="held"):
    """Nothing is filled from here on: the journal cannot write."""

    symbol: Symbol


class Released(Note, frozen=True, kw_only=True, tag="released"):
    """Orders are filled again, at the instant ``now_ns``."""

    symbol: Symbol
    now_ns: int | None


class LedgerStored(Note, frozen=True, kw_only=True, tag="ledger"):
    """The ledger goes to the journal although nothing happened to an order."""

    symbol: Symbol


class SymbolEnded(Note, frozen=True, kw_only=True, tag="ended"):
    """A matcher is gone.

    ``how``: ``ended`` once its ledger was durable, ``stopped`` with the service, ``failed`` to
    start anew from the database.
    """

    symbol: Symbol
    how: str


AnyNote = (
    FileBegun
    | FileContinued
    | RecordingEnded
    | ConnectionChanged
    | FrameDropped
    | FrameRefused
    | FrameUnheard
    | QuoteMet
    | SeedMet
    | GateReset
    | SymbolState
    | LevelsKnown
    | OrderRested
    | OrderUnmet
    | OrderCanceled
    | OrdersCanceled
    | OrdersExpired
    | Interrupted
    | Held
    | Released
    | LedgerStored
    | SymbolEnded
)

_decode = msgspec.json.Decoder(AnyNote).decode


def read_note(text: bytes) -> AnyNote:
    """Read the note of a line.

    Raises:
        ValueError: it is none of ours; the text says why.
    """
    try:
        note: AnyNote = _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return note


def level_notes(symbol: Symbol, levels: list[TakenLevel]) -> Iterator[LevelsKnown]:
    """Yield the notes that hold these levels."""
    for start in range(0, len(levels), LEVELS_PER_NOTE):
        yield LevelsKnown(symbol=symbol, levels=tuple(levels[start : start + LEVELS_PER_NOTE]))
