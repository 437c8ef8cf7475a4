"""Tests of ``app.recording.verify.recording_reader``: which lines belong to a recording."""

from pathlib import Path

from app.recording.service.recording_folder import recordings_in
from app.recording.verify.recording_reader import RecordedFile, Recording, Seam, open_recording
from app.recording.verify.verification import verify
from tests.support.recorded_history import history
from tests.support.recorded_service import RecordedProcess, RecordedService


def opened(process: RecordedProcess, service: RecordedService) -> list[RecordedFile]:
    """Open the recording of a service's database as it is now."""
    return open_recording(recordings_in(service.recordings), process.database.stream_id)


async def test_what_is_written_after_the_opening_is_no_part_of_it(tmp_path: Path) -> None:
    """Else orders would be derived that the moment of the database does not have."""
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
    assert sum(isinstance(item, Seam) for item in before) == 1
    assert recording.frames > 0


async def test_a_file_that_is_deleted_meanwhile_is_a_gap(tmp_path: Path) -> None:
    """A running service makes room; what it had in there is not covered, and nothing differs."""
    service = await history(tmp_path)
    first, *_ = recordings_in(service.recordings)

    whole = await verify(str(service.path), [service.recordings])
    async with service.process() as process:
        recording = Recording(opened(process, service))
        first.unlink()
        seams = [item for item in recording if isinstance(item, Seam)]

    assert whole.is_covered
    assert [seam.begun.epoch for seam in seams] == [2, 3, 4]
    report = await verify(str(service.path), [service.recordings])
    assert report.differences == ()
    assert not report.is_covered
