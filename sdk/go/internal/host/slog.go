package host

import (
	"context"
	"log/slog"
	"os"
)

// Bridge hands what is logged with slog to the job's log; outside of jobs to standard error.
type Bridge struct {
	outside slog.Handler
	groups  string
	fields  []Pair
}

// Bridged makes the default of slog a bridge, and with it that of the standard log. The handler that was there is left
// out: it writes to the standard log, which would come back here.
func Bridged() { slog.SetDefault(slog.New(&Bridge{outside: slog.NewTextHandler(os.Stderr, nil)})) }

// levelOf is the level of the contract that is next below.
func levelOf(level slog.Level) Level {
	switch {
	case level < slog.LevelDebug:
		return Trace
	case level < slog.LevelInfo:
		return Debug
	case level < slog.LevelWarn:
		return Info
	case level < slog.LevelError:
		return Warn
	default:
		return Error
	}
}

// Enabled asks the host.
func (b *Bridge) Enabled(ctx context.Context, level slog.Level) bool {
	if host := Maybe(ctx); host != nil {
		return host.LogEnabled(levelOf(level))
	}
	return b.outside.Enabled(ctx, level)
}

// Handle writes one line.
func (b *Bridge) Handle(ctx context.Context, record slog.Record) error {
	host := Maybe(ctx)
	if host == nil {
		return b.outside.Handle(ctx, record)
	}
	fields := append([]Pair(nil), b.fields...)
	record.Attrs(func(attribute slog.Attr) bool {
		fields = added(fields, b.groups, attribute)
		return true
	})
	host.LogWrite(levelOf(record.Level), record.Message, fields)
	return nil
}

// WithAttrs adds attributes to every line.
func (b *Bridge) WithAttrs(attributes []slog.Attr) slog.Handler {
	fields := append([]Pair(nil), b.fields...)
	for _, attribute := range attributes {
		fields = added(fields, b.groups, attribute)
	}
	return &Bridge{b.outside.WithAttrs(attributes), b.groups, fields}
}

// WithGroup puts a name in front of those that follow.
func (b *Bridge) WithGroup(name string) slog.Handler {
	if name == "" {
		return b
	}
	return &Bridge{b.outside.WithGroup(name), b.groups + name + ".", b.fields}
}

// added are fields with an attribute, whose groups become names with dots.
func added(fields []Pair, groups string, attribute slog.Attr) []Pair {
	value := attribute.Value.Resolve()
	if value.Kind() != slog.KindGroup {
		if attribute.Key == "" {
			return fields
		}
		return append(fields, Pair{groups + attribute.Key, value.String()})
	}
	if attribute.Key != "" {
		groups += attribute.Key + "."
	}
	for _, inner := range value.Group() {
		fields = added(fields, groups, inner)
	}
	return fields
}
