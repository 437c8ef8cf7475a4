"""The limits on connections that follow events."""

from contextlib import ExitStack

import pytest

from app.api.problems import TooManyStreamsError
from app.api.stream.connection_slots import UNAUTHENTICATED_MAX, ConnectionSlots
from app.domain.order import Owner

ALICE, BOB = Owner("alice"), Owner("bob")


def reserve_all(slots: ConnectionSlots, owner: Owner | None, *, held: ExitStack) -> int:
    """Reserve slots until none is left and return their number."""
    taken = 0
    while True:
        try:
            held.enter_context(slots.reserve(owner))
        except TooManyStreamsError:
            return taken
        taken += 1


def test_there_are_so_many_slots_in_all_and_of_one_owner() -> None:
    """Slots are limited in total and per owner."""
    slots = ConnectionSlots(total_max=5, per_owner_max=3)
    with ExitStack() as held:
        assert reserve_all(slots, ALICE, held=held) == 3
        assert reserve_all(slots, BOB, held=held) == 2


def test_strangers_take_no_place_of_those_who_are_known() -> None:
    """Unauthenticated connections have their own quota and cannot starve authenticated ones."""
    slots = ConnectionSlots(total_max=1, per_owner_max=1)
    with ExitStack() as held:
        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX

        held.enter_context(slots.reserve(ALICE))


def test_slots_that_were_left_can_be_taken() -> None:
    """Released slots of every kind can be reserved again, and no owner is remembered."""
    slots = ConnectionSlots(total_max=2, per_owner_max=2)
    for _ in range(2):
        for owner, count in ((ALICE, 2), (None, UNAUTHENTICATED_MAX), (BOB, 2)):
            with ExitStack() as held:
                assert reserve_all(slots, owner, held=held) == count

    assert not slots._taken


def test_a_stranger_who_tells_a_key_takes_a_place_of_its_owner() -> None:
    """A connection that authenticates moves from an unauthenticated slot to its owner's slot."""
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
    """If the owner has no slot left, the connection keeps its unauthenticated slot."""
    slots = ConnectionSlots(total_max=9, per_owner_max=1)
    with ExitStack() as held:
        held.enter_context(slots.reserve(ALICE))
        with slots.reserve(None) as stranger, pytest.raises(TooManyStreamsError, match="one owner"):
            stranger.pass_to(ALICE)

        assert reserve_all(slots, None, held=held) == UNAUTHENTICATED_MAX
        assert reserve_all(slots, ALICE, held=held) == 0
