"""No answer or event of a client becomes wrong, at any moment the process is killed."""

import os
from pathlib import Path

import pytest

from tests.crash.campaign import campaign, kills
from tests.crash.planted_bugs import PLANTED

KILLS = 20
KILLS_UNTIL_A_BUG_SHOWS = 6
CAMPAIGNS_UNTIL_A_BUG_SHOWS = 5
"""Kills are random, but nearly always one campaign finds the bug."""
SEED = int(os.environ.get("CRASH_SEED", "20261124"))


async def test_what_clients_were_told_survives_every_kill(tmp_path: Path) -> None:
    """Every accepted order has one end, no event changes, and no lot is sold twice."""
    outcome = await campaign(tmp_path, kills(KILLS), seed=SEED)

    assert outcome.complaints == [], f"seed {SEED}"
    assert outcome.orders > KILLS
    assert outcome.splits > KILLS


@pytest.mark.parametrize("planted", PLANTED)
async def test_a_planted_bug_is_found(tmp_path: Path, planted: str) -> None:
    """The campaign finds each planted bug."""
    complaints: list[str] = []
    for number in range(CAMPAIGNS_UNTIL_A_BUG_SHOWS):
        folder = tmp_path / str(number)
        folder.mkdir()
        ordeal = kills(KILLS_UNTIL_A_BUG_SHOWS)
        outcome = await campaign(folder, ordeal, seed=SEED + number, planted=planted)
        complaints += outcome.complaints
        if complaints:
            break

    assert complaints
