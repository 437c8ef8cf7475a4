"""Tests of ``app.recording.verify.recording_reader``: which lines belong to a recording."""

from pathlib import Path

from app.recording.service.recording_folder import recordings_in
from app.recording.verify.recording_reader import (
    FileBoundary,
    RecordedFile,
    Recording,
    open_recording,
)
from app.recording.verify.verification import verify
from tests.support.recorded_history import history
from tests.support.recorded_service import RecordedProcess, RecordedService


def opened(process: RecordedProcess, service: RecordedService) -> list[RecordedFile]:
    """Open the recording of a service's database as it is now."""
    return open_recording(recordings_in(service.recordings), process.database.stream_id)


async def test_lines_written_after_opening_are_not_read(tmp_path: Path) -> None:
    """They may contain orders that the database snapshot lacks."""
    service = RecordedService(tmp_path)
    async with service.process() as process:
        await service.place(process, 5)
        process.push(10, ("99.99", 8))
        await process.settle()
        recording = Recording(opened(process, service))
        before = list(recording)
        await service.place(process, 5)
        process.push(11, ("99.99", 20))
        await process.settle()

        after = list(recording)

    assert after == before
    assert sum(isinstance(item, FileBoundary) for item in before) == 1
    assert recording.frames > 0


async def test_a_file_deleted_meanwhile_is_a_gap(tmp_path: Path) -> None:
    """A running service deletes old files; their orders are not covered, and nothing differs."""
    service = await history(tmp_path)
    first, *_ = recordings_in(service.recordings)

    whole = await verify(str(service.path), [service.recordings])
    async with service.process() as process:
        recording = Recording(opened(process, service))
        first.unlink()
        boundaries = [item for item in recording if isinstance(item, FileBoundary)]

    assert whole.is_covered
    assert [boundary.begun.epoch for boundary in boundaries] == [2, 3, 4]
    report = await verify(str(service.path), [service.recordings])
    assert report.differences == ()
    assert not report.is_covered
