"""The command line: ``papertape serve``, ``migrate``, ``audit``, ``keys``, and the rest.

The commands that speak to a running service are those of ``app.cli.client``.
"""

import gc
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeVar

import typer

import app
from app.cli.client.arguments import one_of
from app.cli.client.commands import client_commands
from app.cli.tapes import tape_commands
from app.domain.caller import DEFAULT_SCOPES, Scope
from app.domain.errors import PapertapeError, StartupError
from app.event_loop import run
from app.simulator import options

if TYPE_CHECKING:
    from app.settings import Settings

COLLECT_AFTER_OBJECTS: Final = 10_000
"""New objects that a service lets gather before it looks for cycles among them. An open order is a
dozen that stay, so that after the usual 700 hardly anything is garbage: looking took a fifth of
what it costs the event loop to accept an order. More than this saved nothing further."""

_EXIT_FAILED: Final = 1
_EXIT_UNREADABLE: Final = 2
_EXIT_NOT_COVERED: Final = 3
_EXIT_INTERRUPTED: Final = 130

_SETTING: Final = "DATABASE_URL"
_ANOTHER_IN_SETTING: Final = re.compile(rf"name another \w+ in {_SETTING}")

_Result = TypeVar("_Result")

_cli = typer.Typer(
    name="papertape",
    help=(
        "Fulfill limit orders against Binance's live best bid and ask, without placing them. "
        "Settings come from the environment or from .env; see the README."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_keys = typer.Typer(
    name="keys", help="Make and list the keys of API_KEYS_FILE.", no_args_is_help=True
)
_cli.add_typer(_keys)

_KeyFileOption = Annotated[
    Path | None, typer.Option("--file", help="File of keys; API_KEYS_FILE unless given.")
]


def main() -> None:
    """Run the command line."""
    _cli()


def _tell_version(value: bool) -> None:  # noqa: FBT001 - typer calls it so
    if value:
        typer.echo(f"papertape {app.__version__}")
        raise typer.Exit


@_cli.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and end.", is_eager=True, callback=_tell_version
        ),
    ] = False,
) -> None:
    pass


