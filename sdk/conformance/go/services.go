package main

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"gristmill"
	"gristmill/circuitbreaker"
	"gristmill/enqueue"
	"gristmill/http"
	"gristmill/log"
	"gristmill/metrics"
	"gristmill/progress"
	"gristmill/ratelimit"
	"gristmill/secrets"
	"gristmill/state"
)

// newJob is a job to add.
type newJob struct {
	Name      string          `json:"name"`
	Data      json.RawMessage `json:"data,omitempty"`
	Queue     string          `json:"queue,omitempty"`
	Delay     int64           `json:"delay,omitempty"`
	UniqueKey string          `json:"uniqueKey,omitempty"`
	Child     bool            `json:"child,omitempty"`
	Options   map[string]any  `json:"options,omitempty"`
}

func (j newJob) made() enqueue.NewJob {
	return enqueue.NewJob{
		Name: j.Name, Data: j.Data, Queue: j.Queue, Delay: ms(j.Delay), UniqueKey: j.UniqueKey, Child: j.Child, Options: j.Options,
	}
}

func shown(added enqueue.Added) map[string]any {
	return map[string]any{"id": added.ID, "existing": added.Existing}
}

// operations are what a step may ask for.
var operations map[string]func(gristmill.Context, job, *step) (any, error)

// The table is filled here, for steps perform steps.
func init() {
	operations = map[string]func(gristmill.Context, job, *step) (any, error){
		"return":      func(_ gristmill.Context, _ job, s *step) (any, error) { return s.Value, nil },
		"nothing":     func(gristmill.Context, job, *step) (any, error) { return nothing, nil },
		"job":         tellJob,
		"context":     tellContext,
		"log":         written,
		"logEnabled":  func(ctx gristmill.Context, _ job, s *step) (any, error) { return log.Enabled(ctx, level(s)), nil },
		"print":       printed,
		"progress":    reported,
		"progressSet": func(ctx gristmill.Context, _ job, s *step) (any, error) { return nil, progress.Set(ctx, s.Value) },
		"saveCheckpoint": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			return nil, progress.SaveCheckpoint(ctx, s.Value)
		},
		"loadCheckpoint": func(ctx gristmill.Context, _ job, _ *step) (any, error) {
			value, _, err := progress.LoadCheckpoint[any](ctx)
			return value, err
		},
		"updateData": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			return nil, progress.UpdateData(ctx, s.Value)
		},
		"counter": measured, "gauge": measured, "histogram": measured,
		"enqueue":     submitted,
		"enqueueMany": submittedMany,
		"children": func(ctx gristmill.Context, _ job, _ *step) (any, error) {
			return values(enqueue.Children[string](ctx))
		},
		"failedChildren": func(ctx gristmill.Context, _ job, _ *step) (any, error) { return values(enqueue.FailedChildren(ctx)) },
		"stateGet": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			value, _, err := state.Get[any](ctx, s.Key)
			return value, err
		},
		"stateSet": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			return nil, state.Set(ctx, s.Key, s.Value, ms(s.TTL))
		},
		"stateDelete": func(ctx gristmill.Context, _ job, s *step) (any, error) { return state.Delete(ctx, s.Key) },
		"stateIncrement": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			return state.Increment(ctx, s.Key, s.Delta, ms(s.TTL))
		},
		"stateCompareAndSet": compared,
		"secret": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			secret, err := secrets.Get(ctx, s.Name)
			return len(secret), err
		},
		"tryAcquire": func(ctx gristmill.Context, _ job, s *step) (any, error) {
			return nil, ratelimit.TryAcquire(ctx, s.Limiter, s.Key, s.Cost)
		},
		"acquire":    acquired,
		"enter":      entered,
		"http":       asked,
		"httpStream": streamed,
		"fail":       fail,
		"throw":      throw,
		"hoard":      hoard,
		"never":      never,
		"once":       once,
		"clock":      func(gristmill.Context, job, *step) (any, error) { return time.Now().UnixMilli(), nil },
		"random":     random,
		"sleep": func(_ gristmill.Context, _ job, s *step) (any, error) {
			time.Sleep(ms(s.Ms))
			return nil, nil
		},
		"untilCancelled": untilCancelled,
		"typed":          repeated,
	}
}

