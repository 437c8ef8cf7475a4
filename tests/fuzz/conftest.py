"""The profile of hypothesis for the tests of this folder."""

import pytest

from tests.support.hypothesis_profiles import load_profile


def pytest_configure(config: pytest.Config) -> None:
    """Load the profile before the modules are imported, since their settings inherit from it."""
    load_profile(config)
