"""Plays a tape: a stored stream of quotes, its data byte for byte as it was received.

The format is that of ``app.tapes``. The file is read through once at the start, to know its symbols
and the grid of their amounts and to refuse a bad one before anybody listens; it is never held in
memory. A tape that was cut short is played as far as it goes, and one that is still being written
as far as it went then.

On a tape of quotes alone the update id rises with each line of a symbol, and a line that breaks
this is refused. A recording tells about itself in notes, and holds what really came: quotes again
or late after a reconnect, frames that are none. A venue does not send those, so behind the first
note they are skipped, counted, and the log says how many.
"""

import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import BinaryIO, Final, cast

import msgspec
import structlog

from app.domain.amounts import parse_amount
from app.simulator.market.market_protocols import QuotePublisher
from app.simulator.market.venue_quotes import VenueQuote, venue_quote
from app.simulator.venue.listing import (
    Listing,
    inferred_rules,
    listing_from_rules,
    listings_from_exchange_info,
)
from app.tapes.tape_reader import TapeError, TapeReader

LOOP_GAP_US: Final = 1_000_000
SYMBOLS_TOLD_MAX: Final = 10
"""Tape time between the last quote of one round and the first of the next."""

_UPDATE_ID: Final = re.compile(r'("u"\s*:\s*)\d+')

_log = structlog.get_logger()


