"""What the job shows of its progress, and what it keeps for its next attempt."""

from typing import Any, TypeVar, overload

from gristmill import _check, _data, _host, _json
from gristmill.errors import ProgressError

T = TypeVar("T")


def _written(value: object) -> bytes:
    try:
        return _json.write(value)
    except _json.JsonError as error:
        raise ProgressError("failed", str(error)) from None


def report(done: int, total: int | None = None, message: str | None = None) -> None:
    """Says that `done` of `total` units are done, whole numbers from 0.

    With a total and no message, BullMQ's progress becomes the whole percentage; otherwise an object of those of `done`,
    `total` and `message` that were given.
    """
    done = _check.whole("`done`", done, 0, _check.U64)
    if total is not None:
        total = _check.whole("`total`", total, 0, _check.U64)
    if message is not None:
        message = _check.text("`message`", message)
    _host.current().progress_report(done, total, message)


def set(value: object) -> None:
    """Sets BullMQ's progress to any value. `ProgressError` if it has no JSON form or is too large."""
    _host.current().progress_set(_written(value))


def save_checkpoint(value: object) -> None:
    """Keeps a value, at most 256 KiB as JSON, with the job: its next attempt gets it. A later one takes its place.

    Waits for Redis. `ProgressError` says why nothing may have been saved.
    """
    _host.current().save_checkpoint(_written(value))


@overload
def load_checkpoint() -> Any: ...
@overload
def load_checkpoint(kind: type[T]) -> T | None: ...
def load_checkpoint(kind: Any = Any) -> Any:
    """The value that was kept last, by this attempt or an earlier one, read as `kind`; None without one.

    Waits for Redis. `ProgressError` if it holds something else.
    """
    text = _host.current().load_checkpoint()
    if text is None:
        return None
    try:
        return _data.read(kind, text)
    except _json.JsonError as error:
        raise ProgressError("failed", f"the checkpoint holds something else: {error}") from None


def update_data(data: object) -> None:
    """Replaces the job's data for later attempts and for all who look at the job. Waits for Redis.

    `ProgressError` if it has no JSON form, or says why nothing may have been changed.
    """
    _host.current().update_data(_written(data))
