"""Keeps a package from being taken along by another that can do without it."""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def absent(package: str) -> Iterator[None]:
    """Have imports of a package fail while the block runs; one that is imported already stays.

    None in ``sys.modules`` does that: "Python reference", section 5.3.1, "The module cache".
    """
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment] # as the reference says
    try:
        yield
    finally:
        del sys.modules[package]
