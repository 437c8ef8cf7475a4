"""Tests of ``app.cli.record``; ``tests/end_to_end`` runs `papertape record` itself."""

import asyncio
import json
from pathlib import Path

import pytest

from app.cli.record import SYMBOLS_MAX, RecordCommand, read_symbols, record_tape
from app.clock import SystemClock
from app.domain.errors import StartupError
from app.domain.order import Symbol
from app.settings import Settings
from app.tapes.tape_reader import TapeError, TapeReader
from tests.support.builders import LTCBTC
from tests.support.market import WebSocketPeer
from tests.support.services import ScriptedVenue, make_settings, scripted_venue
from tests.support.small_files import BYTES_MAX, small_files
from tests.support.waiting import WAIT_SECONDS_MAX, eventually

ETHBTC = Symbol("ETHBTC")
NOWHERE = "127.0.0.1:1"


def settings_for(venue: ScriptedVenue, folder: Path) -> Settings:
    """Return settings for a venue."""
    return make_settings(folder, stream_url=venue.stream_url, rest_url=venue.rest_url)


def settings_of(folder: Path, *, stream: str = NOWHERE, rest: str = NOWHERE) -> Settings:
    """Return settings with these addresses."""
    return make_settings(folder, stream_url=f"ws://{stream}", rest_url=f"http://{rest}")


class RunningRecording:
    """A recording as a task of this process."""

    def __init__(
        self,
        settings: Settings,
        out: Path,
        *,
        symbols: tuple[Symbol, ...] = (LTCBTC, ETHBTC),
        seconds: float | None = None,
        bytes_max: int | None = None,
    ) -> None:
        self.out = out
        self.begun = asyncio.Event()
        self.stopped = asyncio.Event()
        command = RecordCommand(symbols=symbols, out=out, seconds=seconds, bytes_max=bytes_max)
        self.task = asyncio.create_task(
            record_tape(
                command,
                settings,
                clock=SystemClock(),
                stopped=self.stopped,
                on_begin=self.begun.set,
            )
        )

    def frames(self) -> list[bytes]:
        """Return the frames that are readable now."""
        if not self.out.exists():
            return []
        return [line.data for line in TapeReader(self.out) if line.data is not None]

    async def stop(self) -> None:
        """Stop the recording and wait for its end; its errors are raised."""
        self.stopped.set()
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await self.task


def push(venue: ScriptedVenue, number: int) -> bytes:
    """Send a quote from the venue, and return its frame."""
    quote = venue.market.push("LTCBTC", bid=("99", "1"), ask=("100", str(number)))
    return quote.data.encode()


async def begin(
    venue: ScriptedVenue, folder: Path, *, bytes_max: int | None = None
) -> RunningRecording:
    """Begin to record two symbols, and wait until the venue sends quotes."""
    recording = RunningRecording(
        settings_for(venue, folder), folder / "tape.jsonl.gz", bytes_max=bytes_max
    )
    await eventually(lambda: len(venue.observations.quotes_subscribed) == 2)
    return recording


async def test_frames_can_be_read_while_it_runs_and_afterwards(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each frame is readable within a second, and the summary counts all of them."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = await begin(venue, tmp_path)
        pushed = [push(venue, number) for number in range(1, 4)]
        await eventually(lambda: recording.frames() == pushed)
        await recording.stop()
    reader = TapeReader(recording.out)

    assert [line.data for line in reader] == pushed
    assert not reader.is_cut_short
    output = capsys.readouterr().out
    assert "tape.jsonl.gz: 3 frames in " in output
    assert output.endswith("  LTCBTC 3\n  ETHBTC 0\n")


async def test_the_venue_is_not_asked_for_snapshots(tmp_path: Path) -> None:
    """A tape contains only frames of the stream; snapshots would cost request weight."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = await begin(venue, tmp_path)
        push(venue, 1)
        await eventually(recording.frames)
        await recording.stop()

        assert [one.path for one in venue.observations.rest_requests] == ["/api/v3/exchangeInfo"]


async def test_it_ends_after_the_given_time(tmp_path: Path) -> None:
    """The recording ends by itself, without an error if frames were received."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = RunningRecording(
            settings_for(venue, tmp_path), tmp_path / "tape.jsonl", seconds=1.0
        )
        await eventually(lambda: len(venue.observations.quotes_subscribed) == 2)
        pushed = push(venue, 1)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await recording.task

    assert (tmp_path / "tape.jsonl").read_bytes().count(b"\n") == 1, "plain by its name"
    assert recording.frames() == [pushed]


