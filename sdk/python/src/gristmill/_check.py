"""Arguments, checked before they reach the host: what it cannot take would end the instance, not raise."""

from collections.abc import Mapping

U32 = 2**32 - 1
U64 = 2**64 - 1


def text(what: str, value: object) -> str:
    """A text; halves of surrogate pairs in it become `?`. `TypeError` for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{what} is a text, not {type(value).__name__}")
    return clean(value)


def clean(value: str) -> str:
    """The text with `?` for what UTF-8 cannot say."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")


def whole(what: str, value: object, low: int, high: int) -> int:
    """A whole number within bounds; `TypeError` or `ValueError` for anything else."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{what} is a whole number, not {type(value).__name__}")
    if not low <= value <= high:
        raise ValueError(f"{what} is from {low} to {high}, not {value}")
    return int(value)


def number(what: str, value: object) -> float:
    """A number; `TypeError` for anything else, `ValueError` for one that no float can be."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise TypeError(f"{what} is a number, not {type(value).__name__}")
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{what} is too large a number") from None


def pairs(given: Mapping[str, object] | None) -> list[tuple[str, str]]:
    """Fields or labels as texts, in their order."""
    if given is None:
        return []
    return [(text("a name", name), clean(str(value))) for name, value in given.items()]
