package gristmill

import (
	"context"
	"fmt"
	"os"

	"gristmill/internal/host"
	"gristmill/internal/typed"
)

// handling is a handler without its types.
type handling struct {
	call   func(context.Context, incoming) ([]byte, *JobError)
	schema func() ([]byte, error)
	place  place
}

// incoming is a job as the host hands it over.
type incoming struct {
	id, name, queue      string
	attempt, maxAttempts int
	data                 []byte
}

// registered is the one handler of a component.
var registered *handling

// Handle makes a function the handler of its component. Call it once, in an `init` function of package main:
//
//	func init() { gristmill.Handle(total) }
//
// T is any type that [encoding/json] can read, R any that it can write; with [Nothing] a job completes with `null`. The
// function stays an ordinary one, so tests call it directly.
func Handle[T, R any](handler func(Context, Job[T]) (R, error)) {
	made := prepare(handler)
	if registered != nil {
		panic(fmt.Sprintf("gristmill: a component has one handler: %s is registered already, and then %s", registered.place, made.place))
	}
	registered = made
}

// Nothing is the return value of handlers that have none.
type Nothing struct{}

// Main is what a handler's `main` calls. A component never comes to it; run on the machine that builds it, it tells the
// schema of the handler's data to `gristmill build`.
func Main() {
	if len(os.Args) != 2 || os.Args[1] != "--schema" {
		fmt.Fprintln(os.Stderr, "this is a handler for Gristmill: `gristmill build` makes its component, `gristmill run` runs that")
		os.Exit(64)
	}
	if registered == nil {
		fmt.Fprintln(os.Stderr, "no handler is registered: call `gristmill.Handle(…)` in an `init` function of package main")
		os.Exit(1)
	}
	schema, err := registered.schema()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: the data's type has no JSON Schema: %v\n", registered.place, err)
		os.Exit(1)
	}
	os.Stdout.Write(schema)
}

// Parse makes the typed form of JSON text. What does not fit is a permanent error that names the place. The handler's
// own data comes through this already.
func Parse[T any](text []byte) (T, error) {
	var value T
	if err := typed.Read(text, &value); err != nil {
		return value, Permanent("the job's data does not fit this handler: " + err.Error()).WithCode("bad-data")
	}
	return value, nil
}

// Call runs a handler as the host does: with the job's data parsed from JSON, and its return value as JSON text, nil
// for none. Its error is nil or a [*JobError], whatever the handler returned or panicked with. Handlers' tests have it,
// with a host, from gristmilltest.
func Call[T, R any](ctx context.Context, handler func(Context, Job[T]) (R, error), job Job[T]) ([]byte, error) {
	given := incoming{job.ID, job.Name, job.Queue, job.Attempt, job.MaxAttempts, job.Raw}
	value, end := prepare(handler).call(ctx, given)
	if end != nil {
		return nil, end
	}
	return value, nil
}

func prepare[T, R any](handler func(Context, Job[T]) (R, error)) *handling {
	where := placeOf(handler)
	call := func(parent context.Context, given incoming) ([]byte, *JobError) {
		data, err := Parse[T](given.data)
		if err != nil {
			return nil, ending(err, where)
		}
		ctx, end := NewContext(parent)
		defer end()
		job := Job[T]{given.id, given.name, given.queue, given.attempt, given.maxAttempts, data, given.data}
		value, failed := guarded(handler, ctx, job, where)
		if failed != nil {
			return nil, failed
		}
		if _, none := any(value).(Nothing); none {
			return nil, nil
		}
		text, err := typed.Write(value)
		if err != nil {
			return nil, Permanentf("the return value of %s cannot be written as JSON: %w", where, err).WithCode("bad-return-value")
		}
		return text, nil
	}
	schema := func() ([]byte, error) { return typed.Schema[T]() }
	return &handling{call, schema, where}
}

// guarded calls the handler, whose panics become errors.
func guarded[T, R any](handler func(Context, Job[T]) (R, error), ctx Context, job Job[T], where place) (value R, end *JobError) {
	finished := false
	defer func() {
		recovered := recover()
		if recovered != nil {
			end = panicked(recovered, where)
		} else if !finished && host.IsComponent() {
			// Its goroutine is gone, and with it the one that answers the host: only a trap is left, with a text.
			fmt.Fprintf(os.Stderr, "panic: %s ended its goroutine with runtime.Goexit\n", where)
			os.Exit(2)
		}
	}()
	value, err := handler(ctx, job)
	finished = true
	if err != nil {
		return value, ending(err, where)
	}
	return value, nil
}
