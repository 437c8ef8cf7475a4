"""Tests of ``app.cli.record``; ``tests/end_to_end`` runs `papertape record` itself."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.cli.record import SYMBOLS_MAX, RecordCommand, read_symbols, record_tape
from app.clock import SystemClock
from app.domain.errors import StartupError
from app.domain.order import Symbol
from app.tapes.tape_reader import TapeError, TapeReader
from tests.support.builders import LTCBTC
from tests.support.market import WebSocketPeer
from tests.support.services import ScriptedVenue, make_settings, scripted_venue
from tests.support.small_files import BYTES_MAX, small_files
from tests.support.waiting import WAIT_SECONDS_MAX, eventually
from tests.unit.cli.conftest import Printed

ETHBTC = Symbol("ETHBTC")
NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def venue() -> AsyncIterator[ScriptedVenue]:
    """A venue with two symbols."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        yield venue


class Recording:
    """A recording as a task of this process."""

    def __init__(
        self,
        folder: Path,
        *,
        venue: ScriptedVenue | None = None,
        stream_url: str = f"ws://{NOWHERE}",
        name: str = "tape.jsonl.gz",
        symbols: tuple[Symbol, ...] = (LTCBTC, ETHBTC),
        seconds: float | None = None,
        bytes_max: int | None = None,
    ) -> None:
        self.out = folder / name
        settings = make_settings(
            folder,
            stream_url=stream_url if venue is None else venue.stream_url,
            rest_url=f"http://{NOWHERE}" if venue is None else venue.rest_url,
        )
        command = RecordCommand(symbols=symbols, out=self.out, seconds=seconds, bytes_max=bytes_max)
        self.task = asyncio.create_task(record_tape(command, settings, clock=SystemClock()))

    def frames(self) -> list[bytes]:
        """Return the frames that are readable now."""
        if not self.out.exists():
            return []
        return [line.data for line in TapeReader(self.out) if line.data is not None]

    async def ended(self) -> None:
        """Wait for its end; its errors are raised."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.task

    async def stop(self) -> None:
        """Stop the recording as `kill` does, once its tape exists, and wait for its end."""
        assert self.out.exists()
        os.kill(os.getpid(), signal.SIGTERM)
        await self.ended()


def push(venue: ScriptedVenue, number: int) -> bytes:
    """Send a quote from the venue, and return its frame."""
    quote = venue.market.push("LTCBTC", bid=("99", "1"), ask=("100", str(number)))
    return quote.data.encode()


async def is_subscribed(venue: ScriptedVenue) -> None:
    """Wait until the venue sends quotes of two symbols."""
    await eventually(lambda: len(venue.observations.quotes_subscribed) == 2)


@pytest.fixture
async def recording(venue: ScriptedVenue, tmp_path: Path) -> Recording:
    """A recording of the venue that has begun."""
    recording = Recording(tmp_path, venue=venue)
    await is_subscribed(venue)
    return recording


async def test_frames_can_be_read_while_it_runs_and_afterwards(
    venue: ScriptedVenue, recording: Recording, printed: Printed
) -> None:
    """Each frame is readable within a second, and the summary counts all of them.

    The venue is not asked for snapshots: a tape contains only frames of the stream.
    """
    pushed = [push(venue, number) for number in range(1, 4)]
    await eventually(lambda: recording.frames() == pushed)
    await recording.stop()
    reader = TapeReader(recording.out)

    assert [line.data for line in reader] == pushed
    assert not reader.is_cut_short
    assert "tape.jsonl.gz: 3 frames in " in printed.out
    assert printed.out.endswith("  LTCBTC 3\n  ETHBTC 0\n")
    assert [one.path for one in venue.observations.rest_requests] == ["/api/v3/exchangeInfo"]


async def test_it_ends_after_the_given_time(venue: ScriptedVenue, tmp_path: Path) -> None:
    """The recording ends by itself, without an error if frames were received."""
    recording = Recording(tmp_path, venue=venue, name="tape.jsonl", seconds=1.0)
    await is_subscribed(venue)
    pushed = push(venue, 1)
    await recording.ended()

    assert recording.out.read_bytes().count(b"\n") == 1, "plain by its name"
    assert recording.frames() == [pushed]


async def test_it_ends_when_the_file_is_full(
    venue: ScriptedVenue, tmp_path: Path, printed: Printed
) -> None:
    """The recording ends by itself; the earlier frames are on the tape."""
    recording = Recording(tmp_path, venue=venue, bytes_max=1_000)
    await is_subscribed(venue)
    for number in range(1, 400):
        push(venue, number * 7919)
    await recording.ended()

    assert "the file has reached its maximum size" in printed.out
    assert recording.out.stat().st_size >= 1_000


async def test_a_full_disk_is_reported_and_keeps_the_tape(
    venue: ScriptedVenue, recording: Recording, printed: Printed
) -> None:
    """The recording ends with the cause, and the tape is readable up to there."""
    first = push(venue, 1)
    await eventually(lambda: recording.frames() == [first])
    with small_files():
        for number in range(2, 5_000):
            push(venue, number * 7919**3 % 99_999_989)
        with pytest.raises(TapeError, match=r"tape\.jsonl\.gz: File too large"):
            await recording.ended()

    assert recording.out.stat().st_size == BYTES_MAX
    assert recording.frames()[0] == first
    assert "; the last frames could not be written\n" in printed.out


async def test_a_lost_connection_is_reported_noted_and_replaced(
    venue: ScriptedVenue, recording: Recording, printed: Printed
) -> None:
    """The tape notes the gap, and the summary has its length."""
    first = push(venue, 1)
    await eventually(lambda: recording.frames() == [first])
    venue.faults.close_connections(1008, "Pong timeout")
    await eventually(lambda: len(venue.observations.messages_of("SUBSCRIBE")) == 2)
    second = push(venue, 2)
    await eventually(lambda: recording.frames()[-1] == second)
    await recording.stop()
    notes = [line.note for line in TapeReader(recording.out) if line.note is not None]

    assert [json.loads(note)["what"] for note in notes] == ["lost", "opened"]
    assert "Pong timeout" in json.loads(notes[0])["cause"]
    assert "papertape: connection lost: " in printed.err
    assert "papertape: reconnected after " in printed.err
    assert "  1 connection loss, " in printed.out


async def test_an_unknown_symbol_is_refused_before_anything_is_written(
    venue: ScriptedVenue, tmp_path: Path
) -> None:
    """The venue accepts unknown names silently, so its list is read."""
    recording = Recording(tmp_path, venue=venue, symbols=(LTCBTC, Symbol("ETHBTX")))
    with pytest.raises(
        StartupError, match=r"^the venue does not list ETHBTX; did you mean ETHBTC\?$"
    ):
        await recording.task

    assert not recording.out.exists()
    assert venue.observations.connections_opened == 0


async def test_without_the_venues_list_symbols_are_not_checked(
    venue: ScriptedVenue, tmp_path: Path, printed: Printed
) -> None:
    """A line is printed, because the stream may still work."""
    recording = Recording(tmp_path, stream_url=venue.stream_url)
    await is_subscribed(venue)
    push(venue, 1)
    await eventually(recording.frames)
    await recording.stop()

    assert "papertape: cannot check the symbols: http://127.0.0.1:1/" in printed.err


async def test_an_unreachable_venue_is_reported_with_its_cause(tmp_path: Path) -> None:
    """A recording without frames is a failure, and leaves no empty file."""
    recording = Recording(tmp_path, seconds=0.2)

    with pytest.raises(StartupError, match=r"^no frame was received: ws://127\.0\.0\.1:1/ws: "):
        await recording.task

    assert not recording.out.exists()


async def test_unusable_frames_are_noted_and_counted(tmp_path: Path, printed: Printed) -> None:
    """They cannot be part of a tape, but they are counted."""
    async with WebSocketPeer().serve() as peer:
        recording = Recording(tmp_path, stream_url=peer.url)
        await eventually(lambda: peer.received)
        good = '{"u":1,"s":"LTCBTC","b":"1","B":"1","a":"2","A":"1"}'
        peer.send_at_once(good.replace('"b":"1"', '"b":"3"'), "garbage", good)
        await eventually(recording.frames)
        await recording.stop()
    lines = list(TapeReader(recording.out))

    assert [line.note or line.data for line in lines] == [
        b'{"kind":"dropped","symbol":"LTCBTC","reason":"crossed"}',
        b'{"kind":"dropped","symbol":null,"reason":"not_json"}',
        good.encode(),
    ]
    assert "  2 unusable frames, not written\n" in printed.out


async def test_an_existing_file_is_refused_at_once(tmp_path: Path) -> None:
    """The file is checked before any request to the venue."""
    (tmp_path / "tape.jsonl.gz").write_bytes(b"yesterday")
    recording = Recording(tmp_path)

    with pytest.raises(TapeError, match=r"tape\.jsonl\.gz: exists already"):
        await recording.task

    assert recording.out.read_bytes() == b"yesterday"


def test_symbols_are_spelled_as_the_venue_does_and_recorded_once() -> None:
    """Symbols keep their order."""
    assert read_symbols(["ltcbtc", "ETHBTC", "LTCBTC"]) == (LTCBTC, ETHBTC)


def test_impossible_and_too_many_symbols_are_refused() -> None:
    """The command ends with one line before any request."""
    with pytest.raises(StartupError, match="SYMBOL must be 1 to 20 letters or digits"):
        read_symbols(["LTC/BTC"])
    with pytest.raises(StartupError, match="at most 1023 symbols, not 1024"):
        read_symbols([f"A{number}" for number in range(SYMBOLS_MAX + 1)])
