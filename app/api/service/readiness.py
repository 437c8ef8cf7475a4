"""The response models of the probes: is the process alive, can it accept orders durably."""

from datetime import timedelta
from typing import Literal, Self

from pydantic import Field

from app import ports
from app.api.models import ResponseModel, Time
from app.api.problem_models import Problem
from app.api.service.feed_models import FeedState
from app.api.service.service_state import Instant, ServiceState

RulesSource = Literal["venue", "stored", "none"]


class Health(ResponseModel):
    """The process runs."""

    status: Literal["ok"] = Field(description="Always `ok`.")
    version: str = Field(description="Version of the service.")


class JournalState(ResponseModel):
    """The database."""

    writable: bool = Field(description="Whether the last write went through.")


class RecordingState(ResponseModel):
    """The recording that `papertape verify` reads."""

    active: bool = Field(description="Whether it goes on.", examples=[True])
    cause: str | None = Field(
        description="Why it does not go on; orders do not wait for it.", examples=[None]
    )


class Recovery(ResponseModel):
    """The orders that were open at the last stop."""

    done: bool = Field(description="Whether they were read back.")


class RulesState(ResponseModel):
    """The trading rules."""

    source: RulesSource = Field(
        description="Where they come from: the venue, the copy stored last, or nowhere yet."
    )
    loaded_at: Time | None = Field(description="When they were loaded, UTC.")
    symbols: int = Field(ge=0, description="How many symbols they cover.")
    age_seconds: int | None = Field(
        ge=0, description="How long ago that was; null while there are none."
    )
    cause: str | None = Field(
        description="The last failure, else null.", examples=["connection refused"]
    )
    failures: int = Field(
        ge=0, description="How often the venue could not be asked, since the start."
    )

    @classmethod
    def of(cls, rules: ports.RulesState, instant: Instant) -> Self:
        """Return the state of the trading rules."""
        return cls(
            source=rules.source,
            loaded_at=rules.loaded_at,
            symbols=rules.symbols,
            age_seconds=rules_age_seconds(rules, instant),
            cause=rules.cause,
            failures=rules.failures,
        )


class Readiness(ResponseModel):
    """Whether orders can be accepted durably."""

    ready: bool = Field(description="Whether they can.")
    missing: list[Literal["journal", "recovery", "rules"]] = Field(
        description="The parts that keep orders from being accepted.", examples=[[]]
    )
    journal: JournalState = Field(description="The database.")
    recording: RecordingState | None = Field(
        description="The recording, `null` unless one is wanted."
    )
    recovery: Recovery = Field(description="The orders that were open at the last stop.")
    rules: RulesState = Field(description="The trading rules.")
    feed: FeedState = Field(description="The connection to the venue.")

    @classmethod
    def of(cls, state: ServiceState) -> Self:
        """Return whether orders can be accepted durably, and the state of each part."""
        return cls(
            ready=not state.missing,
            missing=state.missing,
            journal=JournalState(writable=state.journal.is_writable),
            recording=None
            if state.recording is None
            else RecordingState(active=state.recording.is_recording, cause=state.recording.cause),
            recovery=Recovery(done=state.is_recovered),
            rules=RulesState.of(state.rules, state.instant),
            feed=FeedState.with_quotes(state.feed, state.desk, state.instant),
        )


class ReadyAlone(ResponseModel):
    """Whether orders can be accepted durably, without details: there was no valid key."""

    ready: bool = Field(description="Whether they can.")


class NotReadyAlone(ReadyAlone, Problem):
    """The service cannot accept orders; the causes are shown with a valid key only."""


class NotReady(Readiness, Problem):
    """The service cannot accept orders; `missing` says why."""


def rules_age_seconds(rules: ports.RulesState, instant: Instant) -> int | None:
    """Return the age of the trading rules, ``None`` while there are none."""
    if rules.loaded_at is None:
        return None
    return instant.age(rules.loaded_at) // timedelta(seconds=1)
