"""Tests of ``app.cli.client.retries``."""

import random

import pytest

from app.cli.client.retries import Attempts, RetryPolicy


@pytest.fixture
def attempts() -> Attempts:
    """Five attempts with pauses of one to four seconds."""
    retries = RetryPolicy(
        attempts_max=5, pause_seconds_first=1, pause_seconds_max=4, random_source=random.Random(1)
    )
    return Attempts(retries)


def test_pauses_grow_to_a_maximum_and_have_jitter(attempts: Attempts) -> None:
    """Each pause is between half and all of its ceiling."""
    pauses = [attempts.fail() for _ in range(4)]

    for pause, ceiling in zip(pauses, (1, 2, 4, 4), strict=True):
        assert ceiling / 2 <= pause <= ceiling
    assert len(set(pauses)) == 4


def test_attempts_are_bounded_and_reset_by_a_success(attempts: Attempts) -> None:
    """Only successive failures count."""
    for _ in range(4):
        attempts.fail()
    assert not attempts.is_exhausted

    attempts.fail()
    assert attempts.is_exhausted
    attempts.succeed()

    assert not attempts.is_exhausted
    assert attempts.fail() <= 1


def test_a_repeated_cause_is_mentioned_once(attempts: Attempts) -> None:
    """The lines have the number of attempts, and say that an interrupt is safe."""
    lines = [attempts.message(cause, attempts.fail(5)) for cause in ("down", "down", "up", "up")]

    assert lines == [
        "down; retrying up to 4 times, first in 5.0 s (Ctrl-C is safe)",
        "retrying in 5.0 s (2 of 4)",
        "up; retrying in 5.0 s (3 of 4)",
        "retrying in 5.0 s (4 of 4)",
    ]


def test_after_a_success_a_cause_is_new_again(attempts: Attempts) -> None:
    """The same cause after a success is another failure."""
    attempts.message("down", attempts.fail(5))
    attempts.succeed()

    assert attempts.message("down", attempts.fail(5)).startswith("down; retrying up to 4")


def test_retry_after_is_used_up_to_a_maximum(attempts: Attempts) -> None:
    """A long Retry-After would hang the command."""
    assert [attempts.fail(2), attempts.fail(86_400)] == [2, 30]
