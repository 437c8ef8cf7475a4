"""Tests of ``app.client.patience``."""

import random

from app.client.patience import Attempts, Patience

PATIENCE = Patience(
    attempts_max=5, pause_seconds_first=1, pause_seconds_max=4, retry_after_seconds_max=30
)


def test_pauses_grow_up_to_the_most_and_have_jitter() -> None:
    """Each lies between half and all of its ceiling."""
    attempts = Attempts(PATIENCE, random.Random(1))

    pauses = [attempts.fail() for _ in range(4)]

    for pause, ceiling in zip(pauses, (1, 2, 4, 4), strict=True):
        assert ceiling / 2 <= pause <= ceiling
    assert len(set(pauses)) == 4


def test_attempts_end_and_begin_again_after_a_success() -> None:
    """Only failures in a row count."""
    attempts = Attempts(PATIENCE, random.Random(1))
    for _ in range(4):
        attempts.fail()
    assert not attempts.is_exhausted

    attempts.fail()
    assert attempts.is_exhausted
    attempts.succeed()

    assert not attempts.is_exhausted
    assert attempts.fail() <= 1


def test_the_service_says_how_long_to_wait_within_reason() -> None:
    """Its Retry-After is kept, up to a bound."""
    attempts = Attempts(PATIENCE, random.Random(1))

    assert attempts.fail(2) == 2
    assert attempts.fail(86_400) == 30
