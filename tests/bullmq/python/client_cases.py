"""What PyPI bullmq does and sees as producer and observer of a queue that Gristmill serves.

Usage: client_cases.py REDIS_URL QUEUE CASE. Ends with 0 when the case holds.
"""

import asyncio
import json
import sys
import time

from bullmq import FlowProducer, Queue
from bullmq.queue_events import QueueEvents


def returns(value):
    return {"steps": [{"op": "return", "value": value}]}


def fails(message, **more):
    return {"steps": [{"op": "fail", "message": message, **more}]}


async def until(condition, what, seconds=15):
    """Polls an async condition until it answers something truthy, and answers that."""
    deadline = time.monotonic() + seconds
    while True:
        found = await condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        await asyncio.sleep(0.02)


def equal(found, wanted, what=""):
    assert found == wanted, f"{what}: {found!r} is not {wanted!r}"


async def ended(queue, job_id, state="completed"):
    """The job, once it is in that state."""
    job = await queue.getJob(job_id)

    async def there():
        return await job.getState() == state

    await until(there, f"job {job_id} gets {state}")
    return await queue.getJob(job_id)


async def add(queue, redis):
    data = {"steps": [{"op": "echo"}], "text": "naïve – 日本語 / \\", "list": [], "none": None}
    added = await queue.add("greet", data, {"attempts": 2})
    job = await ended(queue, added.id)
    seen = job.returnvalue if isinstance(job.returnvalue, dict) else json.loads(job.returnvalue)
    equal([seen["id"], seen["name"], seen["attempt"]], [added.id, "greet", 1], "what the handler saw")
    equal(seen["data"], data, "the data")
    equal([job.attemptsMade, job.failedReason], [1, None], "how it ended")


async def add_bulk(queue, redis):
    rows = [{"name": "job", "data": returns(n), "opts": {"attempts": 1}} for n in range(50)]
    jobs = await queue.addBulk(rows)
    for n, added in enumerate(jobs):
        job = await ended(queue, added.id)
        equal(job.returnvalue, n, f"job {added.id}")


async def options(queue, redis):
    gone = await queue.add("job", returns("x"), {"removeOnComplete": True, "delay": 50})
    own = await queue.add("job", returns("own"), {"jobId": "python-own", "priority": 3})

    async def removed():
        return await queue.getJob(gone.id) is None

    await until(removed, "the job is removed as it completes")
    equal(own.id, "python-own", "the id")
    job = await ended(queue, own.id)
    equal([job.priority, job.returnvalue], [3, "own"], "the job with an id and a priority")


async def failures(queue, redis):
    added = await queue.add("job", fails("no luck"), {"attempts": 2, "backoff": {"type": "fixed", "delay": 50}})
    job = await ended(queue, added.id, "failed")
    equal([job.failedReason, job.attemptsMade, len(job.stacktrace)], ["no luck", 2, 2], "the failed job")

    await job.retry("failed")
    again = await until(lambda: after(queue, added.id, 3), "the retried job fails again")
    equal(again.failedReason, "no luck", "the reason")


async def after(queue, job_id, attempts):
    job = await queue.getJob(job_id)
    return job if job.attemptsMade >= attempts and await job.getState() == "failed" else None


async def states(queue, redis):
    slow = await queue.add("job", {"steps": [{"op": "sleep", "ms": 1500}]}, {})
    later = await queue.add("job", returns(1), {"delay": 3_600_000})

    async def active():
        return await slow.isActive()

    await until(active, "the job is active")
    assert await later.isDelayed(), "the other is delayed"
    counts = await queue.getJobCounts("active", "delayed", "waiting", "failed")
    equal([counts["active"], counts["delayed"]], [1, 1], f"the counts {counts}")
    await later.promote()
    equal((await ended(queue, later.id)).returnvalue, 1, "the promoted job")
    await ended(queue, slow.id)
    equal([job.id for job in await queue.getJobs(["completed"])], [slow.id, later.id], "completed jobs, newest first")


async def logs_and_progress(queue, redis):
    steps = [{"op": "progress", "value": {"done": 7}}, {"op": "log", "line": "one"}, {"op": "log", "line": "two"}]
    added = await queue.add("job", {"steps": steps}, {})
    job = await ended(queue, added.id)
    equal(job.progress, {"done": 7}, "the progress")
    found = await queue.getJobLogs(added.id)
    equal([found["logs"], found["count"]], [["one", "two"], 2], "the log")


