"""Lines of the job's log, which BullMQ's clients read.

    log.info("sending")
    log.warn("slow server", template="welcome", recipients=3)

`print` arrives in the log too, as info (standard error as warn), and so does `logging`, with its level and the fields
of `extra`. An attempt's lines are counted and a line's length is limited: the host drops and cuts what is over its job
type's limits.
"""

from collections.abc import Mapping
from enum import IntEnum

from gristmill import _check, _host


class Level(IntEnum):
    """Importance of a line, from the least to the most."""

    TRACE = 0
    """Follows every step."""
    DEBUG = 1
    """For finding faults."""
    INFO = 2
    """Normal events."""
    WARN = 3
    """Something odd."""
    ERROR = 4
    """Something failed."""


def enabled(level: Level) -> bool:
    """False when nobody would read a line of this level now. The functions below ask it before they write."""
    return _host.current().log_enabled(Level(level))


def write(level: Level, message: object, fields: Mapping[str, object] | None = None) -> None:
    """Writes a message with fields, as texts, whose names need not be those of Python."""
    _host.current().log_write(Level(level), _check.clean(str(message)), _check.pairs(fields))


def trace(message: object, /, **fields: object) -> None:
    """Writes a line that follows a step."""
    if enabled(Level.TRACE):
        write(Level.TRACE, message, fields)


def debug(message: object, /, **fields: object) -> None:
    """Writes a line for finding faults."""
    if enabled(Level.DEBUG):
        write(Level.DEBUG, message, fields)


def info(message: object, /, **fields: object) -> None:
    """Writes a line about a normal event."""
    if enabled(Level.INFO):
        write(Level.INFO, message, fields)


def warn(message: object, /, **fields: object) -> None:
    """Writes a line about something odd."""
    if enabled(Level.WARN):
        write(Level.WARN, message, fields)


def error(message: object, /, **fields: object) -> None:
    """Writes a line about something that failed."""
    if enabled(Level.ERROR):
        write(Level.ERROR, message, fields)
