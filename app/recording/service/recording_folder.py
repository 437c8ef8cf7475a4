"""The files of a recording: named so that they sort by time, and bounded in all."""

from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from app.domain.errors import StartupError
from app.tapes.tape_reader import TapeError
from app.tapes.tape_writer import TapeWriter

PREFIX: Final = "recording-"
SUFFIX: Final = ".jsonl.gz"

_log = structlog.get_logger()


class RecordingFolder:
    """A folder of recordings that holds at most ``total_bytes_max``; the oldest files go first.

    ``files_deleted`` counts those that had to.
    """

    def __init__(self, folder: Path, *, file_bytes_max: int, total_bytes_max: int) -> None:
        assert file_bytes_max <= total_bytes_max, "a file must fit into what all of them may take"
        self.folder = folder
        self.file_bytes_max = file_bytes_max
        self.files_deleted = 0
        self._total_bytes_max = total_bytes_max

    def check(self) -> None:
        """Make the folder if it is not there.

        Raises:
            StartupError: it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"RECORD_DIR={self.folder}: {error.strerror}; name a folder to write to"
            raise StartupError(message) from None

    def open_next(self, now: datetime) -> TapeWriter:
        """Begin a file, after making room for as much as it may hold.

        Raises:
            TapeError: it cannot be made.
        """
        self._make_room()
        return TapeWriter(self.folder / f"{PREFIX}{now:%Y%m%dT%H%M%S.%f}Z{SUFFIX}")

    def _make_room(self) -> None:
        try:
            sizes = {path: path.stat().st_size for path in recordings_in(self.folder)}
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


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings of a folder, the oldest first.

    Raises:
        OSError: it cannot be read.
    """
    names = sorted(path.name for path in folder.iterdir())
    return [folder / name for name in names if name.startswith(PREFIX) and name.endswith(SUFFIX)]