async def test_it_ends_when_the_file_is_full(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording ends by itself; the earlier frames are on the tape."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = await begin(venue, tmp_path, bytes_max=1_000)
        for number in range(1, 400):
            push(venue, number * 7919)
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await recording.task

    assert "the file has reached its maximum size" in capsys.readouterr().out
    assert recording.out.stat().st_size >= 1_000


async def test_a_full_disk_is_reported_and_keeps_the_tape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The recording ends with the cause, and the tape is readable up to there."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = await begin(venue, tmp_path)
        first = push(venue, 1)
        await eventually(lambda: recording.frames() == [first])
        with small_files():
            for number in range(2, 5_000):
                push(venue, number * 7919**3 % 99_999_989)
            with pytest.raises(TapeError, match=r"tape\.jsonl\.gz: File too large"):
                async with asyncio.timeout(WAIT_SECONDS_MAX):
                    await recording.task

    assert recording.out.stat().st_size == BYTES_MAX
    assert recording.frames()[0] == first
    assert "; the last frames could not be written\n" in capsys.readouterr().out


async def test_a_lost_connection_is_reported_noted_and_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tape notes the gap, and the summary has its length."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = await begin(venue, tmp_path)
        first = push(venue, 1)
        await eventually(lambda: recording.frames() == [first])
        venue.faults.close_connections(1008, "Pong timeout")
        await eventually(lambda: len(venue.observations.messages_of("SUBSCRIBE")) == 2)
        second = push(venue, 2)
        await eventually(lambda: recording.frames()[-1] == second)
        await recording.stop()
    notes = [line.note for line in TapeReader(recording.out) if line.note is not None]
    said = capsys.readouterr()

    assert [json.loads(note)["what"] for note in notes] == ["lost", "opened"]
    assert "Pong timeout" in json.loads(notes[0])["cause"]
    assert "papertape: connection lost: " in said.err
    assert "papertape: reconnected after " in said.err
    assert "  1 connection loss, " in said.out


async def test_an_unknown_symbol_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The venue accepts unknown names silently, so its list is read."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        recording = RunningRecording(
            settings_for(venue, tmp_path),
            tmp_path / "tape.jsonl.gz",
            symbols=(LTCBTC, Symbol("ETHBTX")),
        )
        with pytest.raises(
            StartupError, match=r"^the venue does not list ETHBTX; did you mean ETHBTC\?$"
        ):
            await recording.task

        assert not recording.out.exists()
        assert venue.observations.connections_opened == 0
    assert not recording.begun.is_set()


async def test_without_the_venues_list_symbols_are_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line is printed, because the stream may still work."""
    async with scripted_venue(["LTCBTC", "ETHBTC"]) as venue:
        stream = venue.stream_url.removeprefix("ws://")
        recording = RunningRecording(
            settings_of(tmp_path, stream=stream), tmp_path / "tape.jsonl.gz"
        )
        await eventually(lambda: len(venue.observations.quotes_subscribed) == 2)
        push(venue, 1)
        await eventually(recording.frames)
        await recording.stop()

    assert "papertape: cannot check the symbols: http://127.0.0.1:1/" in capsys.readouterr().err


async def test_an_unreachable_venue_is_reported_with_its_cause(tmp_path: Path) -> None:
    """A recording without frames is a failure, and leaves no empty file."""
    recording = RunningRecording(settings_of(tmp_path), tmp_path / "tape.jsonl.gz", seconds=0.2)

    with pytest.raises(StartupError, match=r"^no frame was received: ws://127\.0\.0\.1:1/ws: "):
        await recording.task

    assert not recording.out.exists()


async def test_unusable_frames_are_noted_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They cannot be part of a tape, but they are counted."""
    async with WebSocketPeer().serve() as peer:
        settings = settings_of(tmp_path, stream=peer.url.removeprefix("ws://"))
        recording = RunningRecording(settings, tmp_path / "tape.jsonl.gz")
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
    assert "  2 unusable frames, not written\n" in capsys.readouterr().out


async def test_an_existing_file_is_refused_at_once(tmp_path: Path) -> None:
    """The file is checked before any request to the venue."""
    (tmp_path / "tape.jsonl.gz").write_bytes(b"yesterday")
    recording = RunningRecording(settings_of(tmp_path), tmp_path / "tape.jsonl.gz")

    with pytest.raises(TapeError, match=r"tape\.jsonl\.gz: exists already"):
        await recording.task

    assert (tmp_path / "tape.jsonl.gz").read_bytes() == b"yesterday"


def test_symbols_are_spelled_as_the_venue_does_and_recorded_once() -> None:
    """Symbols keep their order."""
    assert read_symbols(["ltcbtc", "ETHBTC", "LTCBTC"]) == (LTCBTC, ETHBTC)


def test_impossible_and_too_many_symbols_are_refused() -> None:
    """The command ends with one line before any request."""
    with pytest.raises(StartupError, match="SYMBOL must be 1 to 20 letters or digits"):
        read_symbols(["LTC/BTC"])
    with pytest.raises(StartupError, match="at most 1023 symbols, not 1024"):
        read_symbols([f"A{number}" for number in range(SYMBOLS_MAX + 1)])
