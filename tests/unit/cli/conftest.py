"""Fixtures of these tests."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.replays import Replayed


class Printed:
    """The outputs of the commands of a test so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._out = self._err = ""

    def forget(self) -> None:
        """Begin again without the outputs so far."""
        self.both()
        self._out = self._err = ""

    def both(self) -> tuple[str, str]:
        """Return standard output and standard error."""
        out, err = self._capsys.readouterr()
        self._out += out
        self._err += err
        return self._out, self._err

    @property
    def out(self) -> str:
        """The standard output."""
        return self.both()[0]

    @property
    def err(self) -> str:
        """The standard error."""
        return self.both()[1]

    @property
    def lines(self) -> list[str]:
        """The lines of standard output with single spaces."""
        return [" ".join(line.split()) for line in self.out.splitlines()]

    @property
    def documents(self) -> list[Any]:
        """The JSON documents of standard output, one per line."""
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Printed:
    """The outputs of the commands."""
    return Printed(capsys)


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    """Return a folder with the tape."""
    return Replayed(tmp_path)
