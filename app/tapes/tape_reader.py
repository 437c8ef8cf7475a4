"""Reads a tape, whole or cut short, in memory that does not depend on its size.

A recorder that was killed leaves a file that ends anywhere. All whole lines of it are read, and
``is_cut_short`` says that there were more. Anything wrong before the end is an error: a tape with a
hole in it would replay as a market that never was.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from app.domain.errors import StartupError
from app.tapes.printing import printable
from app.tapes.tape_lines import LINE_BYTES_MAX, TapeLine, is_whole_line, parse_line

CHUNK_BYTES: Final = 64 * 1024
BLOCK_BYTES_MAX: Final = 1024 * 1024
"""Decompressed at once: 64 KiB of gzip may unfold to 64 MiB."""

_GZIP_MAGIC: Final = b"\x1f\x8b"
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS


class TapeError(StartupError):
    """The tape cannot be read or written; the message names the file, the line and the cause."""

    code = "bad_tape"

    def __init__(self, path: Path, line_number: int, cause: str) -> None:
        self.path = path
        self.line_number = line_number
        where = f"{path}, line {line_number}" if line_number else str(path)
        super().__init__(f"{where}: {printable(cause)}")


def read_tape(path: Path) -> Iterator[TapeLine]:
    """Yield the lines of a tape in order; see ``TapeReader``."""
    return iter(TapeReader(path))


class TapeReader:
    """The lines of one tape, read anew by each iteration.

    Of a file that is being written, ``bytes_max`` says how much of it to read; None reads to its
    end.

    ``bytes_read`` of ``bytes_total`` says how far the last iteration has come. After it,
    ``is_cut_short`` tells whether the file ends in the middle, and ``notes`` how many lines were no
    frames.

    Raises:
        TapeError: when iterated, for a file that cannot be read, with line 0 if it cannot be
            opened; a line that is none of a tape; ``ts`` of a frame below that of the one before.
    """

    def __init__(self, path: Path, *, bytes_max: int | None = None) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self.bytes_read = 0
        self.bytes_total = 0
        self.is_cut_short = False
        self.frames = 0
        self.notes = 0
        self._last_ts = 0

    def __iter__(self) -> Iterator[TapeLine]:
        """Begin with the first line."""
        self.is_cut_short = False
        self.bytes_read = self.frames = self.notes = self._last_ts = 0
        number = 0
        try:
            for text in self._texts():
                number += 1
                line = parse_line(text, number)
                self._count(line)
                yield line
        except ValueError as error:
            raise TapeError(self.path, number, str(error)) from error
        except (OSError, zlib.error) as error:
            # Reading fails behind the last good line, opening before the first one.
            cause = (isinstance(error, OSError) and error.strerror) or f"damaged: {error}"
            raise TapeError(self.path, number + 1 if self.bytes_read else 0, cause) from error

    def _count(self, line: TapeLine) -> None:
        if line.data is None:
            self.notes += 1
            return
        if line.ts < self._last_ts:
            raise ValueError(f"ts {line.ts} is below the one before, {self._last_ts}")
        self._last_ts = line.ts
        self.frames += 1

    def _texts(self) -> Iterator[bytes]:
        """Yield the whole lines without their ends, and a last one without an end if it is whole.

        Of a line that is too long comes as much as was read.
        """
        rest = b""
        for block in self._blocks():
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines
            if len(rest) >= LINE_BYTES_MAX:
                yield rest
        if not rest:
            return
        if not is_whole_line(rest):
            self.is_cut_short = True
            return
        yield rest

    def _blocks(self) -> Iterator[bytes]:
        """Yield the text in pieces of bounded size."""
        with self.path.open("rb") as file:
            self.bytes_total = file.seek(0, 2)
            file.seek(0)
            chunk = self._chunk(file)
            if not chunk:
                self.is_cut_short = True
            elif chunk.startswith(_GZIP_MAGIC):
                yield from self._unfolded(file, chunk)
            else:
                while chunk:
                    yield chunk
                    chunk = self._chunk(file)

    def _unfolded(self, file: BinaryIO, chunk: bytes) -> Iterator[bytes]:
        """Yield what a gzip file of one or more members holds, as far as it goes."""
        member = zlib.decompressobj(_GZIP_BITS)
        while chunk or not member.eof:
            block = member.decompress(chunk, BLOCK_BYTES_MAX)
            if block:
                yield block
            if member.eof:
                chunk = self._next_member(file, member.unused_data)
                if chunk:
                    member = zlib.decompressobj(_GZIP_BITS)
            elif len(block) == BLOCK_BYTES_MAX:
                chunk = member.unconsumed_tail  # if empty, the member itself may hold more
            else:
                chunk = self._chunk(file)
                if not chunk:
                    self.is_cut_short = True
                    return

    def _next_member(self, file: BinaryIO, chunk: bytes) -> bytes:
        """Return where the next member begins; zeros may pad the file between them."""
        chunk = chunk.lstrip(b"\0")
        while not chunk:
            read = self._chunk(file)
            if not read:
                return b""
            chunk = read.lstrip(b"\0")
        return chunk

    def _chunk(self, file: BinaryIO) -> bytes:
        left = CHUNK_BYTES if self._bytes_max is None else self._bytes_max - self.bytes_read
        chunk = file.read(min(CHUNK_BYTES, max(left, 0)))
        self.bytes_read += len(chunk)
        return chunk
