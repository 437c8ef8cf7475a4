"""The fixtures of these tests."""

from pathlib import Path

import pytest

from tests.unit.cli.replays import Replayed


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    """Write the tape."""
    return Replayed(tmp_path)
