"""Tests of ``SymbolStream``."""

from collections import Counter

import pytest

from app.market.session.symbol_stream import SymbolStream
from tests.support.builders import make_quote
from tests.support.market import (
    INTERRUPTED,
    LTCBTC,
    QUOTE,
    SEED,
    FailingListener,
    RecordingListener,
)


@pytest.fixture
def stream() -> SymbolStream:
    """Make a stream without listeners."""
    return SymbolStream(LTCBTC, Counter())


def test_listener_counts_as_often_as_it_subscribed(stream: SymbolStream) -> None:
    """A listener gets each quote once, and leaves after as many removals as additions."""
    listener = RecordingListener()
    stream.add(listener)
    stream.add(listener)

    stream.deliver(make_quote(1))
    stream.remove(listener)
    has_listeners = stream.has_listeners
    stream.remove(listener)
    stream.remove(listener)

    assert listener.told == [QUOTE]
    assert has_listeners
    assert not stream.has_listeners


def test_seed_goes_to_those_who_asked_and_still_listen(stream: SymbolStream) -> None:
    """A seed reaches only listeners that waited at its request and still listen."""
    early, gone, late = RecordingListener(), RecordingListener(), RecordingListener()
    stream.add(early)
    stream.add(gone)
    waiting = stream.unseeded()
    stream.add(late)
    stream.remove(gone)

    is_enough = stream.offer(make_quote(1), waiting)

    assert is_enough
    assert (early.told, gone.told, late.told) == ([SEED], [], [])
    assert [one.listener for one in stream.unseeded()] == [late]


def test_refused_seed_leaves_the_listener_waiting(stream: SymbolStream) -> None:
    """A listener that refuses a seed stays unseeded, and only that listener."""
    content, refusing = RecordingListener(), RecordingListener(refused_seeds=1)
    stream.add(content)
    stream.add(refusing)

    is_enough = stream.offer(make_quote(1), stream.unseeded())

    assert not is_enough
    assert [one.listener for one in stream.unseeded()] == [refusing]


def test_distrust_interrupts_all_listeners_and_makes_seeds_due(stream: SymbolStream) -> None:
    """Distrust interrupts all listeners and makes their seeds due."""
    listener = RecordingListener()
    stream.add(listener)
    stream.offer(make_quote(1), stream.unseeded())

    stream.distrust()

    assert listener.told == [SEED, INTERRUPTED]
    assert len(stream.unseeded()) == 1
    assert stream.distrusted == 1


def test_failing_listener_affects_no_other_listener() -> None:
    """A failing listener is counted, and the other listeners are called."""
    counters: Counter[str] = Counter()
    stream = SymbolStream(LTCBTC, counters)
    listener = RecordingListener()
    stream.add(FailingListener())
    stream.add(listener)

    stream.deliver(make_quote(1))
    is_enough = stream.offer(make_quote(1), stream.unseeded())
    stream.distrust()

    assert listener.told == [QUOTE, SEED, INTERRUPTED]
    assert not is_enough
    assert counters["listener_failures"] == 3


def test_listener_may_unsubscribe_during_a_call(stream: SymbolStream) -> None:
    """A listener may unsubscribe during a call, and the others are still called."""

    class Leaving(RecordingListener):
        """A listener that unsubscribes when interrupted."""

        def on_interrupted(self) -> None:
            """Unsubscribe."""
            stream.remove(self)

    last = RecordingListener()
    stream.add(Leaving())
    stream.add(last)

    stream.distrust()

    assert last.told == [INTERRUPTED]


def test_frames_at_or_below_the_highest_one_are_timed_until_one_is_above(
    stream: SymbolStream,
) -> None:
    """The time of frames that are not above the highest id is kept until one is."""
    since: list[int | None] = []
    for received_ns, update_id in enumerate((5, 7, 7, 6, 8, 3), start=10):
        stream.deliver(make_quote(update_id, received_ns=received_ns))
        since.append(stream.went_back_since_ns)

    assert since == [None, None, 12, 12, None, 15]
    assert stream.last_update_id == 8


def test_restart_forgets_the_update_ids(stream: SymbolStream) -> None:
    """A restart forgets the update ids; a distrust does not."""
    listener = RecordingListener()
    stream.add(listener)
    stream.deliver(make_quote(7))
    stream.deliver(make_quote(6))

    stream.distrust()
    kept = stream.last_update_id
    stream.restart()

    assert kept == 7
    assert (stream.last_update_id, stream.went_back_since_ns, stream.current) == (0, None, None)
    assert listener.told == [QUOTE, QUOTE, INTERRUPTED, INTERRUPTED]


def test_only_a_listener_with_a_quote_requests_a_confirmation(stream: SymbolStream) -> None:
    """Only a listener with a quote can request a confirmation."""
    seeded, unseeded = RecordingListener(), RecordingListener()
    stream.add(seeded)
    stream.offer(make_quote(5), stream.unseeded())
    stream.add(unseeded)

    for listener in (seeded, unseeded, RecordingListener()):
        stream.request_confirmation(listener)

    assert [one.confirmed_above for one in stream.unseeded()] == [5, None]
    assert not stream.awaits_confirmation_only


def test_frame_below_the_quote_in_question_confirms_nothing(stream: SymbolStream) -> None:
    """A frame below the update id in question does not confirm it."""
    listener = RecordingListener()
    stream.add(listener)
    stream.offer(make_quote(9), stream.unseeded())
    stream.request_confirmation(listener)

    stream.deliver(make_quote(8))
    stream.note_confirmations()
    waiting = len(stream.unseeded())
    stream.deliver(make_quote(10))
    stream.note_confirmations()

    assert waiting == 1
    assert stream.unseeded() == []


def test_a_connection_that_lags_behind_repeats_nothing() -> None:
    """Frames that the previous connection delivered are counted and skipped."""
    counters: Counter[str] = Counter()
    stream, listener = SymbolStream(LTCBTC, counters), RecordingListener()
    stream.add(listener)
    for update_id in (5, 6, 7):
        stream.deliver(make_quote(update_id))

    stream.change_connection()
    for update_id in (6, 7, 8):
        stream.deliver(make_quote(update_id))

    assert [quote.update_id for quote in listener.quotes] == [5, 6, 7, 8]
    assert counters["rotation_duplicates"] == 2
    assert stream.went_back_since_ns is None


def test_ids_that_went_back_for_good_are_timed_after_a_change_of_connection(
    stream: SymbolStream,
) -> None:
    """Skipped duplicates still count as update ids that went back."""
    stream.add(RecordingListener())
    stream.deliver(make_quote(7))
    stream.change_connection()

    stream.deliver(make_quote(2, received_ns=5))
    since_ns = stream.went_back_since_ns
    stream.restart()
    listener = RecordingListener()
    stream.add(listener)
    stream.deliver(make_quote(2))

    assert since_ns == 5
    assert listener.told == [QUOTE]
