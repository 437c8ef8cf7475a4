"""Conflation keeps the fill rule sound, in markets in which every lot has an identity."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from app.domain.quote import Quote
from app.market.book_ticker import parse_frame
from app.market.transport.conflation import newest_of_each
from tests.unit.domain.fill_rule_script import Action, Change, Redeliver, long_script, scripts
from tests.unit.domain.order_level_book import PropertyBrokenError
from tests.unit.domain.playthrough import Playthrough

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

FRAMES_MAX = 12
"""Frames of a read; more wait for the next one."""

SEEDS = range(8)

Conflate = Callable[[Sequence[bytes]], list[bytes]]


def text_of(quote: Quote) -> bytes:
    """Write a quote as the venue does."""
    return (
        f'{{"u":{quote.update_id},"s":"{quote.symbol}","b":"{quote.bid_price}",'
        f'"B":"{quote.bid_quantity}","a":"{quote.ask_price}","A":"{quote.ask_quantity}"}}'
    ).encode()


def quote_of(text: bytes) -> Quote:
    """Parse a text as the service does."""
    quote = parse_frame(text, 0)
    assert isinstance(quote, Quote)
    return quote


class ReadInPieces(Playthrough):
    """A playthrough with conflated reads; all other actions come between the reads."""

    def __init__(self, read_sizes: Callable[[], int], conflate: Conflate = newest_of_each) -> None:
        super().__init__()
        self.skipped = 0
        self._read_sizes = read_sizes
        self._conflate = conflate
        self._size = read_sizes()
        self._read: list[bytes] = []

    def _act(self, action: Action) -> None:
        if not isinstance(action, Change | Redeliver):
            self._work_off()
        super()._act(action)

    def _deliver(self, quote: Quote) -> None:
        self._read.append(text_of(quote))
        if len(self._read) >= self._size:
            self._work_off()

    def _work_off(self) -> None:
        left = self._conflate(self._read)
        self.skipped += len(self._read) - len(left)
        self._read = []
        self._size = self._read_sizes()
        for text in left:
            super()._deliver(quote_of(text))


def busiest_of_each(texts: Sequence[bytes]) -> list[bytes]:
    """Conflate wrongly: combine the newest quote with the largest quantity of any."""
    left = []
    for text in newest_of_each(texts):
        quote, others = quote_of(text), [quote_of(one) for one in texts]
        most = max(one.ask_quantity for one in others if one.ask_price == quote.ask_price)
        left.append(text.replace(f'"A":"{quote.ask_quantity}"'.encode(), f'"A":"{most}"'.encode()))
    return left


@given(scripts, st.integers(0, 2**32))
def test_any_script_keeps_every_promise_however_it_is_conflated(
    script: list[Action], seed: int
) -> None:
    """No script sells a lot twice or withholds one, however it is conflated."""
    note(f"script: {script}")
    chance = random.Random(seed)

    ReadInPieces(lambda: chance.randint(1, FRAMES_MAX)).play(script)


@pytest.mark.parametrize("seed", SEEDS)
def test_long_run_keeps_every_promise_while_many_quotes_are_skipped(seed: int) -> None:
    """The same holds over thousands of steps with many orders and levels."""
    chance = random.Random(seed)

    played = ReadInPieces(lambda: chance.randint(1, FRAMES_MAX))
    played.play(long_script(seed, 1_200))

    assert played.skipped > 50
    assert played.audit.fills_total > 100


def test_conflation_that_mixes_quotes_is_found() -> None:
    """A wrong conflation fails these checks."""

    def broken_promise(seed: int) -> str | None:
        chance = random.Random(seed)
        played = ReadInPieces(lambda: chance.randint(1, FRAMES_MAX), busiest_of_each)
        try:
            played.play(long_script(seed, 1_200))
        except PropertyBrokenError as error:
            return str(error)
        return None

    assert "no displayed lot is sold twice" in {broken_promise(seed) for seed in SEEDS}
