"""Settings of the tests in this folder: see ``tests.support.hypothesis_profiles``."""

import pytest

from tests.support.hypothesis_profiles import load_profile


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the modules are imported, since their settings inherit from it."""
    load_profile(config)
