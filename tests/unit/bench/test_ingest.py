"""The frames of the ingest benchmark, its venue and receiver, and its results."""

import asyncio
import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from app.domain.matcher import SymbolMatcher
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.domain.resting import Step
from app.fulfillment.loading import PlainMatchers
from app.market.book_ticker import parse_frame
from app.market.timing import FeedTiming
from app.ports import StoredLedger
from bench.burst.contenders import FLOOR, OURS, UNREAD, Contender, Run, best, run
from bench.burst.frames import FIRST_UPDATE_ID, market_quotes, wire_parts
from bench.burst.receiver import Received, receive
from bench.burst.venue import BurstVenue, Plan
from bench.ingest import burst_result, contender_table, cost_result, sender_result
from bench.peers.ingest import Frames, Task

FRAMES = 2_000
SECONDS_MAX = 300.0
SLOW_SECONDS = 0.0005
BEHIND_SECONDS = 0.2
CLIENT = Contender("a client", "client", "client", 1_000)


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
def test_frames_are_book_tickers_with_update_ids_without_gaps(*, is_combined: bool) -> None:
    """The burst has the form of the venue's, in parts of the given length."""
    parts = list(
        wire_parts(
            market_quotes(3)[:100],
            first_update_id=FIRST_UPDATE_ID,
            total=250,
            frames_per_part=100,
            is_combined=is_combined,
        )
    )
    parsed = [parse_frame(one, 1) for part in parts for one in payloads(part)]
    quotes = [one for one in parsed if isinstance(one, Quote)]
    assert len(quotes) == len(parsed)
    ids = [quote.update_id for quote in quotes]
    assert ids == list(range(FIRST_UPDATE_ID, FIRST_UPDATE_ID + 250))
    assert [len(payloads(part)) for part in parts] == [100, 100, 50]
    assert len({quote.symbol for quote in quotes}) > 1


@pytest.mark.parametrize("step", [1, 7, 130, 100_000])
def test_the_floor_finds_every_frame_wherever_the_socket_cuts(step: int) -> None:
    """A floor that lost frames would be too low; short and long frames come in turn."""
    raw, combined = (
        b"".join(
            wire_parts(
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

    # The task does not end: its last update id is never reached.
    task = Task(["floor", "ws://venue", "", "BTC/USDT", "1000000", "2000000", "1"])
    frames = Frames(task, read)
    for start in range(0, len(data), step):
        frames.data_received(data[start : start + step])

    assert found == payloads(data)
    assert task.arrived == len(found)


@pytest.mark.parametrize("symbols", [1, 3])
async def test_a_burst_comes_through_whole(symbols: int) -> None:
    """The matchers apply every quote of a burst, on one connection."""
    plan = Plan(symbols=symbols, warm=100, frames=FRAMES)
    with closing(BurstVenue(plan)) as venue:
        received = await receive(plan, venue.stream_url, venue.rest_url)
        sent = venue.sent()

    assert (received.arrived, received.connections) == (FRAMES, 1)
    assert received.ended_ns > sent.started_ns
    assert burst_result(plan, received).holds


class SlowMatchers(PlainMatchers):
    """Matchers that need a while for each quote, as on a slow machine."""

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a slow matcher."""
        return _SlowMatcher(symbol, gate=stored.gate, levels=stored.levels)


class _SlowMatcher(SymbolMatcher):
    def apply_quote(self, quote: Quote) -> list[Step]:
        time.sleep(SLOW_SECONDS)
        return super().apply_quote(quote)


async def test_a_slow_receiver_skips_quotes_and_loses_none() -> None:
    """A service that is behind skips replaced quotes by design; its counter accounts for each."""
    plan = Plan(symbols=1, warm=10, frames=20_000)
    with closing(BurstVenue(plan)) as venue:
        received = await receive(
            plan,
            venue.stream_url,
            venue.rest_url,
            matchers=SlowMatchers(),
            timing=FeedTiming(behind_seconds=BEHIND_SECONDS),
        )
        venue.sent()

    assert received.conflated > 0
    assert received.arrived + received.conflated == plan.frames
    assert burst_result(plan, received).holds


@pytest.mark.parametrize(
    ("arrived", "conflated", "connections", "holds"),
    [
        (10, 0, 1, True),
        (4, 6, 1, True),
        (4, 5, 1, False),
        (9, 0, 1, False),
        (10, 0, 2, False),
    ],
)
def test_a_quote_is_lost_if_it_was_neither_applied_nor_skipped(
    arrived: int, conflated: int, connections: int, *, holds: bool
) -> None:
    """The goal is about lost quotes, and about the connection."""
    received = Received(
        arrived=arrived,
        conflated=conflated,
        connections=connections,
        cpu_seconds=1.0,
        ended_ns=1,
    )

    result = burst_result(Plan(symbols=1, warm=0, frames=10), received)

    assert result.holds is holds
    assert result.ours.value == 10 - arrived - conflated


async def test_a_client_may_ask_for_more_during_a_burst() -> None:
    """The answer comes among the quotes, and cuts none of them in two."""
    plan = Plan(symbols=1, warm=0, frames=2_000)
    asked = {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 7}
    with closing(BurstVenue(plan)) as venue:
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


def test_the_cost_is_compared_with_the_cheapest_client_and_no_floor() -> None:
    """A failed client or a bare stack decides no goal."""
    ours = Run(contender=OURS, cpu_microseconds=1)
    clients = [
        Run(contender=replace(CLIENT, label=label), cpu_microseconds=cost)
        for label, cost in (("cheap", 1.4), ("dear", 9))
    ]
    failed = Run(contender=CLIENT, cause="not installed")
    floor = Run(contender=FLOOR, cpu_microseconds=0.1)

    result = cost_result(1, [ours, *clients, failed, floor])

    assert (result.ratio, result.holds) == (1.4, False)
    assert [figure.value for figure in result.beside] == [1.4, 0.1]
    assert cost_result(1, [ours, clients[1]]).holds is True
    assert cost_result(1, [ours, failed]).holds is None


def test_a_failed_client_is_shown_with_the_cause() -> None:
    """The table has a row for every client."""
    table = contender_table(1, [Run(contender=CLIENT, cause="not installed: no wheel")])

    assert "not installed: no wheel" in table.rows[0]


def test_a_client_that_cannot_start_is_a_failed_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report of the other clients goes on."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("bench.harness.peer_environments._ENVIRONMENTS", Path("/nowhere"))

    assert "No such file" in run(CLIENT, 1).cause


def test_a_failed_round_counts_only_if_all_failed() -> None:
    """The best round of a client is a measured one."""
    failed, dear = Run(contender=CLIENT, cause="late"), Run(contender=CLIENT, cpu_microseconds=9)

    assert best(failed, dear) is dear
    assert best(failed, failed) is failed


def test_the_sender_is_compared_with_the_fastest_client() -> None:
    """Without the sender's own rate there is no result."""
    ours = Run(contender=OURS, quotes_per_second=100)
    sender = Run(contender=UNREAD, quotes_per_second=199)

    assert sender_result([ours, sender]).holds is False
    assert sender_result([ours, replace(sender, quotes_per_second=200)]).holds is True
    assert sender_result([ours]).holds is None