@_cli.command("serve")
def _serve() -> None:
    """Run the service: POST /order/limit, /docs, and the rest, until SIGTERM or Ctrl-C.

    Brings the database up to date first. Starts without a network too, says at /readyz what it
    cannot reach, and recovers by itself.
    """
    # What is imported stays: the collector need not look through it while it grows, nor ever after.
    gc.disable()
    settings = _settings_or_end()
    from app.settings import LogFormat  # noqa: PLC0415 - the other commands start faster without

    _configure_logs(level=settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    from app.composition import serve  # noqa: PLC0415 - as above

    gc.enable()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    _run(serve(settings))


@_cli.command("migrate")
def _migrate() -> None:
    """Bring the database at DATABASE_URL up to date, and end."""
    settings = _settings_or_end()
    from app.storage.schema.migrate import migrate  # noqa: PLC0415 - as above

    revision = _run(migrate(settings.database_url))
    typer.echo(f"the database is at revision {revision}")


@_cli.command("audit")
def _audit(
    database: Annotated[
        str | None,
        typer.Argument(
            metavar="DATABASE",
            show_default=False,
            help="A file of SQLite, or a URL as in DATABASE_URL, which is taken otherwise.",
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Check everything that is promised of the orders in a database; a service may be running.

    Ends with 0 if all of it holds, with 1 if not, with 2 if the database cannot be read.
    """
    name = database or _settings_or_end(status=_EXIT_UNREADABLE).database_url
    from app.cli.maintenance import audit_database  # noqa: PLC0415 - as above

    auditing = audit_database(name, as_json=as_json)
    is_sound = _run(auditing if database is None else _as_named(auditing), status=_EXIT_UNREADABLE)
    if not is_sound:
        raise typer.Exit(_EXIT_FAILED)


@_cli.command("verify")
def _verify(
    database: Annotated[
        str,
        typer.Argument(metavar="DATABASE", help="A file of SQLite, or a URL as in DATABASE_URL."),
    ],
    tapes: Annotated[
        list[Path],
        typer.Argument(metavar="TAPE...", help="Recordings (see RECORD_DIR), or their folders."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Derive every split of every order from recordings; a service may be running on both.

    Ends with 0 if all is verified, with 1 if anything differs, with 2 if something cannot be read,
    with 3 if nothing differs but the recordings do not cover all.
    """
    from app.cli.maintenance import verify_database  # noqa: PLC0415 - as above

    verifying = _as_named(verify_database(database, tapes, as_json=as_json))
    report = _run(verifying, status=_EXIT_UNREADABLE)
    if report.differs:
        raise typer.Exit(_EXIT_FAILED)
    if not report.is_covered:
        raise typer.Exit(_EXIT_NOT_COVERED)


@_cli.command("prune")
def _prune(
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="A UTC date YYYY-MM-DD, or an instant: 2026-11-23T16:46:37Z."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how many would be deleted.")
    ] = False,
) -> None:
    """Delete the orders that ended before a date, with their events and splits.

    Open orders stay, and so do the client order ids of deleted ones. A service may be running.
    """
    settings = _settings_or_end()
    from app.cli.maintenance import prune_database, read_before  # noqa: PLC0415 - as above
    from app.clock import SystemClock  # noqa: PLC0415 - as above
    from app.storage.failures import MaintenanceError  # noqa: PLC0415 - as above

    now = SystemClock().now()
    try:
        read_before(before, now=now)
    except MaintenanceError as error:
        raise typer.BadParameter(str(error)) from None
    _run(prune_database(settings.database_url, before, now=now, dry_run=dry_run))


@_cli.command("backup")
def _backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where to; a file that is not there yet.")
    ],
) -> None:
    """Copy the SQLite database at DATABASE_URL to a file; a service may be running."""
    settings = _settings_or_end()
    from app.cli.maintenance import back_up_database  # noqa: PLC0415 - as above

    _run(back_up_database(settings.database_url, file))


@_cli.command("simulate", cls=options.SimulateCommand)
def _simulate(
    *,
    host: options.Host = "127.0.0.1",
    port: options.Port = 8090,
    seed: options.Seed = 1,
    tape: options.Tape = None,
    exchange_info: options.ExchangeInfo = None,
    speed: options.Speed = 1.0,
    loop: options.Loop = False,
    paused: options.Paused = False,
    play_to: options.PlayTo = None,
    first_update_id: options.FirstUpdateId = None,
    day_seconds: options.DaySeconds = None,
    ping_seconds: options.PingSeconds = None,
    scale: options.Scale = 1.0,
    control_from_everywhere: options.ControlFromEverywhere = False,
) -> None:
    """Run the simulated venue: a Binance-compatible market on this machine, for offline use.

    It shows a synthetic market of about sixty pairs, including LTCBTC and BTCUSDT, or plays a tape.

    A service uses it with VENUE=simulator. Any other client uses its addresses: /ws/STREAM and
    /stream?streams=... for book tickers and mini tickers, /api/v3 for exchangeInfo, depth,
    ticker/bookTicker, time and ping. It applies Binance's limits, and causes failures on request.
    """
    _configure_logs(level="INFO")
    from app.cli.simulate import simulate  # noqa: PLC0415 - as above

    try:
        chosen = options.SimulatorOptions(
            host=host,
            port=port,
            seed=seed,
            tape=tape,
            exchange_info=exchange_info,
            speed=speed,
            loop=loop,
            paused=paused,
            play_to=play_to,
            first_update_id=first_update_id,
            day_seconds=day_seconds,
            ping_seconds=ping_seconds,
            scale=scale,
            control_from_everywhere=control_from_everywhere,
        )
    except StartupError as error:
        _end(error)
    _run(simulate(chosen))


@_cli.command("demo")
def _demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End after the three orders instead of staying up.")
    ] = False,
) -> None:
    """Start the simulated venue and the service, and fulfill three orders before your eyes."""
    _configure_logs(level="WARNING")
    from app.cli.demo import demo  # noqa: PLC0415 - as above

    _run(demo(stay=not once))


