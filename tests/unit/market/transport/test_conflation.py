"""Tests of ``app.market.transport.conflation``."""

import json
import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.quote import Quote
from app.market.book_ticker import parse_frame
from app.market.transport.conflation import Backlog, newest_of_each

ANSWER = b'{"result":null,"id":1}'


def ticker(update_id: int, symbol: str = "LTCBTC") -> bytes:
    """Make a frame as the venue writes it."""
    return b'{"u":%d,"s":"%b","b":"0.5","B":"1.0","a":"0.6","A":"2"}' % (update_id, symbol.encode())


def combined(update_id: int, symbol: str = "LTCBTC", stream: str = "ltcbtc@bookTicker") -> bytes:
    """Make a frame of a combined stream."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), ticker(update_id, symbol))


@pytest.mark.parametrize("frame", [ticker, combined])
def test_newest_quote_of_each_symbol_is_delivered(frame: object) -> None:
    """The newest quote of each symbol is delivered, in the order of arrival."""
    assert callable(frame)
    texts = [frame(1), frame(5, "ETHBTC"), frame(2), frame(6, "ETHBTC"), frame(3), frame(1, "A")]

    assert newest_of_each(texts) == [frame(6, "ETHBTC"), frame(3), frame(1, "A")]


@pytest.mark.parametrize(
    "other",
    [
        ANSWER,
        b'{"e":"serverShutdown"}',
        b'{"e":"24hrMiniTicker","E":1672515782136,"s":"LTCBTC"}',
        b'{"u":2,"s":"LTCBTC","b":"-0.5","B":"1","a":"0.6","A":"2"}',
        b'{"u":2,"s":"LTCBTC","b":"0.5","B":"1","a":"0.6","A":"2","e":"trade"}',
        b'{"u":2,"s":"LTCBTC","b":"0.5"',
        b'{"u":2,"s":"LTCBTC","b":"0.5","B":"1","a":"0.6","A":"2"}}',
        b'{"stream":"ltcbtc@bookTicker","data":{"u":2,"s":"LTCBTC","b":"0","B":"0","a":"1","A":"2"}',
        b'{"u":2,"s":"LTCBTC","b":"0.5.1","B":"1","a":"0.6","A":"2"}',
        b'{"u":2,"s":"LTCBTC","b":"0.5","B":".","a":"0.6","A":"2"}',
        b'{"u":0,"s":"LTCBTC","b":"0.5","B":"1","a":"0.6","A":"2"}',
        b"",
        b"\xff",
    ],
)
def test_any_other_text_is_delivered_in_its_place(other: bytes) -> None:
    """Any other text is delivered after all earlier and before all later texts."""
    texts = [ticker(1), ticker(2), ticker(1, "ETHBTC"), other, ticker(3), ticker(4)]

    assert newest_of_each(texts) == [ticker(2), ticker(1, "ETHBTC"), other, ticker(4)]


def test_update_id_that_goes_back_replaces_no_quote() -> None:
    """A quote before one with a lower update id is delivered, too."""
    texts = [ticker(7), ticker(8), ticker(3), ticker(4), ticker(4), ticker(5)]

    assert newest_of_each(texts) == [ticker(8), ticker(4), ticker(5)]


def test_quote_on_a_stream_of_another_name_replaces_none() -> None:
    """A quote under another stream name replaces no quote."""
    texts = [combined(1), combined(2, stream="ethbtc@bookTicker"), ticker(3)]

    assert newest_of_each(texts) == texts


@given(
    st.lists(
        st.one_of(
            st.builds(
                ticker, st.integers(1, 9), st.sampled_from(["LTCBTC", "ETHBTC", "币安人生USDT"])
            ),
            st.builds(combined, st.integers(1, 9)),
            st.sampled_from([ANSWER, b"", b'{"u":2,"s":"LTCBTC","b":"x"}']),
        ),
        max_size=30,
    )
)
def test_only_quotes_that_were_replaced_are_skipped(texts: list[bytes]) -> None:
    """Only replaced quotes are skipped, and the newest quote of each symbol remains."""
    left = newest_of_each(texts)

    assert [text for text in left if _symbol_of(text) is None] == [
        text for text in texts if _symbol_of(text) is None
    ]
    for symbol in {_symbol_of(text) for text in texts} - {None}:
        came, kept = _ids_of(texts, symbol), _ids_of(left, symbol)
        assert _is_part_of(kept, came)
        assert kept[-1] == came[-1]
        assert max(kept) == max(came)


def test_unread_data_for_the_given_time_means_behind() -> None:
    """Unread data for the given time means behind, and an empty socket ends it."""
    backlog = Backlog(seconds=2)

    changes = [
        backlog.note_read(unread, at)
        for at, unread in ((0, 9), (1.9, 9), (2.0, 9), (2.1, 9), (2.2, 0), (2.3, 9), (4.2, 9))
    ]

    assert backlog.is_waiting
    assert changes == [False, False, True, False, True, False, False]
    assert not backlog.is_behind
    assert backlog.note_read(1, 4.3)
    assert backlog.is_behind


def test_burst_that_is_handled_in_time_is_no_backlog() -> None:
    """A burst that is handled in time does not count as a backlog."""
    backlog = Backlog(seconds=2)
    chance = random.Random(1)
    now = 0.0

    for _ in range(100):
        for _ in range(3):
            now += chance.uniform(0, 0.5)
            assert not backlog.note_read(10**9, now)
        backlog.note_read(0, now)


def _symbol_of(text: bytes) -> str | None:
    """Return a quote's symbol with its form, since the two forms count separately."""
    quote = parse_frame(text, 0)
    if not isinstance(quote, Quote):
        return None
    return f"{quote.symbol} {'stream' in json.loads(text)}"


def _ids_of(texts: Sequence[bytes], symbol: str | None) -> list[int]:
    quotes = (parse_frame(text, 0) for text in texts if _symbol_of(text) == symbol)
    return [quote.update_id for quote in quotes if isinstance(quote, Quote)]


def _is_part_of(part: Sequence[int], whole: Sequence[int]) -> bool:
    rest = iter(whole)
    return all(one in rest for one in part)
