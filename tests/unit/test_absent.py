"""Tests of ``app.absent``."""

import importlib
import json
import sys

import pytest

from app.absent import absent


def test_a_package_that_was_not_imported_cannot_be_within() -> None:
    """Whoever tries it there is told that it is missing; afterwards it is to be had."""
    name = "wsgiref.headers"
    sys.modules.pop(name, None)

    with absent(name), pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)

    assert importlib.import_module(name).__name__ == name


def test_a_package_that_was_imported_stays() -> None:
    """A second copy of it would have other classes."""
    with absent("json"):
        assert importlib.import_module("json") is json
