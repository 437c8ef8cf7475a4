"""The files of a recording in the order in which they were written, and what is missing between."""

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
"""Why something is not covered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedFile:
    """A file, what its first line says, and how long it was when it was opened."""

    path: Path
    begun: FileBegun
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """Where one file follows another: what may have happened between the two.

    ``is_seamless``: nothing. ``is_restart``: another process goes on, from the database. ``cause``
    says why what happened in between is not covered, None if nothing did. ``is_crash``: the process
    before was killed. All that led to something durable was flushed by then, unless the machine
    failed, or the recorder before it.
    """

    begun: FileBegun
    is_seamless: bool
    is_restart: bool
    is_crash: bool
    cause: str | None


def find_files(tapes: Iterable[Path]) -> list[Path]:
    """Return the files that are named, and those of folders that are.

    Raises:
        StartupError: there is none, or a folder cannot be read.
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
    """Return the files of a database's recording in the order in which they were written.

    What a running service writes from here on is no part of it. A file that was cut off before its
    first line was readable holds nothing and is left out.

    Raises:
        StartupError: a file is no recording, or one of another database.
    """
    opened = []
    for path in files:
        begun = _first_note(path)
        if begun is None:
            continue
        if begun.stream_id != stream_id:
            raise StartupError(f"{path} is a recording of another database")
        opened.append(RecordedFile(path=path, begun=begun, size=path.stat().st_size))
    opened.sort(key=lambda file: (file.begun.epoch, file.begun.number))
    return opened


class Recording:
    """The lines of files in turn, a ``Seam`` before each file's; see ``open_recording``."""

    def __init__(self, files: list[RecordedFile]) -> None:
        self._files = files
        self.frames = 0

    def __iter__(self) -> Iterator[Seam | AnyNote | TapeLine]:
        """Yield notes and the lines of frames.

        A file that is gone was deleted by a running service to make room, and is a gap.

        Raises:
            TapeError: a file is damaged before its end.
        """
        before: RecordedFile | None = None
        last: AnyNote | None = None
        for file in self._files:
            if not file.path.exists():
                continue
            yield _seam(before, last, file.begun)
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


def _seam(before: RecordedFile | None, last: AnyNote | None, begun: FileBegun) -> Seam:
    cause: str | None
    is_crash = False
    if before is None:
        is_restart = True
        cause = BEFORE_THE_BEGINNING
    elif begun.epoch == before.begun.epoch:
        is_restart = False
        follows = begun.continues and begun.number == before.begun.number + 1
        if follows and isinstance(last, FileContinued):
            return Seam(begun=begun, is_seamless=True, is_restart=False, is_crash=False, cause=None)
        cause = IN_A_GAP
    else:
        is_restart = True
        is_next = begun.epoch == before.begun.epoch + 1 and begun.number == 1
        is_crash = is_next and not isinstance(last, RecordingEnded | FileContinued)
        if is_crash:
            cause = CUT_OFF
        elif is_next and isinstance(last, RecordingEnded):
            cause = None
        else:
            cause = IN_A_GAP
    return Seam(
        begun=begun, is_seamless=False, is_restart=is_restart, is_crash=is_crash, cause=cause
    )


def _first_note(path: Path) -> FileBegun | None:
    reader = TapeReader(path)
    line = next(iter(reader), None)
    if line is None:
        if reader.is_cut_short:
            return None
        raise StartupError(f"{path} is empty")
    note = None if line.note is None else _read(path, line)
    if not isinstance(note, FileBegun):
        message = f"{path} is no recording of the service: it lacks what orders need (RECORD_DIR)"
        raise StartupError(message)
    return note


def _read(path: Path, line: TapeLine) -> AnyNote:
    assert line.note is not None, "a line without data is a note"
    try:
        return read_note(line.note)
    except ValueError as error:
        raise TapeError(path, line.number, f"not a note of a recording: {error}") from None
