"""Adds jobs, and reads what this job's children have come to.

The job type's `allow.enqueue` lists the queues that may be added to. An attempt that is tried again adds again: give
jobs an id of their own (`options={"jobId": ...}`) or a unique key where that matters.

    pages = enqueue.children(int)
    if len(pages) < len(orders):
        enqueue.submit_many(
            NewJob("page", order, queue="pages", child=True, options={"jobId": f"{job.id}-{order}"}) for order in orders
        )
        raise WaitForChildren
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload

from gristmill import _check, _data, _host, _json
from gristmill._time import Duration, opt_ms
from gristmill.errors import EnqueueError

T = TypeVar("T")


@dataclass(frozen=True)
class NewJob:
    """A job to add."""

    name: str
    """1 to 1024 bytes."""
    data: object = None
    """Anything with a JSON form."""
    queue: str | None = None
    """None: this job's own queue."""
    delay: Duration | None = None
    """Not before this has passed."""
    unique_key: str | None = None
    """While a job with this key (BullMQ's deduplication id) lives, no other is added."""
    child: bool = False
    """A child of this job: this job can wait for it and gets its result."""
    options: Mapping[str, object] = field(default_factory=dict)
    """BullMQ job options by their long names, `priority` or `attempts`; what is said above wins."""


@dataclass(frozen=True)
class Added:
    """A job that was added, or was there."""

    id: str
    """The job's id."""
    existing: bool
    """It was there already, with this id or unique key; nothing was added."""


@dataclass(frozen=True)
class Child(Generic[T]):
    """A child of this job that has ended."""

    key: str
    """BullMQ's key of the job, `PREFIX:QUEUE:ID`."""
    value: T
    """What it returned, or why it failed."""


def _encoded(job: NewJob) -> _host.EncodedJob:
    if not isinstance(job, NewJob):
        raise TypeError(f"a job to add is a `NewJob`, not {type(job).__name__}")

    def opt(what: str, value: str | None) -> str | None:
        return None if value is None else _check.text(what, value)

    try:
        data = _json.write(job.data)
        options = _json.write(dict(job.options)).decode() if job.options else None
    except _json.JsonError as error:
        raise EnqueueError("invalid", f"the job `{job.name}`: {error}") from None
    return _host.EncodedJob(
        name=_check.text("a job's name", job.name),
        data=data,
        queue=opt("a queue's name", job.queue),
        delay_ms=opt_ms(job.delay),
        unique_key=opt("a unique key", job.unique_key),
        child=bool(job.child),
        options=options,
    )


def submit(job: NewJob) -> Added:
    """Adds one job. Waits for Redis. `EnqueueError` says why nothing was added, or that it is not known."""
    added, existing = _host.current().submit(_encoded(job))
    return Added(added, existing)


def submit_many(jobs: Iterable[NewJob]) -> list[Added]:
    """Adds jobs, all or none; at most 1000. Otherwise like `submit`."""
    encoded = [_encoded(job) for job in jobs]
    return [Added(added, existing) for added, existing in _host.current().submit_many(encoded)]


@overload
def children() -> list[Child[Any]]: ...
@overload
def children(kind: type[T]) -> list[Child[T]]: ...
def children(kind: Any = Any) -> list[Child[Any]]:
    """What this job's children that completed have returned, read as `kind`. Waits for Redis.

    `EnqueueError` if one returned something else.
    """
    return [Child(key, _returned(kind, key, text)) for key, text in _host.current().read_children()]


def _returned(kind: Any, key: str, text: bytes) -> Any:
    try:
        return _data.read(kind, text)
    except _json.JsonError as error:
        raise EnqueueError("invalid", f"child `{key}` returned something else: {error}") from None


def failed_children() -> list[Child[str]]:
    """Why children have failed whose failure this job survives (`ignoreDependencyOnFailure`,
    `continueParentOnFailure`). Waits for Redis."""
    return [Child(key, reason) for key, reason in _host.current().read_failed_children()]