func level(s *step) log.Level {
	levels := []string{"trace", "debug", "info", "warn", "error"}
	return log.Level(max(slices.Index(levels, s.Level), 0))
}

func written(ctx gristmill.Context, _ job, s *step) (any, error) {
	var fields []any
	names := make([]string, 0, len(s.Fields))
	for name := range s.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fields = append(fields, name, s.Fields[name])
	}
	log.Write(ctx, level(s), s.message(), fields...)
	return nil, nil
}

func reported(ctx gristmill.Context, _ job, s *step) (any, error) {
	switch {
	case s.Total == nil:
		progress.ReportDone(ctx, s.Done)
	case s.Message == nil:
		progress.Report(ctx, s.Done, *s.Total)
	default:
		progress.ReportWith(ctx, s.Done, *s.Total, *s.Message)
	}
	return nil, nil
}

func measured(ctx gristmill.Context, _ job, s *step) (any, error) {
	value, err := gristmill.Parse[float64](s.Value)
	switch s.Op {
	case "counter":
		metrics.Counter(ctx, s.Name, uint64(value), s.Labels)
	case "gauge":
		metrics.Gauge(ctx, s.Name, value, s.Labels)
	default:
		metrics.Histogram(ctx, s.Name, value, s.Labels)
	}
	return nil, err
}

func submitted(ctx gristmill.Context, _ job, s *step) (any, error) {
	added, err := enqueue.Submit(ctx, s.Job.made())
	return shown(added), err
}

func submittedMany(ctx gristmill.Context, _ job, s *step) (any, error) {
	var jobs []enqueue.NewJob
	for _, job := range s.Jobs {
		jobs = append(jobs, job.made())
	}
	all, err := enqueue.SubmitMany(ctx, jobs)
	var told []any
	for _, added := range all {
		told = append(told, shown(added))
	}
	return told, err
}

// values are what children came to, in order.
func values(children []enqueue.Child[string], err error) (any, error) {
	all := []string{}
	for _, child := range children {
		all = append(all, child.Value)
	}
	slices.Sort(all)
	return all, err
}

func compared(ctx gristmill.Context, _ job, s *step) (any, error) {
	if s.Expected == nil {
		return state.SetIfNone(ctx, s.Key, s.Value, ms(s.TTL))
	}
	return state.CompareAndSet(ctx, s.Key, s.Expected, s.Value, ms(s.TTL))
}

func acquired(ctx gristmill.Context, _ job, s *step) (any, error) {
	waited, err := ratelimit.Acquire(ctx, s.Limiter, s.Key, s.Cost, ms(s.MaxWait))
	return waited >= ms(100), err
}

func entered(ctx gristmill.Context, _ job, s *step) (any, error) {
	permit, err := circuitbreaker.Enter(ctx, s.Breaker, s.Key)
	if err != nil {
		return nil, err
	}
	outcomes := map[string]circuitbreaker.Outcome{
		"success": circuitbreaker.Success, "failure": circuitbreaker.Failure, "ignore": circuitbreaker.Ignore,
	}
	permit.Complete(outcomes[s.Outcome])
	return nil, nil
}

func asked(ctx gristmill.Context, _ job, s *step) (any, error) {
	var headers []http.Header
	for name, value := range s.Headers {
		headers = append(headers, http.Header{Name: name, Value: value})
	}
	response, err := http.Send(ctx, http.Request{Method: s.Method, URL: s.URL, Headers: headers, Body: []byte(s.Body)})
	if err != nil {
		return nil, err
	}
	answer := response.Header("x-answer")
	return map[string]any{"status": response.Status, "body": response.Text(), "header": there(answer, answer != "")}, nil
}

func streamed(ctx gristmill.Context, _ job, s *step) (any, error) {
	response, err := http.Stream(ctx, http.Request{URL: s.URL})
	if err != nil {
		return nil, err
	}
	defer response.Close()
	return io.Copy(io.Discard, response)
}
