"""The decorator that makes a function a handler, and the way of a job through it."""

import inspect
import typing
from collections.abc import Callable, Coroutine
from functools import lru_cache
from typing import Any, TypeVar

from gristmill import _data, _json
from gristmill._ending import ending
from gristmill._types import name_of
from gristmill.errors import PermanentError
from gristmill.job import Job

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")

_MARK = "__gristmill_handler__"
_registered: dict[str, Callable[..., Any]] = {}


def handler(function: F) -> F:
    """Makes a function the handler of its component. It stays an ordinary function, `async` or not, of the job and its
    data; the type of the second parameter says how data is read:

        @gristmill.handler
        def total(job: Job, order: Order) -> str: ...

    Data may be dataclasses, TypedDicts, lists, dicts, unions, literals, enums, plain types, and classes that have
    `model_validate`; without a type, or with `Any`, it is JSON as it comes. Members that a type does not know are
    ignored. `TypeError` for a function of other parameters, and for a second handler in its module.
    """
    _parameters(function)
    name = _name(function)
    for other, known in _registered.items():
        if known.__module__ == function.__module__ and other != name and "<locals>" not in other + name:
            raise _two(other, name)
    _registered[name] = function
    setattr(function, _MARK, True)
    return function


def typed(kind: type[T], value: object) -> T:
    """A JSON value as a value of a type, read as a handler's data is; for handlers of several kinds of jobs.

    `PermanentError` with the code `bad-data` where it does not fit.
    """
    try:
        fitting: T = _data.reader(kind)(value, "")
        return fitting
    except _json.JsonError as error:
        why = str(error)
    raise _misfit(why)


def the_handler() -> Callable[..., Any]:
    """The one that is registered; `TypeError` if there is none or more than one."""
    if not _registered:
        raise TypeError("there is no handler: mark a function of the job and its data with `@gristmill.handler`")
    names = list(_registered)
    if len(names) > 1:
        raise _two(names[0], names[1])
    return _registered[names[0]]


def _two(first: str, second: str) -> TypeError:
    return TypeError(
        f"a component has one handler, but `{first}` and `{second}` are both marked with `@gristmill.handler`"
    )


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    if not callable(function) or isinstance(function, type):
        raise TypeError("`@gristmill.handler` marks a function")
    signature = inspect.signature(function)
    try:
        signature.bind(None, None)
    except TypeError:
        raise TypeError(
            f"`{_name(function)}` takes `{signature}`; a handler takes two arguments, the job and its data"
        ) from None
    return list(signature.parameters.values())


@lru_cache
def data_type(function: Callable[..., Any]) -> Any:
    """The type of a handler's data; `Any` where it has none. `TypeError` if its first parameter is no job."""
    parameters = _parameters(function)
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise TypeError(f"a type of the handler `{_name(function)}` is not known here: {error}") from None
    first = hints.get(parameters[0].name, Job) if parameters[0].kind is not parameters[0].VAR_POSITIONAL else Job
    if first not in (Job, Any):
        raise TypeError(
            f"the first argument of the handler `{_name(function)}` is a `gristmill.Job`, not {name_of(first)}"
        )
    return hints.get(parameters[1].name, Any) if len(parameters) > 1 else Any


def prepare(function: Callable[..., Any]) -> None:
    """Does what a handler's first job would do otherwise. `TypeError` for a data type that JSON cannot become."""
    _data.reader(data_type(function))
    if inspect.iscoroutinefunction(function):
        import gristmill._loop  # noqa: F401


def run(function: Callable[..., Any], job: Job) -> bytes | None:
    """Calls a handler with a job's data, and gives its return value as JSON text, None for None.

    Raises `JobError` alone, whatever the handler did.
    """
    try:
        value = function(job, _parsed(function, job.data))
        if inspect.iscoroutine(value):
            value = _finished(value)
        return None if value is None else _written(value)
    except BaseException as error:
        raise ending(error) from None


def _finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    # Loaded for `async` handlers alone: it makes each instance's memory larger.
    from gristmill import _loop

    return _loop.run(coroutine)


def _parsed(function: Callable[..., Any], data: bytes) -> Any:
    read = _data.reader(data_type(function))
    try:
        return read(_json.parse(data), "")
    except _json.JsonError as error:
        why = str(error)
    raise _misfit(why)


def _misfit(why: str) -> PermanentError:
    return PermanentError(f"the job's data does not fit this handler: {why}", code="bad-data")


def _written(value: object) -> bytes:
    try:
        return _json.write(value)
    except _json.JsonError as error:
        why = str(error)
    raise PermanentError(f"the return value cannot be written as JSON: {why}", code="bad-return-value")
