"""How hypothesis searches here: bounded and repeatable, unless another profile is asked for.

``pytest --hypothesis-profile=explore tests/unit/domain`` searches longer and elsewhere each time.
"""

import pytest
from hypothesis import settings

settings.register_profile(
    "repeatable",
    max_examples=100,
    deadline=None,
    print_blob=True,
    derandomize=True,
    database=None,
)
settings.register_profile("explore", max_examples=20_000, deadline=None, print_blob=True)


def pytest_configure(config: pytest.Config) -> None:
    """Load the repeatable profile, unless the command line names one."""
    settings.load_profile(config.getoption("--hypothesis-profile") or "repeatable")
