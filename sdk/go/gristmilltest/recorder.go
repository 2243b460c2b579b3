package gristmilltest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"gristmill/circuitbreaker"
	"gristmill/internal/host"
)

// wait is how long a limiter or a breaker without room says to wait.
const wait = time.Second

// Ceilings of the host.
const (
	maxState      = 64 << 10
	maxCheckpoint = 256 << 10
)

// recorder is what the packages of the SDK see of a host.
type recorder struct{ *Host }

func (r recorder) locked() func() {
	r.lock.Lock()
	return r.lock.Unlock
}

func ms(moment time.Time) uint64 {
	if moment.IsZero() {
		return 0
	}
	return uint64(max(moment.UnixMilli(), 0))
}

func (r recorder) EnqueuedAt() uint64  { return ms(r.Times.EnqueuedAt) }
func (r recorder) ScheduledAt() uint64 { return ms(r.Times.ScheduledAt) }

func (r recorder) Deadline() (uint64, bool) {
	return ms(r.Times.Deadline), !r.Times.Deadline.IsZero()
}

func (r recorder) Remaining() (uint64, bool) {
	return host.Ms(r.Times.Remaining), !r.Times.Deadline.IsZero()
}

func (r recorder) Cancelled() bool {
	defer r.locked()()
	return r.Host.Cancelled
}

func (r recorder) Header(name string) (string, bool) {
	for _, header := range r.Host.Headers {
		if strings.EqualFold(header.Name, name) {
			return header.Value, true
		}
	}
	return "", false
}

func (r recorder) Headers() []host.Pair        { return slices.Clone(r.Host.Headers) }
func (r recorder) Traceparent() (string, bool) { return r.Times.Traceparent, r.Times.Traceparent != "" }
func (r recorder) Tracestate() (string, bool)  { return r.Times.Tracestate, r.Times.Tracestate != "" }
func (r recorder) Digest() string              { return r.Times.Digest }

func (r recorder) LogEnabled(host.Level) bool { return true }

func (r recorder) LogWrite(level host.Level, message string, fields []host.Pair) {
	defer r.locked()()
	r.Logs = append(r.Logs, Line{level, message, slices.Clone(fields)})
}

func (r recorder) ProgressReport(done uint64, total *uint64, message *string) {
	defer r.locked()()
	r.Progress = append(r.Progress, shown(done, total, message))
}

// shown is what BullMQ shows of a report.
func shown(done uint64, total *uint64, message *string) any {
	if total != nil && message == nil {
		if done >= *total {
			return 100.0
		}
		return float64(uint64(float64(done) / float64(*total) * 100))
	}
	parts := map[string]any{"done": float64(done)}
	if total != nil {
		parts["total"] = float64(*total)
	}
	if message != nil {
		parts["message"] = *message
	}
	return parts
}

func (r recorder) ProgressSet(value []byte) error {
	defer r.locked()()
	var made any
	if err := json.Unmarshal(value, &made); err != nil {
		return host.Progress(err.Error())
	}
	r.Progress = append(r.Progress, made)
	return nil
}

// redis is the error of services while they are away.
func (r recorder) redis(service string) error {
	if !r.Away {
		return nil
	}
	return &host.ServiceError{
		Service: service, Kind: host.KindUnavailable, Message: "Redis did not answer: the test says so",
	}
}

func (r recorder) SaveCheckpoint(value []byte) error {
	defer r.locked()()
	if err := r.redis("progress"); err != nil {
		return err
	}
	if len(value) > maxCheckpoint {
		return host.Progress("a checkpoint has at most 256 KiB")
	}
	r.Checkpoint = slices.Clone(value)
	return nil
}

func (r recorder) LoadCheckpoint() ([]byte, bool, error) {
	defer r.locked()()
	return r.Checkpoint, r.Checkpoint != nil, r.redis("progress")
}

func (r recorder) UpdateData(value []byte) error {
	defer r.locked()()
	if err := r.redis("progress"); err != nil {
		return err
	}
	r.Data = append(r.Data, slices.Clone(value))
	return nil
}

func (r recorder) CounterAdd(name string, value uint64, labels []host.Pair) {
	r.metric("counter", name, float64(value), labels)
}

func (r recorder) GaugeSet(name string, value float64, labels []host.Pair) {
	r.metric("gauge", name, value, labels)
}

func (r recorder) HistogramRecord(name string, value float64, labels []host.Pair) {
	r.metric("histogram", name, value, labels)
}

func (r recorder) metric(kind, name string, value float64, labels []host.Pair) {
	defer r.locked()()
	r.Metrics = append(r.Metrics, Metric{kind, name, value, slices.Clone(labels)})
}

