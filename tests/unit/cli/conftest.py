"""Fixtures of these tests."""

from pathlib import Path

import pytest

from tests.unit.cli.replays import Replayed


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    """Return a folder with the tape."""
    return Replayed(tmp_path)
