"""Write a tape that stays readable if the recorder is killed at any instant.

The file is one gzip member. ``flush`` ends a block of it at a byte boundary (zlib's
``Z_SYNC_FLUSH``) and hands it to the operating system, so every earlier line is readable even if
the member never ends. Flushed lines survive the end of the process; after ``close`` they survive a
failure of the machine too.
"""

import os
import zlib
from pathlib import Path
from typing import Final

from app.tapes.tape_lines import LINE_BYTES_MAX
from app.tapes.tape_reader import TapeError

COMPRESSION_LEVEL: Final = 6
PENDING_BYTES_MAX: Final = 64 * 1024
"""Compressed bytes that may wait in memory; more are written without a flush."""

_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class TapeWriter:
    """One new tape, gzipped if ``is_compressed``; not thread-safe.

    After a failed write every further call fails; flushed lines stay readable.

    Raises:
        TapeError: the file exists, or cannot be created.
    """

    def __init__(self, path: Path, *, is_compressed: bool = True) -> None:
        self.path = path
        self.lines_written = 0
        self.bytes_written = 0
        self._is_compressed = is_compressed
        self._compressor = zlib.compressobj(COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP_BITS)
        self._pending = bytearray()
        self._is_flushed = True
        self._failure: TapeError | None = None
        try:
            # Exclusive creation: two recorders that start at once must not share a file.
            self._file = path.open("xb", buffering=0)
        except FileExistsError:
            raise TapeError(path, 0, "exists already, and a tape is never overwritten") from None
        except OSError as error:
            raise TapeError(path, 0, error.strerror or str(error)) from error

    def write(self, line: bytes) -> None:
        """Add a line, given without its line end.

        Raises:
            ValueError: the line is too long for a reader, or contains a line end; nothing is
                written.
            TapeError: writing failed.
        """
        if len(line) >= LINE_BYTES_MAX:
            raise ValueError(f"a line of {len(line)} bytes, more than {LINE_BYTES_MAX - 1}")
        if b"\n" in line:
            raise ValueError("a line end within a line")
        self._check()
        text = line + b"\n"
        self._pending += self._compressor.compress(text) if self._is_compressed else text
        self._is_flushed = False
        self.lines_written += 1
        if len(self._pending) > PENDING_BYTES_MAX:
            self._write_pending()

    def flush(self) -> None:
        """Hand every line to the operating system, so that it survives the process.

        Raises:
            TapeError: writing failed.
        """
        self._check()
        if self._is_flushed:
            return
        if self._is_compressed:
            self._pending += self._compressor.flush(zlib.Z_SYNC_FLUSH)
        self._write_pending()
        self._is_flushed = True

    def close(self) -> None:
        """End the tape, and wait until it is on the disk; a second call does nothing.

        Raises:
            TapeError: writing failed; the file is closed nevertheless.
        """
        if self._file.closed:
            return
        try:
            if self._failure is None:
                if self._is_compressed:
                    self._pending += self._compressor.flush(zlib.Z_FINISH)
                self._write_pending()
                os.fsync(self._file.fileno())
        except OSError as error:
            self._fail(error)
        finally:
            self._file.close()

    def _write_pending(self) -> None:
        try:
            while self._pending:
                # An unbuffered file may write only a part of the bytes.
                written = self._file.write(self._pending) or 0
                self.bytes_written += written
                del self._pending[:written]
        except OSError as error:
            self._fail(error)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        assert not self._file.closed, "a closed tape is not written to"

    def _fail(self, error: OSError) -> None:
        self._failure = TapeError(self.path, 0, error.strerror or str(error))
        raise self._failure from error
