"""Fixtures of the tests of recordings, and a reader of their files."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.recording.service.recorder import RecordedDatabase, Recorder
from app.recording.service.recording_folder import RecordingFolder, recordings_in
from app.tapes.tape_reader import TapeReader
from tests.support.hand_driven import HandClock

DATABASE = RecordedDatabase(stream_id="0f1e2d3c4b5a6978", epoch=3, acceptance_number=7)


@pytest.fixture
def clock() -> HandClock:
    """A clock that the test advances."""
    return HandClock()


@pytest.fixture
def recorder(tmp_path: Path, clock: HandClock) -> Iterator[Recorder]:
    """A recorder whose files are full after one line."""
    folder = RecordingFolder(tmp_path, file_bytes_max=1, total_bytes_max=1_000_000)
    recorder = Recorder(folder, DATABASE, clock=clock, version="0")
    recorder.start()
    yield recorder
    recorder.close()


def lines_of(folder: Path, number: int = -1) -> list[str]:
    """Return the lines of a file that are readable now: the frame, or the kind of the note."""
    return [
        line.data.decode()
        if line.data is not None
        else str(msgspec.json.decode(line.note or b"")["kind"])
        for line in TapeReader(recordings_in(folder)[number])
    ]
