package gristmill

import (
	"context"
	"sync"
	"time"

	"gristmill/internal/host"
)

// cancelledEvery is how often a context that somebody waits for asks whether the attempt is still wanted.
const cancelledEvery = 10 * time.Millisecond

// Header is a name with its value.
type Header = host.Pair

// Context is that of the attempt that runs. It is a [context.Context] for whatever takes one, and all services of the
// SDK need it, or one that was made from it.
//
// Err is set once the attempt's result is no longer wanted: the soft timeout has passed, the job was cancelled, or the
// worker stops. The hard stop, at Deadline, comes later: the time between is for putting things in order, and services
// go on to answer.
type Context struct{ context.Context }

// NewContext is what a handler is given, for the host of `parent`. Handlers' tests have it from gristmilltest.
func NewContext(parent context.Context) (ctx Context, end func()) {
	attempt := &attempt{Context: parent, host: host.Of(parent), ended: make(chan struct{})}
	return Context{attempt}, func() { close(attempt.ended) }
}

func (c Context) host() host.Host { return host.Of(c.Context) }

// EnqueuedAt is when the producer added the job.
func (c Context) EnqueuedAt() time.Time { return host.At(c.host().EnqueuedAt()) }

// ScheduledAt is when the job was due: EnqueuedAt plus its delay. For a later start (a retry, a deferral), when that
// began.
func (c Context) ScheduledAt() time.Time { return host.At(c.host().ScheduledAt()) }

// Remaining is the time left until the soft timeout, zero once it has passed; false when nothing limits the attempt's
// time.
func (c Context) Remaining() (time.Duration, bool) {
	ms, limited := c.host().Remaining()
	return host.Duration(ms), limited
}

// Cancelled is true once the attempt's result is no longer wanted. It asks the host, whatever Err has said.
func (c Context) Cancelled() bool { return c.host().Cancelled() }

// Header is the value of one of the job's headers; names are compared without regard to case. False without one.
func (c Context) Header(name string) (string, bool) { return c.host().Header(name) }

// Headers are all headers of the job, in the producer's order.
func (c Context) Headers() []Header { return c.host().Headers() }

// Traceparent is the W3C `traceparent` that the producer put into the job, for calls that belong to its trace. False
// without one.
func (c Context) Traceparent() (string, bool) { return c.host().Traceparent() }

// Tracestate is the W3C `tracestate` that goes with Traceparent.
func (c Context) Tracestate() (string, bool) { return c.host().Tracestate() }

// Digest is that of the component that runs, `sha256:` and 64 hexadecimal digits: which version serves this attempt.
func (c Context) Digest() string { return c.host().Digest() }

// attempt is the context.Context of an attempt. Nothing tells a guest that it was cancelled, so it asks.
type attempt struct {
	context.Context
	host  host.Host
	ended chan struct{}
	once  sync.Once
	done  chan struct{}
}

// Deadline is when the host stops the attempt; false when nothing limits its time.
func (a *attempt) Deadline() (time.Time, bool) {
	ms, limited := a.host.Deadline()
	if !limited {
		return time.Time{}, false
	}
	return host.At(ms), true
}

// Err is set once the result is no longer wanted.
func (a *attempt) Err() error {
	if !a.host.Cancelled() {
		return a.Context.Err()
	}
	if left, limited := a.host.Remaining(); limited && left == 0 {
		return context.DeadlineExceeded
	}
	return context.Canceled
}

// Done is closed a few ms after Err was set, while the handler waits for it or sleeps.
func (a *attempt) Done() <-chan struct{} {
	a.once.Do(func() {
		a.done = make(chan struct{})
		go a.watch()
	})
	return a.done
}

func (a *attempt) watch() {
	ticker := time.NewTicker(cancelledEvery)
	defer ticker.Stop()
	for {
		select {
		case <-a.ended:
			return
		case <-a.Context.Done():
		case <-ticker.C:
		}
		if a.Err() != nil {
			close(a.done)
			return
		}
	}
}
