"""Tests of ``app.recording.service.recording_folder``."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.recording.service.recording_folder import RecordingFolder, recordings_in
from app.tapes.tape_reader import TapeError
from tests.support.builders import ACCEPTED_AT


def make_folder(path: Path) -> RecordingFolder:
    """Return a folder for files of 100 bytes and 300 bytes in total."""
    folder = RecordingFolder(path, file_bytes_max=100, total_bytes_max=300)
    folder.check()
    return folder


def test_files_sort_by_the_time_they_were_begun(tmp_path: Path) -> None:
    """Other files in the folder are neither read nor deleted."""
    folder = make_folder(tmp_path / "new" / "folder")
    (folder.folder / "notes.txt").write_text("x" * 1_000)

    for microseconds in (0, 1, 10**9):
        folder.open_next(ACCEPTED_AT + timedelta(microseconds=microseconds)).close()

    assert [path.name for path in recordings_in(folder.folder)] == [
        "recording-20240808T235414.000000Z.jsonl.gz",
        "recording-20240808T235414.000001Z.jsonl.gz",
        "recording-20240809T001054.000000Z.jsonl.gz",
    ]


def test_the_oldest_files_are_deleted_for_a_new_one(tmp_path: Path) -> None:
    """A full new file fits into the total size."""
    folder = make_folder(tmp_path)
    for number in range(3):
        path = tmp_path / f"recording-2024080{number}T000000.000000Z.jsonl.gz"
        path.write_bytes(bytes(90))

    folder.open_next(ACCEPTED_AT).close()

    assert folder.files_deleted == 1
    assert [path.name[:18] for path in recordings_in(tmp_path)] == [
        "recording-20240801",
        "recording-20240802",
        "recording-20240808",
    ]


def test_a_recording_is_never_overwritten(tmp_path: Path) -> None:
    """A file that sorts among others, but holds no time, is not replaced."""
    folder = make_folder(tmp_path)
    for name in ("recording-20240808T235414.000000Z.jsonl.gz", "recording-zero.jsonl.gz"):
        (tmp_path / name).write_text("")

    with pytest.raises(TapeError, match="exists already"):
        folder.open_next(ACCEPTED_AT)


@pytest.mark.parametrize("seconds", [-10_800, -0.5, 0])
def test_a_new_file_is_the_last_although_the_date_was_set_back(
    seconds: float, tmp_path: Path
) -> None:
    """Otherwise its lines would be read first, and it would be the first to be deleted."""
    folder = make_folder(tmp_path)
    folder.open_next(ACCEPTED_AT).close()

    folder.open_next(ACCEPTED_AT + timedelta(seconds=seconds)).close()

    assert [path.name for path in recordings_in(folder.folder)] == [
        "recording-20240808T235414.000000Z.jsonl.gz",
        "recording-20240808T235414.000001Z.jsonl.gz",
    ]


def test_a_folder_that_cannot_be_created_stops_the_start(tmp_path: Path) -> None:
    """The message names the setting."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StartupError, match=r"RECORD_DIR=.*file/folder: Not a directory; name a"):
        make_folder(tmp_path / "file" / "folder")
