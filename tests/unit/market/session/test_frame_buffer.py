"""Tests of ``FrameBuffer``."""

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import Drop, DropReason
from app.market.session.frame_buffer import SUPERSEDED_NS, BufferedFrame, FrameBuffer
from app.market.session.symbol_stream import SymbolStream
from tests.support.builders import LTCBTC, make_quote
from tests.support.market import RecordingListener

ETHBTC = Symbol("ETHBTC")


def frame(quote: Quote | Drop, received_ns: int = 0) -> BufferedFrame:
    """Make a frame whose text does not matter."""
    return BufferedFrame(quote, b"", received_ns)


def buffer_of(*frames: BufferedFrame) -> FrameBuffer:
    """Make a buffer with these frames."""
    buffer = FrameBuffer(10)
    for one in frames:
        buffer.append(one)
    return buffer


def stream_at(update_id: int, *, wanted_since_ns: int = 0) -> SymbolStream:
    """Make a stream that has delivered an update."""
    stream = SymbolStream(LTCBTC, {}, wanted_since_ns=wanted_since_ns)  # type: ignore[arg-type] # no failures are counted
    stream.add(RecordingListener())
    if update_id:
        stream.deliver(make_quote(update_id))
    return stream


def test_frames_leave_in_order_and_a_full_buffer_refuses_more() -> None:
    """The buffer is a bounded queue."""
    buffer = FrameBuffer(2)
    frames = [frame(make_quote(number)) for number in (1, 2, 3)]

    verdicts = [buffer.append(one) for one in frames]

    assert verdicts == [True, True, False]
    assert [buffer.pop_first(), buffer.pop_first()] == frames[:2]
    assert len(buffer) == 0


def test_stream_has_caught_up_once_it_delivered_the_first_buffered_quote() -> None:
    """A stream has caught up once it delivered its first buffered quote."""
    buffer = buffer_of(frame(make_quote(7)), frame(make_quote(9)))

    assert [buffer.has_caught_up(stream_at(one)) for one in (0, 6, 7, 8)] == [
        False,
        False,
        True,
        True,
    ]
    assert [buffer.has_overlapped(stream_at(one)) for one in (6, 7)] == [False, True]


def test_quiet_stream_has_caught_up_and_proves_nothing() -> None:
    """A stream without buffered quotes has caught up, but has no overlap."""
    drop = Drop(reason=DropReason.CROSSED, symbol=LTCBTC)
    buffer = buffer_of(frame(make_quote(7, symbol=ETHBTC)), frame(drop))
    late = buffer_of(frame(make_quote(7, received_ns=3)))

    assert buffer.has_caught_up(stream_at(0))
    assert not buffer.has_overlapped(stream_at(9))
    assert late.has_caught_up(stream_at(0, wanted_since_ns=4))
    assert not late.has_overlapped(stream_at(9, wanted_since_ns=4))


def test_only_old_quotes_that_were_replaced_are_superseded() -> None:
    """Only old quotes with a newer quote of their symbol are superseded."""
    old, replaced_soon = frame(make_quote(1), 0), frame(make_quote(2), SUPERSEDED_NS)
    drop = frame(Drop(reason=DropReason.CROSSED, symbol=LTCBTC), 0)
    other = frame(make_quote(3, symbol=ETHBTC), 0)
    newest = frame(make_quote(4), SUPERSEDED_NS + 1)
    buffer = buffer_of(old, replaced_soon, drop, other, newest)

    assert buffer.superseded(2 * SUPERSEDED_NS) == {0}
