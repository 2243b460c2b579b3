"""Tests of handlers without WebAssembly, on the machine that builds them.

A handler is an ordinary function. Call it through JSON, as the host does, with `call`; what it asked of the host is in
the host of the test, which begins with nothing:

    with testing.host() as host:
        host.secrets["API_KEY"] = "s3cr3t"
        assert testing.call(greet, testing.job("Ada")) == "Hello Ada"
        assert host.logs[0].message == "greeting"
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gristmill import _handler, _host, _json
from gristmill._host.recorder import Recorder
from gristmill._host.records import Context, Enqueued, Guarded, Line, Metric
from gristmill._logging import JobLog
from gristmill.job import Job

__all__ = ["Context", "Enqueued", "Guarded", "Line", "Metric", "Recorder", "call", "host", "job"]


def job(
    data: object = None,
    *,
    id: str = "1",
    name: str = "test",
    queue: str = "test",
    attempt: int = 1,
    max_attempts: int = 3,
) -> Job:
    """A first attempt of three, of job `1` named `test` in queue `test`, with this data. `ValueError` for data without
    a JSON form."""
    return Job(id, name, queue, attempt, max_attempts, _json.write(data))


@contextmanager
def host() -> Iterator[Recorder]:
    """A host that records what handlers ask of it while the `with` block runs, `logging` included, and answers what its
    fields say. Hosts of tests that run beside each other, in threads or tasks, know nothing of each other."""
    recorder = Recorder()
    root, bridge = logging.getLogger(), JobLog()
    level = root.level
    root.addHandler(bridge)
    if level == logging.WARNING:
        root.setLevel(logging.NOTSET)
    try:
        with _host.serving(recorder):
            yield recorder
    finally:
        root.removeHandler(bridge)
        if level == logging.WARNING:
            root.setLevel(level)


def call(handler: Callable[..., Any], job: Job) -> Any:
    """Calls a handler as the host does: with the job's data parsed from JSON, and its return value through JSON; None
    for no value.

    Raises the `JobError` that the job would end with, whatever the handler raised. Outside `with host()`, the handler
    has a host of its own, and what it asks of that is forgotten.
    """
    if _host.present() is None:
        with host():
            return call(handler, job)
    text = _handler.run(handler, job)
    return None if text is None else json.loads(text)
