package gristmill

import (
	"fmt"
	"path"
	"reflect"
	"runtime"
	"strings"
)

// mostFrames is how many calls a panic's detail shows.
const mostFrames = 40

// place is a function with where it is.
type place struct {
	function string
	file     string
	line     int
}

// String is such as `main.total (total/handler.go:12)`.
func (p place) String() string {
	if p.file == "" {
		return "the handler"
	}
	return fmt.Sprintf("%s (%s:%d)", p.function, p.file, p.line)
}

// placeOf is where a function is defined.
func placeOf(function any) place {
	info := runtime.FuncForPC(reflect.ValueOf(function).Pointer())
	if info == nil {
		return place{}
	}
	file, line := info.FileLine(info.Entry())
	return place{plain(info.Name()), file, line}
}

// panicked makes an error of a panic, with the place in the handler's source. Call it where the panic was recovered.
func panicked(recovered any, handler place) *JobError {
	calls := callers()
	message := "panic: " + said(recovered)
	for _, call := range calls {
		if isUsers(call, handler) {
			message += ", at " + call.String()
			break
		}
	}
	return Retryable(message).WithCode("panic").WithDetail(listed(calls))
}

// said is what was passed to panic, for people; it may be anything.
func said(recovered any) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("a value of type %T, which cannot say what it is", recovered)
		}
	}()
	switch value := recovered.(type) {
	case error:
		text = value.Error()
	case fmt.Stringer:
		text = value.String()
	default:
		text = fmt.Sprint(shallow(value))
	}
	if strings.TrimSpace(text) == "" {
		return fmt.Sprintf("a value of type %T without a text", recovered)
	}
	return text
}

// shallow is a value that is safe to print: of what may contain itself, which has no end as text, only the type.
func shallow(value any) any {
	switch kind := reflect.ValueOf(value).Kind(); kind {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct, reflect.Pointer, reflect.Interface:
		return fmt.Sprintf("a value of type %T", value)
	default:
		return value
	}
}

func listed(calls []place) string {
	var lines strings.Builder
	for i, call := range calls {
		if i == mostFrames {
			fmt.Fprintf(&lines, "  … %d more\n", len(calls)-i)
			break
		}
		fmt.Fprintf(&lines, "  at %s\n", call)
	}
	return strings.TrimSuffix(lines.String(), "\n")
}

// callers are the calls that led to the panic being recovered, the last first, without those of the runtime and of
// this package.
func callers() []place {
	counters := make([]uintptr, 200)
	found := runtime.CallersFrames(counters[:runtime.Callers(2, counters)])
	var all []place
	for {
		frame, more := found.Next()
		switch {
		case strings.HasPrefix(frame.Function, "runtime."):
			if frame.Function == "runtime.gopanic" {
				// What is above deferred the recovery.
				all = all[:0]
			}
		case isOurs(frame.Function):
		default:
			all = append(all, place{plain(frame.Function), frame.File, frame.Line})
		}
		if !more {
			return all
		}
	}
}

// isOurs is true for functions of the SDK, and for those that the linker makes of its exports.
func isOurs(function string) bool {
	rest, found := strings.CutPrefix(function, "gristmill")
	return function == "" || (found && strings.IndexAny(rest, "./:") == 0)
}

// isUsers is true for functions of the handler's own module, or of one that it uses, which have the name of a host in
// front; those of the standard library are neither.
func isUsers(call, handler place) bool {
	if strings.HasPrefix(call.function, "main.") || strings.HasPrefix(call.file, path.Dir(handler.file)+"/") {
		return true
	}
	first, _, nested := strings.Cut(call.function, "/")
	return nested && strings.Contains(first, ".")
}

// plain is a function's name without the numbers of its type arguments.
func plain(name string) string { return strings.ReplaceAll(name, "[...]", "") }
