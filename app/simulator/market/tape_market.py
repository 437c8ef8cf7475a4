"""Plays a tape: a stored stream of quotes, with the data of each frame exactly as received.

``app.tapes`` defines the format. The file is read once at the start to find its symbols and their
steps, and to refuse a bad tape before clients connect. It is never held in memory. A truncated
tape is played up to its end, and a growing tape up to its length at the start.

On a tape without notes, the update ids of each symbol must rise, and any other line is refused.
The recorder writes notes, and it also stores frames that a venue would not send: repeated or late
quotes after a reconnect, and frames that are not quotes. After the first note such frames are
skipped and counted, and the log states their number.
"""

import gzip
import itertools
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import structlog

from app.domain.amounts import parse_amount
from app.simulator.market.playback import Playback
from app.simulator.market.venue_quotes import VenueQuote, venue_quote, with_update_id
from app.simulator.venue.listing import (
    Listing,
    inferred_rules,
    listing_from_rules,
    listings_from_exchange_info,
)
from app.tapes.tape_reader import TapeError, TapeReader

LOOP_GAP_US: Final = 1_000_000
"""Tape time between the last quote of a round and the first quote of the next round."""

SYMBOLS_LOGGED_MAX: Final = 10

_log = structlog.get_logger()


class _Data(msgspec.Struct):
    u: int
    s: str
    b: str
    B: str
    a: str
    A: str


_decode_data = msgspec.json.Decoder(_Data).decode


@dataclass(slots=True)
class _SymbolScan:
    """Facts about a symbol from the first reading."""

    first_update_id: int
    last_update_id: int
    price_decimals: int = 0
    quantity_decimals: int = 0

    def listing(self, symbol: str) -> Listing:
        """Return a listing whose rules are inferred."""
        rules = inferred_rules(
            symbol,
            tick_size=Decimal(1).scaleb(-self.price_decimals),
            step_size=Decimal(1).scaleb(-self.quantity_decimals),
        )
        return listing_from_rules(rules)


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
        """The offset of the update ids from one round to the next, so that they keep rising."""
        return 1 + max(one.last_update_id - one.first_update_id for one in self.symbols.values())

    def record(self, ts: int, data: _Data) -> None:
        """Record facts about a quote.

        Raises:
            ValueError: its update id does not rise, or an amount is malformed; nothing is recorded.
        """
        known = self.symbols.get(data.s)
        if known is not None and data.u <= known.last_update_id:
            raise ValueError(
                f"update id {data.u} of {data.s} is not above the one before, "
                f"{known.last_update_id}"
            )
        price_decimals = max(_decimals(data.b), _decimals(data.a))
        quantity_decimals = max(_decimals(data.B), _decimals(data.A))
        if known is None:
            known = self.symbols[data.s] = _SymbolScan(data.u, data.u)
        known.last_update_id = data.u
        known.price_decimals = max(known.price_decimals, price_decimals)
        known.quantity_decimals = max(known.quantity_decimals, quantity_decimals)
        self.first_ts = self.first_ts or ts
        self.last_ts = ts