func (r recorder) Submit(jobs []host.NewJob) ([]host.Added, error) {
	defer r.locked()()
	if err := r.redis("enqueue"); err != nil {
		return nil, err
	}
	added := make([]host.Added, len(jobs))
	for i, job := range jobs {
		made := NewJob{Name: job.Name, Data: job.Data, Child: job.Child}
		if job.Queue != nil {
			made.Queue = *job.Queue
		}
		if job.UniqueKey != nil {
			made.UniqueKey = *job.UniqueKey
		}
		if job.Delay != nil {
			made.Delay = host.Duration(*job.Delay)
		}
		if job.Options != nil {
			if err := json.Unmarshal([]byte(*job.Options), &made.Options); err != nil {
				return nil, host.Enqueue(host.KindInvalid, err.Error())
			}
		}
		r.Enqueued = append(r.Enqueued, made)
		added[i].ID = fmt.Sprintf("added-%d", len(r.Enqueued))
	}
	return added, nil
}

func (r recorder) Children() ([]host.Entry, error) {
	return entries(r.Host.Children), r.redis("enqueue")
}

func (r recorder) FailedChildren() ([]host.Entry, error) {
	return entries(r.Host.FailedChildren), r.redis("enqueue")
}

func entries(children []Child) []host.Entry {
	made := make([]host.Entry, len(children))
	for i, child := range children {
		made[i] = host.Entry{Key: child.Key, Value: []byte(child.Value)}
	}
	return made
}

func (r recorder) StateGet(key string) ([]byte, bool, error) {
	defer r.locked()()
	value, found := r.State[key]
	return value, found, r.redis("state")
}

func (r recorder) StateSet(key string, value []byte, _ *uint64) error {
	defer r.locked()()
	return r.set(key, value)
}

func (r recorder) set(key string, value []byte) error {
	if err := r.redis("state"); err != nil {
		return err
	}
	if len(key) == 0 || len(key) > 256 {
		return host.State(host.KindInvalid, "a key has 1 to 256 bytes")
	}
	if len(value) > maxState {
		return host.State(host.KindTooLarge, "")
	}
	r.State[key] = slices.Clone(value)
	return nil
}

func (r recorder) StateDelete(key string) (bool, error) {
	defer r.locked()()
	if err := r.redis("state"); err != nil {
		return false, err
	}
	_, found := r.State[key]
	delete(r.State, key)
	return found, nil
}

func (r recorder) StateIncrement(key string, delta int64, _ *uint64) (int64, error) {
	defer r.locked()()
	before := int64(0)
	if value, found := r.State[key]; found {
		var err error
		if before, err = strconv.ParseInt(string(value), 10, 64); err != nil {
			return 0, host.State(host.KindInvalid, fmt.Sprintf("`%s` holds no whole number", key))
		}
	}
	return before + delta, r.set(key, strconv.AppendInt(nil, before+delta, 10))
}

func (r recorder) StateCompareAndSet(key string, expected, value []byte, _ *uint64) (bool, error) {
	defer r.locked()()
	present, found := r.State[key]
	if found != (expected != nil) || !bytes.Equal(present, expected) {
		return false, r.redis("state")
	}
	return true, r.set(key, value)
}

func (r recorder) Secret(name string) (string, error) {
	if value, allowed := r.Secrets[name]; allowed {
		return value, nil
	}
	return "", host.Secret(host.KindDenied, name, "")
}

func (r recorder) TryAcquire(limiter, _ string, cost uint32) error {
	defer r.locked()()
	left, allowed := r.Limiters[limiter]
	switch {
	case !allowed:
		return host.Limit(host.KindDenied, "", 0)
	case cost == 0:
		return host.Limit(host.KindInvalid, "a cost is at least 1", 0)
	case left < cost:
		return host.Limit(host.KindLimited, "", wait)
	}
	r.Limiters[limiter] = left - cost
	return nil
}

func (r recorder) Acquire(limiter, key string, cost uint32, _ uint64) (uint64, error) {
	return 0, r.TryAcquire(limiter, key, cost)
}

func (r recorder) Enter(breaker, _ string) (host.Permit, error) {
	closed, allowed := r.Breakers[breaker]
	if !allowed {
		return nil, host.Breaker(host.KindDenied, "", 0)
	}
	if !closed {
		return nil, host.Breaker(host.KindOpen, "", wait)
	}
	return permit{r, breaker}, nil
}

type permit struct {
	recorder
	breaker string
}

func (p permit) Complete(outcome uint8) {
	defer p.locked()()
	p.Guarded = append(p.Guarded, Guarded{p.breaker, circuitbreaker.Outcome(outcome)})
}

func (r recorder) Send(request *host.Request) (*host.Response, error) {
	defer r.locked()()
	r.Requests = append(r.Requests, Request{request.Method, request.URL, request.Headers, slices.Clone(request.Body)})
	if len(r.Answers) == 0 {
		return nil, host.HTTP(host.KindFailed, request.Authority, "the test has no answer to it")
	}
	answer := r.Answers[0]
	r.Answers = r.Answers[1:]
	if answer.Err != nil {
		return nil, answer.Err
	}
	body := io.NopCloser(strings.NewReader(answer.Body))
	return &host.Response{Status: answer.Status, Headers: answer.Headers, Body: body}, nil
}
