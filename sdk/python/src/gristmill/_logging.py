"""The bridge from `logging` to the job's log."""

import logging
import sys

from gristmill import _check, _host
from gristmill._ending import described
from gristmill.log import Level

_STANDARD = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName"}


class JobLog(logging.Handler):
    """Writes records to the log of the job that runs, with their level and the fields of `extra`. Outside a job it does
    nothing."""

    def emit(self, record: logging.LogRecord) -> None:
        host = _host.present()
        if host is None:
            return
        level = level_of(record.levelno)
        if not host.log_enabled(level):
            return
        try:
            message = record.getMessage()
            if record.exc_info and record.exc_info[1] is not None:
                message = f"{message}\n{described(record.exc_info[1])}"
            fields = {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
            host.log_write(level, _check.clean(message), _check.pairs(fields))
        except Exception as error:
            host.log_write(Level.WARN, f"a line of `{record.name}` cannot be written: {type(error).__name__}", [])


def level_of(number: int) -> Level:
    """The level of the job's log for one of `logging`."""
    if number >= logging.ERROR:
        return Level.ERROR
    if number >= logging.WARNING:
        return Level.WARN
    if number >= logging.INFO:
        return Level.INFO
    return Level.DEBUG if number >= logging.DEBUG else Level.TRACE


def install() -> None:
    """Sends all records to the job's log, once. A level that was set on the root logger stays."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        # Standard output and error are part of the job's log: what goes there would come twice.
        if isinstance(handler, JobLog) or getattr(handler, "stream", None) in (sys.stdout, sys.stderr):
            root.removeHandler(handler)
    root.addHandler(JobLog())
    if root.level == logging.WARNING:
        # The level that nobody chose; the host decides what is read.
        root.setLevel(logging.NOTSET)
