"""The control API of the simulated venue, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx2
import pytest

from app.simulator.faults.fault_table import CONTROLS
from app.simulator.faults.garbage import GARBAGE
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.market.tape_market import TapeMarket
from app.simulator.market.venue_quotes import venue_quote
from app.simulator.venue.observations import ViolationKind
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import connect, http_client
from tests.support.venues import (
    ASK,
    BID,
    closed_with,
    next_message,
    scripted_venue,
    until_connected,
)
from tests.support.virtual_time import clock_of_loop

ARGUMENTS = {
    "slow-handshake": "seconds=0.01",
    "vanish": "seconds=0",
    "slow-rest": "seconds=0&path=depth",
    "mute": "symbol=ltcbtc",
    "resend": "symbol=LTCBTC&frames=2",
    "garbage": "kind=crossed",
    "spoil": "kind=nan&symbol=LTCBTC&frames=3",
    "send": "symbol=LTCBTC&data=nonsense",
    "rest-failure": "status=429&retry_after=7&path=/api/v3/depth&times=2",
    "halt": "symbol=LTCBTC",
    "delist": "symbol=LTCBTC",
    "relist": "symbol=LTCBTC",
    "rules": "symbol=LTCBTC&tick_size=0.01",
    "play-to": "update_id=5",
}
"""Queries for the controls with required parameters."""


@asynccontextmanager
async def controlled() -> AsyncIterator[tuple[ScriptedMarket, SimulatedVenue, httpx2.AsyncClient]]:
    """Serve a scripted market, with a client of its control API."""
    async with (
        scripted_venue() as (market, venue, running),
        http_client(base_url=f"{running.rest_url}/simulator") as control,
    ):
        yield market, venue, control


async def test_each_control_is_listed_and_can_be_requested() -> None:
    """GET lists the controls that POST accepts, and ``clear`` ends all faults."""
    async with controlled() as (_, venue, control):
        listed = (await control.get("")).json()
        assert [one["name"] for one in listed["faults"]] == [one.name for one in CONTROLS]
        assert listed["on"] == {}
        for one in CONTROLS:
            answer = await control.post(f"/{one.name}?{ARGUMENTS.get(one.name, '')}")
            assert answer.status_code == 200, answer.text
            assert answer.json()["done"] == one.name
        assert CONTROLS[-1].name == "clear"
        assert venue.faults_on() == {}
        assert not venue.observations.rest_requests


async def test_the_state_shows_active_faults_and_observations() -> None:
    """It contains faults, market, limits, counters and broken rules."""
    async with controlled() as (market, _, control):
        market.push("LTCBTC", bid=BID)
        await control.post("/stall")
        await control.post("/refuse?status=418")
        await control.post("/spoil?kind=nan&frames=3")
        await control.post("/rest-failure?status=429&path=depth")
        await control.post("/halt?symbol=LTCBTC")
        state = (await control.get("")).json()

    assert state["on"] == {
        "refusing_with_status": 418,
        "spoiling": 3,
        "rest_failures": {"/api/v3/depth": 429},
        "changed_symbols": {"LTCBTC": "BREAK"},
    }
    assert state["market"] == {
        "state": "playing",
        "play_to": None,
        "update_ids": {"LTCBTC": 1001},
    }
    assert state["limits"]["connection_attempts_max"] == 300
    assert state["observations"]["violations"] == {}
    assert state["violations"] == []


async def test_a_broken_rule_has_its_time() -> None:
    """The time is a wall-clock time, so it can be found in the log of a client."""
    async with controlled() as (_, venue, control):
        an_hour_ago = asyncio.get_running_loop().time() - 3600
        venue.observations.note_violation(ViolationKind.BAN, at=an_hour_ago)
        state = (await control.get("")).json()

    (violation,) = state["violations"]
    ago = datetime.now(UTC) - datetime.fromisoformat(violation["at"])
    assert violation["kind"] == "ban"
    assert timedelta(minutes=59) < ago < timedelta(minutes=61)


async def test_a_requested_fault_takes_effect() -> None:
    """A client of the streams sees the effect of each request."""
    async with (
        scripted_venue() as (market, venue, running),
        connect(f"{running.stream_url}/ws/ltcbtc@bookTicker") as client,
        http_client(base_url=f"{running.rest_url}/simulator") as control,
    ):
        await until_connected(venue)
        sent = await control.post("/garbage?kind=extra_keys&symbol=LTCBTC")
        assert sent.json()["result"] == 1
        assert (await next_message(client))["e"] == "bookTicker"
        await control.post("/duplicate?frames=1")
        market.push("LTCBTC", bid=BID, ask=ASK)
        assert await next_message(client) == await next_message(client)
        await control.post("/close?code=1012&reason=because")
        assert await closed_with(client) == (1012, "because")


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/nonsense", 404, "no fault 'nonsense'; GET /simulator lists them"),
        ("GET", "/drop", 405, "use POST /simulator/drop"),
        ("POST", "", 405, "use GET /simulator, which returns the state"),
        ("POST", "/drop?x=1", 400, "no parameter 'x'; this control has none"),
        ("POST", "/mute", 400, "symbol is missing: a symbol of the market"),
        ("POST", "/mute?symbol=NOPE", 400, "the market has no symbol 'NOPE'"),
        ("POST", "/garbage?kind=x", 400, f"kind is one of {', '.join(GARBAGE)}, not 'x'"),
        ("POST", "/slow-rest?seconds=601", 400, "seconds is 0 to 600 seconds, not '601'"),
        ("POST", "/duplicate?frames=1.5", 400, "frames is a whole number from 0 to 1000000"),
        ("POST", "/close?code=99", 400, "code is a whole number from 1000 to 4999"),
        ("POST", "/play-to?update_id=5&symbol=NOPE", 400, "the market has no symbol 'NOPE'"),
    ],
)
async def test_a_wrong_request_gets_a_reason(
    method: str, path: str, status: int, text: str
) -> None:
    """The reason is JSON, and no fault starts."""
    async with controlled() as (_, venue, control):
        answer = await control.request(method, path)
        assert venue.faults_on() == {}

    assert answer.status_code == status
    assert text in answer.json()["error"]


async def test_a_request_with_a_body_gets_an_explanation() -> None:
    """``curl --data`` gets an answer instead of a closed connection."""
    async with controlled() as (_, _, control):
        answer = await control.post("/stall", content=b"on=true")

    assert answer.status_code == 400
    assert "parameters go into the query" in answer.json()["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.org"},
        {"origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "rebound.example.org:8090"},
        {"Host": ""},
    ],
)
async def test_a_web_page_is_not_answered(headers: dict[str, str]) -> None:
    """A page in a browser on this machine cannot control the venue."""
    async with controlled() as (_, _, control):
        answers = [
            await control.post("/refuse", headers=headers),
            await control.get("", headers=headers),
        ]
        state = (await control.get("", headers={"Host": "localhost:1"})).json()

    assert [answer.status_code for answer in answers] == [403, 403]
    assert state["on"] == {}


async def test_a_venue_can_be_controlled_from_everywhere_by_option() -> None:
    """The host may then have any name, but a page is still refused."""
    venue = SimulatedVenue(
        ScriptedMarket(), clock=clock_of_loop(), is_controlled_from_everywhere=True
    )
    async with (
        venue.serve() as running,
        http_client(base_url=f"{running.rest_url}/simulator") as control,
    ):
        far = await control.get("", headers={"Host": "venue:8090"})
        page = await control.get("", headers={"Host": "venue:8090", "Origin": "http://venue:8090"})

    assert (far.status_code, page.status_code) == (200, 403)


def write_tape(path: Path, lines: Iterable[tuple[int, str, int]]) -> Path:
    """Write a tape from lines of milliseconds, symbol and update id."""
    frames = (
        f'{{"ts":{1_000_000 + at_ms * 1000},"data":'
        f"{venue_quote(symbol=symbol, update_id=update_id, bid=BID, ask=ASK).data}}}\n"
        for at_ms, symbol, update_id in lines
    )
    path.write_text("".join(frames), encoding="utf-8")
    return path


async def test_a_tape_plays_to_an_update_id_and_pauses_there(tmp_path: Path) -> None:
    """The answer comes at the target, which is current, and later quotes follow on request."""
    ids = [(number, "AAAUSDT" if number % 2 else "BBBUSDT", 10 * number) for number in range(1, 30)]
    tape = TapeMarket(write_tape(tmp_path / "tape.jsonl", ids))
    venue = SimulatedVenue(tape, clock=clock_of_loop())
    venue.pause()
    async with (
        venue.serve() as running,
        connect(f"{running.stream_url}/ws/aaausdt@bookTicker/bbbusdt@bookTicker") as client,
        http_client(base_url=f"{running.rest_url}/simulator") as control,
    ):
        await until_connected(venue)
        at_id = await control.post("/play-to?symbol=AAAUSDT&update_id=50&wait=10")
        between = await control.post("/play-to?symbol=AAAUSDT&update_id=80&wait=10")
        passed = await control.post("/play-to?symbol=AAAUSDT&update_id=20&wait=10")
        never = await control.post("/play-to?update_id=12345&wait=0.1")
        received = [(await next_message(client))["u"] for _ in range(29)]

    assert at_id.json()["result"] == {
        "state": "paused",
        "play_to": {"symbol": "AAAUSDT", "update_id": 50, "is_reached": True},
        "update_ids": {"AAAUSDT": 50, "BBBUSDT": 40},
    }
    assert between.json()["result"]["update_ids"] == {"AAAUSDT": 70, "BBBUSDT": 80}
    assert passed.json()["result"]["update_ids"] == {"AAAUSDT": 70, "BBBUSDT": 80}
    assert not never.json()["result"]["play_to"]["is_reached"]
    assert received == [10 * number for number in range(1, 30)]


async def test_a_waiting_request_does_not_delay_the_end_of_the_venue() -> None:
    """The client may also give up before the answer."""
    async with controlled() as (_, venue, control):
        venue.pause()
        with pytest.raises(httpx2.ReadTimeout):
            await control.post("/play-to?update_id=5&wait=60", timeout=0.05)
        venue.change_rules("LTCBTC", tick_size=Decimal("0.1"))
        assert venue.faults_on() == {"changed_symbols": {"LTCBTC": "TRADING"}}
