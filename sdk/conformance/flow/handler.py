"""Has a text worked on in four other languages, and collects what they made of it."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import gristmill
from gristmill import Job, WaitForChildren, enqueue
from gristmill.enqueue import NewJob


@dataclass
class Text:
    markdown: str


def parts(job: Job, text: Text) -> list[NewJob]:
    work: dict[str, dict[str, Any]] = {
        "flow-pages": {"markdown": text.markdown},  # JavaScript
        "flow-hashes": {"text": text.markdown},  # Rust
        "flow-checksums": {"bytes": b64encode(text.markdown.encode()).decode()},  # C
        "flow-archives": {"format": "zip", "files": [{"name": "text.md", "text": text.markdown}]},  # Go
    }
    # Each with an id of its own: a second try after a crash adds only what is missing.
    return [
        NewJob("part", data, queue=queue, child=True, options={"jobId": f"{job.id}-{queue}"})
        for queue, data in work.items()
    ]


@gristmill.handler
def report(job: Job, text: Text) -> dict[str, Any]:
    wanted, done = parts(job, text), enqueue.children()
    if len(done) < len(wanted):
        enqueue.submit_many(wanted)
        raise WaitForChildren
    return {child.key.split(":")[-2]: child.value for child in done}
