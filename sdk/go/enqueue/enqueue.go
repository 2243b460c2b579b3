// Package enqueue adds jobs, and reads what this job's children have come to.
//
// The job type's `allow.enqueue` lists the queues that may be added to. An attempt that is tried again adds again: give
// jobs an id of their own (option `jobId`) or a unique key where that matters.
//
//	pages, err := enqueue.Children[int](ctx)
//	if err != nil {
//		return 0, err
//	}
//	if len(pages) < len(job.Data) {
//		// All in one call, each with an id of its own: a second try after a crash adds only what is missing.
//		var jobs []enqueue.NewJob
//		for _, order := range job.Data {
//			id := map[string]any{"jobId": job.ID + "-" + order}
//			jobs = append(jobs, enqueue.NewJob{Name: "page", Queue: "pages", Data: order, Child: true, Options: id})
//		}
//		if _, err := enqueue.SubmitMany(ctx, jobs); err != nil {
//			return 0, err
//		}
//		return 0, gristmill.WaitForChildren()
//	}
package enqueue

import (
	"context"
	"fmt"
	"time"

	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// NewJob is a job to add.
type NewJob struct {
	// Name is BullMQ's job name, 1 to 1024 bytes.
	Name string
	// Data is any value that has a JSON form.
	Data any
	// Queue is another queue than this job's own.
	Queue string
	// Delay is how long the job waits.
	Delay time.Duration
	// UniqueKey is BullMQ's deduplication id: while a job with it lives, no other is added.
	UniqueKey string
	// Child makes it a child of this job, which can wait for it and gets its result.
	Child bool
	// Options are further BullMQ job options, by their long names: `priority`, `attempts`.
	Options map[string]any
}

// Added is a job that was added, or was there already, with this id or unique key; then nothing was added.
type Added = host.Added

// Child is a child of this job that has ended.
type Child[T any] struct {
	// Key is BullMQ's key of the job, `PREFIX:QUEUE:ID`.
	Key string
	// Value is what it returned, or why it failed.
	Value T
}

// Submit adds one job. Waits for Redis.
func Submit(ctx context.Context, job NewJob) (Added, error) {
	added, err := SubmitMany(ctx, []NewJob{job})
	if err != nil {
		return Added{}, err
	}
	return added[0], nil
}

// SubmitMany adds jobs, all or none; at most 1000. Waits for Redis.
func SubmitMany(ctx context.Context, jobs []NewJob) ([]Added, error) {
	made := make([]host.NewJob, len(jobs))
	for i, job := range jobs {
		var err error
		if made[i], err = job.host(); err != nil {
			return nil, err
		}
	}
	return host.Of(ctx).Submit(made)
}

func (j NewJob) host() (host.NewJob, error) {
	wrong := func(err error) error {
		return host.Enqueue(host.KindInvalid, fmt.Sprintf("the job `%s` cannot be written as JSON: %v", j.Name, err))
	}
	data, err := typed.Write(j.Data)
	if err != nil {
		return host.NewJob{}, wrong(err)
	}
	made := host.NewJob{Name: j.Name, Data: data, Delay: host.OptMs(j.Delay), Child: j.Child}
	if j.Queue != "" {
		made.Queue = &j.Queue
	}
	if j.UniqueKey != "" {
		made.UniqueKey = &j.UniqueKey
	}
	if len(j.Options) > 0 {
		options, err := typed.Write(j.Options)
		if err != nil {
			return host.NewJob{}, wrong(err)
		}
		text := string(options)
		made.Options = &text
	}
	return made, nil
}

// Children are those of this job that completed, with what they returned. Waits for Redis.
func Children[T any](ctx context.Context) ([]Child[T], error) {
	entries, err := host.Of(ctx).Children()
	if err != nil {
		return nil, err
	}
	children := make([]Child[T], len(entries))
	for i, entry := range entries {
		children[i].Key = entry.Key
		if err := typed.Read(entry.Value, &children[i].Value); err != nil {
			why := fmt.Sprintf("child `%s` returned something else: %v", entry.Key, err)
			return nil, host.Enqueue(host.KindInvalid, why)
		}
	}
	return children, nil
}

// FailedChildren are those whose failure this job survives (`ignoreDependencyOnFailure`, `continueParentOnFailure`), with
// the reason. Waits for Redis.
func FailedChildren(ctx context.Context) ([]Child[string], error) {
	entries, err := host.Of(ctx).FailedChildren()
	if err != nil {
		return nil, err
	}
	children := make([]Child[string], len(entries))
	for i, entry := range entries {
		children[i] = Child[string]{entry.Key, string(entry.Value)}
	}
	return children, nil
}
