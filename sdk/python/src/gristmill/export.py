"""What a component exports. Importable only while a component is built: the build's entry module imports the project's
module, which registers the handler, and then `Handler` from here."""

import gc
import os
from collections.abc import Callable
from typing import Any

import wit_world.exports
from componentize_py_types import Err
from wit_world.imports import gristmill_job_types as wit

from gristmill import _host, _logging
from gristmill._check import clean
from gristmill._ending import is_code
from gristmill._handler import prepare, run, the_handler
from gristmill._host.component import Component
from gristmill._preload import preload
from gristmill._time import to_ms
from gristmill.errors import DeferredError, JobError, PermanentError, RateLimitedError, RetryableError, WaitForChildren
from gristmill.job import Job

WARM_UPS = 50
"""Attempts while a component is built: by then Python has settled on its fastest form of each instruction."""

_FUNCTION = the_handler()
prepare(_FUNCTION)
preload(os.path.dirname(_FUNCTION.__code__.co_filename).rstrip("/") + "/", is_code)
_logging.install()


def _attempt(function: Callable[[Job, Any], Any], job: wit.Job) -> bytes | None:
    given = Job(job.id, job.name, job.queue, job.attempt, job.max_attempts, bytes(job.data))
    with _host.serving(Component()):
        return run(function, given)


# The interpreter rewrites code that runs for the first times. Done here it is done once, and no instance needs a copy of
# those pages.
for _ in range(WARM_UPS):
    _attempt(lambda job, data: data, wit.Job("1", "warm-up", "warm-up", 1, 1, b'{"items":[{"key":"text"},1,null]}'))
# The memory of now is what each job starts from: it is tidy, and no collection of a job walks through it.
gc.collect()
gc.freeze()


class Handler(wit_world.exports.Handler):  # type: ignore[misc]
    """Runs one attempt per instance."""

    def run(self, job: wit.Job) -> bytes | None:
        try:
            return _attempt(_FUNCTION, job)
        except JobError as error:
            end = _end(error)
        raise Err(end)


def _end(error: JobError) -> object:
    message = clean(error.message)
    if isinstance(error, RateLimitedError):
        wait = None if error.retry_after is None else to_ms(error.retry_after)
        return wit.JobError_RateLimited(wit.Throttle(wait, message))
    if isinstance(error, DeferredError):
        return wit.JobError_Deferred(wit.Deferral(to_ms(error.delay), message))
    if isinstance(error, WaitForChildren):
        return wit.JobError_WaitForChildren()
    code = detail = None
    if isinstance(error, (RetryableError, PermanentError)):
        code = None if error.code is None else clean(str(error.code))
        detail = None if error.detail is None else clean(str(error.detail))
    failure = wit.Failure(message, code, detail)
    return wit.JobError_Permanent(failure) if isinstance(error, PermanentError) else wit.JobError_Retryable(failure)
