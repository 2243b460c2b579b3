package gristmilltest

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"gristmill/circuitbreaker"
	"gristmill/internal/host"
)

// Host is a host for tests. Set its fields before a call, and look at them after it.
type Host struct {
	t    testing.TB
	lock sync.Mutex

	// Logs are lines of the log, without those that were printed.
	Logs []Line
	// Progress are values as BullMQ would show them.
	Progress []any
	// Metrics are records.
	Metrics []Metric
	// Requests are those sent with HTTP.
	Requests []Request
	// Enqueued are jobs that were added; their ids are `added-1` and so on.
	Enqueued []NewJob
	// Data are values that replaced the job's data, as JSON text.
	Data []json.RawMessage
	// Guarded are calls that a breaker let pass. One that is not completed does not count.
	Guarded []Guarded

	// Times and headers are what the context tells.
	Times Times
	// Headers of the job.
	Headers []Header
	// Cancelled says that the result is no longer wanted.
	Cancelled bool
	// Answers are given to HTTP requests, each to one; a request without an answer fails.
	Answers []Answer
	// Away makes the services that need Redis fail: `enqueue`, `state`, checkpoints.
	Away bool
	// Secrets that are allowed.
	Secrets map[string]string
	// Limiters that are allowed, with the units they have left; a test has no time in which they come back.
	Limiters map[string]uint32
	// Breakers that are allowed; true is a closed one, which lets calls pass.
	Breakers map[string]bool
	// Children that have completed: key and return value of each, as JSON text.
	Children []Child
	// FailedChildren are key and reason of each.
	FailedChildren []Child
	// State is the job type's, as JSON texts.
	State map[string]json.RawMessage
	// Checkpoint is the one that was kept, as JSON text; nil without one.
	Checkpoint json.RawMessage
}

// Header is a name with its value; fields and labels are such too.
type Header = host.Pair

// Line is one of the log.
type Line struct {
	Level   host.Level
	Message string
	Fields  []Header
}

// Field is the value of a field, or "".
func (l Line) Field(name string) string {
	for _, field := range l.Fields {
		if field.Name == name {
			return field.Value
		}
	}
	return ""
}

// Metric is a record.
type Metric struct {
	// Kind is `counter`, `gauge` or `histogram`.
	Kind   string
	Name   string
	Value  float64
	Labels []Header
}

// Request is one that was sent.
type Request struct {
	Method, URL string
	Headers     []Header
	Body        []byte
}

// Answer is that to a request: a response, or the error in its place.
type Answer struct {
	Status  int
	Headers []Header
	Body    string
	Err     error
}

// NewJob is one that was added.
type NewJob struct {
	Name, Queue, UniqueKey string
	Data                   json.RawMessage
	Delay                  time.Duration
	Child                  bool
	Options                map[string]any
}

// Guarded is a call that a breaker let pass, and how it ended.
type Guarded struct {
	Breaker string
	Outcome circuitbreaker.Outcome
}

// Child is one of this job.
type Child struct{ Key, Value string }

// Times are what the context tells. Without a deadline, nothing limits the attempt's time.
type Times struct {
	EnqueuedAt, ScheduledAt, Deadline time.Time
	// Remaining counts only with a deadline.
	Remaining               time.Duration
	Traceparent, Tracestate string
	Digest                  string
}

var bridged sync.Once

// bridge hands what handlers log with slog and their context to the host of the test.
func bridge() { bridged.Do(host.Bridged) }
