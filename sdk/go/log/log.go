// Package log writes lines of the job's log, which BullMQ's clients read.
//
//	log.Info(ctx, "sending", "template", name, "recipients", 3)
//
// Fields are names with values, in turns. The package [log/slog] arrives in the log too, with its levels and attributes,
// and so do the standard log, and what is printed to standard output as info and to standard error as warn. An attempt's
// lines are counted and a line's length is limited: the host drops and cuts what is over its job type's limits.
package log

import (
	"context"
	"fmt"

	"gristmill/internal/host"
)

// Level is the importance of a line.
type Level = host.Level

// Levels, from the least to the most important.
const (
	// LevelTrace follows every step.
	LevelTrace = host.Trace
	// LevelDebug is for finding faults.
	LevelDebug = host.Debug
	// LevelInfo is for normal events.
	LevelInfo = host.Info
	// LevelWarn is for something odd.
	LevelWarn = host.Warn
	// LevelError is for something that failed.
	LevelError = host.Error
)

// Enabled is false when nobody would read a line of this level now; saves building its message.
func Enabled(ctx context.Context, level Level) bool { return host.Of(ctx).LogEnabled(level) }

// Write writes one line, with fields as names and values in turns.
func Write(ctx context.Context, level Level, message string, fields ...any) {
	to := host.Of(ctx)
	if to.LogEnabled(level) {
		to.LogWrite(level, message, pairs(fields))
	}
}

// Trace writes a line at trace level.
func Trace(ctx context.Context, message string, fields ...any) {
	Write(ctx, LevelTrace, message, fields...)
}

// Debug writes a line at debug level.
func Debug(ctx context.Context, message string, fields ...any) {
	Write(ctx, LevelDebug, message, fields...)
}

// Info writes a line at info level.
func Info(ctx context.Context, message string, fields ...any) {
	Write(ctx, LevelInfo, message, fields...)
}

// Warn writes a line at warn level.
func Warn(ctx context.Context, message string, fields ...any) {
	Write(ctx, LevelWarn, message, fields...)
}

// Error writes a line at error level.
func Error(ctx context.Context, message string, fields ...any) {
	Write(ctx, LevelError, message, fields...)
}

// pairs are fields as texts. A value without a name, and a name that is none, is called `!BADKEY`, as slog does.
func pairs(fields []any) []host.Pair {
	made := make([]host.Pair, 0, (len(fields)+1)/2)
	for len(fields) > 0 {
		name, ok := fields[0].(string)
		if !ok || len(fields) == 1 {
			made = append(made, host.Pair{Name: "!BADKEY", Value: text(fields[0])})
			fields = fields[1:]
			continue
		}
		made = append(made, host.Pair{Name: name, Value: text(fields[1])})
		fields = fields[2:]
	}
	return made
}

func text(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	return fmt.Sprint(value)
}
