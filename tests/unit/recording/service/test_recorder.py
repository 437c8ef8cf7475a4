"""Tests of ``app.recording.service.recorder``; ``verify`` is tested apart."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from app.domain.errors import StartupError
from app.domain.order import Symbol
from app.ports import StoredLedger
from app.recording.service.recorder import RETRY_SECONDS, Recorder
from app.recording.service.recording_folder import RecordingFolder, recordings_in
from app.tapes.tape_reader import TapeReader
from tests.support.builders import FAR_NS, LTCBTC, make_order, make_quote
from tests.support.hand_driven import HandClock
from tests.support.recorded_service import break_disk, frame_of
from tests.support.waiting import eventually
from tests.unit.recording.service.conftest import DATABASE, lines_of

NOTHING = StoredLedger(gate=0, levels=())


def test_a_frame_is_written_byte_for_byte_with_its_instants(
    tmp_path: Path, recorder: Recorder, clock: HandClock
) -> None:
    """The line has the form of a tape; readers of tapes ignore its other keys."""
    frame = b'{"u":1,"s":"LTCBTC","b":"1.00","B":"2","a":"3","A":"4","e":"bookTicker"}'
    clock.advance(1.5)

    recorder.on_frame(LTCBTC, frame, clock.monotonic_ns() - 1_001)
    recorder.flush()

    _, line, note = TapeReader(recordings_in(tmp_path)[0])
    assert (line.data, line.received_ns) == (frame, clock.monotonic_ns() - 1_001)
    assert line.ts == int(clock.now().timestamp() * 1_000_000) - 2
    assert note.note == b'{"kind":"unheard","symbol":"LTCBTC"}'


def test_the_fate_of_each_frame_is_recorded(tmp_path: Path, recorder: Recorder) -> None:
    """Applied, refused at the gate, ignored without a matcher, dropped, or without a line."""
    matcher = recorder.begin(LTCBTC, NOTHING)
    for update_id in (1, 1):
        quote = make_quote(update_id, received_ns=5)
        recorder.on_frame(LTCBTC, frame_of(quote), 5)
        matcher.expire(5)
        matcher.apply_quote(quote)
    recorder.on_frame(LTCBTC, b'{"u":2,\n"s":"LTCBTC"}', 6)  # legal JSON, but of two lines
    matcher.apply_quote(make_quote(2, received_ns=6))
    recorder.on_drop(None, "not_json", 7)
    recorder.on_connection("lost", "the peer closed")
    recorder.flush()

    frame = frame_of(make_quote(1)).decode()
    kinds = ["refused", "quote", "dropped", "connection"]
    assert lines_of(tmp_path) == ["file", "symbol", frame, frame, *kinds]


async def test_a_seed_is_recorded_once_with_or_without_a_matcher(
    tmp_path: Path, recorder: Recorder
) -> None:
    """The note says whether the seed was applied, or that the symbol had no matcher."""
    recorder.on_seed(make_quote(9))
    recorder.on_seed(make_quote(10))
    matcher = recorder.begin(LTCBTC, NOTHING)
    matcher.apply_seed(make_quote(10))
    recorder.on_seed(make_quote(11))
    await recorder.tick()

    texts = [line.note or b"" for line in TapeReader(recordings_in(tmp_path)[0])]
    seeds = [msgspec.json.decode(text) for text in texts if b'"seed"' in text]
    assert [(seed["quote"]["update_id"], seed["is_applied"]) for seed in seeds] == [
        (9, None),
        (10, True),
        (11, None),
    ]


async def test_a_new_file_begins_with_the_state_of_every_matcher(
    tmp_path: Path, recorder: Recorder, clock: HandClock
) -> None:
    """The file has every matcher and every resting order, and no ended ones."""
    matcher = recorder.begin(LTCBTC, NOTHING)
    matcher.rest(make_order(5), deadline_ns=FAR_NS)
    gone = recorder.begin(Symbol("ETHBTC"), NOTHING)
    recorder.end(gone, "ended")
    clock.advance(1)

    await recorder.tick()

    assert lines_of(tmp_path, 0)[-1] == "continued"
    assert lines_of(tmp_path) == ["file", "symbol", "rested"]
    assert recorder.state().files == 2


async def test_the_status_of_a_halted_symbol_is_noted_where_it_is_needed(
    tmp_path: Path, recorder: Recorder, clock: HandClock
) -> None:
    """A matcher that begins, and each file, has it; a symbol without a matcher has none."""
    for symbol in ("LTCBTC", "ETHBTC"):
        recorder.on_status(Symbol(symbol), "HALT")
    recorder.begin(LTCBTC, NOTHING)
    clock.advance(1)
    await recorder.tick()
    recorder.on_status(LTCBTC, "TRADING")
    recorder.flush()

    assert lines_of(tmp_path, 0) == ["file", "symbol", "status", "continued"]
    assert lines_of(tmp_path) == ["file", "symbol", "status", "status"]


async def test_a_failing_disk_stops_the_recording_and_nothing_else(
    tmp_path: Path, recorder: Recorder, clock: HandClock
) -> None:
    """The state names the cause; the next file is marked as not continuing."""
    matcher = recorder.begin(LTCBTC, NOTHING)
    break_disk(recorder)

    matcher.apply_quote(make_quote(1))
    matcher.drain_ledger_changes()

    state = recorder.state()
    assert (state.is_recording, state.failures) == (False, 1)
    assert "No space left on device" in str(state.cause)
    await recorder.tick()
    assert not recorder.state().is_recording
    clock.advance(RETRY_SECONDS)
    await recorder.tick()
    assert (recorder.state().is_recording, recorder.state().cause) == (True, None)
    first, *_ = TapeReader(recordings_in(tmp_path)[-1])
    assert b'"continues":false' in (first.note or b"")


async def test_a_missing_folder_is_retried_until_it_returns(
    tmp_path: Path, clock: HandClock
) -> None:
    """The recorder never gives up."""
    folder = RecordingFolder(tmp_path / "here", file_bytes_max=1, total_bytes_max=1_000_000)
    recorder = Recorder(folder, DATABASE, clock=clock, version="0")
    recorder.start()
    (tmp_path / "here").rename(tmp_path / "there")
    recorder.on_connection("opened", None)

    await recorder.tick()
    clock.advance(RETRY_SECONDS)
    await recorder.tick()
    assert recorder.state().failures == 2
    (tmp_path / "there").rename(tmp_path / "here")
    clock.advance(RETRY_SECONDS)
    await recorder.tick()

    assert recorder.state().is_recording
    recorder.close()


async def test_lines_without_an_outcome_are_flushed_soon(
    tmp_path: Path, recorder: Recorder
) -> None:
    """The task flushes regularly, and ends when it is canceled."""
    running = asyncio.create_task(recorder.run())
    recorder.on_connection("opened", None)

    await eventually(lambda: "connection" in lines_of(tmp_path, 0))

    running.cancel()
    await asyncio.wait({running})
    assert running.cancelled()


def test_an_unwritable_folder_stops_the_start(tmp_path: Path, clock: HandClock) -> None:
    """A service that was asked to record starts with a recording or not at all."""
    (tmp_path / "file").write_text("")
    folder = RecordingFolder(tmp_path / "file", file_bytes_max=1, total_bytes_max=2)

    with pytest.raises(StartupError, match="RECORD_DIR="):
        Recorder(folder, DATABASE, clock=clock, version="0").start()
