"""Tests of ``app.cli.client.retries``."""

import random

from app.cli.client.retries import Attempts, RetryPolicy

PATIENCE = RetryPolicy(
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


def test_the_cause_is_told_once_and_then_only_how_far_it_is() -> None:
    """With the number of attempts to come, and that an interrupt does no harm."""
    attempts = Attempts(PATIENCE, random.Random(1))
    told = [attempts.retelling(cause, attempts.fail(5)) for cause in ("down", "down", "up", "up")]

    assert told == [
        "down; trying again up to 4 times, the first in 5.0 s (Ctrl-C is safe)",
        "trying again in 5.0 s (2 of 4)",
        "up; trying again in 5.0 s (3 of 4)",
        "trying again in 5.0 s (4 of 4)",
    ]


def test_after_a_success_a_cause_is_news_again() -> None:
    """It is another trouble, even for the same cause."""
    attempts = Attempts(PATIENCE, random.Random(1))
    attempts.retelling("down", attempts.fail(5))
    attempts.succeed()

    assert attempts.retelling("down", attempts.fail(5)).startswith("down; trying again up to 4")


def test_the_service_says_how_long_to_wait_within_reason() -> None:
    """Its Retry-After is kept, up to a bound."""
    attempts = Attempts(PATIENCE, random.Random(1))

    assert attempts.fail(2) == 2
    assert attempts.fail(86_400) == 30
