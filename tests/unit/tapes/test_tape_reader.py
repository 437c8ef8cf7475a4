"""Tests of ``app.tapes.tape_reader``."""

import gzip
import random
import zlib
from contextlib import closing
from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.tapes.tape_lines import LINE_BYTES_MAX, TapeLine
from app.tapes.tape_reader import BLOCK_BYTES_MAX, CHUNK_BYTES, TapeError, TapeReader, printable
from app.tapes.tape_writer import TapeWriter

FIRST = b'{"ts":100,"data":{"u":1}}\n'
NOTE = b'{"ts":150,"note":{"kind":"connection"}}\n'
SECOND = b'{"ts":200,"data":{"u":2}}\n'
WHOLE = FIRST + NOTE + SECOND


def write(folder: Path, content: bytes) -> Path:
    """Write a file."""
    path = folder / "tape"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        WHOLE,
        WHOLE[:-1],
        gzip.compress(WHOLE),
        gzip.compress(FIRST) + gzip.compress(NOTE + SECOND),
        gzip.compress(FIRST + NOTE[:10]) + gzip.compress(NOTE[10:] + SECOND),
        gzip.compress(FIRST) + bytes(CHUNK_BYTES * 3) + gzip.compress(NOTE + SECOND) + bytes(9),
    ],
    ids=["plain", "without a last line end", "gzip", "two members", "split in a line", "padded"],
)
def test_the_content_decides_how_a_tape_is_read(tmp_path: Path, content: bytes) -> None:
    """The file name does not matter; notes come in order and are counted.

    Gzipped tapes joined with ``cat`` are one tape.
    """
    reader = TapeReader(write(tmp_path, content))

    lines = list(reader)

    assert lines == [
        TapeLine(1, 100, b'{"u":1}', None),
        TapeLine(2, 150, None, b'{"kind":"connection"}'),
        TapeLine(3, 200, b'{"u":2}', None),
    ]
    assert (reader.notes, reader.is_cut_short) == (1, False)
    assert reader.bytes_read == reader.bytes_total == len(content)


def test_a_tape_can_be_read_again(tmp_path: Path) -> None:
    """Each iteration starts at the first line, even after an abandoned one."""
    reader = TapeReader(write(tmp_path, gzip.compress(WHOLE)))
    next(iter(reader))

    assert list(reader) == list(reader) == list(TapeReader(reader.path))
    assert reader.notes == 1


def test_a_tape_cut_short_at_any_byte_gives_every_whole_line(tmp_path: Path) -> None:
    """No complete line is lost and none is invented."""
    for size in range(len(WHOLE)):
        reader = TapeReader(write(tmp_path, WHOLE[:size]))
        whole_lines = sum(size >= len(line) - 1 for line in (FIRST, FIRST + NOTE, WHOLE))

        assert [line.number for line in reader] == [1, 2, 3][:whole_lines]
        ends_with_a_line = size in {len(FIRST), len(FIRST + NOTE)}
        assert reader.is_cut_short == (
            not ends_with_a_line
            and size not in {len(FIRST) - 1, len(FIRST + NOTE) - 1}
            and size < len(WHOLE) - 1
        )


def test_a_killed_recorder_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    """Cut at any byte, the file yields at least the lines flushed before that byte."""
    path = tmp_path / "tape.jsonl.gz"
    chance = random.Random(7)
    texts = [b'{"ts":%d,"data":{"u":%d}}' % (n, chance.randrange(10**9)) for n in range(120)]
    flushed_at = [(0, 0)]
    with closing(TapeWriter(path)) as writer:
        for number, text in enumerate(texts, 1):
            writer.write(text)
            if chance.random() < 0.1:
                writer.flush()
                flushed_at.append((path.stat().st_size, number))
    content = path.read_bytes()
    for size in range(len(content)):
        cut = TapeReader(write(tmp_path, content[:size]))
        read = [line.data for line in cut]
        promised = max(lines for bytes_then, lines in flushed_at if bytes_then <= size)

        assert len(read) >= promised
        assert read == [text.partition(b'"data":')[2][:-1] for text in texts[: len(read)]]
        assert cut.is_cut_short


