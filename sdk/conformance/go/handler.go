// The guest that every SDK builds; see ../README.md.
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"gristmill"
	"gristmill/state"
)

// step is one of a script: all that any operation needs.
type step struct {
	Op         string            `json:"op"`
	Catch      bool              `json:"catch,omitempty"`
	Value      json.RawMessage   `json:"value,omitempty"`
	Name       string            `json:"name,omitempty"`
	Level      string            `json:"level,omitempty"`
	Message    *string           `json:"message"`
	Fields     map[string]string `json:"fields,omitempty"`
	Line       string            `json:"line,omitempty"`
	Done       uint64            `json:"done,omitempty"`
	Total      *uint64           `json:"total"`
	Labels     map[string]string `json:"labels,omitempty"`
	Job        newJob            `json:"job,omitzero"`
	Jobs       []newJob          `json:"jobs,omitempty"`
	Key        string            `json:"key,omitempty"`
	TTL        int64             `json:"ttl,omitempty"`
	Delta      int64             `json:"delta,omitempty"`
	Expected   json.RawMessage   `json:"expected,omitempty"`
	Limiter    string            `json:"limiter,omitempty"`
	Cost       uint32            `json:"cost,omitempty"`
	MaxWait    int64             `json:"maxWait,omitempty"`
	Breaker    string            `json:"breaker,omitempty"`
	Outcome    string            `json:"outcome,omitempty"`
	Method     string            `json:"method,omitempty"`
	URL        string            `json:"url,omitempty"`
	Headers    map[string]string `json:"headers,omitempty"`
	Body       string            `json:"body,omitempty"`
	Kind       string            `json:"kind,omitempty"`
	Code       string            `json:"code,omitempty"`
	Detail     string            `json:"detail,omitempty"`
	RetryAfter int64             `json:"retryAfter,omitempty"`
	Delay      int64             `json:"delay,omitempty"`
	What       string            `json:"what,omitempty"`
	Step       *step             `json:"step"`
	Ms         int64             `json:"ms,omitempty"`
}

// typed is what the operation of that name reads.
type typed struct {
	To    string `json:"to"`
	Count int    `json:"count"`
}

type job = gristmill.Job[json.RawMessage]

// nothing is the value of steps that have none.
var nothing any

func init() { gristmill.Handle(conformance) }

func main() { gristmill.Main() }

func conformance(ctx gristmill.Context, given job) (any, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(given.Data), []byte("[")) {
		one, err := gristmill.Parse[step](given.Data)
		if err != nil {
			return nil, err
		}
		return perform(ctx, given, &one)
	}
	steps, err := gristmill.Parse[[]step](given.Data)
	if err != nil {
		return nil, err
	}
	values := make([]any, len(steps))
	for i := range steps {
		if values[i], err = perform(ctx, given, &steps[i]); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// perform runs a step; an error of a service becomes its value if the step says so.
func perform(ctx gristmill.Context, given job, step *step) (any, error) {
	run, known := operations[step.Op]
	if !known {
		return nil, gristmill.Permanentf("there is no operation `%s`", step.Op)
	}
	value, err := run(ctx, given, step)
	var service *gristmill.ServiceError
	if !step.Catch || !errors.As(err, &service) {
		return value, err
	}
	caught := map[string]any{"error": service.Kind}
	if service.RetryAfter > 0 {
		caught["retryAfter"] = service.RetryAfter.Milliseconds()
	}
	return caught, nil
}

func ms(count int64) time.Duration { return time.Duration(count) * time.Millisecond }

func (s *step) message() string {
	if s.Message == nil {
		return ""
	}
	return *s.Message
}

func tellJob(_ gristmill.Context, given job, _ *step) (any, error) {
	return map[string]any{
		"id": given.ID, "name": given.Name, "queue": given.Queue, "attempt": given.Attempt, "maxAttempts": given.MaxAttempts,
	}, nil
}

// there is a value if it is there, and else null.
func there[T any](value T, found bool) any {
	if !found {
		return nil
	}
	return value
}

func tellContext(ctx gristmill.Context, _ job, step *step) (any, error) {
	deadline, limited := ctx.Deadline()
	remaining, _ := ctx.Remaining()
	headers := map[string]string{}
	for _, header := range ctx.Headers() {
		headers[header.Name] = header.Value
	}
	return map[string]any{
		"enqueuedAt":  ctx.EnqueuedAt().UnixMilli(),
		"scheduledAt": ctx.ScheduledAt().UnixMilli(),
		"deadline":    there(deadline.UnixMilli(), limited),
		"remaining":   there(remaining.Milliseconds(), limited),
		"cancelled":   ctx.Cancelled(),
		"header":      there(ctx.Header(step.Name)),
		"headers":     headers,
		"traceparent": there(ctx.Traceparent()),
		"tracestate":  there(ctx.Tracestate()),
		"digest":      ctx.Digest(),
	}, nil
}

func fail(_ gristmill.Context, _ job, step *step) (any, error) {
	switch step.Kind {
	case "retryable":
		return nil, gristmill.Retryable(step.message()).WithCode(step.Code).WithDetail(step.Detail)
	case "permanent":
		return nil, gristmill.Permanent(step.message()).WithCode(step.Code).WithDetail(step.Detail)
	case "rate-limited":
		return nil, gristmill.RateLimited(ms(step.RetryAfter), step.message())
	case "deferred":
		return nil, gristmill.Deferred(ms(step.Delay), step.message())
	case "wait-for-children":
		return nil, gristmill.WaitForChildren()
	default:
		return nil, gristmill.Permanentf("there is no error `%s`", step.Kind)
	}
}

// odd is the oddest thing that Go can return or panic with: an error that contains itself, and fails to say what it is.
type odd struct{ itself *odd }

func (o *odd) Error() string { panic(o) }

func throw(_ gristmill.Context, _ job, step *step) (any, error) {
	switch step.What {
	case "error":
		return nil, errors.New(step.message())
	case "empty":
		return nil, errors.New("")
	case "odd":
		oddest := &odd{}
		oddest.itself = oddest
		panic(oddest)
	case "text":
		panic(step.message())
	default:
		os.Exit(3)
		return nil, nil
	}
}

func hoard(gristmill.Context, job, *step) (any, error) {
	var kept [][]byte
	for {
		kept = append(kept, bytes.Repeat([]byte{1}, 1<<20))
	}
}

func never(gristmill.Context, job, *step) (any, error) {
	select {}
}

func once(ctx gristmill.Context, given job, step *step) (any, error) {
	count, err := state.Increment(ctx, step.Key, 1, state.Forever)
	if err != nil || count > 1 {
		return nil, err
	}
	return perform(ctx, given, step.Step)
}

func random(gristmill.Context, job, *step) (any, error) {
	random := make([]byte, 16)
	_, err := rand.Read(random)
	return hex.EncodeToString(random), err
}

func untilCancelled(ctx gristmill.Context, _ job, _ *step) (any, error) {
	<-ctx.Done()
	return "cancelled", nil
}

func repeated(_ gristmill.Context, _ job, step *step) (any, error) {
	value, err := gristmill.Parse[typed](step.Value)
	if err != nil {
		return nil, err
	}
	return strings.Repeat(value.To, value.Count), nil
}

func printed(_ gristmill.Context, _ job, step *step) (any, error) {
	_, err := fmt.Println(step.Line)
	return nil, err
}
