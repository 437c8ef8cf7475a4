"""Read the files of a recording in the order of writing, and find the gaps between them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.errors import StartupError
from app.recording.service.recording_folder import recordings_in
from app.recording.service.recording_notes import (
    AnyNote,
    FileBegun,
    FileContinued,
    RecordingEnded,
    read_note,
)
from app.tapes.tape_lines import TapeLine
from app.tapes.tape_reader import TapeError, TapeReader

FILES_MAX: Final = 100_000

BEFORE_THE_BEGINNING: Final = "before the recording begins"
IN_A_GAP: Final = "in a gap of the recording"
CUT_OFF: Final = "cut off with the end of a process"
"""Causes: why an order or a split is not covered by the recording."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A file, its first note, and its size in bytes when it was opened."""

    path: Path
    begun: FileBegun
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileBoundary:
    """The place between two files, or before the first one.

    Nothing is missing between the files of one process if there is no ``cause``.

    Attributes:
        begun: The first note of the next file.
        is_restart: Another process wrote the next file; it loaded its orders from the database.
        cause: Why the time between the files is not covered, or None if it was empty. ``CUT_OFF``
            means that the process that wrote the previous file was killed. Its inputs up to the
            last durable outcome are recorded, unless the machine or the recorder failed earlier.
    """

    begun: FileBegun
    is_restart: bool = False
    cause: str | None = None


def find_files(tapes: Iterable[Path]) -> list[Path]:
    """Return the given files, and the recordings in the given folders.

    Raises:
        StartupError: there is no recording, or a folder cannot be read.
    """
    files: list[Path] = []
    for tape in tapes:
        try:
            files += recordings_in(tape) if tape.is_dir() else [tape]
        except OSError as error:
            raise StartupError(f"{tape}: {error.strerror}") from None
    if not files:
        raise StartupError(f"there is no recording in {', '.join(str(tape) for tape in tapes)}")
    if len(files) > FILES_MAX:
        raise StartupError(f"{len(files)} files are more than the {FILES_MAX} that can be read")
    return list(dict.fromkeys(files))


def open_recording(files: Iterable[Path], stream_id: str) -> list[RecordedFile]:
    """Return the files of a database's recording in the order of writing.

    Bytes that a running service appends later do not count. A file that was cut off before its
    first line was readable is left out.

    Raises:
        StartupError: a file is not a recording, or belongs to another database.
    """
    opened = []
    for path in files:
        begun = _first_note(path)
        if begun is None:
            continue
        if begun.stream_id != stream_id:
            raise StartupError(f"{path} is a recording of another database")
        opened.append(RecordedFile(path=path, begun=begun, size=path.stat().st_size))
    # The command line may name files in any order.
    opened.sort(key=lambda file: (file.begun.epoch, file.begun.number))
    return opened


class Recording:
    """The lines of all files, with a ``FileBoundary`` before each file; see ``open_recording``."""

    def __init__(self, files: list[RecordedFile]) -> None:
        self._files = files
        self.frames = 0

    def __iter__(self) -> Iterator[FileBoundary | AnyNote | TapeLine]:
        """Yield boundaries, notes and the lines of frames.

        Raises:
            TapeError: a file is damaged before its end.
        """
        before: RecordedFile | None = None
        last: AnyNote | None = None
        for file in self._files:
            if not file.path.exists():
                # A running service deleted it to make room; the next boundary is a gap.
                continue
            yield _boundary(before, last, file.begun)
            last = None
            for line in TapeReader(file.path, bytes_max=file.size):
                if line.data is not None:
                    self.frames += 1
                    last = None
                    yield line
                    continue
                last = _read(file.path, line)
                if not isinstance(last, FileBegun):
                    yield last
            before = file


def _boundary(before: RecordedFile | None, last: AnyNote | None, begun: FileBegun) -> FileBoundary:
    if before is None:
        return FileBoundary(begun=begun, is_restart=True, cause=BEFORE_THE_BEGINNING)
    if begun.epoch == before.begun.epoch:
        follows = begun.continues and begun.number == before.begun.number + 1
        if follows and isinstance(last, FileContinued):
            return FileBoundary(begun=begun)
        return FileBoundary(begun=begun, cause=IN_A_GAP)
    # Each process increments the epoch, so no unrecorded process ran between these two.
    is_next = begun.epoch == before.begun.epoch + 1 and begun.number == 1
    # A full file ends with FileContinued; its successor is missing, which is a gap.
    if not is_next or isinstance(last, FileContinued):
        return FileBoundary(begun=begun, is_restart=True, cause=IN_A_GAP)
    if isinstance(last, RecordingEnded):
        return FileBoundary(begun=begun, is_restart=True)
    return FileBoundary(begun=begun, is_restart=True, cause=CUT_OFF)


def _first_note(path: Path) -> FileBegun | None:
    reader = TapeReader(path)
    line = next(iter(reader), None)
    if line is None:
        # The process was killed before it could flush the first line.
        if reader.is_cut_short:
            return None
        raise StartupError(f"{path} is empty")
    note = None if line.note is None else _read(path, line)
    if not isinstance(note, FileBegun):
        message = f"{path} is not a recording of the service (see RECORD_DIR): it has no orders"
        raise StartupError(message)
    return note


def _read(path: Path, line: TapeLine) -> AnyNote:
    assert line.note is not None, "a line without data is a note"
    try:
        return read_note(line.note)
    except ValueError as error:
        raise TapeError(path, line.number, f"not a note of a recording: {error}") from None