@pytest.mark.parametrize(
    ("content", "line_number", "cause"),
    [
        (FIRST + b"nonsense\n" + SECOND, 2, "not a line of a tape"),
        (FIRST + b"nonsense\n", 2, "not a line of a tape"),
        (FIRST + b"\n" + SECOND, 2, "not a line of a tape"),
        (SECOND + NOTE + FIRST, 3, "ts 100 is below the previous one, 200"),
        (FIRST + b'{"ts":1,"data":"' + b"x" * LINE_BYTES_MAX + b'"}\n' + SECOND, 2, "more than"),
        (b"x" * 3 * BLOCK_BYTES_MAX, 1, "more than"),
        (gzip.compress(FIRST, mtime=0) + b"trailing garbage", 2, "damaged"),
        (gzip.compress(b"nonsense\n", mtime=0), 1, "not a line of a tape"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_fault_before_the_end_names_its_line(
    tmp_path: Path, content: bytes, line_number: int, cause: str
) -> None:
    """A tape with a hole would replay as a market that never existed."""
    with pytest.raises(TapeError, match=cause) as caught:
        list(TapeReader(write(tmp_path, content)))

    assert caught.value.line_number == line_number
    assert str(tmp_path / "tape") in str(caught.value)
    assert isinstance(caught.value, StartupError)


def test_a_damaged_middle_is_an_error(tmp_path: Path) -> None:
    """A changed gzip file is never read as a shorter one."""
    chance = random.Random(11)
    lines = b"".join(
        b'{"ts":%d,"data":{"u":%d}}\n' % (n, chance.getrandbits(60)) for n in range(99)
    )
    content = bytearray(gzip.compress(lines, mtime=0))
    for position in range(20, len(content) - 8, 7):
        damaged = (
            bytes(content[:position])
            + bytes([content[position] ^ 0xFF])
            + bytes(content[position + 1 :])
        )
        reader = TapeReader(write(tmp_path, damaged))
        try:
            list(reader)
        except TapeError as error:
            assert error.line_number > 0  # noqa: PT017 - not every fault is one
        else:
            # Damage may make the stream ask for more than there is: then it is not whole.
            assert reader.is_cut_short


def test_memory_is_bounded_for_any_compression_ratio(tmp_path: Path) -> None:
    """At most one block of an expanding file is in memory, and all of it is read."""
    line = b'{"ts":1,"data":{"x":"' + b"0" * 200_000 + b'"}}\n'
    reader = TapeReader(write(tmp_path, gzip.compress(line * 64)))

    assert sum(len(one.data or b"") for one in reader) == 64 * (len(line) - 17)
    assert not reader.is_cut_short


def test_the_decompressor_is_emptied(tmp_path: Path) -> None:
    """The decompressor may hold output after its input is used up; the last line is still read."""
    filler = b'{"ts":1,"data":"%b"}\n' % (b"0" * 65_000)
    rest = (BLOCK_BYTES_MAX + 2) % len(filler)
    last = b'{"ts":1,"data":"%b"}\n' % (b"0" * (rest - len(b'{"ts":1,"data":""}\n')))
    compressor = zlib.compressobj(wbits=31)
    content = compressor.compress(filler * (BLOCK_BYTES_MAX // len(filler)) + last)
    content += compressor.flush(zlib.Z_SYNC_FLUSH)[:-6]  # to the last code of the line
    reader = TapeReader(write(tmp_path, content))

    assert len(list(reader)) == BLOCK_BYTES_MAX // len(filler) + 1
    assert reader.is_cut_short


def test_a_bomb_without_line_ends_is_refused_early(tmp_path: Path) -> None:
    """The reader stops long before the end of the file."""
    compressor = zlib.compressobj(wbits=31)
    content = b"".join(compressor.compress(bytes(1024 * 1024)) for _ in range(100))
    reader = TapeReader(write(tmp_path, content + compressor.flush()))

    with pytest.raises(TapeError, match="line 1: not a line of a tape: more than"):
        list(reader)

    assert reader.bytes_read == CHUNK_BYTES


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A folder is refused too."""
    with pytest.raises(TapeError, match="No such file") as caught:
        list(TapeReader(tmp_path / "none"))
    with pytest.raises(TapeError, match="Is a directory"):
        list(TapeReader(tmp_path))

    assert caught.value.line_number == 0


def test_text_of_others_cannot_move_the_cursor() -> None:
    """Control characters are escaped; letters of any script stay unchanged."""
    assert printable("币安\x1b[2J\r\n\u202e\ud800") == r"币安\x1b[2J\r\n\u202e\ud800"
