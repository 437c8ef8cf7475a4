"""Book-ticker frames of the synthetic market, ready for the wire, joined in parts.

A frame reads exactly as the venue's, raw or in the envelope of a combined stream. Update ids have
no gaps, so each id names its place in the stream.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import cycle, islice
from typing import Final

from app.simulator.market.pairs import PAIRS, Pair
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import VenueQuote, stream_name

SEED: Final = 5
DIFFERENT_QUOTES: Final = 50_000
"""After this many, the same prices and quantities repeat under new update ids."""

FIRST_UPDATE_ID: Final = 50_000_000_001
"""It has as many digits as the venue's ids today."""

_TEXT: Final = 0x81
"""An unfragmented text frame (RFC 6455 section 5.2); a server does not mask."""

_SHORT_MAX: Final = 125
_TWO_BYTES_FOLLOW: Final = 126


def burst_pairs(symbols: int) -> tuple[Pair, ...]:
    """Return the most liquid pairs of the synthetic market."""
    return PAIRS[:symbols]


@lru_cache
def market_quotes(symbols: int) -> tuple[VenueQuote, ...]:
    """Return the quotes of the most liquid pairs in order, each pair at its own pace."""
    market = SyntheticMarket(SEED, pairs=burst_pairs(symbols))
    return tuple(islice(market.quotes(first_update_id=1), DIFFERENT_QUOTES))


def wire_parts(
    quotes: Sequence[VenueQuote],
    *,
    first_update_id: int,
    total: int,
    frames_per_part: int,
    is_combined: bool,
) -> Iterator[bytes]:
    """Yield ``total`` frames in parts; the quotes repeat as often as necessary."""
    tails = cycle([_around(quote, is_combined=is_combined) for quote in quotes])
    end = first_update_id + total
    for first in range(first_update_id, end, frames_per_part):
        ids = range(first, min(end, first + frames_per_part))
        texts = (
            f"{head}{update_id}{tail}" for update_id, (head, tail) in zip(ids, tails, strict=False)
        )
        yield b"".join(map(_framed, texts))


def _around(quote: VenueQuote, *, is_combined: bool) -> tuple[str, str]:
    """Return the text before and after the update id."""
    _, comma, rest = quote.data.partition(",")
    head, tail = '{"u":', comma + rest
    if is_combined:
        return f'{{"stream":"{stream_name(quote.symbol)}","data":{head}', tail + "}"
    return head, tail


def _framed(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    if size <= _SHORT_MAX:
        return bytes((_TEXT, size)) + payload
    return bytes((_TEXT, _TWO_BYTES_FOLLOW)) + size.to_bytes(2, "big") + payload
