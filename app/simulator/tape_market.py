"""Plays a tape: a stored stream of quotes, its data byte for byte as it was received.

A tape is JSON Lines in receive order, gzipped or plain: ``{"ts": epoch microseconds, "data": the
exchange's own text}``. ``ts`` never decreases, and the update id rises with each line of a symbol.
The file is read through once at the start, to know its symbols and the grid of their amounts and to
refuse a bad one before anybody listens; it is never held in memory.
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

from app.domain.amounts import parse_amount
from app.domain.errors import StartupError
from app.simulator.listing import (
    Listing,
    inferred_rules,
    listing_from_rules,
    listings_from_exchange_info,
)
from app.simulator.quotes import VenueQuote, venue_quote
from app.simulator.stage import Stage

LOOP_GAP_US: Final = 1_000_000
"""Tape time between the last quote of one round and the first of the next."""

LINE_BYTES_MAX: Final = 64 * 1024
"""A longer line is no book ticker; it bounds what a file without line ends can make us read."""

_UPDATE_ID: Final = re.compile(r'("u"\s*:\s*)\d+')


class TapeError(StartupError):
    """The tape cannot be played; the message names the file, the line and the cause."""

    code = "bad_tape"

    def __init__(self, path: Path, line_number: int, cause: str) -> None:
        self.path = path
        self.line_number = line_number
        where = f"{path}, line {line_number}" if line_number else str(path)
        super().__init__(f"{where}: {cause}")


class _Line(msgspec.Struct):
    ts: int
    data: msgspec.Raw


class _Data(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


@dataclass(slots=True)
class _SymbolScan:
    """What the first reading learns about a symbol."""

    first_update_id: int
    last_update_id: int
    first_ts: int
    price_decimals: int = 0
    quantity_decimals: int = 0


@dataclass(slots=True)
class _TapeScan:
    symbols: dict[str, _SymbolScan] = field(default_factory=dict)
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
        self._listings = (
            tuple(_inferred_listing(symbol, one) for symbol, one in self._scan.symbols.items())
            if exchange_info is None
            else _listings_from_file(exchange_info)
        )

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    async def run(self, stage: Stage) -> None:
        """Perform until the tape is over, for ever if it loops."""
        await stage.play(self.quotes())

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
        for _, line, data in _read(self._path):
            elapsed_us = start_us + line.ts - self._scan.first_ts
            text = bytes(line.data).decode()
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
    for number, line, data in _read(path):
        if line.ts < scan.last_ts:
            raise TapeError(path, number, f"ts {line.ts} is below the one before, {scan.last_ts}")
        scan.first_ts = scan.first_ts or line.ts
        scan.last_ts = line.ts
        try:
            _note(scan, line.ts, data)
        except ValueError as error:
            raise TapeError(path, number, str(error)) from error
    if not scan.symbols:
        raise TapeError(path, 0, "the tape holds no quote")
    return scan


def _note(scan: _TapeScan, ts: int, data: _Data) -> None:
    known = scan.symbols.get(data.s)
    if known is None:
        known = scan.symbols[data.s] = _SymbolScan(data.u, data.u, ts)
    elif data.u <= known.last_update_id:
        raise ValueError(
            f"update id {data.u} of {data.s} is not above the one before, {known.last_update_id}"
        )
    known.last_update_id = data.u
    known.price_decimals = max(known.price_decimals, _decimals(data.b), _decimals(data.a))
    known.quantity_decimals = max(known.quantity_decimals, _decimals(data.B), _decimals(data.A))


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


def _read(path: Path) -> Iterator[tuple[int, _Line, _Data]]:
    """Yield the lines of a tape with their numbers, counted from 1."""
    lines = msgspec.json.Decoder(_Line)
    quotes = msgspec.json.Decoder(_Data)
    number = 0
    try:
        with _open(path) as file:
            while raw := file.readline(LINE_BYTES_MAX):
                number += 1
                line = lines.decode(raw)
                yield number, line, quotes.decode(line.data)
    except msgspec.MsgspecError as error:
        raise TapeError(path, number, f"not a line of a tape: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        # Reading fails behind the last good line, opening before the first one.
        raise TapeError(path, number + 1 if number else 0, str(error)) from error


def _open(path: Path) -> BinaryIO:
    if path.suffix == ".gz":
        return cast("BinaryIO", gzip.open(path, "rb"))
    return path.open("rb")


def _listings_from_file(path: Path) -> tuple[Listing, ...]:
    try:
        with _open(path) as file:
            return tuple(listings_from_exchange_info(file.read()))
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise TapeError(path, 0, str(error)) from error
