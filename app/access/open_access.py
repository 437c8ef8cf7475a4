"""Open access: nobody is asked for a key."""

from app.domain.caller import ANONYMOUS, Caller


class OpenAccess:
    """Takes everybody for the same caller, who may do everything."""

    @property
    def description(self) -> str:
        """What the log says of it at the start."""
        return "open, no keys asked"

    def identify(self, bearer: str | None) -> Caller:  # noqa: ARG002 - a port's method
        """Return the one caller; a key that is sent all the same is not looked at."""
        return ANONYMOUS
