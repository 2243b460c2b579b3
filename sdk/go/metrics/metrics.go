// Package metrics records metrics of the handler's own, which the worker serves to Prometheus with the labels `queue` and
// `job` added.
//
//	metrics.Counter(ctx, "emails_sent", 1, metrics.Labels{"template": "welcome"})
//	metrics.Histogram(ctx, "pdf_pages", 12, nil)
//
// Names and label names are `[a-zA-Z_][a-zA-Z0-9_]*`. Give labels few distinct values: the host counts and drops what
// breaks its rules or exceeds its ceilings.
package metrics

import (
	"context"
	"slices"
	"strings"

	"gristmill/internal/host"
)

// Labels are names with their values.
type Labels map[string]string

// Counter adds to a counter.
func Counter(ctx context.Context, name string, value uint64, labels Labels) {
	host.Of(ctx).CounterAdd(name, value, labels.pairs())
}

// Gauge sets a gauge.
func Gauge(ctx context.Context, name string, value float64, labels Labels) {
	host.Of(ctx).GaugeSet(name, value, labels.pairs())
}

// Histogram observes one value of a distribution.
func Histogram(ctx context.Context, name string, value float64, labels Labels) {
	host.Of(ctx).HistogramRecord(name, value, labels.pairs())
}

// pairs are in one order always, so that records of one series look alike.
func (l Labels) pairs() []host.Pair {
	made := make([]host.Pair, 0, len(l))
	for name, value := range l {
		made = append(made, host.Pair{Name: name, Value: value})
	}
	slices.SortFunc(made, func(a, b host.Pair) int { return strings.Compare(a.Name, b.Name) })
	return made
}
