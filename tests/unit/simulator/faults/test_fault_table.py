"""Tests of ``app.simulator.faults.fault_table``."""

from pathlib import Path

import pytest

from app.clock import SystemClock
from app.simulator.faults.control_parameters import ControlError
from app.simulator.faults.fault_table import BY_NAME, CONTROLS, help_lines
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue

DOCUMENT = Path(__file__).parents[4] / "docs" / "simulator.md"


def test_the_documentation_is_the_table() -> None:
    """The documentation contains a row for each control, in the same order."""
    rows = ["| `POST` | does | parameters |", "| --- | --- | --- |"]
    for control in CONTROLS:
        parameters = "; ".join(
            f"`{one.name}`{' (required)' if one.name in control.required else ''}: {one.help}"
            for one in control.parameters
        )
        rows.append(f"| `{control.path}` | {control.help} | {parameters} |")

    assert "\n".join(rows) in DOCUMENT.read_text(encoding="utf-8")


def test_each_control_has_a_name_of_its_own_and_a_line_of_help() -> None:
    """Optional parameters are in brackets."""
    assert len(BY_NAME) == len(CONTROLS)
    assert "mute symbol [on]: Send no quotes of a symbol; its depth continues." in help_lines()
    assert BY_NAME["mute"].usage == "/simulator/mute?symbol=&[on=]"


async def test_a_refusal_of_the_venue_is_an_error_of_the_request() -> None:
    """Both kinds of methods are covered, synchronous and awaited."""
    venue = SimulatedVenue(ScriptedMarket(), clock=SystemClock())
    for name, query in (
        ("halt", "symbol=NOPE"),
        ("play-to", "symbol=NOPE&update_id=1"),
        ("rules", "symbol=NOPE&tick_size=1"),
    ):
        with pytest.raises(ControlError, match="the market has no symbol 'NOPE'"):
            await BY_NAME[name].perform(venue, query)


async def test_a_control_returns_what_its_method_does() -> None:
    """The parameters of the query become keyword arguments."""
    venue = SimulatedVenue(ScriptedMarket(), clock=SystemClock())

    assert await BY_NAME["resend"].perform(venue, "symbol=ltcbtc&frames=5") == 0
    assert await BY_NAME["duplicate"].perform(venue, "frames=5") is None
    assert venue.faults_on() == {"duplicating": 5}
