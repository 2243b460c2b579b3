// Package gristmilltest tests handlers without WebAssembly, on the machine that builds them.
//
// A handler is an ordinary function. Call it through JSON, as the host does; what it asked of the host is in the host of
// the test, which begins with nothing:
//
//	func TestGreets(t *testing.T) {
//		host := gristmilltest.New(t)
//		host.Secrets["API_KEY"] = "s3cr3t"
//		value, err := gristmilltest.Call(host, greet, gristmilltest.Job(host, Data{To: "Ada"}))
//		if err != nil || value.Greeting != "Hello Ada" || host.Logs[0].Message != "greeting" {
//			t.Errorf("%v, %v, %v", value, err, host.Logs)
//		}
//	}
package gristmilltest

import (
	"context"
	"encoding/json"
	"testing"

	"gristmill"
	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// New is a host that has nothing, allows nothing, and records what is asked of it. Each test has its own; tests may run
// beside each other.
func New(t testing.TB) *Host {
	bridge()
	return &Host{
		t: t, Secrets: map[string]string{}, Limiters: map[string]uint32{}, Breakers: map[string]bool{},
		State: map[string]json.RawMessage{},
	}
}

// Context is what handlers that are called directly get, and services.
func (h *Host) Context() gristmill.Context {
	ctx, end := gristmill.NewContext(host.With(context.Background(), recorder{h}))
	h.t.Cleanup(end)
	return ctx
}

// Cancel makes the job one whose result is no longer wanted, also while its handler runs.
func (h *Host) Cancel() {
	h.lock.Lock()
	defer h.lock.Unlock()
	h.Cancelled = true
}

// Job is a first attempt of three, of job `1` named `test` in queue `test`, with this data. Its fields can be changed.
// [Call] reads the data anew from Raw; see [Text] for data that does not fit the type.
func Job[T any](h *Host, data T) gristmill.Job[T] {
	h.t.Helper()
	raw, err := typed.Write(data)
	if err != nil {
		h.t.Fatalf("the job's data cannot be written as JSON: %v", err)
	}
	job := Text[T](string(raw))
	job.Data = data
	return job
}

// Text is such a job with this JSON text as its data, which may be of any form.
func Text[T any](data string) gristmill.Job[T] {
	return gristmill.Job[T]{ID: "1", Name: "test", Queue: "test", Attempt: 1, MaxAttempts: 3, Raw: []byte(data)}
}

// Call runs a handler as the host does: with the job's data parsed from JSON, and its return value through JSON. The
// error is a [*gristmill.JobError], whatever the handler returned or panicked with.
func Call[T, R any](h *Host, handler func(gristmill.Context, gristmill.Job[T]) (R, error), job gristmill.Job[T]) (R, error) {
	h.t.Helper()
	var value R
	text, err := gristmill.Call(host.With(context.Background(), recorder{h}), handler, job)
	if err != nil || text == nil {
		return value, err
	}
	if err := json.Unmarshal(text, &value); err != nil {
		h.t.Fatalf("the return value %s does not come back as its type: %v", text, err)
	}
	return value, nil
}

// Schema is the JSON Schema that a build attaches to the component of a handler with data of this type; nil for one that
// takes anything.
func Schema[T any]() ([]byte, error) { return typed.Schema[T]() }
