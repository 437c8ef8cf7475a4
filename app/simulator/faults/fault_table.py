"""The table of all faults and controls; routes, help and documentation come from it.

Each control is ``POST /simulator/<name>`` with parameters in the query. They become the keyword
arguments of a method of the venue.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.simulator.faults import control_parameters as read
from app.simulator.faults.control_parameters import (
    ANY_SYMBOL,
    FRAMES,
    ON,
    PATH,
    SYMBOL,
    TIMES,
    ControlError,
    Parameter,
    read_parameters,
)
from app.simulator.faults.garbage import GARBAGE
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX, VenueFaults
from app.simulator.venue.listed_symbols import RULES
from app.simulator.venue.listing import HALTED

ROOT: Final = "/simulator"
WAIT_SECONDS_MAX: Final = 60.0

_STATUSES: Final = (HALTED, "HALT", "END_OF_DAY", "TRADING")
_CLOSE_CODE: Final = 1008

_SECONDS: Final = Parameter(
    name="seconds",
    read=read.seconds(DELAY_SECONDS_MAX),
    help=f"0 to {DELAY_SECONDS_MAX:g}; 0 ends the fault",
    is_required=True,
)
_KIND: Final = Parameter(
    name="kind", read=read.one_of(GARBAGE), help=", ".join(GARBAGE), is_required=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One fault or control of a venue.

    Attributes:
        name: the last part of its path.
        help: its description in the help and the documentation.
        act: called with the venue and the parameters.
        parameters: the parameters that its query may have.
    """

    name: str
    help: str
    act: Callable[..., object]
    parameters: tuple[Parameter, ...] = ()

    @property
    def path(self) -> str:
        """The path of its requests."""
        return f"{ROOT}/{self.name}"

    @property
    def usage(self) -> str:
        """The path with the parameters; optional parameters are in brackets."""
        named = [one.name + "=" if one.is_required else f"[{one.name}=]" for one in self.parameters]
        return self.path + ("?" + "&".join(named) if named else "")

    async def perform(self, venue: VenueFaults, query: str) -> object:
        """Apply the control with the parameters of a query, and return its result.

        Raises:
            ControlError: the query or a value in it is wrong.
        """
        values = read_parameters(self.parameters, query)
        # The venue refuses unknown symbols and numbers out of range, which is the client's mistake.
        try:
            result = self.act(venue, **values)
            return await result if inspect.isawaitable(result) else result
        except ValueError as error:
            raise ControlError(str(error)) from error


def _close(venue: VenueFaults, code: int = _CLOSE_CODE, reason: str = "") -> None:
    venue.close_connections(code, reason)


def _shutdown(venue: VenueFaults, seconds: float | None = None) -> None:
    venue.announce_shutdown(seconds)


def _refuse(venue: VenueFaults, *, on: bool = True, status: int = 502) -> None:
    venue.refuse_connections(refused=on, status=status)


def _mute(venue: VenueFaults, symbol: str, *, on: bool = True) -> None:
    (venue.mute if on else venue.unmute)(symbol)


