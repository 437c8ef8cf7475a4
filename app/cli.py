"""The command line: ``papertape serve``, ``simulate``, ``demo``, ``migrate``.

The commands that speak to a running service are those of ``app.client``.
"""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn, TypeVar

import typer

import app
from app.client.commands import client_commands
from app.domain.errors import PapertapeError, StartupError

if TYPE_CHECKING:
    from app.settings import Settings

_EXIT_FAILED: Final = 1
_EXIT_INTERRUPTED: Final = 130

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
    settings = _settings_or_end()
    from app.composition import serve  # noqa: PLC0415 - the other commands start faster without
    from app.logs import configure_logs  # noqa: PLC0415 - as above
    from app.settings import LogFormat  # noqa: PLC0415 - as above

    configure_logs(level=settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    _run(serve(settings))


@_cli.command("migrate")
def _migrate() -> None:
    """Bring the database at DATABASE_URL up to date, and end."""
    settings = _settings_or_end()
    from app.storage.migrate import migrate  # noqa: PLC0415 - as above

    revision = _run(migrate(settings.database_url))
    typer.echo(f"the database is at revision {revision}")


@_cli.command("simulate")
def _simulate(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)
    ] = 8090,
    seed: Annotated[int, typer.Option(help="Same seed, same quotes.")] = 1,
    tape: Annotated[
        Path | None,
        typer.Option(help="Play this tape (.jsonl or .jsonl.gz) instead of a synthetic market."),
    ] = None,
    speed: Annotated[
        float, typer.Option(help="How fast the tape plays; 2 is twice as fast.", min=0.001)
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Play the tape again and again.")] = False,
) -> None:
    """Run the simulated venue: a Binance-compatible market on this machine, for offline use.

    Point a service at it with VENUE=simulator.
    """
    from app.logs import configure_logs  # noqa: PLC0415 - as above
    from app.simulator.command import simulate  # noqa: PLC0415 - as above

    configure_logs(level="INFO", as_json=False)
    _run(simulate(host=host, port=port, seed=seed, tape=tape, speed=speed, loop=loop))


@_cli.command("demo")
def _demo(
    *,
    once: Annotated[
        bool, typer.Option("--once", help="End after the three orders instead of staying up.")
    ] = False,
) -> None:
    """Start the simulated venue and the service, and fulfill three orders before your eyes."""
    from app.demo import demo  # noqa: PLC0415 - as above
    from app.logs import configure_logs  # noqa: PLC0415 - as above

    configure_logs(level="WARNING", as_json=False)
    _run(demo(stay=not once))


_cli.add_typer(client_commands)


def _settings_or_end() -> "Settings":
    from app.settings import read_settings  # noqa: PLC0415 - as above

    try:
        return read_settings()
    except StartupError as error:
        _end(error)


def _run(coroutine: Coroutine[object, object, _Result]) -> _Result:
    try:
        return asyncio.run(coroutine)
    except KeyboardInterrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from None
    except (PapertapeError, BaseExceptionGroup) as error:
        cause = _first_cause(error)
        if not isinstance(cause, PapertapeError):
            raise
        _end(cause)


def _first_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _end(error: PapertapeError) -> NoReturn:
    typer.echo(f"papertape: {error}", err=True)
    raise typer.Exit(_EXIT_FAILED)
