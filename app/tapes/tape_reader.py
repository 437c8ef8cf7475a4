"""Read a tape, complete or cut short, in bounded memory.

A killed recorder leaves a file that ends anywhere. Every complete line is read, and
``is_cut_short`` reports the rest. Damage before the end is an error, because a tape with a hole
would replay as a market that never existed.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from app.domain.errors import StartupError
from app.tapes.tape_lines import LINE_BYTES_MAX, TapeLine, is_whole_line, parse_line

CHUNK_BYTES: Final = 64 * 1024
BLOCK_BYTES_MAX: Final = 1024 * 1024
"""The most bytes decompressed at once: 64 KiB of gzip can expand to 64 MiB."""

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


def printable(text: str) -> str:
    """Escape every character that could move a cursor or begin a line."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


class TapeReader:
    """The lines of one tape; each iteration reads the file from its beginning.

    ``bytes_max`` limits how much of a growing file is read; None reads to the end.

    Attributes:
        bytes_read: The bytes that the current iteration has read.
        bytes_total: The size of the file.
        is_cut_short: After an iteration: the file ends in the middle.
        notes: The number of notes read.

    Raises:
        TapeError: while iterating: the file is unreadable (line 0 if it cannot be opened), a line
            is malformed, or ``ts`` of a frame is below the ``ts`` of the frame before.
    """

    def __init__(self, path: Path, *, bytes_max: int | None = None) -> None:
        self.path = path
        self._bytes_max = bytes_max
        self.bytes_read = 0
        self.bytes_total = 0
        self.is_cut_short = False
        self.notes = 0
        self._last_ts = 0

    def __iter__(self) -> Iterator[TapeLine]:
        """Read the file from its first line."""
        self.is_cut_short = False
        self.bytes_read = self.notes = self._last_ts = 0
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
            # A read error concerns the line after the last good one; line 0 means opening failed.
            cause = (isinstance(error, OSError) and error.strerror) or f"damaged: {error}"
            raise TapeError(self.path, number + 1 if self.bytes_read else 0, cause) from error

    def _count(self, line: TapeLine) -> None:
        if line.data is None:
            self.notes += 1
            return
        if line.ts < self._last_ts:
            raise ValueError(f"ts {line.ts} is below the previous one, {self._last_ts}")
        self._last_ts = line.ts

    def _texts(self) -> Iterator[bytes]:
        """Yield the lines without their line ends; the last line may lack one if it is complete."""
        rest = b""
        for block in self._blocks():
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            yield from lines
            if len(rest) >= LINE_BYTES_MAX:
                yield rest  # too long, which parse_line() refuses; do not read on in vain
        if not rest:
            return
        if not is_whole_line(rest):
            self.is_cut_short = True
            return
        yield rest

    def _blocks(self) -> Iterator[bytes]:
        """Yield the decompressed content in pieces of bounded size."""
        with self.path.open("rb") as file:
            self.bytes_total = file.seek(0, 2)
            file.seek(0)
            chunk = self._chunk(file)
            if not chunk:
                self.is_cut_short = True
            elif chunk.startswith(_GZIP_MAGIC):
                yield from self._decompressed(file, chunk)
            else:
                while chunk:
                    yield chunk
                    chunk = self._chunk(file)

    def _decompressed(self, file: BinaryIO, chunk: bytes) -> Iterator[bytes]:
        """Yield the content of all gzip members, as far as it is complete."""
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
                chunk = member.unconsumed_tail  # if empty, zlib may still hold output
            else:
                chunk = self._chunk(file)
                if not chunk:
                    self.is_cut_short = True
                    return

    def _next_member(self, file: BinaryIO, chunk: bytes) -> bytes:
        """Return the bytes of the next member; zeros may fill the space between two members."""
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
