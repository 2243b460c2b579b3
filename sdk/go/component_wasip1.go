package gristmill

import (
	"context"

	"gristmill/internal/host"
	"gristmill/internal/wasm"
)

func init() { wasm.Serve(runJob) }

// runJob runs one attempt for the worker.
func runJob(job wasm.Job) ([]byte, *wasm.End) {
	if registered == nil {
		message := "no handler is registered: call `gristmill.Handle(…)` in an `init` function of package main"
		return nil, &wasm.End{Kind: uint8(EndPermanent), Message: message, Code: "no-handler"}
	}
	given := incoming{job.Id, job.Name, job.Queue, int(job.Attempt), int(job.MaxAttempts), job.Data}
	value, end := registered.call(host.With(context.Background(), wasm.Host{}), given)
	if end == nil {
		return value, nil
	}
	return nil, &wasm.End{
		Kind: uint8(end.End), Message: end.Message, Code: end.Code, Detail: end.Detail, Delay: host.OptMs(end.Delay),
	}
}
