"""Clients that place and cancel orders, and record all answers and events."""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.crash.lots import SYMBOLS
from tests.support.connections import http_client

PAUSE_SECONDS: Final = 0.02
ANSWER_SECONDS_MAX: Final = 60.0
LEAVES_PER_EVENT: Final = 0.01
"""The chance that the listener leaves after an event, while others may wait to be sent."""

NOT_EXECUTED: Final = {"journal_unavailable", "journal_backlog", "rules_not_loaded"}
"""The error codes that promise that the order is never executed."""

DATABASE_TROUBLE: Final = {"journal_unavailable", "outcome_unknown"}
Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Placement:
    """A sent order and the answers to it, without lost answers."""

    body: Json
    answers: list[tuple[int, Json]] = field(default_factory=list)
    tries: int = 0

    @property
    def accepted(self) -> list[Json]:
        """The answers with an accepted order."""
        return [body for status, body in self.answers if status in {200, 202}]

    @property
    def is_certainly_refused(self) -> bool:
        """Whether every try was answered with an error that promises no execution."""
        return len(self.answers) == self.tries and all(
            body.get("code") in NOT_EXECUTED for _, body in self.answers
        )


@dataclass(slots=True)
class Records:
    """The requests, answers and events of all clients; ``heard`` counts answers and events."""

    placements: list[Placement] = field(default_factory=list)
    cancels: list[tuple[str, int, Json]] = field(default_factory=list)
    looks: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    stream_errors: list[Json] = field(default_factory=list)
    heard: int = 0

    @property
    def database_refusals(self) -> int:
        """The number of answers that report a failing database."""
        return sum(
            body.get("code") in DATABASE_TROUBLE
            for placement in self.placements
            for _, body in placement.answers
        )


class Clients:
    """Many clients of one service, whose address changes with each start."""

    def __init__(self, *, seed: int, count: int) -> None:
        self.records = Records()
        self.url: str | None = None
        self._seed = seed
        self._count = count
        self._is_up = asyncio.Event()
        self._is_resting = False

    def follow(self, url: str) -> None:
        """Let clients use the service at this URL."""
        self.url = url
        self._is_up.set()

    def lose(self) -> None:
        """Let clients wait for the next start."""
        self._is_up.clear()

    def rest(self) -> None:
        """Stop sending requests, but continue to listen."""
        self._is_resting = True

    async def run(self) -> None:
        """Send requests and listen until canceled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            for number in range(self._count):
                group.create_task(self._act(number))

    async def settle_doubts(self) -> None:
        """Repeat every order without a clear answer until it has one."""
        async with http_client(timeout=ANSWER_SECONDS_MAX) as client:
            for placement in self.records.placements:
                while not placement.answers or placement.answers[-1][0] >= httpx2.codes(500):
                    await self._place(client, placement, {"Prefer": "respond-async"})

    async def _act(self, number: int) -> None:
        chance = random.Random(f"{self._seed}-{number}")
        own: list[Placement] = []
        actions = (self._place_new, self._place_new, self._repeat, self._cancel, self._look)
        async with http_client(timeout=ANSWER_SECONDS_MAX) as client:
            while not self._is_resting:
                await self._is_up.wait()
                await chance.choice(actions)(client, chance, own)
                await asyncio.sleep(chance.uniform(0, PAUSE_SECONDS))

    async def _place_new(
        self, client: httpx2.AsyncClient, chance: random.Random, own: list[Placement]
    ) -> None:
        placement = Placement(body=_body(chance, key=f"c-{len(self.records.placements)}"))
        own.append(placement)
        self.records.placements.append(placement)
        prefer = chance.choice(["respond-async", "respond-async", "wait=1", ""])
        twins = 3 if chance.random() < 0.1 else 1
        await asyncio.gather(
            *(self._place(client, placement, {"Prefer": prefer}) for _ in range(twins))
        )

    async def _repeat(
        self, client: httpx2.AsyncClient, chance: random.Random, own: list[Placement]
    ) -> None:
        if own:
            placement = chance.choice(own[-10:])
            await self._place(client, placement, {"Prefer": "respond-async"})

    async def _place(
        self, client: httpx2.AsyncClient, placement: Placement, headers: dict[str, str]
    ) -> None:
        placement.tries += 1
        answer = await self._ask(
            client, "POST", "/order/limit", json=placement.body, headers=headers
        )
        if answer is not None:
            placement.answers.append((answer.status_code, answer.json()))

    async def _cancel(
        self, client: httpx2.AsyncClient, chance: random.Random, own: list[Placement]
    ) -> None:
        order_id = _some_order_id(chance, own)
        if order_id is not None:
            answer = await self._ask(client, "DELETE", f"/order/{order_id}")
            if answer is not None:
                self.records.cancels.append((order_id, answer.status_code, answer.json()))

    async def _look(
        self, client: httpx2.AsyncClient, chance: random.Random, own: list[Placement]
    ) -> None:
        order_id = _some_order_id(chance, own)
        if order_id is not None:
            answer = await self._ask(client, "GET", f"/order/{order_id}")
            if answer is not None and answer.is_success:
                self.records.looks.append(answer.json())

    async def _ask(
        self,
        client: httpx2.AsyncClient,
        method: str,
        path: str,
        **request: Any,  # noqa: ANN401 - the client's own parameters
    ) -> httpx2.Response | None:
        try:
            answer = await client.request(method, f"{self.url}{path}", **request)
        except httpx2.TransportError:
            return None
        self.records.heard += 1
        return answer

    async def _listen(self) -> None:
        """Follow every event, leave at random, and resume after the last event.

        A refusal is recorded and ends the following: any other position would leave a gap.
        """
        after = "beginning"
        chance = random.Random(f"{self._seed}-listener")
        while not self.records.stream_errors:
            await self._is_up.wait()
            try:
                async with connect(f"{self.url}/ws/orders".replace("http", "ws", 1)) as socket:
                    await socket.send(json.dumps({"type": "subscribe", "after": after}))
                    async for text in socket:
                        message = json.loads(text)
                        if message["type"] == "error":
                            self.records.stream_errors.append(message)
                        if message["type"] == "event":
                            self.records.events.append(message)
                            self.records.heard += 1
                            after = message["position"]
                            if chance.random() < LEAVES_PER_EVENT:
                                break
            except (OSError, WebSocketException):
                await asyncio.sleep(PAUSE_SECONDS)


def _body(chance: random.Random, *, key: str) -> Json:
    side = chance.choice(["BUY", "SELL"])
    body: Json = {
        "symbol": chance.choice(SYMBOLS),
        "order_size": str(chance.randint(1, 60)),
        "side": side,
        "price": "0.0026" if side == "BUY" else "0.0019",
        "client_order_id": key,
    }
    time_in_force = chance.choice(["GTD", "GTD", "GTD", "IOC", "FOK"])
    body["time_in_force"] = time_in_force
    if time_in_force == "GTD":
        body["timeout_seconds"] = f"{chance.uniform(0.2, 2):.3f}"
    return body


def _some_order_id(chance: random.Random, own: list[Placement]) -> str | None:
    accepted = [one.accepted[0]["order_id"] for one in own[-20:] if one.accepted]
    return chance.choice(accepted) if accepted else None
