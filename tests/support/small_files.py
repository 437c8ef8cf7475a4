"""Simulates a disk that is full after some kilobytes."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from typing import Final

BYTES_MAX: Final = 8_192


@contextlib.contextmanager
def small_files() -> Iterator[None]:
    """Limit every file of this process to ``BYTES_MAX`` while the block runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES_MAX, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
