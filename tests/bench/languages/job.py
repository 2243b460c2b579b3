"""A handler that gives back its job's data: what is measured is the runtime of the language."""

import json

from wit_world import exports


class Handler(exports.Handler):
    def run(self, job):
        return json.dumps({"id": job.id, "data": json.loads(bytes(job.data))}).encode()
