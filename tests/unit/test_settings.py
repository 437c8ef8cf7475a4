"""Tests of ``app.settings``."""

from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.settings import OPEN_ACCESS_CONSENT, LogLevel, Settings, read_settings

ABSENT = Path("/nonexistent/.env")


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_example_file_holds_the_defaults() -> None:
    """Copying .env.example changes no setting."""
    example = Path(__file__).parents[2] / ".env.example"

    assert read_settings(example) == read_settings(ABSENT)


def test_the_environment_has_priority_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable of the environment overrides the same name in .env."""
    env_file = tmp_path / ".env"
    env_file.write_text("HTTP_PORT=1000\nORDER_TIMEOUT_SECONDS=5\n")
    monkeypatch.setenv("HTTP_PORT", "2000")

    settings = read_settings(env_file)

    assert (settings.http_port, settings.order_timeout_seconds) == (2000, Decimal(5))


@pytest.mark.parametrize(
    ("venue", "stream_url", "rest_url"),
    [
        (None, "wss://data-stream.binance.vision", "https://data-api.binance.vision"),
        ("binance", "wss://data-stream.binance.vision", "https://data-api.binance.vision"),
        ("simulator", "ws://127.0.0.1:8090", "http://127.0.0.1:8090"),
    ],
)
def test_the_venue_decides_the_usual_addresses(
    monkeypatch: pytest.MonkeyPatch, venue: str | None, stream_url: str, rest_url: str
) -> None:
    """With VENUE=simulator alone the service connects to `papertape simulate`."""
    if venue is not None:
        monkeypatch.setenv("VENUE", venue)

    settings = read_settings(ABSENT)

    assert (settings.stream_url, settings.rest_url) == (stream_url, rest_url)


def test_an_address_of_the_venue_loses_its_last_slash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are appended to the addresses."""
    monkeypatch.setenv("BINANCE_STREAM_URL", "wss://example.test/")

    assert read_settings(ABSENT).stream_url == "wss://example.test"


def test_a_log_level_may_be_written_in_lower_case(monkeypatch: pytest.MonkeyPatch) -> None:
    """LOG_LEVEL=debug means DEBUG."""
    monkeypatch.setenv("LOG_LEVEL", "debug")

    assert read_settings(ABSENT).log_level is LogLevel.DEBUG


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("HTTP_PORT", "99999", "65535"),
        ("HTTP_PORT", "http", "integer"),
        ("HTTP_ALLOWED_HOSTS", " , ", "at least one host"),
        ("HTTP_ALLOWED_HOSTS", "localhost,http://me", "without scheme or port"),
        ("HTTP_ALLOWED_HOSTS", "localhost:8080", "without scheme or port"),
        ("ALLOW_OPEN_ACCESS", "yes", "must be yes-anyone-who-can-connect"),
        ("ORDER_TIMEOUT_SECONDS", "0", "0.001"),
        ("ORDER_TIMEOUT_SECONDS", "NaN", "finite"),
        ("ORDER_TIMEOUT_SECONDS", "1.2345", "decimal places"),
        ("TIMEOUT_SECONDS_MAX", "86401", "86400"),
        ("WAIT_SECONDS_MAX", "-1", "greater than or equal to 0"),
        ("WAIT_SECONDS_MAX", "86401", "less than or equal to 86400"),
        ("OPEN_ORDERS_MAX", "0", "greater than or equal to 1"),
        ("OPEN_ORDERS_PER_OWNER_MAX", "0", "greater than or equal to 1"),
        ("OPEN_ORDERS_PER_SYMBOL_MAX", "10000001", "less than or equal to 10000000"),
        ("REQUESTS_PER_SECOND_MAX", "-1", "greater than or equal to 0"),
        ("REQUESTS_PER_SECOND_MAX", "1000001", "less than or equal to 1000000"),
        ("WEBSOCKETS_MAX", "many", "integer"),
        ("WEBSOCKETS_PER_OWNER_MAX", "0", "greater than or equal to 1"),
        ("BODY_BYTES_MAX", "1023", "greater than or equal to 1024"),
        ("BODY_BYTES_MAX", "1048577", "less than or equal to 1048576"),
        ("JOURNAL_BACKLOG_MAX", "0", "greater than or equal to 1"),
        ("DATABASE_URL", "mysql://host/db", "must start with sqlite"),
        ("VENUE", "kraken", "'binance' or 'simulator'"),
        ("BINANCE_STREAM_URL", "http://host", "must start with ws://"),
        ("BINANCE_REST_URL", "wss://host", "must start with http://"),
        ("LOG_LEVEL", "LOUD", "'DEBUG'"),
        ("LOG_FORMAT", "xml", "'console' or 'json'"),
    ],
)
def test_a_bad_value_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, complaint: str
) -> None:
    """The line names the setting and its allowed values."""
    monkeypatch.setenv(name, value)

    with pytest.raises(StartupError) as caught:
        read_settings(ABSENT)

    message = str(caught.value)
    assert message.startswith(f"{name}=")
    assert complaint in message
    assert "\n" not in message


def test_a_bad_database_url_does_not_show_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that may contain a password is never printed."""
    monkeypatch.setenv("DATABASE_URL", "mysql://user:secret@host/db")

    with pytest.raises(StartupError) as caught:
        read_settings(ABSENT)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            # An order without timeout_seconds must be acceptable.
            {"ORDER_TIMEOUT_SECONDS": "20", "TIMEOUT_SECONDS_MAX": "10"},
            "ORDER_TIMEOUT_SECONDS=20 must not exceed TIMEOUT_SECONDS_MAX=10",
        ),
        (
            # With room for one file only, the next file would delete it.
            {"RECORD_FILE_MB": "10", "RECORD_TOTAL_MB": "19"},
            "RECORD_TOTAL_MB=19 must be at least twice RECORD_FILE_MB=10",
        ),
    ],
    ids=["timeouts", "recordings"],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], message: str
) -> None:
    """The message names both settings."""
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(StartupError, match=message):
        read_settings(ABSENT)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.test"])  # noqa: S104 - refused here
def test_listening_beyond_loopback_needs_consent(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    """The service is never opened by accident, and the message says how to open it."""
    monkeypatch.setenv("HTTP_HOST", host)
    with pytest.raises(StartupError, match=f"ALLOW_OPEN_ACCESS={OPEN_ACCESS_CONSENT}"):
        read_settings(ABSENT)

    monkeypatch.setenv("ALLOW_OPEN_ACCESS", OPEN_ACCESS_CONSENT)
    assert read_settings(ABSENT).http_host == host


def test_listening_beyond_loopback_is_allowed_with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that requires keys needs no consent; the message mentions keys."""
    monkeypatch.setenv("HTTP_HOST", "0.0.0.0")  # noqa: S104 - allowed here
    with pytest.raises(StartupError, match="set API_KEYS_FILE"):
        read_settings(ABSENT)

    monkeypatch.setenv("API_KEYS_FILE", "keys.json")
    assert read_settings(ABSENT).api_keys_file == "keys.json"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_loopback_needs_no_consent(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Every loopback address is accepted."""
    monkeypatch.setenv("HTTP_HOST", host)

    assert read_settings(ABSENT).http_host == host


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    """A binary .env gives one line, not a traceback."""
    env_file = tmp_path / ".env"
    env_file.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(StartupError, match="is not UTF-8 text"):
        read_settings(env_file)
