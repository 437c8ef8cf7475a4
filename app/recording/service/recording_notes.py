"""The notes of a recording: every input of a matcher besides the frames, and its initial state.

The line of a frame means that the matcher of its symbol first expired the orders whose deadline
was before the frame's receipt, and then applied its quote. A note describes every exception. A new
matcher that receives frames and notes in their order makes the same splits. Instants are
nanoseconds of the recorder's monotonic clock.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import msgspec

from app.domain.liquidity import TakenLevel
from app.domain.order import Arrival, Order, OrderId, Owner, Symbol
from app.domain.quote import Quote

LEVELS_PER_NOTE: Final = 500
"""Keeps a line far below the size limit of a tape's line."""


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind"):
    """The base of all notes; the JSON key ``kind`` holds the tag."""


class SymbolNote(Note, frozen=True, kw_only=True):
    """The base of the notes about one symbol, or about its matcher."""

    symbol: Symbol


class FileBegun(Note, frozen=True, kw_only=True, tag="file"):
    """The first line of a file.

    Attributes:
        stream_id: Identifies the database.
        epoch: Identifies the process that owns the database.
        number: Counts the files of this process from 1.
        continues: Nothing is missing between the previous file and this one.
        acceptance_number: The orders up to this number were accepted before.
        version: The version of Papertape.
    """

    stream_id: str
    epoch: int
    number: int
    continues: bool
    acceptance_number: int
    version: str


class FileContinued(Note, frozen=True, kw_only=True, tag="continued"):
    """The last line of a file that the next file continues."""


class RecordingEnded(Note, frozen=True, kw_only=True, tag="closed"):
    """The last line of a service that stopped in order.

    ``is_durable`` says that the database has every outcome.
    """

    is_durable: bool = False


class ConnectionChanged(Note, frozen=True, kw_only=True, tag="connection"):
    """A connection to the venue was opened, lost, rotated or closed."""

    what: str
    cause: str | None


class FrameDropped(Note, frozen=True, kw_only=True, tag="dropped"):
    """The feed dropped a frame, which has no line."""

    symbol: Symbol | None
    reason: str
    received_ns: int


class FrameRefused(SymbolNote, frozen=True, kw_only=True, tag="refused"):
    """The previous quote was not applied: its update id is not above the gate."""

    update_id: int
    gate: int


class FrameIgnored(SymbolNote, frozen=True, kw_only=True, tag="unheard"):
    """The previous frame was not applied, because the symbol had no matcher."""


class QuoteReceived(Note, frozen=True, kw_only=True, tag="quote"):
    """A matcher received a quote whose frame has no line."""

    quote: Quote


class SeedReceived(Note, frozen=True, kw_only=True, tag="seed"):
    """A depth snapshot, and whether it was applied; None if the symbol had no matcher."""

    quote: Quote
    is_applied: bool | None


class GateReset(Note, frozen=True, kw_only=True, tag="gate_reset"):
    """A depth snapshot below the gate was applied: the venue's update ids start again."""

    quote: Quote


class SymbolState(SymbolNote, frozen=True, kw_only=True, tag="symbol"):
    """The state of a matcher; the notes with its levels and resting orders follow at once.

    Attributes:
        goes_on: The matcher existed before, in an earlier file or unrecorded. Otherwise it begins
            here, with the stored ledger.
        quote: The current quote.
        levels_total: The number of levels in the ``LevelsKnown`` notes that follow.
        resting_total: The number of ``OrderRested`` notes that follow.
    """

    goes_on: bool
    gate: int
    is_held: bool
    awaits_confirmation: bool
    quote: Quote | None
    levels_total: int
    resting_total: int


class LevelsKnown(SymbolNote, frozen=True, kw_only=True, tag="levels"):
    """Levels of the ledger that the previous ``SymbolState`` announced."""

    levels: tuple[TakenLevel, ...]


class OrderRested(Note, frozen=True, kw_only=True, tag="rested"):
    """A matcher received an order, or with ``goes_on`` held it already.

    The other fields are the arguments of ``SymbolMatcher.rest``.
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
    """An IOC or FOK order of an earlier process ended; see ``SymbolMatcher.end_unmet``."""

    order: Order
    filled_quantity: Decimal
    quote_quantity: Decimal
    splits_total: int
    last_sequence: int
    arrival: Arrival | None
    quotes_seen: int


class OrderCanceled(SymbolNote, frozen=True, kw_only=True, tag="canceled"):
    """A client canceled an order."""

    order_id: OrderId


class OrdersCanceled(SymbolNote, frozen=True, kw_only=True, tag="all_canceled"):
    """A client canceled all its orders of a symbol."""

    owner: Owner


class OrdersExpired(SymbolNote, frozen=True, kw_only=True, tag="expired"):
    """The orders with a deadline before this instant expired."""

    now_ns: int


class Interrupted(SymbolNote, frozen=True, kw_only=True, tag="interrupted"):
    """The current quote is no longer valid."""


class Held(SymbolNote, frozen=True, kw_only=True, tag="held"):
    """Fills are paused, because the journal cannot write."""


class Released(SymbolNote, frozen=True, kw_only=True, tag="released"):
    """Fills resume at the instant ``now_ns``."""

    now_ns: int | None


class StatusChanged(SymbolNote, frozen=True, kw_only=True, tag="status"):
    """The venue has this status for the symbol, ``TRADING`` or another; else it is ``TRADING``.

    It is no input of a matcher: the service holds and releases matchers by it. ``verify`` checks
    that no quote fills an order while the symbol does not trade.
    """

    status: str


class LedgerStored(SymbolNote, frozen=True, kw_only=True, tag="ledger"):
    """The ledger went to the journal without a fill or an end of an order."""


class SymbolEnded(SymbolNote, frozen=True, kw_only=True, tag="ended"):
    """A matcher ended.

    ``how`` is ``ended`` (after its ledger became durable), ``stopped`` (together with the service)
    or ``failed`` (the symbol is loaded from the database again).
    """

    how: str


AnyNote = (
    FileBegun
    | FileContinued
    | RecordingEnded
    | ConnectionChanged
    | FrameDropped
    | FrameRefused
    | FrameIgnored
    | QuoteReceived
    | SeedReceived
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
    | StatusChanged
    | LedgerStored
    | SymbolEnded
)

_decode = msgspec.json.Decoder(AnyNote).decode


def read_note(text: bytes) -> AnyNote:
    """Read the note of a line.

    Raises:
        ValueError: the text is not one of these notes; the message says why.
    """
    try:
        # msgspec raises RecursionError, not a ValueError, for deep nesting.
        note: AnyNote = _decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return note


def level_notes(symbol: Symbol, levels: list[TakenLevel]) -> Iterator[LevelsKnown]:
    """Yield the notes that hold these levels."""
    for start in range(0, len(levels), LEVELS_PER_NOTE):
        yield LevelsKnown(symbol=symbol, levels=tuple(levels[start : start + LEVELS_PER_NOTE]))
