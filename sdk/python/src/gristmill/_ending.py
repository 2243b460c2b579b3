"""Whatever a handler raised, as an end of the job."""

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from types import TracebackType

from gristmill.errors import (
    BreakerError,
    DeferredError,
    JobError,
    LimitError,
    PermanentError,
    ProgressError,
    RateLimitedError,
    RetryableError,
    ServiceError,
    StateError,
    WaitForChildren,
)

_MOUNT = re.compile(r"^/\d+/")
"""Where the build mounts the folders of modules inside a component."""

_OWN = os.path.dirname(os.path.abspath(__file__))
_LIBRARY = (sysconfig.get_path("stdlib") or "/python").rstrip("/") + "/"
_STANDARD = ("/python/", "/world/", "/bundled/", "<frozen ", _LIBRARY)
_MOST_FRAMES = 40


def ending(error: BaseException) -> JobError:
    """How the job ends after an exception that the handler did not catch. Never raises."""
    try:
        return _ending(error)
    except BaseException:
        # An exception may refuse even to say what it is.
        return RetryableError(type(error).__name__)


def _ending(error: BaseException) -> JobError:
    if isinstance(error, (RetryableError, PermanentError)):
        if error.detail is None and error.__cause__ is not None:
            error.detail = "caused by: " + described(error.__cause__)
        return error
    if isinstance(error, (RateLimitedError, DeferredError, WaitForChildren)):
        return error
    if isinstance(error, LimitError) and error.kind == "limited":
        return RateLimitedError(text_of(error), error.retry_after)
    if isinstance(error, BreakerError) and error.kind == "open" and error.retry_after is not None:
        return DeferredError(text_of(error), error.retry_after)
    end = PermanentError if isinstance(error, ServiceError) and not _may_pass(error) else RetryableError
    return end(text_of(error), detail=described(error))


def _may_pass(error: ServiceError) -> bool:
    """Whether it may be otherwise in another attempt."""
    if error.kind in ("unavailable", "timeout", "failed") or isinstance(error, ProgressError):
        return True
    return isinstance(error, StateError) and error.kind == "quota-exceeded"


def text_of(error: BaseException) -> str:
    """An exception's text for people; its class where it has none, or fails to say it."""
    name = type(error).__name__
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return f"the handler called sys.exit({error.code if isinstance(error.code, int) else ''})"
    try:
        text = str(error)
        if isinstance(error, ModuleNotFoundError) and sys.platform == "wasi":
            text += (
                "; a component has what was imported while it was built: import it at the top of the handler's module"
            )
        return text if text.strip() else name
    except BaseException:
        return name


def described(error: BaseException) -> str:
    """An exception's traceback, with its causes, in the form of Python: the frames of the handler's own code and of the
    packages that it uses, each with file and line."""
    parts: list[str] = []
    seen: set[int] = set()
    for link in _chain(error):
        if id(link) in seen or len(seen) == 10:
            break
        seen.add(id(link))
        parts.insert(0, _one(link))
    return "\n\nwhich led to:\n\n".join(parts)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An exception, and those that led to it, the last first."""
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _one(error: BaseException) -> str:
    frames = list(_frames(error.__traceback__))
    if len(frames) > _MOST_FRAMES:
        half = _MOST_FRAMES // 2
        frames[half:-half] = [f"  ... {len(frames) - 2 * half} more"]
    name = type(error).__name__
    text = text_of(error)
    last = name if text == name else f"{name}: {text}"
    return "\n".join([*(["Traceback (most recent call last):"] if frames else []), *frames, last])


def is_code(file: str) -> bool:
    """Whether a file is the handler's, or of a package that it uses: not of Python, this package, or bindings."""
    return not file.startswith(_STANDARD) and not os.path.abspath(file).startswith(_OWN)


def _frames(trace: TracebackType | None) -> Iterator[str]:
    while trace is not None:
        code = trace.tb_frame.f_code
        file = code.co_filename
        if is_code(file):
            shown = _MOUNT.sub("", file)
            yield f'  File "{shown}", line {trace.tb_lineno}, in {code.co_qualname}'
        trace = trace.tb_next
