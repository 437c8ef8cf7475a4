"""How hypothesis searches: bounded, repeatable and at any speed, unless a profile is asked for.

``pytest --hypothesis-profile=explore tests/unit/domain`` searches longer and elsewhere each time.
The folders that use hypothesis load the profile in their ``conftest.py``; importing hypothesis
takes a second, which other folders need not spend.
"""

import pytest
from hypothesis import HealthCheck, settings

# A slow machine makes an example slower, never wrong.
AT_ANY_SPEED = settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)

settings.register_profile(
    "repeatable", AT_ANY_SPEED, max_examples=100, derandomize=True, database=None
)
settings.register_profile("explore", AT_ANY_SPEED, max_examples=20_000)


def load_profile(config: pytest.Config) -> None:
    """Load the profile that the command line names, else the repeatable one."""
    settings.load_profile(config.getoption("--hypothesis-profile") or "repeatable")
