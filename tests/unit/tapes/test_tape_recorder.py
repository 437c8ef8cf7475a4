"""Tests of ``app.tapes.tape_recorder``."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.domain.order import Symbol
from app.tapes.tape_lines import ReceiptTimes
from app.tapes.tape_reader import TapeReader
from app.tapes.tape_recorder import TapeRecorder
from app.tapes.tape_writer import TapeWriter
from tests.support.builders import LTCBTC, make_quote

ETHBTC = Symbol("ETHBTC")
EPOCH_US = 1_700_000_000_000_000


class RecordingUnderTest:
    """A recorder with a clock that the test advances, and the sentences it reported."""

    def __init__(
        self, path: Path, *, bytes_max: int | None = None, is_compressed: bool = True
    ) -> None:
        self.now_ns = 10**12
        self.reported: list[str] = []
        self.ends = 0
        self.writer = TapeWriter(path, is_compressed=is_compressed)
        self.recorder = TapeRecorder(
            self.writer,
            times=ReceiptTimes(epoch_us=EPOCH_US, monotonic_ns=self.now_ns),
            monotonic_ns=lambda: self.now_ns,
            bytes_max=bytes_max,
            on_end=self._note_end,
            on_trouble=self.reported.append,
        )

    def frame(self, update_id: int, symbol: Symbol = LTCBTC) -> bytes:
        """Deliver a frame one millisecond later, and return it."""
        self.now_ns += 1_000_000
        frame = b'{"u":%d,"s":"%b"}' % (update_id, symbol.encode())
        self.recorder.on_frame(symbol, frame, self.now_ns)
        return frame

    def lines(self) -> list[object]:
        """Return the lines that a reader finds."""
        reader = TapeReader(self.writer.path)
        return [line.data or json.loads(line.note or b"") for line in reader]

    def _note_end(self) -> None:
        self.ends += 1


Begin = Callable[..., RecordingUnderTest]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Begin a recording; the fixture closes it."""
    begun = []

    def begin_one(**options: Any) -> RecordingUnderTest:  # noqa: ANN401 - passed on
        begun.append(RecordingUnderTest(tmp_path / "tape", **options))
        return begun[-1]

    yield begin_one
    for one in begun:
        one.writer.close()


@pytest.fixture
def recording(begin: Begin) -> RecordingUnderTest:
    """Begin a recording without limits."""
    return begin()


def test_frames_are_written_with_the_time_of_their_receipt(
    recording: RecordingUnderTest, tmp_path: Path
) -> None:
    """``ts`` is epoch microseconds, counted by the monotonic clock."""
    frames = [recording.frame(1), recording.frame(7, ETHBTC), recording.frame(2)]
    recording.recorder.flush()
    lines = list(TapeReader(tmp_path / "tape"))

    assert [line.data for line in lines] == frames
    assert [line.ts - EPOCH_US for line in lines] == [1_000, 2_000, 3_000]
    assert recording.recorder.frames_by_symbol == {LTCBTC: 2, ETHBTC: 1}
    assert recording.recorder.frames == 3
    assert recording.recorder.bytes_written == (tmp_path / "tape").stat().st_size


def test_a_recording_without_problems_contains_only_frames(recording: RecordingUnderTest) -> None:
    """The first opening of the connection and seeds are not noted."""
    recording.recorder.on_connection("opened", None)
    frame = recording.frame(1)
    recording.recorder.on_seed(make_quote(1))
    recording.recorder.flush()

    assert recording.lines() == [frame]
    assert recording.reported == []


def test_a_lost_connection_is_noted_reported_and_counted(recording: RecordingUnderTest) -> None:
    """The tape says that frames may be missing."""
    recorder = recording.recorder
    recorder.on_connection("opened", None)
    first = recording.frame(1)
    recorder.on_connection("lost", "closed by the venue")
    recording.now_ns += 1_500_000_000
    assert recorder.gap_seconds == 1.5
    recorder.on_connection("opened", None)
    recording.now_ns += 9_000_000_000
    second = recording.frame(2)
    recorder.flush()

    assert recording.lines() == [
        first,
        {"kind": "connection", "what": "lost", "cause": "closed by the venue"},
        {"kind": "connection", "what": "opened", "cause": None},
        second,
    ]
    assert recording.reported == ["connection lost: closed by the venue", "reconnected after 1.5 s"]
    assert (recorder.losses, recorder.gap_seconds) == (1, 1.5)


