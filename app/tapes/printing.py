"""Words for people about tapes: counts with their nouns, and what others wrote, made harmless."""


def count_of(number: int, noun: str, *, plural: str | None = None) -> str:
    """Return ``1 frame``, ``2 frames``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def printable(text: str) -> str:
    """Return the text with everything escaped that could move a cursor or begin a line."""
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
