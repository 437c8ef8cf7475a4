"""The table of all faults and controls; routes, help and documentation come from it.

Each control is ``POST /simulator/<name>`` with parameters in the query. They become the keyword
arguments of a method of the venue: an argument without a default is required. The first line of
the method's docstring describes the control.
"""

import inspect
from collections.abc import Callable
from typing import Final

from app.simulator.faults import control_parameters as read
from app.simulator.faults.control_parameters import (
    FRAMES,
    ON,
    ONE_SYMBOL,
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


class Control:
    """One fault or control of a venue.

    Attributes:
        name: the last part of its path.
        act: the method, called with the venue and the parameters.
        parameters: the parameters that its query may have.
        help: its description in the help and the documentation.
        required: the names of the parameters that its query must have.
    """

    def __init__(self, name: str, act: Callable[..., object], *parameters: Parameter) -> None:
        self.name = name
        self.act = act
        self.parameters = parameters
        self.help = (inspect.getdoc(act) or "").partition("\n")[0]
        arguments = inspect.signature(act).parameters.values()
        self.required = {one.name for one in arguments if one.default is one.empty}

    @property
    def path(self) -> str:
        """The path of its requests."""
        return f"{ROOT}/{self.name}"

    @property
    def usage(self) -> str:
        """The path with the parameters; optional parameters are in brackets."""
        named = [
            f"{one.name}=" if one.name in self.required else f"[{one.name}=]"
            for one in self.parameters
        ]
        return self.path + ("?" + "&".join(named) if named else "")

    async def perform(self, venue: VenueFaults, query: str) -> object:
        """Apply the control with the parameters of a query, and return its result.

        Raises:
            ControlError: the query or a value in it is wrong.
        """
        values = read_parameters(self.parameters, query, required=self.required)
        # The venue refuses unknown symbols and contradicting rules, which is the client's mistake.
        try:
            result = self.act(venue, **values)
            return await result if inspect.isawaitable(result) else result
        except ValueError as error:
            raise ControlError(str(error)) from error


_delay = read.seconds(DELAY_SECONDS_MAX)
_SECONDS: Final = Parameter("seconds", _delay, f"0 to {DELAY_SECONDS_MAX:g}; 0 ends the fault")
_KIND: Final = Parameter("kind", read.one_of(GARBAGE), ", ".join(GARBAGE))

CONTROLS: Final = (
    Control("drop", VenueFaults.drop_connections),
    Control(
        "close",
        VenueFaults.close_connections,
        Parameter("code", read.close_code, "default 1008"),
        Parameter("reason", read.text_of, "default empty"),
    ),
    Control("stall", VenueFaults.stall, ON),
    Control("swallow", VenueFaults.swallow, ON),
    Control(
        "shutdown",
        VenueFaults.announce_shutdown,
        Parameter("seconds", _delay, "time until the streams close; default never"),
    ),
    Control(
        "vanish", VenueFaults.vanish, Parameter("seconds", _delay, f"0 to {DELAY_SECONDS_MAX:g}")
    ),
    Control(
        "refuse",
        VenueFaults.refuse_connections,
        ON,
        Parameter("status", read.status_code, "default 502"),
    ),
    Control("reset-handshakes", VenueFaults.reset_handshakes, ON),
    Control("slow-handshake", VenueFaults.delay_handshakes, _SECONDS),
    Control("mute", VenueFaults.mute, SYMBOL, ON),
    Control("duplicate", VenueFaults.duplicate, FRAMES),
    Control("reorder", VenueFaults.reorder, FRAMES),
    Control(
        "resend",
        VenueFaults.resend,
        SYMBOL,
        Parameter("frames", read.count, "number of frames; default 10"),
    ),
    Control("garbage", VenueFaults.garbage, _KIND, ONE_SYMBOL),
    Control(
        "spoil",
        VenueFaults.spoil,
        _KIND,
        ONE_SYMBOL,
        Parameter("frames", read.count, "number of frames; default 1"),
    ),
    Control("send", VenueFaults.send_frame, SYMBOL, Parameter("data", read.text_of, "the text")),
    Control(
        "rest-failure",
        VenueFaults.rest_failure,
        Parameter(
            "status", read.status_code, "200 to 599; 403, 418, 429, 451 and 5xx have Binance's body"
        ),
        Parameter("retry_after", read.count, "seconds"),
        Parameter("body", read.text_of, "instead of the usual body"),
        PATH,
        TIMES,
    ),
    Control("html", VenueFaults.html, PATH, TIMES),
    Control("slow-rest", VenueFaults.slow_rest, _SECONDS, PATH),
    Control("clear-rest", VenueFaults.clear_rest_failure),
    Control(
        "halt",
        VenueFaults.set_status,
        SYMBOL,
        Parameter("status", read.one_of(_STATUSES), f"{', '.join(_STATUSES)}; default {HALTED}"),
    ),
    Control("delist", VenueFaults.remove_symbol, SYMBOL),
    Control("relist", VenueFaults.restore_symbol, SYMBOL),
    Control(
        "rules",
        VenueFaults.change_rules,
        SYMBOL,
        *(
            Parameter(name, read.amount, f"{'/'.join(kinds)}.{key}")
            for name, (kinds, key) in RULES.items()
        ),
    ),
    Control(
        "reset-ids",
        VenueFaults.reset_update_ids,
        Parameter("to", read.update_id, "the new id of the current quote; default 1"),
        ONE_SYMBOL,
    ),
    Control("pause", VenueFaults.pause),
    Control("resume", VenueFaults.resume),
    Control(
        "play-to",
        VenueFaults.play_and_wait,
        Parameter(
            "update_id", read.update_id, "an id of the market itself; reset-ids does not change it"
        ),
        Parameter(
            "symbol", read.symbol, "the symbol of the id; default the first symbol that reaches it"
        ),
        Parameter(
            "wait",
            read.seconds(WAIT_SECONDS_MAX),
            "seconds to wait for the id before the answer, at most "
            f"{WAIT_SECONDS_MAX:g}; default 0",
        ),
    ),
    Control("clear", VenueFaults.clear),
)
"""All controls, in the order of the documentation."""

BY_NAME: Final = {control.name: control for control in CONTROLS}


def help_lines() -> list[str]:
    """Return a line for each control: its name, its parameters and its description."""
    return [
        " ".join(
            [
                control.name,
                *(
                    one.name if one.name in control.required else f"[{one.name}]"
                    for one in control.parameters
                ),
            ]
        )
        + f": {control.help}"
        for control in CONTROLS
    ]
