// Package progress tells what the job shows of its progress, and keeps what its next attempt needs.
package progress

import (
	"context"
	"fmt"

	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// Report says that `done` of `total` units are done: BullMQ's progress becomes the whole percentage. Never waits.
func Report(ctx context.Context, done, total uint64) { host.Of(ctx).ProgressReport(done, &total, nil) }

// ReportDone says that so many units are done, of a number that is not known. Never waits.
func ReportDone(ctx context.Context, done uint64) { host.Of(ctx).ProgressReport(done, nil, nil) }

// ReportWith is Report with a text for people: BullMQ's progress becomes an object of `done`, `total` and `message`.
func ReportWith(ctx context.Context, done, total uint64, message string) {
	host.Of(ctx).ProgressReport(done, &total, &message)
}

// Set sets BullMQ's progress to any value that has a JSON form. Never waits.
func Set(ctx context.Context, value any) error { return written(value, host.Of(ctx).ProgressSet) }

// SaveCheckpoint keeps a value, at most 256 KiB as JSON, with the job: its next attempt gets it. A later one takes its
// place. Waits for Redis.
func SaveCheckpoint(ctx context.Context, value any) error {
	return written(value, host.Of(ctx).SaveCheckpoint)
}

// LoadCheckpoint is the value that was kept last, by this attempt or an earlier one; false if there is none. Waits for
// Redis.
func LoadCheckpoint[T any](ctx context.Context) (value T, found bool, err error) {
	text, found, err := host.Of(ctx).LoadCheckpoint()
	if err != nil || !found {
		return value, false, err
	}
	if err := typed.Read(text, &value); err != nil {
		return value, true, host.Progress(fmt.Sprintf("the checkpoint holds something else: %v", err))
	}
	return value, true, nil
}

// UpdateData replaces the job's data for later attempts and for all who look at the job. Waits for Redis.
func UpdateData(ctx context.Context, data any) error { return written(data, host.Of(ctx).UpdateData) }

func written(value any, take func([]byte) error) error {
	text, err := typed.Write(value)
	if err != nil {
		return host.Progress(err.Error())
	}
	return take(text)
}
