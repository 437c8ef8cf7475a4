"""The files of a recording: their names sort by time, and their total size is bounded."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from app.domain.errors import StartupError
from app.tapes.tape_reader import TapeError
from app.tapes.tape_writer import TapeWriter

PREFIX: Final = "recording-"
SUFFIX: Final = ".jsonl.gz"

_TIME_FORM: Final = "%Y%m%dT%H%M%S.%fZ"

_log = structlog.get_logger()


class RecordingFolder:
    """A folder of recordings with at most ``total_bytes_max`` bytes.

    The oldest files are deleted first; ``files_deleted`` counts them.
    """

    def __init__(self, folder: Path, *, file_bytes_max: int, total_bytes_max: int) -> None:
        assert file_bytes_max <= total_bytes_max, "the total size must allow one full file"
        self.folder = folder
        self.file_bytes_max = file_bytes_max
        self.files_deleted = 0
        self._total_bytes_max = total_bytes_max

    def check(self) -> None:
        """Create the folder if it is missing.

        Raises:
            StartupError: the folder cannot be created.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"RECORD_DIR={self.folder}: {error.strerror}; name a writable folder"
            raise StartupError(message) from None

    def open_next(self, now: datetime) -> TapeWriter:
        """Delete old files until a full file fits, then create a file named after ``now``.

        If a file has a later name, because the machine's date was set back during a restart, the
        new name follows that one.

        Raises:
            TapeError: the file cannot be created.
        """
        newest = self._make_room()
        name = _name_of(now)
        if newest is not None and name <= newest.name:
            name = _name_after(newest.name) or name
        return TapeWriter(self.folder / name)

    def _make_room(self) -> Path | None:
        """Delete old files; return the newest one, None without any."""
        try:
            sizes = {path: path.stat().st_size for path in recordings_in(self.folder)}
            # A new file may grow to its maximum size.
            excess = sum(sizes.values()) + self.file_bytes_max - self._total_bytes_max
            for path, size in sizes.items():
                if excess <= 0:
                    break
                path.unlink()
                excess -= size
                self.files_deleted += 1
                _log.info("recording_deleted", file=str(path), bytes=size)
        except OSError as error:
            raise TapeError(self.folder, 0, error.strerror or str(error)) from error
        return max(sizes, default=None)


def _name_of(at: datetime) -> str:
    return f"{PREFIX}{at.strftime(_TIME_FORM)}{SUFFIX}"


def _name_after(name: str) -> str | None:
    """Return the next name after a file's, None if that name does not hold a time."""
    try:
        at = datetime.strptime(name, f"{PREFIX}{_TIME_FORM}{SUFFIX}")  # noqa: DTZ007 - see "Z"
    except ValueError:
        return None
    return _name_of(at + timedelta(microseconds=1))


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings of a folder, the oldest first.

    Raises:
        OSError: the folder cannot be read.
    """
    # The names contain the time of creation, so they sort by age.
    names = sorted(path.name for path in folder.iterdir())
    return [folder / name for name in names if name.startswith(PREFIX) and name.endswith(SUFFIX)]
