package gristmill_test

import (
	"errors"
	"log/slog"
	"reflect"
	"testing"
	"time"

	"gristmill"
	"gristmill/circuitbreaker"
	"gristmill/enqueue"
	"gristmill/gristmilltest"
	"gristmill/log"
	"gristmill/metrics"
	"gristmill/progress"
	"gristmill/ratelimit"
	"gristmill/secrets"
	"gristmill/state"
)

func TestLogs(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	log.Info(ctx, "sending", "to", "ada", "count", 3, "late")
	slog.With("tenant", "acme").WithGroup("mail").WarnContext(ctx, "slow", "ms", 12, slog.Group("from", "host", "x"))
	wanted := []gristmilltest.Line{
		{Level: log.LevelInfo, Message: "sending", Fields: []gristmilltest.Header{{Name: "to", Value: "ada"}, {Name: "count", Value: "3"}, {Name: "!BADKEY", Value: "late"}}},
		{Level: log.LevelWarn, Message: "slow", Fields: []gristmilltest.Header{{Name: "tenant", Value: "acme"}, {Name: "mail.ms", Value: "12"}, {Name: "mail.from.host", Value: "x"}}},
	}
	if !reflect.DeepEqual(host.Logs, wanted) {
		t.Errorf("%+v", host.Logs)
	}
}

func TestProgressIsAsBullMQShowsIt(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	progress.Report(ctx, 1, 4)
	progress.ReportDone(ctx, 5)
	progress.ReportWith(ctx, 1, 2, "half")
	if err := progress.Set(ctx, []string{"any"}); err != nil {
		t.Error(err)
	}
	if err := progress.Set(ctx, make(chan int)); !errors.Is(err, gristmill.ErrFailed) {
		t.Error(err)
	}
	wanted := []any{25.0, map[string]any{"done": 5.0}, map[string]any{"done": 1.0, "total": 2.0, "message": "half"}, []any{"any"}}
	if !reflect.DeepEqual(host.Progress, wanted) {
		t.Errorf("%v", host.Progress)
	}
}

func TestCheckpointsAndData(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	if _, found, err := progress.LoadCheckpoint[int](ctx); found || err != nil {
		t.Error(found, err)
	}
	if err := errors.Join(progress.SaveCheckpoint(ctx, 7), progress.UpdateData(ctx, "new")); err != nil {
		t.Error(err)
	}
	if value, found, err := progress.LoadCheckpoint[int](ctx); value != 7 || !found || err != nil {
		t.Error(value, found, err)
	}
	if _, _, err := progress.LoadCheckpoint[string](ctx); !errors.Is(err, gristmill.ErrFailed) {
		t.Error(err)
	}
	if string(host.Data[0]) != `"new"` {
		t.Errorf("%s", host.Data)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	metrics.Counter(ctx, "sent", 2, metrics.Labels{"b": "2", "a": "1"})
	metrics.Gauge(ctx, "depth", -1.5, nil)
	first := host.Metrics[0]
	if first.Kind != "counter" || first.Value != 2 || !reflect.DeepEqual(first.Labels, []gristmilltest.Header{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}}) {
		t.Errorf("%+v", first)
	}
	if second := host.Metrics[1]; second.Kind != "gauge" || second.Value != -1.5 {
		t.Errorf("%+v", second)
	}
}

func TestJobsAndChildren(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	job := enqueue.NewJob{Name: "page", Queue: "pages", Data: 1, Child: true, Delay: time.Second, Options: map[string]any{"priority": 2}}
	if added, err := enqueue.Submit(ctx, job); err != nil || added.ID != "added-1" || added.Existing {
		t.Error(added, err)
	}
	wanted := gristmilltest.NewJob{Name: "page", Queue: "pages", Data: []byte("1"), Child: true, Delay: time.Second, Options: map[string]any{"priority": 2.0}}
	if !reflect.DeepEqual(host.Enqueued[0], wanted) {
		t.Errorf("%+v", host.Enqueued[0])
	}
	if _, err := enqueue.Submit(ctx, enqueue.NewJob{Name: "x", Data: func() {}}); !errors.Is(err, gristmill.ErrInvalid) {
		t.Error(err)
	}
	host.Children = []gristmilltest.Child{{Key: "bull:pages:7", Value: "5"}}
	if children, err := enqueue.Children[int](ctx); err != nil || children[0] != (enqueue.Child[int]{Key: "bull:pages:7", Value: 5}) {
		t.Error(children, err)
	}
	if _, err := enqueue.Children[string](ctx); !errors.Is(err, gristmill.ErrInvalid) {
		t.Error(err)
	}
	host.FailedChildren = []gristmilltest.Child{{Key: "bull:pages:8", Value: "no"}}
	if children, err := enqueue.FailedChildren(ctx); err != nil || children[0].Value != "no" {
		t.Error(children, err)
	}
}