class TapeMarket:
    """A market whose quotes come from a tape.

    Args:
        path: the file of the tape, plain or gzipped.
        is_looping: whether the tape restarts at its end, with update ids that keep rising.
        exchange_info: the file of an exchangeInfo answer, plain or gzipped, to serve instead of
            inferred rules.

    Raises:
        TapeError: a file is unreadable or has wrong content.
    """

    def __init__(
        self,
        path: Path,
        *,
        is_looping: bool = False,
        exchange_info: Path | None = None,
    ) -> None:
        self._path = path
        self._is_looping = is_looping
        self._scan = _scan(path)
        if self._scan.skipped or self._scan.is_cut_short:
            _log.warning(
                "tape_not_played_whole",
                tape=str(path),
                frames_skipped=self._scan.skipped,
                is_cut_short=self._scan.is_cut_short,
            )
        if exchange_info is not None:
            self._listings = _listings_from_file(exchange_info)
        else:
            self._listings = [one.listing(symbol) for symbol, one in self._scan.symbols.items()]
        listed = {one.symbol for one in self._listings}
        if unlisted := sorted(self._scan.symbols.keys() - listed):
            _log.warning("tape_symbols_not_listed", symbols=unlisted[:SYMBOLS_LOGGED_MAX])

    @property
    def listings(self) -> Sequence[Listing]:
        """The symbols, in the order of exchangeInfo."""
        return self._listings

    @property
    def frames_skipped(self) -> int:
        """The number of frames that are not played: not quotes, or with ids that do not rise."""
        return self._scan.skipped

    @property
    def is_cut_short(self) -> bool:
        """Whether the file was truncated when it was read."""
        return self._scan.is_cut_short

    async def run(self, playback: Playback) -> None:
        """Publish quotes until the tape ends; a looping tape never ends."""
        await playback.play(self.quotes())

    def quotes(self) -> Iterator[VenueQuote]:
        """Yield an empty quote at time 0 for each listed symbol, then the quotes of the tape."""
        # The empty quote has the id below the first real one. A client may request depth before the
        # first quote of a symbol, and a greater id would make it ignore that quote.
        for listing in self._listings:
            scan = self._scan.symbols.get(listing.symbol)
            before = scan.first_update_id - 1 if scan is not None else 1
            yield venue_quote(symbol=listing.symbol, update_id=before)
        round_us = self._scan.last_ts - self._scan.first_ts + LOOP_GAP_US
        for number in itertools.count() if self._is_looping else (0,):
            lift = number * self._scan.update_id_span
            for quote in _played_quotes(
                self._path,
                _TapeScan(),
                start_us=number * round_us,
                last_line=self._scan.last_line,
            ):
                yield with_update_id(quote, quote.update_id + lift)


def _scan(path: Path) -> _TapeScan:
    """Read the whole tape once, and raise TapeError for a bad line."""
    scan = _TapeScan()
    for _ in _played_quotes(path, scan):
        pass
    if not scan.symbols:
        raise TapeError(path, 0, "the tape holds no quote")
    return scan


def _played_quotes(
    path: Path, scan: _TapeScan, *, start_us: int = 0, last_line: int | None = None
) -> Iterator[VenueQuote]:
    """Yield the quotes to play, and record facts about them in ``scan``.

    Args:
        path: the tape.
        scan: the facts so far; empty at the start.
        start_us: the time of the first quote.
        last_line: the number of the last line to read; None for the last one of the file.
    """
    reader = TapeReader(path)
    for line in reader:
        # A recorder may have added lines since the tape was checked.
        if last_line is not None and line.number > last_line:
            return
        scan.last_line = line.number
        if line.data is None:
            continue
        try:
            text, data = line.data.decode(), _decode_data(line.data)
            scan.record(line.ts, data)
        except ValueError as error:
            # Only a recorder writes notes. Any other tape must hold nothing but rising quotes.
            if not reader.notes:
                raise TapeError(path, line.number, f"not a quote to play: {error}") from error
            scan.skipped += 1
            continue
        yield VenueQuote(
            # Quotes at time 0 are published before clients are admitted, who would miss them.
            at_ns=max((start_us + line.ts - scan.first_ts) * 1000, 1),
            symbol=data.s,
            update_id=data.u,
            bid_price=data.b,
            bid_quantity=data.B,
            ask_price=data.a,
            ask_quantity=data.A,
            data=text,
        )
    scan.is_cut_short = reader.is_cut_short


def _decimals(text: str) -> int:
    """Return the number of decimals of an amount, without trailing zeros."""
    try:
        parse_amount(text)
    except ValueError as error:
        raise ValueError(f"amount {text[:40]!r} {error}") from error
    # Binance always sends eight decimals, so trailing zeros say nothing about the step.
    return len(text.partition(".")[2].rstrip("0"))


def _listings_from_file(path: Path) -> list[Listing]:
    try:
        content = path.read_bytes()
        body = gzip.decompress(content) if path.suffix == ".gz" else content
        return listings_from_exchange_info(body)
    except ValueError as error:
        raise TapeError(path, 0, f"no answer to exchangeInfo: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        raise TapeError(path, 0, str(error)) from error
