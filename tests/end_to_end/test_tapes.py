"""`papertape record` and `papertape replay` as a user runs them."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from app.clock import SystemClock
from app.simulator.market.tape_market import TapeMarket
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from app.tapes.tape_reader import TapeReader
from tests.support.processes import papertape, run_papertape
from tests.support.tapes import find_tape_file, read_expected_document
from tests.support.waiting import eventually, eventually_true

TAPES: Final = ("alts10-20210405", "majors-20240808", "ethusdt-20240809")
START_US: Final = 1_723_161_254_000_000
QUOTES: Final = 4_000


def exact(result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a result with numbers instead of decimal strings, because numbers compare."""
    amounts = ("filled_quantity", "remaining_quantity", "total_cost", "price", "quantity")
    return {key: Decimal(value) if key in amounts else value for key, value in result.items()} | (
        {"splits": [exact(split) for split in result["splits"]]} if "splits" in result else {}
    )


Run = tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""Orders of one replay, and their expected results."""


def runs_of(tape: str) -> list[Run]:
    """Return the runs of a tape: the isolated orders, with an owner each, and those that share."""
    document = read_expected_document(tape)
    isolated = document["isolated"]
    return [
        (
            [{**one["order"], "owner": one["order"]["id"]} for one in isolated],
            [one["expected"] for one in isolated],
        ),
        *((one["orders"], one["expected"]) for one in document["shared"]),
    ]


@pytest.mark.parametrize("tape", TAPES)
async def test_a_replay_gives_exactly_the_expected_results(tmp_path: Path, tape: str) -> None:
    """Every state, quantity, cost and split is compared with the results file.

    The runs have twenty isolated orders, ten overlapping ones, and the twenty together.
    """
    path = str(find_tape_file(f"{tape}.jsonl.gz").resolve())
    runs = runs_of(tape)

    replays = [
        run_papertape(
            tmp_path,
            *("replay", path, "--orders", "-", "--json"),
            standard_input=json.dumps(orders).encode(),
        )
        for orders, _ in runs
    ]
    for ended, (orders, expected) in zip(await asyncio.gather(*replays), runs, strict=True):
        assert ended.status == 0, ended.errors
        results = json.loads(ended.output)
        assert len(results) == len(orders) in {10, 20}
        assert [list(result) for result in results] == [list(one) for one in expected]
        assert [exact(result) for result in results] == [exact(one) for one in expected]


async def test_a_replay_always_has_the_same_output(tmp_path: Path) -> None:
    """The bytes are equal from a file or a pipe, as a list or as lines, to a pipe or a file."""
    orders, _ = runs_of(TAPES[0])[0]
    (tmp_path / "orders.json").write_text(json.dumps(orders, indent=2))
    lines = "".join(f"{json.dumps(order)}\n" for order in orders).encode()
    replay = ("replay", str(find_tape_file(f"{TAPES[0]}.jsonl.gz").resolve()), "--orders")

    first, again, shown, shown_again = await asyncio.gather(
        run_papertape(tmp_path, *replay, "orders.json", "--json"),
        run_papertape(tmp_path, *replay, "-", "--json", standard_input=lines),
        run_papertape(tmp_path, *replay, "orders.json", "--out", "results.json"),
        run_papertape(tmp_path, *replay, "orders.json"),
    )

    assert [one.status for one in (first, again, shown, shown_again)] == [0, 0, 0, 0]
    assert first.output == again.output == (tmp_path / "results.json").read_bytes()
    assert shown.output == shown_again.output
    assert "20 orders: 11 filled, 7 expired_partial, 2 expired_unfilled" in shown.output.decode()


def write_market(folder: Path) -> Path:
    """Write a tape of two symbols with unusual white space and zeros."""
    path = folder / "market.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, QUOTES + 1):
            symbol = ("LTCBTC", "ETHBTC")[number % 3 == 0]
            spaced = " " * (number % 4)
            data = (
                f'{{"u":{spaced}{number * 7},"s":"{symbol}","b":"0.0025{number % 7}000",'
                f'"B":"{number}.50","a":"0.0026{number % 9}{spaced and "0"}","A":"2.000"{spaced}}}'
            )
            file.write(f'{{"ts":{START_US + number * 500},"data":{data}}}\n')
    return path


def sent(market: Path) -> list[bytes]:
    """Return the data of the market's quotes as they are in the file."""
    lines = market.read_bytes().splitlines()
    return [line.partition(b'"data":')[2][:-1] for line in lines]


@dataclass(frozen=True, slots=True)
class RecordedVenue:
    """A venue whose market is paused until the test starts it."""

    venue: SimulatedVenue
    running: RunningVenue

    @property
    def settings(self) -> dict[str, str]:
        """Return settings for this venue."""
        return {
            "VENUE": "simulator",
            "BINANCE_STREAM_URL": self.running.stream_url,
            "BINANCE_REST_URL": self.running.rest_url,
        }

    async def start_when_heard(self) -> None:
        """Start the market once both symbols are subscribed."""
        await eventually(lambda: len(self.venue.observations.quotes_subscribed) == 2)
        self.venue.resume()


@asynccontextmanager
async def paused_venue(market: Path, *, speed: float) -> AsyncIterator[RecordedVenue]:
    """Run a venue with a tape, paused."""
    venue = SimulatedVenue(TapeMarket(market), clock=SystemClock(), speed=speed)
    venue.pause()
    async with venue.serve() as running:
        yield RecordedVenue(venue, running)


def recorded(path: Path) -> list[bytes]:
    """Return the frames of a tape that are readable now."""
    return [line.data for line in TapeReader(path) if line.data is not None]


async def until_recorded(tape: Path, holds: Callable[[list[bytes]], bool]) -> None:
    """Wait until the readable frames of a tape are the expected ones."""

    def is_recorded() -> bool:
        return tape.exists() and holds(recorded(tape))

    # Each look reads the whole tape: not in the loop that the venue runs on, and not too often.
    await eventually_true(lambda: asyncio.to_thread(is_recorded), poll_seconds=0.1)


@pytest.mark.parametrize("path_of_stream", ["/ws", "/stream"], ids=["raw", "combined"])
async def test_a_recording_contains_the_sent_frames(tmp_path: Path, path_of_stream: str) -> None:
    """Bytes and order are kept, lines are readable within a second, and Ctrl-C prints a summary."""
    market, tape = write_market(tmp_path), tmp_path / "recorded.jsonl.gz"
    async with paused_venue(market, speed=4) as venue:
        settings = venue.settings
        settings["BINANCE_STREAM_URL"] += path_of_stream
        arguments = ("record", "ltcbtc", "ETHBTC", "LTCBTC", "--out", str(tape))
        async with papertape(tmp_path, *arguments, **settings) as process:
            await venue.start_when_heard()
            await until_recorded(tape, lambda frames: len(frames) == QUOTES)
            status = await process.interrupt()

    assert status == 0, process.log
    assert recorded(tape) == sent(market)
    assert len(gzip.decompress(tape.read_bytes()).splitlines()) == QUOTES, "no note, and an end"
    assert re.search(rf"recorded\.jsonl\.gz: {QUOTES} frames in [0-9.]+ s", process.log)
    assert re.search(rf"^  LTCBTC {QUOTES - QUOTES // 3}$", process.log, re.MULTILINE)
