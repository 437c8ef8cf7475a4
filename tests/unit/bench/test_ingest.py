"""What the ingest benchmark sends, and how it sums up."""

import asyncio
import json
import math
from array import array
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect

from app.domain.quote import Quote
from app.fulfillment.loading import PlainMatchers
from app.market.book_ticker import parse_frame
from bench.burst_frames import FIRST_UPDATE_ID, market_quotes, wire_parts
from bench.burst_venue import BurstVenue, Plan, Sent
from bench.ingest import contender_table, goal_of, sender_result
from bench.ingest_contenders import FLOOR, NOBODY, OURS, Contender, Run, best
from bench.ingest_lag import lag_run, percentile, whole
from bench.ingest_receiver import TimedMatchers, receive
from bench.peers.ingest import Frames, Task

FRAMES = 2_000
SECONDS_MAX = 300.0
CLIENT = Contender(label="a client", key="client", kind="client", frames=1_000)


@pytest.fixture(scope="module")
def venue() -> Iterator[BurstVenue]:
    """Start the venue's process once: its imports take longer than the bursts do."""
    with closing(BurstVenue()) as venue:
        yield venue


def payloads(data: bytes) -> list[bytes]:
    """Take a server's frames apart (RFC 6455 section 5.2)."""
    found = []
    while data:
        assert data[0] == 0x81
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        found.append(data[start : start + size])
        data = data[start + size :]
    return found


@pytest.mark.parametrize("is_combined", [False, True])
def test_frames_are_book_tickers_with_update_ids_that_count_through(*, is_combined: bool) -> None:
    """The burst is real in form, and its parts say where they end."""
    parts = list(
        wire_parts(
            market_quotes(3)[:100],
            first_update_id=FIRST_UPDATE_ID,
            total=250,
            frames_per_part=100,
            is_combined=is_combined,
        )
    )
    parsed = [parse_frame(one, 1) for part in parts for one in payloads(part.data)]
    quotes = [one for one in parsed if isinstance(one, Quote)]
    assert len(quotes) == len(parsed)
    ids = [quote.update_id for quote in quotes]
    assert ids == list(range(FIRST_UPDATE_ID, FIRST_UPDATE_ID + 250))
    assert [part.last_update_id for part in parts] == [ids[99], ids[199], ids[249]]
    assert len({quote.symbol for quote in quotes}) > 1


@pytest.mark.parametrize("step", [1, 7, 130, 100_000])
def test_the_floor_finds_every_frame_wherever_the_socket_cuts(step: int) -> None:
    """A floor that lost frames would be too low; short and long frames come in turn."""
    raw, combined = (
        b"".join(
            part.data
            for part in wire_parts(
                market_quotes(3)[:100],
                first_update_id=FIRST_UPDATE_ID,
                total=150,
                frames_per_part=100,
                is_combined=is_combined,
            )
        )
        for is_combined in (False, True)
    )
    data = raw + combined + raw
    found: list[bytes] = []

    def read(payload: bytes) -> int:
        found.append(payload)
        return len(found)

    frames = Frames(floor_task(), read)
    counting = floor_task()
    counted = Frames(counting, None)
    for start in range(0, len(data), step):
        frames.feed(data[start : start + step])
        counted.feed(data[start : start + step])
    assert found == payloads(data)
    assert counting.arrived == len(found)


def floor_task() -> Task:
    """Make the task of a floor that nothing ends."""
    numbers = (1, 1_000_000, 2_000_000, 1)
    return Task(["floor", "ws://venue", "", "BTC/USDT", *map(str, numbers)])


@pytest.mark.parametrize(("symbols", "is_bare"), [(1, True), (3, False)])
async def test_a_burst_comes_through_whole(
    venue: BurstVenue, symbols: int, *, is_bare: bool
) -> None:
    """Every quote of a burst is applied, on one connection, by what the benchmark composes."""
    plan = Plan(symbols=symbols, warm=100, frames=FRAMES)
    timed = TimedMatchers(plan)
    venue.prepare(plan)
    received = await receive(
        plan,
        venue.stream_url,
        venue.rest_url,
        is_bare=is_bare,
        matchers=PlainMatchers() if is_bare else timed,
    )
    sent = venue.sent()
    assert received.arrived == FRAMES
    assert received.connections == 1
    assert sent.parts[-1][0] == plan.last_id
    if not is_bare:
        run = lag_run(plan, sent, timed.instants[plan.warm :], connections=1)
        assert run.applied == FRAMES
        assert whole(run).holds


