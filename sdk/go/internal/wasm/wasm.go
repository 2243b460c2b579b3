// Package wasm is the worker as a component sees it: it asks the bindings, and is what they call.
package wasm

import (
	"strings"
	"sync"

	"gristmill/internal/host"
	witRuntime "gristmill/internal/wit/runtime"
	wit "gristmill/internal/wit/types"
)

// Host is the worker.
type Host struct{}

// asking is held by whoever asks the worker, until the answer belongs to Go's memory.
var asking sync.Mutex

// asks begins to ask, and answers how it ends. What the worker writes into this memory is kept until `Unpin`; without
// one, all that a job has read would stay until its end. Nobody else may be reading an answer then.
func asks() func() {
	asking.Lock()
	return answered
}

func answered() {
	witRuntime.Unpin()
	asking.Unlock()
}

// clean is a text as the worker takes it: anything but UTF-8 would be a trap.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func pairs(given []host.Pair) []wit.Tuple2[string, string] {
	made := make([]wit.Tuple2[string, string], len(given))
	for i, pair := range given {
		made[i] = wit.Tuple2[string, string]{F0: clean(pair.Name), F1: clean(pair.Value)}
	}
	return made
}

func option[T any](value *T) wit.Option[T] {
	if value == nil {
		return wit.None[T]()
	}
	return wit.Some(*value)
}

func text(value *string) wit.Option[string] {
	if value == nil {
		return wit.None[string]()
	}
	return wit.Some(clean(*value))
}

func maybe[T any](value wit.Option[T]) (T, bool) {
	var none T
	return value.SomeOr(none), value.IsSome()
}
