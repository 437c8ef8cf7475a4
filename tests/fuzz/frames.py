"""``python -m tests.fuzz.frames --examples 1000000``: compare the frame parser with a plain reader.

If the parser misreads a frame, the exit status is 1, and a shortened frame is printed.
"""

import argparse
import gzip
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from app.domain.quote import Quote
from app.market.book_ticker import Drop, FrameReader, parse_frame
from tests.fuzz.frame_maker import FrameMaker
from tests.fuzz.frame_reader import Frame, complaint

RECEIVED_NS: Final = 1_234_567_890_123
SHOWN_BYTES_MAX: Final = 2_000
PARTS_MAX: Final = 2_000
"""The largest number of parts to remove one by one; each costs a parse of the whole frame."""

SAMPLES: Final = Path(__file__).parents[2] / "../shared/tapes/wire-samples.jsonl.gz"
"""Frames that the venue sent; the file may be missing."""

Parser = Callable[[bytes | str, int], object]


class FrameFault(Exception):  # noqa: N818 - a fault of the parser, not an error of the run
    """The parser misread a frame."""

    def __init__(self, frame: Frame, what: str) -> None:
        self.frame = frame
        self.what = what
        super().__init__(f"{what}: {frame[:SHOWN_BYTES_MAX]!r}")


def fault_in(frame: Frame, parse: Parser = parse_frame) -> str | None:
    """Return the error in the parser's result for a frame; an exception is an error, too."""
    try:
        result = parse(frame, RECEIVED_NS)  # type: ignore[arg-type]  # any buffer parses
    except Exception as error:  # noqa: BLE001 - no exception may leave the parser
        return f"{type(error).__name__} left the parser"
    return complaint(frame, result, RECEIVED_NS)


def check(frames: Iterable[Frame], parse: Parser | None = None) -> Counter[str]:
    """Check the parser with each frame; return the number of frames of each kind.

    As in the service, one reader with its memory of earlier frames reads all of them.

    Raises:
        FrameFault: The parser misread a frame, which is shortened.
    """
    parse = parse or FrameReader().read
    seen: Counter[str] = Counter()
    for frame in frames:
        if (what := fault_in(frame, parse)) is not None:
            shortest = shorten(frame, parse)
            raise FrameFault(shortest, fault_in(shortest, parse) or what)
        seen[kind_of(parse(frame, RECEIVED_NS))] += 1  # type: ignore[arg-type]  # as above
    return seen


def kind_of(result: object) -> str:
    """Return the kind of a result."""
    if isinstance(result, Drop):
        return f"dropped, {result.reason}"
    return "quote" if isinstance(result, Quote) else type(result).__name__


def shorten(frame: Frame, parse: Parser) -> Frame:
    """Return a part of the frame that the parser misreads, too."""
    size = len(frame) // 2
    while size and len(frame) <= size * PARTS_MAX:
        at = 0
        while at < len(frame):
            shorter: Frame = frame[:at] + frame[at + size :]  # type: ignore[operator]  # of one type
            if fault_in(shorter, parse) is None:
                at += size
            else:
                frame = shorter
        size //= 2
    return frame


def made_frames(seed: int, samples: Sequence[bytes] = ()) -> Iterator[Frame]:
    """Yield endless frames, which depend on the seed and the samples only."""
    maker = FrameMaker(random.Random(seed), samples)
    while True:
        yield maker.make()


def read_samples() -> list[bytes]:
    """Return frames of the venue, or none if the file is missing."""
    if not SAMPLES.is_file():
        return []
    with gzip.open(SAMPLES, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["frame"].encode() for line in lines]


def main(arguments: Sequence[str] | None = None) -> int:
    """Check generated frames and print their kinds; return 1 after a misread frame."""
    parser = argparse.ArgumentParser(prog="tests.fuzz.frames", description=main.__doc__)
    parser.add_argument("--examples", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    asked = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        seen = check(islice(made_frames(asked.seed, read_samples()), asked.examples))
    except FrameFault as fault:
        print(f"seed {asked.seed}: {fault}")  # noqa: T201 - its report is what it prints
        return 1
    seconds = time.monotonic() - started
    for kind, count in seen.most_common():
        print(f"{count:>12,}  {kind}")  # noqa: T201 - as above
    print(f"seed {asked.seed}: {asked.examples:,} frames in {seconds:.0f} s, none misread")  # noqa: T201 - as above
    return 0


if __name__ == "__main__":
    sys.exit(main())