async def events(queue, redis):
    heard = []
    watcher = QueueEvents(queue.name, {"connection": redis})
    for event in ("added", "waiting", "active", "progress", "completed", "failed"):
        watcher.on(event, lambda args, *_, event=event: heard.append((event, args)))
    errors = []
    watcher.on("error", lambda error, *_: errors.append(error))

    # The first jobs show that it listens; what it tells of the last one is looked at.
    async def listens():
        await queue.add("probe", returns(None), {})
        return any(event == "completed" for event, _ in heard)

    await until(listens, "QueueEvents tells of a job")
    data = {"steps": [{"op": "progress", "value": 5}, {"op": "return", "value": {"a": [1, None]}}]}
    good = await queue.add("job", data, {})
    bad = await queue.add("job", fails("broken"), {})

    async def told():
        ids = [args.get("jobId") for event, args in heard if event in ("completed", "failed")]
        return good.id in ids and bad.id in ids

    await until(told, "QueueEvents tells how both ended")
    mine = [(event, args) for event, args in heard if args.get("jobId") == good.id]
    equal([event for event, _ in mine], ["added", "waiting", "active", "progress", "completed"], "the order")
    equal(mine[3][1]["data"], 5, "the progress")
    equal(mine[4][1]["returnvalue"], {"a": [1, None]}, "the return value")
    reasons = [args["failedReason"] for event, args in heard if event == "failed" and args["jobId"] == bad.id]
    equal(reasons, ["broken"], "the reason")
    equal(errors, [], "errors")
    await watcher.close()


async def flows(queue, redis):
    producer = FlowProducer({"connection": redis})
    child = lambda value, **opts: {"name": "child", "queueName": queue.name, "data": returns(value), "opts": opts}
    bad = {"name": "bad", "queueName": queue.name, "data": fails("no", kind="permanent")}
    bad["opts"] = {"ignoreDependencyOnFailure": True}
    flow = await producer.add(
        {
            "name": "parent",
            "queueName": queue.name,
            "data": returns("parent"),
            "children": [child(1), child({"two": 2}, removeOnComplete=True), bad],
        }
    )
    parent = await ended(queue, flow["job"].id)
    equal(parent.returnvalue, "parent", "the parent")
    values = await parent.getChildrenValues()
    equal(sorted(map(json.dumps, values.values())), ["1", '{"two": 2}'], "the results of the children")
    await producer.close()


async def schedulers(queue, redis):
    await queue.upsertJobScheduler("beat", {"every": 300, "limit": 3}, "tick", returns("tock"), {"attempts": 2})

    async def thrice():
        return len(await queue.getJobs(["completed"])) == 3 and not await queue.getJobs(["delayed"])

    await until(thrice, "three runs and no more")
    runs = sorted(int(job.id.split(":")[-1]) for job in await queue.getJobs(["completed"]))
    equal([b - a for a, b in zip(runs, runs[1:])], [300, 300], "the time between the runs")
    await queue.removeJobScheduler("beat")

    await queue.upsertJobScheduler("hourly", {"pattern": "0 0 * * * *", "tz": "Asia/Tokyo"}, "tick", returns(1))
    found = await queue.getJobScheduler("hourly")
    equal([found["pattern"], found["tz"]], ["0 0 * * * *", "Asia/Tokyo"], "the cron scheduler")
    await queue.removeJobScheduler("hourly")
    equal(await queue.getJobSchedulersCount(), 0, "schedulers that are left")


async def control(queue, redis):
    await queue.pause()
    assert await queue.isPaused(), "the queue is paused"
    held = [await queue.add("job", returns(n), {"deduplication": {"id": f"d{n // 2}"}}) for n in range(4)]
    equal(held[0].id, held[1].id, "the second of two with one deduplication id is the first")
    await queue.resume()
    for job in held:
        await ended(queue, job.id)
    equal((await queue.getJobCounts("completed"))["completed"], 2, "two jobs ran")
    await queue.clean(0, 10, "completed")
    equal((await queue.getJobCounts("completed"))["completed"], 0, "completed jobs after the cleaning")


CASES = [add, add_bulk, options, failures, states, logs_and_progress, events, flows, schedulers, control]


async def main(url, name, case):
    queue = Queue(name, {"connection": url})
    try:
        await {one.__name__: one for one in CASES}[case](queue, url)
    finally:
        await queue.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
