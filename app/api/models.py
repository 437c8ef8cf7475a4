"""What the response models share: their base class, and the forms of amounts and times.

A response model is the answer and its documentation in one: its builder ``of`` turns domain values
into the texts that a client reads. Keys are sent in the order in which the fields are declared.
Amounts are strings in plain notation, so that no reader turns them into binary fractions. Where
the fields of a model are attributes of a domain value, pydantic reads them from it.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.domain.amounts import format_amount

_UTC_OFFSET: Final = "+00:00"
_encode: Final = msgspec.json.Encoder().encode


def _text_of(value: object) -> object:
    """Return the text of an amount or a time of the domain; texts stay as they are."""
    if isinstance(value, Decimal):
        sign = "-" if value < 0 else ""
        return sign + format_amount(value.copy_abs())
    return format_time(value) if isinstance(value, datetime) else value


Amount = Annotated[str, BeforeValidator(_text_of), Field(pattern=r"^[0-9]+(\.[0-9]*[1-9])?$")]
SetAmount = Annotated[Amount | None, BeforeValidator(lambda value: value or None)]
"""``None`` for the zero that marks an unused limit or an empty side."""

SignedAmount = Annotated[
    str, BeforeValidator(_text_of), Field(pattern=r"^-?[0-9]+(\.[0-9]*[1-9])?$")
]
Time = Annotated[
    str,
    BeforeValidator(_text_of),
    Field(
        description="UTC, RFC 3339 with six decimals and `Z`.",
        json_schema_extra={"format": "date-time"},
    ),
]


class ResponseModel(BaseModel):
    """A JSON object with exactly these keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


def format_time(at: datetime) -> str:
    """Write an aware UTC time with six decimals and ``Z`` (RFC 3339)."""
    if at.microsecond:
        text = _encode(at)[1:-1].decode()  # without its quotes; a third of isoformat's time
    else:  # msgspec omits the decimals of a whole second
        text = at.isoformat(timespec="microseconds").replace(_UTC_OFFSET, "Z")
    assert text.endswith("Z"), "times are aware and UTC"
    return text
