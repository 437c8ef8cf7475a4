"""The options of ``papertape simulate``: their texts on the command line, and their checks."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from app.domain.errors import StartupError

SPEED_MIN: Final = 0.001
SPEED_MAX: Final = 1_000_000.0
SECONDS_MIN: Final = 0.1
DAY_SECONDS_MAX: Final = 7 * 24 * 3600.0
UPDATE_ID_MAX: Final = 2**62

_EXAMPLES: Final = (
    "While it runs, the same port accepts requests for faults, with parameters in the query:",
    "curl -X POST 'http://127.0.0.1:8090/simulator/drop'",
    "curl -X POST 'http://127.0.0.1:8090/simulator/garbage?kind=crossed&symbol=LTCBTC'",
    "curl http://127.0.0.1:8090/simulator shows the active faults and the observations.",
    "Faults and controls, with optional parameters in brackets:",
)

Host = Annotated[str, typer.Option(help="Address to listen on.")]
Port = Annotated[
    int, typer.Option(help="Port to listen on; 0 selects a free port.", min=0, max=65535)
]
Seed = Annotated[
    int, typer.Option(help="Seed of the synthetic market; the same seed gives the same quotes.")
]
Tape = Annotated[
    Path | None,
    typer.Option(help="Play this tape (.jsonl or .jsonl.gz) instead of the synthetic market."),
]
ExchangeInfo = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --tape: list the symbols and rules in this exchangeInfo answer, plain or "
        "gzipped, instead of rules inferred from the tape.",
    ),
]
Speed = Annotated[
    float,
    typer.Option(
        help="Speed of the market's time; 2 is twice as fast.",
        min=SPEED_MIN,
        max=SPEED_MAX,
    ),
]
Loop = Annotated[
    bool, typer.Option("--loop", help="Repeat the tape without end; update ids keep rising.")
]
Paused = Annotated[bool, typer.Option("--paused", help="Start with the market's time stopped.")]
PlayTo = Annotated[
    str | None,
    typer.Option(
        "--play-to",
        metavar="[SYMBOL:]ID",
        help="Play up to and including this update id of a symbol, then pause.",
    ),
]
FirstUpdateId = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=UPDATE_ID_MAX,
        help="First update id of the synthetic market; the default is wall-clock milliseconds.",
        show_default=False,
    ),
]
DaySeconds = Annotated[
    float | None,
    typer.Option(
        min=SECONDS_MIN,
        max=DAY_SECONDS_MAX,
        help="Lifetime of a stream connection in seconds, instead of 24 h.",
        show_default=False,
    ),
]
PingSeconds = Annotated[
    float | None,
    typer.Option(
        min=SECONDS_MIN,
        max=DAY_SECONDS_MAX,
        help="Seconds between pings, instead of 20; a pong may take three times as long.",
        show_default=False,
    ),
]
Scale = Annotated[
    float,
    typer.Option(
        min=SPEED_MIN,
        max=SPEED_MAX,
        help="Divide the windows of all limits, the pings, the bans and the 24 h by this factor.",
    ),
]
ControlFromEverywhere = Annotated[
    bool,
    typer.Option(
        "--control-from-everywhere",
        help="Accept requests for faults from other machines too.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorOptions:
    """The options of the command, one field each; typer reads the annotations.

    Raises:
        StartupError: the options contradict each other.
    """

    host: Host = "127.0.0.1"
    port: Port = 8090
    seed: Seed = 1
    tape: Tape = None
    exchange_info: ExchangeInfo = None
    speed: Speed = 1.0
    loop: Loop = False
    paused: Paused = False
    play_to: PlayTo = None
    first_update_id: FirstUpdateId = None
    day_seconds: DaySeconds = None
    ping_seconds: PingSeconds = None
    scale: Scale = 1.0
    control_from_everywhere: ControlFromEverywhere = False

    def __post_init__(self) -> None:
        """Refuse options that contradict each other."""
        if self.tape is None and self.loop:
            raise StartupError("--loop needs --tape: the synthetic market has no end")
        if self.tape is None and self.exchange_info is not None:
            raise StartupError("--exchange-info needs --tape")
        if self.tape is not None and self.first_update_id is not None:
            raise StartupError("--first-update-id excludes --tape: a tape has its own ids")
        if self.paused and self.play_to is not None:
            raise StartupError("--play-to pauses by itself: remove --paused")
        _ = self.play_target

    @property
    def play_target(self) -> tuple[str | None, int] | None:
        """The symbol and the update id of ``--play-to``."""
        if self.play_to is None:
            return None
        symbol, _, number = self.play_to.rpartition(":")
        # int() accepts digits of other scripts, and raises for thousands of digits.
        if not (number.isascii() and number.isdecimal()) or len(number) > len(str(UPDATE_ID_MAX)):
            raise StartupError(f"--play-to must be ID or SYMBOL:ID, not {self.play_to[:60]!r}")
        return symbol.upper() or None, int(number)


class SimulateCommand(TyperCommand):
    """The command, whose help lists all faults."""

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's, private
        """Write the help text, with the table of faults at its end."""
        # The table imports the whole simulator, so it is loaded for the help only.
        from rich.markup import escape  # noqa: PLC0415 - other commands start faster without

        from app.simulator.faults.fault_table import help_lines  # noqa: PLC0415 - as above

        self.epilog = escape("\n\n".join([*_EXAMPLES, *help_lines()]))
        super().format_help(ctx, formatter)