def test_a_frame_ends_a_gap_too(recording: RecordingUnderTest) -> None:
    """A second connection may already deliver frames when one is lost."""
    recording.recorder.on_connection("opened", None)
    recording.recorder.on_connection("lost", "closed by the venue")
    recording.frame(1)
    recording.now_ns += 10**12

    assert recording.recorder.gap_seconds == 0.001
    assert recording.reported[-1] == "reconnected after 0.0 s"


def test_a_planned_change_of_connections_is_not_a_loss(recording: RecordingUnderTest) -> None:
    """The change is still noted."""
    recording.recorder.on_connection("opened", None)
    recording.recorder.on_connection("rotated", "24 h")
    recording.recorder.flush()

    assert recording.lines() == [{"kind": "connection", "what": "rotated", "cause": "24 h"}]
    assert (recording.recorder.losses, recording.reported) == (0, [])


@pytest.mark.parametrize("frame", [b"garbage", b'{"u":1,\n"s":"LTCBTC"}'])
def test_a_frame_that_cannot_be_written_is_noted(
    recording: RecordingUnderTest, frame: bytes
) -> None:
    """The tape notes each missing frame; the terminal mentions the first."""
    recording.recorder.on_frame(LTCBTC, frame, recording.now_ns)
    recording.recorder.on_drop(None, "not_json", recording.now_ns)
    recording.recorder.flush()
    first, second = recording.lines()

    assert isinstance(first, dict)
    assert first["symbol"] == "LTCBTC"
    assert second == {"kind": "dropped", "symbol": None, "reason": "not_json"}
    assert recording.recorder.frames_dropped == 2
    assert recording.recorder.frames == 0
    assert len(recording.reported) == 1


def test_the_length_of_a_cause_is_bounded(recording: RecordingUnderTest) -> None:
    """A cause may come from the venue."""
    recording.recorder.on_connection("lost", "x" * 1_000_000)
    recording.recorder.on_drop(LTCBTC, "y" * 1_000_000, recording.now_ns)
    recording.recorder.flush()

    assert recording.lines() == [
        {"kind": "connection", "what": "lost", "cause": "x" * 300},
        {"kind": "dropped", "symbol": "LTCBTC", "reason": "y" * 300},
    ]


def test_nothing_is_written_once_it_has_ended(recording: RecordingUnderTest) -> None:
    """Closing the connection at the end is not a loss."""
    frame = recording.frame(1)
    recording.recorder.end()
    recording.frame(2)
    recording.recorder.on_connection("lost", "we ended the connection")
    recording.recorder.on_drop(LTCBTC, "crossed", recording.now_ns)
    recording.recorder.flush()
    recording.writer.close()

    assert recording.lines() == [frame]
    assert (recording.reported, recording.ends) == ([], 0)


def test_a_file_that_is_full_ends_the_recording(begin: Begin) -> None:
    """The recording ends at the requested size, plus at most one flush."""
    recording = begin(bytes_max=1_000, is_compressed=False)
    written = 0
    while not recording.ends:
        recording.frame(written)
        recording.recorder.flush()
        written += 1
    recording.frame(written)

    assert recording.recorder.is_full
    assert recording.ends == 1
    assert len(recording.lines()) == written
    assert 1_000 <= recording.writer.bytes_written < 1_100


def test_a_failure_ends_the_recording_and_is_not_raised_into_the_feed(
    recording: RecordingUnderTest, tmp_path: Path
) -> None:
    """A full disk cannot stop the feed; ``on_end`` is called once."""
    first = recording.frame(1)
    recording.recorder.flush()
    recording.writer._file.close()
    recording.writer._file = (tmp_path / "tape").open("rb", buffering=0)  # it cannot be written on
    recording.frame(2)
    recording.recorder.flush()
    recording.frame(3)
    recording.recorder.flush()

    assert recording.recorder.failure is not None
    assert recording.ends == 1
    assert recording.lines() == [first]
    assert not recording.recorder.is_full
