"""The job that is running."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt of a job. Times and headers are functions of `gristmill.context`."""

    id: str
    """Unique in its queue and the same in every attempt: use it as idempotency key."""
    name: str
    """BullMQ's job name."""
    queue: str
    """The queue's name without prefix."""
    attempt: int
    """1 for the first attempt."""
    max_attempts: int
    """How many attempts the job may have, this one included; at least 1."""
    data: bytes
    """The data as JSON text, exactly as the producer wrote it. The handler's second argument is this, parsed."""

    @property
    def is_last_attempt(self) -> bool:
        """Whether a retryable error of this attempt is final, because no attempt is left."""
        return self.attempt >= self.max_attempts
