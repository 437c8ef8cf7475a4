"""Tests of ``app.tapes.tape_writer``."""

import gzip
from contextlib import closing
from pathlib import Path

import pytest

from app.tapes.tape_lines import LINE_BYTES_MAX
from app.tapes.tape_reader import TapeError, TapeReader
from app.tapes.tape_writer import PENDING_BYTES_MAX, TapeWriter
from tests.support.small_files import BYTES_MAX, small_files

LINES = [b'{"ts":%d,"data":{"u":%d}}' % (number, number * 7) for number in range(1, 400)]


def write_all(path: Path) -> TapeWriter:
    """Write all lines and close the tape."""
    with closing(TapeWriter(path)) as writer:
        for line in LINES:
            writer.write(line)
    return writer


def fill(writer: TapeWriter) -> int:
    """Write and flush lines until it fails; return the number flushed."""
    for flushed in range(10_000):
        try:
            writer.write(b'{"ts":%d,"data":{}}' % flushed)
            writer.flush()
        except TapeError as error:
            assert "File too large" in str(error)  # noqa: PT017 - the count is the result
            return flushed
    raise AssertionError("the disk did not get full")


def test_a_closed_tape_contains_every_line(tmp_path: Path) -> None:
    """Any gzip reader can read it, its size is as reported, and it may be closed again."""
    path = tmp_path / "tape.jsonl.gz"
    writer = write_all(path)

    assert gzip.decompress(path.read_bytes()).splitlines() == LINES
    assert writer.bytes_written == path.stat().st_size
    assert writer.lines_written == len(LINES)
    writer.close()
    assert writer.bytes_written == path.stat().st_size


def test_a_plain_tape_is_written_as_it_is(tmp_path: Path) -> None:
    """Each line has its line end, and a flush writes every line."""
    path = tmp_path / "tape.jsonl"
    with closing(TapeWriter(path, is_compressed=False)) as writer:
        writer.write(LINES[0])
        writer.flush()
        assert path.read_bytes() == LINES[0] + b"\n"
        writer.write(LINES[1])

    assert path.read_bytes() == LINES[0] + b"\n" + LINES[1] + b"\n"


def test_the_same_lines_make_the_same_file(tmp_path: Path) -> None:
    """The file contains neither its name nor its creation time."""
    for name in ("one.gz", "two.gz"):
        write_all(tmp_path / name)

    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_flushed_lines_can_be_read_at_once(tmp_path: Path) -> None:
    """Another process sees each flushed line; an empty flush writes nothing."""
    path = tmp_path / "tape.jsonl.gz"
    with closing(TapeWriter(path)) as writer:
        for number, line in enumerate(LINES[:20], 1):
            writer.write(line)
            writer.flush()
            size = path.stat().st_size
            writer.flush()
            reader = TapeReader(path)

            assert len(list(reader)) == number
            assert reader.is_cut_short
            assert path.stat().st_size == size == writer.bytes_written


def test_many_lines_are_written_without_a_flush(tmp_path: Path) -> None:
    """The memory for unwritten bytes is bounded."""
    path = tmp_path / "tape.jsonl"
    with closing(TapeWriter(path, is_compressed=False)) as writer:
        for _ in range(PENDING_BYTES_MAX // 1_000 + 1):
            writer.write(b"x" * 999)

        assert path.stat().st_size > PENDING_BYTES_MAX


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    """An older tape is never lost. A missing folder is refused too."""
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(b"yesterday")

    with pytest.raises(TapeError, match=r"tape\.jsonl\.gz: exists already"):
        TapeWriter(path)

    assert path.read_bytes() == b"yesterday"
    with pytest.raises(TapeError, match=r"none/tape: No such file or directory"):
        TapeWriter(tmp_path / "none" / "tape")


@pytest.mark.parametrize(
    ("line", "cause"), [(b"a\nb", "line end"), (b"x" * LINE_BYTES_MAX, "more than")]
)
def test_a_line_that_no_reader_accepts_is_refused(tmp_path: Path, line: bytes, cause: str) -> None:
    """The tape stays readable."""
    path = tmp_path / "tape.jsonl.gz"
    with closing(TapeWriter(path)) as writer:
        writer.write(LINES[0])
        with pytest.raises(ValueError, match=cause):
            writer.write(line)
        writer.write(LINES[1])

    assert gzip.decompress(path.read_bytes()).splitlines() == LINES[:2]


def test_the_longest_line_is_read_back(tmp_path: Path) -> None:
    """Writer and reader have the same limit."""
    path = tmp_path / "tape.jsonl.gz"
    longest = b'{"ts":1,"data":"%b"}' % (b"x" * (LINE_BYTES_MAX - 19))
    with closing(TapeWriter(path)) as writer:
        writer.write(longest)

    assert len(longest) == LINE_BYTES_MAX - 1
    assert len(list(TapeReader(path))) == 1


def test_a_full_disk_is_reported_and_keeps_flushed_lines(tmp_path: Path) -> None:
    """The failure persists, closing does not raise, and flushed lines are readable."""
    path = tmp_path / "tape.jsonl"
    writer = TapeWriter(path, is_compressed=False)
    with small_files():
        flushed = fill(writer)
    with pytest.raises(TapeError, match="File too large"):
        writer.write(LINES[0])
    with pytest.raises(TapeError, match="File too large"):
        writer.flush()
    writer.close()
    reader = TapeReader(path)

    assert len(list(reader)) == flushed > 100
    assert path.stat().st_size == BYTES_MAX
    assert reader.is_cut_short


def test_a_compressed_tape_survives_a_full_disk(tmp_path: Path) -> None:
    """Half a block on the disk does not damage the blocks before it."""
    path = tmp_path / "tape.jsonl.gz"
    writer = TapeWriter(path)
    with small_files():
        flushed = fill(writer)
    writer.close()

    assert path.stat().st_size == BYTES_MAX
    assert len(list(TapeReader(path))) >= flushed > 100