CONTROLS: Final = (
    Control(name="drop", help="Cut all streams without a closing frame.",
            act=VenueFaults.drop_connections),
    Control(name="close", help="Close all streams with a closing frame.", act=_close,
            parameters=(
                Parameter(name="code", read=read.close_code, help="default 1008"),
                Parameter(name="reason", read=read.text_of, help="default empty"),
            )),
    Control(name="stall", help="Send no quotes on the open streams; pings and depth continue.",
            act=VenueFaults.stall, parameters=(ON,)),
    Control(name="swallow", help="Leave the open streams half open: TCP stays connected, but "
            "nothing is sent or answered, not even a pong.",
            act=VenueFaults.swallow, parameters=(ON,)),
    Control(name="shutdown", help="Announce serverShutdown on all streams.", act=_shutdown,
            parameters=(
                Parameter(name="seconds", read=read.seconds(DELAY_SECONDS_MAX),
                          help="time until the streams close; default never"),
            )),
    Control(name="vanish", help="Cut all streams and refuse TCP connections, also to this API.",
            act=VenueFaults.vanish,
            parameters=(
                Parameter(name="seconds", read=read.seconds(DELAY_SECONDS_MAX),
                          help=f"0 to {DELAY_SECONDS_MAX:g}", is_required=True),
            )),
    Control(name="refuse", help="Answer handshakes with a status.", act=_refuse,
            parameters=(
                ON,
                Parameter(name="status", read=read.status_code, help="default 502"),
            )),
    Control(name="reset-handshakes", help="Cut each connection that requests a stream.",
            act=VenueFaults.reset_handshakes, parameters=(ON,)),
    Control(name="slow-handshake", help="Delay the answer to each handshake.",
            act=VenueFaults.delay_handshakes, parameters=(_SECONDS,)),
    Control(name="mute", help="Send no quotes of a symbol; its depth continues.", act=_mute,
            parameters=(SYMBOL, ON)),
    Control(name="duplicate", help="Send each frame twice.",
            act=VenueFaults.duplicate, parameters=(FRAMES,)),
    Control(name="reorder", help="Send each frame after the next frame of its symbol.",
            act=VenueFaults.reorder, parameters=(FRAMES,)),
    Control(name="resend", help="Send the last frames of a symbol again.",
            act=VenueFaults.resend,
            parameters=(
                SYMBOL,
                Parameter(name="frames", read=read.count, help="number of frames; default 10"),
            )),
    Control(name="garbage", help="Send a spoiled frame now, in addition to the quotes.",
            act=VenueFaults.garbage, parameters=(_KIND, ANY_SYMBOL)),
    Control(name="spoil", help="Spoil the next quotes.", act=VenueFaults.spoil,
            parameters=(
                _KIND,
                ANY_SYMBOL,
                Parameter(name="frames", read=read.count, help="number of frames; default 1"),
            )),
    Control(name="send", help="Send any text on the stream of a symbol.",
            act=VenueFaults.send_frame,
            parameters=(
                SYMBOL,
                Parameter(name="data", read=read.text_of, help="the text", is_required=True),
            )),
    Control(name="rest-failure", help="Answer REST requests with a status.",
            act=VenueFaults.rest_failure,
            parameters=(
                Parameter(name="status", read=read.status_code,
                          help="200 to 599; 403, 418, 429, 451 and 5xx have Binance's body",
                          is_required=True),
                Parameter(name="retry_after", read=read.count, help="seconds"),
                Parameter(name="body", read=read.text_of, help="instead of the usual body"),
                PATH,
                TIMES,
            )),
    Control(name="html", help="Answer REST requests with 200 and a page of HTML.",
            act=VenueFaults.html, parameters=(PATH, TIMES)),
    Control(name="slow-rest", help="Delay the answers to REST requests.",
            act=VenueFaults.slow_rest, parameters=(_SECONDS, PATH)),
    Control(name="clear-rest", help="Answer REST requests normally again, without delay.",
            act=VenueFaults.clear_rest_failure),
    Control(name="halt", help="Change a symbol's status; its quotes stop unless it is TRADING.",
            act=VenueFaults.set_status,
            parameters=(
                SYMBOL,
                Parameter(name="status", read=read.one_of(_STATUSES),
                          help=f"{', '.join(_STATUSES)}; default {HALTED}"),
            )),
    Control(name="delist", help="Remove a symbol from the market.",
            act=VenueFaults.remove_symbol, parameters=(SYMBOL,)),
    Control(name="relist", help="List a symbol again, with status TRADING.",
            act=VenueFaults.restore_symbol, parameters=(SYMBOL,)),
    Control(name="rules", help="Change a symbol's trading rules.",
            act=VenueFaults.change_rules,
            parameters=(
                SYMBOL,
                *(Parameter(name=name, read=read.amount, help=f"{'/'.join(kinds)}.{key}")
                  for name, (kinds, key) in RULES.items()),
            )),
    Control(name="reset-ids", help="Restart the update ids.",
            act=VenueFaults.reset_update_ids,
            parameters=(
                Parameter(name="to", read=read.update_id,
                          help="the new id of the current quote; default 1"),
                ANY_SYMBOL,
            )),
    Control(name="pause", help="Stop the market's time.", act=VenueFaults.pause),
    Control(name="resume", help="Continue the market's time.", act=VenueFaults.resume),
    Control(name="play-to", help="Play up to and including an update id, then pause.",
            act=VenueFaults.play_and_wait,
            parameters=(
                Parameter(name="update_id", read=read.update_id,
                          help="an id of the market itself; reset-ids does not change it",
                          is_required=True),
                Parameter(name="symbol", read=read.symbol,
                          help="the symbol of the id; default the first symbol that reaches it"),
                Parameter(name="wait", read=read.seconds(WAIT_SECONDS_MAX),
                          help=f"seconds to wait for the id before the answer, at most "
                          f"{WAIT_SECONDS_MAX:g}; default 0"),
            )),
    Control(name="clear", help="End all faults; update ids and the market's time stay.",
            act=VenueFaults.clear),
)  # fmt: skip
"""All controls, in the order of the documentation."""

BY_NAME: Final = {control.name: control for control in CONTROLS}


def help_lines() -> list[str]:
    """Return a line for each control: its name, its parameters and its description."""
    return [
        " ".join(
            [
                control.name,
                *(one.name if one.is_required else f"[{one.name}]" for one in control.parameters),
            ]
        )
        + f": {control.help}"
        for control in CONTROLS
    ]


def documentation() -> str:
    """Return the table for the documentation, in Markdown."""
    rows = ["| `POST` | does | parameters |", "| --- | --- | --- |"]
    for control in CONTROLS:
        parameters = "; ".join(
            f"`{one.name}`{' (required)' if one.is_required else ''}: {one.help}"
            for one in control.parameters
        )
        rows.append(f"| `{control.path}` | {control.help} | {parameters} |")
    return "\n".join(rows)