func TestState(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	if made, err := state.SetIfNone(ctx, "k", 1, state.Forever); !made || err != nil {
		t.Error(made, err)
	}
	if made, err := state.SetIfNone(ctx, "k", 2, state.Forever); made || err != nil {
		t.Error(made, err)
	}
	if changed, err := state.CompareAndSet(ctx, "k", 7, 2, state.Forever); changed || err != nil {
		t.Error(changed, err)
	}
	if sum, err := state.Increment(ctx, "k", 4, time.Hour); sum != 5 || err != nil {
		t.Error(sum, err)
	}
	if value, found, err := state.Get[int](ctx, "k"); value != 5 || !found || err != nil {
		t.Error(value, found, err)
	}
	if there, err := state.Delete(ctx, "k"); !there || err != nil {
		t.Error(there, err)
	}
	if err := state.Set(ctx, "k", string(make([]byte, 70_000)), state.Forever); !errors.Is(err, gristmill.ErrTooLarge) {
		t.Error(err)
	}
	if err := state.Set(ctx, "text", "x", state.Forever); err != nil {
		t.Error(err)
	}
	if _, err := state.Increment(ctx, "text", 1, state.Forever); !errors.Is(err, gristmill.ErrInvalid) {
		t.Error(err)
	}
	host.Away = true
	if _, _, err := state.Get[int](ctx, "k"); !errors.Is(err, gristmill.ErrUnavailable) {
		t.Error(err)
	}
}

// uncaught is how a job ends whose handler returns what a service said.
func uncaught(t *testing.T, ask func(gristmill.Context) error, host *gristmilltest.Host) *gristmill.JobError {
	t.Helper()
	handler := func(ctx gristmill.Context, _ gristmill.Job[any]) (any, error) { return nil, ask(ctx) }
	_, err := gristmilltest.Call(host, handler, gristmilltest.Job[any](host, nil))
	return endOf(t, err)
}

func TestSecretsLimitersAndBreakers(t *testing.T) {
	t.Parallel()
	host := gristmilltest.New(t)
	ctx := host.Context()
	host.Secrets["KEY"], host.Limiters["api"], host.Breakers["up"], host.Breakers["down"] = "s3cr3t", 1, true, false
	if value, err := secrets.Get(ctx, "KEY"); value != "s3cr3t" || err != nil {
		t.Error(value, err)
	}
	if err := ratelimit.TryAcquire(ctx, "api", "", 1); err != nil {
		t.Error(err)
	}
	if err := circuitbreaker.Guard(ctx, "up", "", func() error { return nil }); err != nil {
		t.Error(err)
	}
	if err := circuitbreaker.Guard(ctx, "up", "", func() error { return errors.New("down") }); err == nil {
		t.Error("a failure was lost")
	}
	wanted := []gristmilltest.Guarded{{Breaker: "up", Outcome: circuitbreaker.Success}, {Breaker: "up", Outcome: circuitbreaker.Failure}}
	if !reflect.DeepEqual(host.Guarded, wanted) {
		t.Errorf("%+v", host.Guarded)
	}

	denied := func(ctx gristmill.Context) error { _, err := secrets.Get(ctx, "OTHER"); return err }
	if end := uncaught(t, denied, host); end.End != gristmill.EndPermanent {
		t.Errorf("%+v", end)
	}
	limited := func(ctx gristmill.Context) error {
		_, err := ratelimit.Acquire(ctx, "api", "", 1, time.Minute)
		return err
	}
	if end := uncaught(t, limited, host); end.End != gristmill.EndRateLimited || end.Delay != time.Second {
		t.Errorf("%+v", end)
	}
	open := func(ctx gristmill.Context) error { _, err := circuitbreaker.Enter(ctx, "down", ""); return err }
	if end := uncaught(t, open, host); end.End != gristmill.EndDeferred || end.Delay != time.Second {
		t.Errorf("%+v", end)
	}
	host.Away = true
	away := func(ctx gristmill.Context) error { return state.Set(ctx, "k", 1, state.Forever) }
	if end := uncaught(t, away, host); end.End != gristmill.EndRetryable {
		t.Errorf("%+v", end)
	}
}
