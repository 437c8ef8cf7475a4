"""How many connections may follow events."""

from contextlib import ExitStack

import pytest

from app.api.problems import TooManyStreamsError
from app.api.stream.connection_slots import UNAUTHENTICATED_MAX, ConnectionSlots
from app.domain.order import Owner

ALICE, BOB = Owner("alice"), Owner("bob")


def reserve_all(slots: ConnectionSlots, owner: Owner | None, *, held: ExitStack) -> int:
    """Reserve slots until there is none; return how many there were."""
    taken = 0
    while True:
        try:
            held.enter_context(slots.reserve(owner))
        except TooManyStreamsError:
            return taken
        taken += 1


def test_there_are_so_many_slots_in_all_and_of_one_owner() -> None:
    """One owner cannot take those of others."""
    slots = ConnectionSlots(total_max=5, per_owner_max=3)
    with ExitStack() as held:
        assert reserve_all(slots, ALICE, held=held) == 3
        assert reserve_all(slots, BOB, held=held) == 2


def test_strangers_take_no_place_of_those_who_are_known() -> None:
    """However many come, whoever sends a key finds a place; they have a maximum of their own."""
    slots = ConnectionSlots(total_max=1, per_owner_max=1)
    with ExitStack() as held:
        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX

        held.enter_context(slots.reserve(ALICE))


def test_slots_that_were_left_can_be_taken() -> None:
    """Each kind of them, as often as one likes; and nothing is kept of who left."""
    slots = ConnectionSlots(total_max=2, per_owner_max=2)
    for _ in range(2):
        for owner, count in ((ALICE, 2), (None, UNAUTHENTICATED_MAX), (BOB, 2)):
            with ExitStack() as held:
                assert reserve_all(slots, owner, held=held) == count

    assert not slots._taken


def test_a_stranger_who_tells_a_key_takes_a_place_of_its_owner() -> None:
    """And makes room for another stranger."""
    slots = ConnectionSlots(total_max=9, per_owner_max=1)
    with ExitStack() as held:
        stranger = held.enter_context(slots.reserve(None))
        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX - 1

        stranger.pass_to(ALICE)
        stranger.pass_to(ALICE)

        assert reserve_all(slots, None, held=held) == 1
        assert reserve_all(slots, ALICE, held=held) == 0
    with ExitStack() as held:
        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX
        assert reserve_all(slots, ALICE, held=held) == 1


def test_a_stranger_for_whose_owner_there_is_no_place_stays_a_stranger() -> None:
    """So that its end gives back what it has."""
    slots = ConnectionSlots(total_max=9, per_owner_max=1)
    with ExitStack() as held:
        held.enter_context(slots.reserve(ALICE))
        with slots.reserve(None) as stranger, pytest.raises(TooManyStreamsError, match="one owner"):
            stranger.pass_to(ALICE)

        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX
        assert reserve_all(slots, ALICE, held=held) == 0
