"""The profiles of hypothesis: by default its search is bounded, repeatable and without a deadline.

With ``pytest --hypothesis-profile=explore tests/unit/domain`` it searches longer, and differently
each time. The folders that use hypothesis load the profile in their ``conftest.py``. Other folders
save the second that the import takes.
"""

import pytest
from hypothesis import HealthCheck, settings

# A slow machine makes an example slower, but not wrong.
AT_ANY_SPEED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)

settings.register_profile(
    "repeatable", AT_ANY_SPEED, max_examples=100, derandomize=True, database=None
)
settings.register_profile("explore", AT_ANY_SPEED, max_examples=20_000)


def load_profile(config: pytest.Config) -> None:
    """Load the profile from the command line, or else the repeatable one."""
    settings.load_profile(config.getoption("--hypothesis-profile") or "repeatable")
