"""Greets whoever the job names."""

from dataclasses import dataclass

import gristmill
from gristmill import Job, PermanentError, log


@dataclass
class Data:
    to: str


@dataclass
class Greeting:
    greeting: str


@gristmill.handler
def greet(job: Job, data: Data) -> Greeting:
    log.info(f"greeting {data.to}", attempt=job.attempt)
    if not data.to:
        raise PermanentError("there is nobody to greet")
    return Greeting(f"Hello {data.to}")