class _Data(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


_decode_data = msgspec.json.Decoder(_Data).decode


@dataclass(frozen=True, slots=True)
class _Frame:
    """A quote of the tape; ``text`` is what went over the wire."""

    ts: int
    text: str
    data: _Data


@dataclass(slots=True)
class _SymbolScan:
    """What the first reading learns about a symbol."""

    first_update_id: int
    last_update_id: int
    price_decimals: int = 0
    quantity_decimals: int = 0


@dataclass(slots=True)
class _TapeScan:
    symbols: dict[str, _SymbolScan] = field(default_factory=dict)
    last_line: int = 0
    skipped: int = 0
    is_cut_short: bool = False
    first_ts: int = 0
    last_ts: int = 0

    @property
    def update_id_span(self) -> int:
        """How far a round must lift the ids so that each symbol's go on rising."""
        return 1 + max(one.last_update_id - one.first_update_id for one in self.symbols.values())


class TapeMarket:
    """A market whose quotes come from a tape, at ``speed`` times the pace it was received with.

    ``exchange_info`` is the path of an exchangeInfo answer to serve instead of inferred rules,
    gzipped or plain. With ``is_looping`` the tape begins anew when it is over, its update ids
    lifted so that they go on rising.

    Raises:
        TapeError: a file that cannot be read, or is not what it should be.
    """

    def __init__(
        self,
        path: Path,
        *,
        speed: float = 1.0,
        is_looping: bool = False,
        exchange_info: Path | None = None,
    ) -> None:
        if not speed > 0:
            raise ValueError("the speed of a tape is above 0")
        self._path = path
        self._speed = speed
        self._is_looping = is_looping
        self._scan = _scan(path)
        if self._scan.skipped or self._scan.is_cut_short:
            _log.warning(
                "tape_not_played_whole",
                tape=str(path),
                frames_skipped=self._scan.skipped,
                is_cut_short=self._scan.is_cut_short,
            )
        self._listings = (
            tuple(_inferred_listing(symbol, one) for symbol, one in self._scan.symbols.items())
            if exchange_info is None
            else _listings_from_file(exchange_info)
        )
        listed = {one.symbol for one in self._listings}
        if unlisted := sorted(self._scan.symbols.keys() - listed):
            _log.warning("tape_symbols_not_listed", symbols=unlisted[:SYMBOLS_TOLD_MAX])

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    @property
    def frames_skipped(self) -> int:
        """How many frames of a recording are not played: no quotes, or of ids that do not rise."""
        return self._scan.skipped

    @property
    def is_cut_short(self) -> bool:
        """Whether the file ended in the middle when it was read."""
        return self._scan.is_cut_short

    async def run(self, publisher: QuotePublisher) -> None:
        """Perform until the tape is over, for ever if it loops."""
        await publisher.play(self.quotes())

    def quotes(self) -> Iterator[VenueQuote]:
        """Yield the tape's quotes, before them an empty one at 0 for every listed symbol.

        The empty one's update id is just below the first real one, so that a client which asks for
        depth before the tape has come to a symbol does not gate out what follows.
        """
        for listing in self._listings:
            scan = self._scan.symbols.get(listing.symbol)
            before = scan.first_update_id - 1 if scan is not None else 1
            yield venue_quote(symbol=listing.symbol, update_id=before)
        yield from self._round(0)
        round_number = 1
        while self._is_looping:
            yield from self._round(round_number)
            round_number += 1

    def _round(self, number: int) -> Iterator[VenueQuote]:
        lift = number * self._scan.update_id_span
        start_us = number * (self._scan.last_ts - self._scan.first_ts + LOOP_GAP_US)
        for frame in _played(self._path, _TapeScan(), last_line=self._scan.last_line):
            elapsed_us = start_us + frame.ts - self._scan.first_ts
            text, data = frame.text, frame.data
            if lift:
                text = _UPDATE_ID.sub(rf"\g<1>{data.u + lift}", text, count=1)
            yield VenueQuote(
                # Never 0, the instant of the opening: clients should hear of all of it.
                at_ns=max(int(elapsed_us * 1000 / self._speed), 1),
                symbol=data.s,
                update_id=data.u + lift,
                bid_price=data.b,
                bid_quantity=data.B,
                ask_price=data.a,
                ask_quantity=data.A,
                data=text,
            )


def _scan(path: Path) -> _TapeScan:
    """Read the whole tape once; refuse what is out of order or no quote."""
    scan = _TapeScan()
    for _ in _played(path, scan):
        pass
    if not scan.symbols:
        raise TapeError(path, 0, "the tape holds no quote")
    return scan


def _played(path: Path, scan: _TapeScan, *, last_line: int | None = None) -> Iterator[_Frame]:
    """Yield the quotes that are played, up to ``last_line``, and note in ``scan`` what was read."""
    reader = TapeReader(path)
    for line in reader:
        if last_line is not None and line.number > last_line:
            return
        scan.last_line = line.number
        if line.data is None:
            continue
        try:
            frame = _Frame(line.ts, line.data.decode(), _decode_data(line.data))
            _note(scan, frame)
        except ValueError as error:
            if not reader.notes:
                raise TapeError(path, line.number, f"not a quote to play: {error}") from error
            scan.skipped += 1
        else:
            yield frame
    scan.is_cut_short = reader.is_cut_short


def _note(scan: _TapeScan, frame: _Frame) -> None:
    """Learn from a quote.

    Raises:
        ValueError: it is out of order, or an amount is none; nothing was learned.
    """
    data = frame.data
    known = scan.symbols.get(data.s)
    if known is not None and data.u <= known.last_update_id:
        raise ValueError(
            f"update id {data.u} of {data.s} is not above the one before, {known.last_update_id}"
        )
    price_decimals = max(_decimals(data.b), _decimals(data.a))
    quantity_decimals = max(_decimals(data.B), _decimals(data.A))
    if known is None:
        known = scan.symbols[data.s] = _SymbolScan(data.u, data.u)
    known.last_update_id = data.u
    known.price_decimals = max(known.price_decimals, price_decimals)
    known.quantity_decimals = max(known.quantity_decimals, quantity_decimals)
    scan.first_ts = scan.first_ts or frame.ts
    scan.last_ts = frame.ts


def _decimals(text: str) -> int:
    """Count the digits behind the point that say something."""
    try:
        parse_amount(text)
    except ValueError as error:
        raise ValueError(f"amount {text[:40]!r} {error}") from error
    return len(text.partition(".")[2].rstrip("0"))


def _inferred_listing(symbol: str, scan: _SymbolScan) -> Listing:
    rules = inferred_rules(
        symbol,
        tick_size=Decimal(1).scaleb(-scan.price_decimals),
        step_size=Decimal(1).scaleb(-scan.quantity_decimals),
    )
    return listing_from_rules(rules)


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _listings_from_file(path: Path) -> tuple[Listing, ...]:
    try:
        with _open(path) as file:
            return tuple(listings_from_exchange_info(file.read()))
    except ValueError as error:
        raise TapeError(path, 0, f"no answer to exchangeInfo: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TapeError(path, 0, str(error)) from error
