"""What tests see of a handler, and what they tell it."""

from dataclasses import dataclass, field
from typing import Any, Literal

from gristmill.circuit_breaker import Outcome
from gristmill.log import Level


@dataclass
class Line:
    """A line of the log."""

    level: Level
    """Its importance."""
    message: str
    """Its text without fields."""
    fields: dict[str, str] = field(default_factory=dict)
    """Its fields as texts, in their order."""


@dataclass
class Metric:
    """A metric record."""

    kind: Literal["counter", "gauge", "histogram"]
    """Which function recorded it."""
    name: str
    """Its name."""
    value: float
    """Amount added, value set or value observed."""
    labels: dict[str, str] = field(default_factory=dict)
    """Its labels as texts, in their order."""


@dataclass
class Enqueued:
    """A job that was added."""

    name: str
    """BullMQ's job name."""
    data: Any
    """Its data, as JSON gives it."""
    queue: str | None = None
    """None: the job's own queue."""
    delay_ms: int | None = None
    """How long it is delayed."""
    unique_key: str | None = None
    """BullMQ's deduplication id."""
    child: bool = False
    """Whether it is a child of the job."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further BullMQ job options."""


@dataclass
class Guarded:
    """A call that a breaker let pass."""

    breaker: str
    """The breaker's name."""
    key: str
    """Whose state it was; "" for the one that all share."""
    outcome: Outcome
    """How the call ended."""


@dataclass
class Context:
    """What `gristmill.context` tells handlers. Times are in ms, moments since the Unix epoch."""

    enqueued_at_ms: int = 0
    """When the producer added the job."""
    scheduled_at_ms: int = 0
    """When the job was due."""
    deadline_ms: int | None = None
    """When the host stops the attempt."""
    remaining_ms: int | None = None
    """Until the soft timeout."""
    cancelled: bool = False
    """Whether the result is no longer wanted."""
    headers: list[tuple[str, str]] = field(default_factory=list)
    """The job's headers."""
    traceparent: str | None = None
    """W3C trace context."""
    tracestate: str | None = None
    """W3C trace state."""
    digest: str = ""
    """Digest of the component."""
    log_level: Level = Level.TRACE
    """The least level that somebody reads."""
