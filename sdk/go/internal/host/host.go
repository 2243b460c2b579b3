// Package host is what handlers ask of whoever runs them: the worker when they are a component, a recorder in tests.
package host

import (
	"context"
	"io"
)

// Pair is a name with its value: a header, a field of a log line, a label.
type Pair struct{ Name, Value string }

// Level is the importance of a log line, from Trace to Error.
type Level uint8

// Trace is the least important level, Error the most.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
)

// NewJob is a job to add, with its data as JSON text.
type NewJob struct {
	Name      string
	Queue     *string
	Data      []byte
	Delay     *uint64 // ms
	UniqueKey *string
	Child     bool
	Options   *string // JSON text of an object
}

// Added is a job that was added, or was there.
type Added struct {
	ID       string
	Existing bool
}

// Entry is a child's key in Redis with what it came to.
type Entry struct {
	Key   string
	Value []byte
}

// Request is an HTTP request whose URL was checked.
type Request struct {
	Method    string
	URL       string
	TLS       bool
	Authority string
	Path      string // with the query
	Headers   []Pair
	Body      []byte
	Timeout   *uint64 // ns, for each of its stages
}

// Response has its body still to be read.
type Response struct {
	Status  int
	Headers []Pair
	Body    io.ReadCloser
}

// Permit is leave to make one call.
type Permit interface {
	// Complete says how the call ended; 0 well, 1 badly, 2 says nothing of the service.
	Complete(outcome uint8)
}

// Host answers what a handler asks. Times are in ms.
type Host interface {
	EnqueuedAt() uint64
	ScheduledAt() uint64
	Deadline() (uint64, bool)
	Remaining() (uint64, bool)
	Cancelled() bool
	Header(name string) (string, bool)
	Headers() []Pair
	Traceparent() (string, bool)
	Tracestate() (string, bool)
	Digest() string

	LogEnabled(level Level) bool
	LogWrite(level Level, message string, fields []Pair)

	ProgressReport(done uint64, total *uint64, message *string)
	ProgressSet(value []byte) error
	SaveCheckpoint(value []byte) error
	LoadCheckpoint() ([]byte, bool, error)
	UpdateData(value []byte) error

	CounterAdd(name string, value uint64, labels []Pair)
	GaugeSet(name string, value float64, labels []Pair)
	HistogramRecord(name string, value float64, labels []Pair)

	Submit(jobs []NewJob) ([]Added, error)
	Children() ([]Entry, error)
	FailedChildren() ([]Entry, error)

	StateGet(key string) ([]byte, bool, error)
	StateSet(key string, value []byte, ttl *uint64) error
	StateDelete(key string) (bool, error)
	StateIncrement(key string, delta int64, ttl *uint64) (int64, error)
	// StateCompareAndSet takes a nil `expected` for no value.
	StateCompareAndSet(key string, expected, value []byte, ttl *uint64) (bool, error)

	Secret(name string) (string, error)

	TryAcquire(limiter, key string, cost uint32) error
	Acquire(limiter, key string, cost uint32, maxWait uint64) (uint64, error)

	Enter(breaker, key string) (Permit, error)

	Send(request *Request) (*Response, error)
}

type contextKey struct{}

// With makes a context whose services ask this host.
func With(parent context.Context, host Host) context.Context {
	return context.WithValue(parent, contextKey{}, host)
}

// component is the worker, in a component.
var component Host

// SetComponent tells that the program is a component. Called once, before anything asks.
func SetComponent(host Host) { component = host }

// Maybe is the host of a context, or nil outside of tests and jobs.
func Maybe(ctx context.Context) Host {
	if component != nil {
		return component
	}
	host, _ := ctx.Value(contextKey{}).(Host)
	return host
}

// Of is the host of a context. Without one it panics: a service was called outside of a job.
func Of(ctx context.Context) Host {
	host := Maybe(ctx)
	if host == nil {
		panic("gristmill: no job runs here: pass on the context that the handler was given; in tests, that of gristmilltest")
	}
	return host
}

// IsComponent is true in a component, false in tests.
func IsComponent() bool { return component != nil }
