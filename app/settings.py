"""Read and check the settings at the start; no other module reads the environment."""

import ipaddress
import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.domain.errors import StartupError

OPEN_ACCESS_CONSENT: Final = "yes-anyone-who-can-connect"
_TIMEOUT_SECONDS_MOST: Final = Decimal(86_400)
_HOST_NAME: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9._-]+", re.ASCII)
_VALUE_CHARACTERS_SHOWN: Final = 60


class Venue(StrEnum):
    """The source of the quotes; a database belongs to one venue."""

    BINANCE = "binance"
    SIMULATOR = "simulator"


class LogFormat(StrEnum):
    """The format of log entries: ``console`` for people, ``json`` for a log collector."""

    CONSOLE = "console"
    JSON = "json"


class LogLevel(StrEnum):
    """The severity from which entries are written."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


_STREAM_URLS: Final = {
    # Binance's hosts for market data only, see "General API Information" in its spot API document.
    Venue.BINANCE: "wss://data-stream.binance.vision",
    Venue.SIMULATOR: "ws://127.0.0.1:8090",
}
_REST_URLS: Final = {
    Venue.BINANCE: "https://data-api.binance.vision",
    Venue.SIMULATOR: "http://127.0.0.1:8090",
}


def _url_of(*schemes: str) -> AfterValidator:
    """Return a check of an optional address, which also removes a slash at its end."""

    def check(value: str) -> str:
        if value and not value.startswith(schemes):
            raise ValueError(f"must start with {' or '.join(schemes)}")
        return value.rstrip("/")

    return AfterValidator(check)


_Timeout = Annotated[Decimal, Field(ge=Decimal("0.001"), decimal_places=3)]
_OrdersMaximum = Annotated[int, Field(ge=1, le=10_000_000)]
_Maximum = Annotated[int, Field(ge=1, le=1_000_000)]
_MaximumOrZero = Annotated[int, Field(ge=0, le=1_000_000)]


class Settings(BaseSettings):
    """All settings of the service, from the environment or from ``.env`` in the working folder."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_file_encoding="utf-8", extra="ignore"
    )

    http_host: str = Field(
        "127.0.0.1",
        description="Address to listen on; beyond loopback needs API_KEYS_FILE or "
        "ALLOW_OPEN_ACCESS.",
    )
    http_port: int = Field(
        8080, ge=0, le=65535, description="Port to listen on; 0 chooses a free one."
    )
    # NoDecode, because pydantic-settings would expect JSON in a tuple.
    http_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("localhost", "127.0.0.1", "[::1]"),
        description="Host names that requests may be addressed to, separated by commas.",
    )
    allow_open_access: str = Field(
        "",
        description=f"{OPEN_ACCESS_CONSENT} lets the service listen beyond loopback without keys.",
    )
    api_keys_file: str = Field(
        "", description="File of keys, see `papertape keys`; empty accepts requests without a key."
    )
    order_timeout_seconds: _Timeout = Field(
        Decimal(30), description="Timeout of an order without timeout_seconds."
    )
    timeout_seconds_max: _Timeout = Field(
        _TIMEOUT_SECONDS_MOST,
        le=_TIMEOUT_SECONDS_MOST,
        description="The longest timeout_seconds of an order; at most a day.",
    )
    wait_seconds_max: int = Field(
        300,
        ge=0,
        le=86_400,
        description="The longest `Prefer: wait`, in seconds; every client that waits holds a "
        "socket.",
    )
    open_orders_max: _OrdersMaximum = Field(
        200_000, description="Open orders of the service; each needs memory until it ends."
    )
    open_orders_per_owner_max: _OrdersMaximum = Field(
        100_000,
        description="Open orders of one owner, so that no owner can use the whole limit.",
    )
    open_orders_per_symbol_max: _OrdersMaximum = Field(
        100_000, description="Open orders of one symbol; a single quote may fill all of them."
    )
    requests_per_second_max: _MaximumOrZero = Field(
        10_000,
        description="Requests per second of one owner, with bursts of one second; 0 means no "
        "limit. A client in a loop must not starve the others.",
    )
    websockets_max: _MaximumOrZero = Field(
        1_000, description="WebSocket connections at a time; each queues events for its client."
    )
    websockets_per_owner_max: _Maximum = Field(
        200,
        description="WebSocket connections of one owner if keys are required, so that no owner can "
        "use the whole limit.",
    )
    body_bytes_max: int = Field(
        16_384,
        ge=1_024,
        le=1_048_576,
        description="Bytes of a request body; an order has about 200.",
    )
    journal_backlog_max: _Maximum = Field(
        10_000,
        description="Orders that may wait to be written; further orders are answered 503.",
    )
    database_url: str = Field(
        "sqlite+aiosqlite:///database.db",
        description="sqlite+aiosqlite:///FILE or postgresql+asyncpg://USER@HOST/NAME.",
    )
    record_dir: str = Field(
        "",
        description="Folder for recordings of the feed, see `papertape verify`; empty records "
        "nothing.",
    )
    record_file_mb: int = Field(
        64, ge=1, le=65_536, description="Megabytes of a recording file before the next one begins."
    )
    record_total_mb: int = Field(
        4_096,
        ge=2,
        le=16_777_216,
        description="Megabytes of all recordings in the folder; the oldest ones are deleted.",
    )
    venue: Venue = Field(Venue.BINANCE, description="The source of the quotes.")
    binance_stream_url: Annotated[str, _url_of("ws://", "wss://")] = Field(
        "", description="WebSocket address of the venue; empty uses the default address."
    )
    binance_rest_url: Annotated[str, _url_of("http://", "https://")] = Field(
        "", description="REST address of the venue; empty uses the default address."
    )
    log_level: LogLevel = Field(
        LogLevel.INFO, description="The severity from which entries are written."
    )
    log_format: LogFormat = Field(LogFormat.CONSOLE, description="The format of log entries.")

    @field_validator("http_allowed_hosts", mode="before")
    @classmethod
    def _read_hosts(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        hosts = tuple(host.strip().lower() for host in value.split(",") if host.strip())
        if not hosts:
            raise ValueError("must name at least one host")
        if not all(_HOST_NAME.fullmatch(host) for host in hosts):
            raise ValueError("must be host names without scheme or port, such as localhost")
        return hosts

    @field_validator("allow_open_access")
    @classmethod
    def _check_consent(cls, value: str) -> str:
        if value not in {"", OPEN_ACCESS_CONSENT}:
            raise ValueError(f"must be {OPEN_ACCESS_CONSENT} or empty")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_level(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _check_database_url(cls, value: str) -> str:
        if not value.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
            raise ValueError("must start with sqlite+aiosqlite:/// or postgresql+asyncpg://")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.order_timeout_seconds > self.timeout_seconds_max:
            message = (
                f"ORDER_TIMEOUT_SECONDS={self.order_timeout_seconds} must not exceed "
                f"TIMEOUT_SECONDS_MAX={self.timeout_seconds_max}"
            )
            raise ValueError(message)
        # With room for one file only, the next file would delete it.
        if self.record_total_mb < 2 * self.record_file_mb:
            message = (
                f"RECORD_TOTAL_MB={self.record_total_mb} must be at least twice "
                f"RECORD_FILE_MB={self.record_file_mb}"
            )
            raise ValueError(message)
        if (
            not _is_loopback(self.http_host)
            and not self.api_keys_file
            and self.allow_open_access != OPEN_ACCESS_CONSENT
        ):
            message = (
                f"HTTP_HOST={self.http_host} is reachable from other machines and the service "
                "requires no key; create a key with `papertape keys create` and set API_KEYS_FILE, "
                f"or allow open access with ALLOW_OPEN_ACCESS={OPEN_ACCESS_CONSENT}"
            )
            raise ValueError(message)
        return self

    @property
    def stream_url(self) -> str:
        """The venue's WebSocket address."""
        return self.binance_stream_url or _STREAM_URLS[self.venue]

    @property
    def rest_url(self) -> str:
        """The venue's REST address."""
        return self.binance_rest_url or _REST_URLS[self.venue]


def read_settings(env_file: Path = Path(".env")) -> Settings:
    """Read the settings from the environment and from ``env_file``; the environment has priority.

    Raises:
        StartupError: one line that names each bad setting, its value and the allowed values.
    """
    try:
        return make_settings(_env_file=env_file)
    except UnicodeDecodeError:
        raise StartupError(f"{env_file} is not UTF-8 text") from None


def make_settings(**values: Any) -> Settings:  # noqa: ANN401 - pydantic checks them
    """Return settings with these values; the environment supplies the others.

    Raises:
        StartupError: as ``read_settings``.
    """
    try:
        return Settings(**values)
    except ValidationError as error:
        raise StartupError("; ".join(_complaints(error))) from None


def _complaints(error: ValidationError) -> list[str]:
    complaints = []
    for problem in error.errors(include_url=False, include_context=False):
        message = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            name = str(problem["loc"][0]).upper()
            # The URL of a database may contain its password.
            value = "…" if name == "DATABASE_URL" else str(problem["input"])
            message = message[:1].lower() + message[1:]
            message = f"{name}={value[:_VALUE_CHARACTERS_SHOWN]}: {message}"
        complaints.append(message)
    return complaints


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