async def test_a_client_may_ask_for_more_during_a_burst(venue: BurstVenue) -> None:
    """The answer comes among the quotes, none of which it cuts in two."""
    plan = Plan(symbols=1, warm=0, frames=400, per_second=1_000)
    asked = {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 7}
    venue.prepare(plan)
    async with (
        asyncio.timeout(SECONDS_MAX),
        connect(f"{venue.stream_url}/ws", compression=None) as client,
    ):
        await client.send(json.dumps(asked))
        assert json.loads(await client.recv()) == {"result": None, "id": 7}
        first = json.loads(await client.recv())
        await client.send(json.dumps(asked | {"id": 8}))
        rest = [json.loads(await client.recv()) for _ in range(plan.frames)]
    venue.sent()
    assert {"result": None, "id": 8} in rest
    assert [one["u"] for one in [first, *rest] if "u" in one] == list(
        range(plan.warm_id + 1, plan.last_id + 1)
    )


def test_a_lag_is_counted_from_when_the_part_of_a_quote_was_written() -> None:
    """Two parts, of two quotes and of one; one quote was never applied."""
    plan = Plan(symbols=1, warm=0, frames=3)
    first = plan.warm_id + 1
    sent = Sent(
        started_ns=0,
        ended_ns=6_000_000,
        size=300,
        cpu_seconds=0.1,
        parts=((first + 1, 1_000_000), (first + 2, 5_000_000)),
    )
    run = lag_run(plan, sent, array("q", (3_000_000, 0, 9_000_000)), connections=1)
    assert (run.applied, run.p50_ms, run.max_ms) == (2, 2, 4)
    assert (run.catch_up_ms, run.seconds) == (3, 0.009)
    assert whole(run).holds is False


def test_a_connection_that_was_replaced_is_told_although_nothing_was_lost() -> None:
    """None lost is half of the promise."""
    plan = Plan(symbols=1, warm=0, frames=1)
    sent = Sent(started_ns=0, ended_ns=1, size=1, cpu_seconds=0, parts=((plan.last_id, 1),))
    assert whole(lag_run(plan, sent, array("q", (2,)), connections=2)).holds is False


def test_percentiles_are_values_that_were_seen() -> None:
    """There is none between two."""
    assert percentile(range(1, 101), 99) == 99
    assert percentile([7], 50) == 7
    assert math.isnan(percentile([], 50))


def test_the_goal_is_held_against_the_cheapest_client_and_no_floor() -> None:
    """A client that failed, or a bare stack, is nothing to be measured by."""
    ours = Run(contender=OURS, cpu_microseconds=1)
    clients = [
        Run(contender=CLIENT, cpu_microseconds=4.9),
        Run(contender=CLIENT, cpu_microseconds=9),
        Run(contender=CLIENT, cause="not installed"),
    ]
    floor = Run(contender=FLOOR, cpu_microseconds=0.1)
    result = goal_of(1, [ours, *clients, floor])
    assert (result.ratio, result.holds) == (4.9, False)
    assert [figure.value for figure in result.beside] == [4.9, 0.1]
    assert goal_of(1, [ours, clients[1]]).holds is True
    assert goal_of(1, [ours, clients[2]]).holds is None


def test_a_contender_that_could_not_be_measured_is_shown_with_the_cause() -> None:
    """Nobody is left out for that."""
    table = contender_table(1, [Run(contender=CLIENT, cause="not installed: no wheel")])
    assert "not installed: no wheel" in table.rows[0]


def test_a_failed_round_counts_only_if_all_failed() -> None:
    """The best round of a contender is one that was measured."""
    failed, dear = Run(contender=CLIENT, cause="late"), Run(contender=CLIENT, cpu_microseconds=9)
    assert best([failed, dear]) is dear
    assert best([failed, failed]) is failed


def test_the_sender_is_held_against_the_fastest_that_decodes() -> None:
    """One that only counts frames is no measure, and without the sender's rate nothing is said."""
    ours = Run(contender=OURS, quotes_per_second=100)
    counting = Run(contender=replace(FLOOR, key="socket-count"), quotes_per_second=900)
    nobody = Run(contender=NOBODY, quotes_per_second=199)
    assert sender_result([ours, counting, nobody]).holds is False
    assert sender_result([ours, counting, replace(nobody, quotes_per_second=200)]).holds is True
    assert sender_result([ours, counting]).holds is None
