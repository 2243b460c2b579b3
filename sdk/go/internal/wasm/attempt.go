package wasm

import (
	"gristmill/internal/bindings/gristmill_job_context"
	"gristmill/internal/bindings/gristmill_job_log"
	"gristmill/internal/bindings/gristmill_job_metrics"
	"gristmill/internal/bindings/gristmill_job_progress"
	"gristmill/internal/host"
	wit "gristmill/internal/wit/types"
)

func (Host) EnqueuedAt() uint64        { return gristmill_job_context.EnqueuedAt() }
func (Host) ScheduledAt() uint64       { return gristmill_job_context.ScheduledAt() }
func (Host) Cancelled() bool           { return gristmill_job_context.Cancelled() }
func (Host) Deadline() (uint64, bool)  { return maybe(gristmill_job_context.Deadline()) }
func (Host) Remaining() (uint64, bool) { return maybe(gristmill_job_context.Remaining()) }

func (Host) Header(name string) (string, bool) {
	defer asks()()
	return maybe(gristmill_job_context.Header(clean(name)))
}

func (Host) Headers() []host.Pair {
	defer asks()()
	given := gristmill_job_context.Headers()
	made := make([]host.Pair, len(given))
	for i, pair := range given {
		made[i] = host.Pair{Name: pair.F0, Value: pair.F1}
	}
	return made
}

func (Host) Traceparent() (string, bool) {
	defer asks()()
	return maybe(gristmill_job_context.Traceparent())
}

func (Host) Tracestate() (string, bool) {
	defer asks()()
	return maybe(gristmill_job_context.Tracestate())
}

func (Host) Digest() string {
	defer asks()()
	return gristmill_job_context.Digest()
}

func (Host) LogEnabled(level host.Level) bool { return gristmill_job_log.Enabled(uint8(level)) }

func (Host) LogWrite(level host.Level, message string, fields []host.Pair) {
	gristmill_job_log.Write(uint8(level), clean(message), pairs(fields))
}

func (Host) CounterAdd(name string, value uint64, labels []host.Pair) {
	gristmill_job_metrics.CounterAdd(clean(name), value, pairs(labels))
}

func (Host) GaugeSet(name string, value float64, labels []host.Pair) {
	gristmill_job_metrics.GaugeSet(clean(name), value, pairs(labels))
}

func (Host) HistogramRecord(name string, value float64, labels []host.Pair) {
	gristmill_job_metrics.HistogramRecord(clean(name), value, pairs(labels))
}

func (Host) ProgressReport(done uint64, total *uint64, message *string) {
	gristmill_job_progress.Report(done, option(total), text(message))
}

func (Host) ProgressSet(value []byte) error {
	defer asks()()
	return taken(gristmill_job_progress.Set(value))
}

func (Host) SaveCheckpoint(value []byte) error {
	defer asks()()
	return taken(gristmill_job_progress.SaveCheckpoint(value))
}

func (Host) UpdateData(value []byte) error {
	defer asks()()
	return taken(gristmill_job_progress.UpdateData(value))
}

func (Host) LoadCheckpoint() ([]byte, bool, error) {
	defer asks()()
	found := gristmill_job_progress.LoadCheckpoint()
	if found.IsErr() {
		return nil, false, host.Progress(found.Err())
	}
	value, there := maybe(found.Ok())
	return value, there, nil
}

func taken(answer wit.Result[wit.Unit, string]) error {
	if answer.IsErr() {
		return host.Progress(answer.Err())
	}
	return nil
}
