"""Tests of ``app.simulator.market.playback``."""

import asyncio
from collections.abc import Iterator

import pytest

from app.simulator.market.playback import BATCH_MAX, Playback, PlayTarget
from app.simulator.market.venue_quotes import VenueQuote, venue_quote
from tests.support.virtual_time import hold_up, in_virtual_time
from tests.support.waiting import eventually

MS = 1_000_000


def quotes_at(*instants_ns: int, id_step: int = 1) -> Iterator[VenueQuote]:
    """Yield a quote at each time, with update ids counting from 1 step."""
    for number, at_ns in enumerate(instants_ns, 1):
        yield venue_quote(at_ns=at_ns, symbol="LTCBTC", update_id=number * id_step)


class Recorder:
    """A playback that records the published quotes, and their seconds since its start."""

    def __init__(self, *, is_paused: bool = False, speed: float = 1.0) -> None:
        self.ids: list[int] = []
        self.at: list[float] = []
        self._started_at = asyncio.get_running_loop().time()
        self.playback = Playback(self._publish, first_update_id=1, is_paused=is_paused, speed=speed)

    def _publish(self, quote: VenueQuote) -> None:
        self.ids.append(quote.update_id)
        self.at.append(asyncio.get_running_loop().time() - self._started_at)


@in_virtual_time
async def test_quotes_are_published_at_their_times_and_not_before() -> None:
    """Each quote is published at its time, in order."""
    recorder = Recorder()
    await recorder.playback.play(quotes_at(0, 20 * MS, 50 * MS))

    assert recorder.ids == [1, 2, 3]
    assert recorder.at[1] >= 0.019
    assert recorder.at[2] >= 0.049


@in_virtual_time
async def test_delays_do_not_accumulate() -> None:
    """A delayed market catches up, and publishes every quote."""
    recorder = Recorder()

    def quotes() -> Iterator[VenueQuote]:
        for quote in quotes_at(*(number * 10 * MS for number in range(1, 13))):
            if quote.update_id == 3:
                hold_up(0.07)  # the time of seven quotes
            yield quote

    await recorder.playback.play(quotes())

    assert recorder.ids == list(range(1, 13))
    assert recorder.at[8] - recorder.at[2] < 0.02
    assert 0.119 <= recorder.at[-1] < 0.2


@in_virtual_time
async def test_it_opens_after_the_quotes_at_the_opening() -> None:
    """Clients are admitted after all quotes at time 0 and before the next quote."""
    recorder = Recorder(is_paused=True)
    playing = asyncio.create_task(recorder.playback.play(quotes_at(0, 0, 1)))
    await recorder.playback.opened.wait()

    assert recorder.ids == [1, 2]
    recorder.playback.resume()
    await playing
    assert recorder.ids == [1, 2, 3]


@in_virtual_time
async def test_time_does_not_pass_while_paused() -> None:
    """A pause delays all later quotes by its length."""
    recorder = Recorder()
    playback = recorder.playback
    playing = asyncio.create_task(playback.play(quotes_at(1, 30 * MS, 40 * MS)))
    await eventually(lambda: recorder.ids == [1])
    playback.pause()
    playback.pause()
    await asyncio.sleep(0.06)  # a pause that is longer than the time to the next quote
    assert recorder.ids == [1]
    playback.resume()
    playback.resume()
    await playing

    assert recorder.at[1] >= 0.089
    assert recorder.ids == [1, 2, 3]


async def test_a_fast_market_leaves_time_for_other_tasks() -> None:
    """Quotes that are due at the same time are published in batches."""
    recorder = Recorder()
    turns: list[int] = []

    async def count_turns() -> None:
        while True:
            turns.append(len(recorder.ids))
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await recorder.playback.play(quotes_at(*([1] * (3 * BATCH_MAX))))
    counting.cancel()
    await asyncio.wait([counting])

    assert len(recorder.ids) == 3 * BATCH_MAX
    assert BATCH_MAX in turns


@in_virtual_time
async def test_a_market_without_timed_quotes_opens_too() -> None:
    """A market without quotes does not block the venue."""
    playback = Recorder().playback
    await playback.play(quotes_at())

    assert playback.opened.is_set()


@in_virtual_time
async def test_the_speed_scales_the_time() -> None:
    """A minute of the market takes 60 ms at a speed of 1,000."""
    recorder = Recorder(speed=1_000)
    await recorder.playback.play(quotes_at(1, 60_000 * MS))

    assert 0.059 <= recorder.at[1] < 30


@pytest.mark.parametrize("symbol", ["LTCBTC", None])
@in_virtual_time
async def test_it_pauses_after_the_target(symbol: str | None) -> None:
    """No later quote is published, even if it is due; time continues from the target."""
    recorder = Recorder(is_paused=True)
    playback = recorder.playback

    def quotes() -> Iterator[VenueQuote]:
        for quote in quotes_at(1, 1, 1, 1, 30 * MS):
            if quote.update_id == 3:
                hold_up(0.04)  # until after the last quote was due
            yield quote

    playing = asyncio.create_task(playback.play(quotes()))
    target = PlayTarget(symbol=symbol, update_id=3)
    playback.play_to(target)
    await target.reached.wait()
    await asyncio.sleep(0.05)  # time in which the others would have come
    assert recorder.ids == [1, 2, 3]
    assert playback.is_paused

    playback.resume()
    await playing
    assert recorder.ids == [1, 2, 3, 4, 5]
    assert recorder.at[4] - recorder.at[2] >= 0.05 + 0.029
    assert playback.is_over


@pytest.mark.parametrize("is_named_late", [False, True])
@in_virtual_time
async def test_a_missing_id_pauses_before_the_first_greater_id(is_named_late: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """This also holds if the target is set while the playback waits for that quote."""
    recorder = Recorder(is_paused=not is_named_late)
    quotes = quotes_at(1, 1, 60_000 * MS, id_step=10)
    playing = asyncio.create_task(recorder.playback.play(quotes))
    if is_named_late:
        await eventually(lambda: recorder.ids == [10, 20])
    target = PlayTarget(symbol="LTCBTC", update_id=25)
    recorder.playback.play_to(target)
    await asyncio.wait_for(target.reached.wait(), 10)

    assert recorder.ids == [10, 20]
    playing.cancel()
    await asyncio.wait([playing])


async def test_a_pause_between_two_batches_takes_effect() -> None:
    """A pause stops a fast market before its next batch."""
    recorder = Recorder()
    playback = recorder.playback

    async def pause_at_a_turn() -> None:
        while not recorder.ids:  # noqa: ASYNC110 - at the very next turn of the loop
            await asyncio.sleep(0)
        playback.pause()

    pausing = asyncio.create_task(pause_at_a_turn())
    playing = asyncio.create_task(playback.play(quotes_at(*([1] * (2 * BATCH_MAX)))))
    await pausing
    await asyncio.sleep(0.02)  # time in which the second batch would have come
    assert len(recorder.ids) <= BATCH_MAX
    playback.resume()
    await playing

    assert len(recorder.ids) == 2 * BATCH_MAX