@_keys.command("create")
def _create_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Whose key it is; orders belong to the name.")
    ],
    *,
    scope: Annotated[
        list[Scope],
        typer.Option(
            parser=one_of(Scope),
            metavar="|".join(Scope),
            help="What the key is good for; may be given several times.",
        ),
    ] = list(DEFAULT_SCOPES),  # noqa: B006 - typer wants a list, and nothing changes it
    file: _KeyFileOption = None,
) -> None:
    """Make a key, add its hash to the file, and print the key, this once.

    A running service knows it within a second. Several keys may have one name, to replace one by
    another without a gap. To revoke a key, remove its entry from the file.
    """
    from app.access.key_file import add_key  # noqa: PLC0415 - as above
    from app.access.keys import new_key  # noqa: PLC0415 - as above

    key = new_key()
    path = _key_file(file)
    try:
        add_key(path, key, name=name, scopes=scope)
    except StartupError as error:
        _end(error)
    typer.echo(key)
    typer.echo(f"This key of {name} is shown only now; {path} holds its hash alone.", err=True)


@_keys.command("list")
def _list_keys(*, file: _KeyFileOption = None) -> None:
    """List names, scopes, and the first digits of each key's hash."""
    from app.access.key_file import list_keys  # noqa: PLC0415 - as above
    from app.access.keys import HASH_DIGITS_SHOWN  # noqa: PLC0415 - as above

    try:
        entries = list_keys(_key_file(file))
    except StartupError as error:
        _end(error)
    for entry in entries:
        digits = entry.sha256.lower()[:HASH_DIGITS_SHOWN]
        typer.echo(f"{entry.name}  {digits}  {' '.join(entry.scopes) or 'no scopes'}")


def _key_file(file: Path | None) -> Path:
    if file is not None:
        return file
    name = _settings_or_end().api_keys_file
    if not name:
        _end(StartupError("which file of keys? Set API_KEYS_FILE or give --file"))
    return Path(name)


_cli.add_typer(tape_commands)
_cli.add_typer(client_commands)


def _configure_logs(*, level: str, as_json: bool = False) -> None:
    """Set up the log; before anything else imports structlog, which is to do without rich."""
    from app.logs import configure_logs  # noqa: PLC0415 - as above

    configure_logs(level=level, as_json=as_json)


def _settings_or_end(*, status: int = _EXIT_FAILED) -> "Settings":
    from app.settings import read_settings  # noqa: PLC0415 - as above

    try:
        return read_settings()
    except StartupError as error:
        _end(error, status)


def _run(coroutine: Coroutine[object, object, _Result], *, status: int = _EXIT_FAILED) -> _Result:
    """Run a command; if it fails for a cause that we know, end with one line and ``status``."""
    try:
        return run(coroutine)
    except KeyboardInterrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except (PapertapeError, BaseExceptionGroup) as error:
        cause = _first_cause(error)
        if not isinstance(cause, PapertapeError):
            raise
        _end(cause, status)


async def _as_named(work: Coroutine[object, object, _Result]) -> _Result:
    """Run what reads a database that the command names; a setting has nothing to do with it.

    Raises:
        StartupError: as the work does, in words of the command line.
    """
    try:
        return await work
    except StartupError as error:
        advice = _ANOTHER_IN_SETTING.sub("name another database", str(error))
        raise StartupError(advice.replace(_SETTING, "its URL")) from error


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(error: PapertapeError, status: int = _EXIT_FAILED) -> NoReturn:
    typer.echo(f"papertape: {error}", err=True)
    raise typer.Exit(status)
