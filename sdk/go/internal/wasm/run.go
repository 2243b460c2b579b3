package wasm

import (
	"gristmill/internal/bindings/export_gristmill_job_handler"
	"gristmill/internal/bindings/gristmill_job_types"
	_ "gristmill/internal/bindings/wit_exports"
	"gristmill/internal/host"
	wit "gristmill/internal/wit/types"
)

type (
	output   = wit.Option[[]uint8]
	jobError = gristmill_job_types.JobError
)

// Job is one as the worker hands it over.
type Job = gristmill_job_types.Job

// End is how an attempt ended otherwise than with a value.
type End struct {
	// Kind is that of the contract's `job-error`, in its order.
	Kind                  uint8
	Message, Code, Detail string
	// Delay is in ms; none leaves it to the job's backoff.
	Delay *uint64
}

// Serve makes the program a component whose attempts `run` runs. It answers JSON text, nil for none, or the end.
func Serve(run func(Job) ([]byte, *End)) {
	host.SetComponent(Host{})
	host.Bridged()
	export_gristmill_job_handler.Handler = func(job Job) wit.Result[output, jobError] {
		defer closeAll()
		value, end := run(job)
		switch {
		case end != nil:
			return wit.Err[output](made(end))
		case value == nil:
			return wit.Ok[output, jobError](wit.None[[]uint8]())
		default:
			return wit.Ok[output, jobError](wit.Some(value))
		}
	}
}

func made(end *End) jobError {
	message := clean(end.Message)
	delay := end.Delay
	switch end.Kind {
	case gristmill_job_types.JobErrorRateLimited:
		throttle := gristmill_job_types.Throttle{RetryAfter: option(delay), Message: message}
		return gristmill_job_types.MakeJobErrorRateLimited(throttle)
	case gristmill_job_types.JobErrorDeferred:
		none := uint64(0)
		if delay == nil {
			delay = &none
		}
		return gristmill_job_types.MakeJobErrorDeferred(gristmill_job_types.Deferral{Delay: *delay, Reason: message})
	case gristmill_job_types.JobErrorWaitForChildren:
		return gristmill_job_types.MakeJobErrorWaitForChildren()
	}
	failure := gristmill_job_types.Failure{Message: message, Code: given(end.Code), Detail: given(end.Detail)}
	if end.Kind == gristmill_job_types.JobErrorPermanent {
		return gristmill_job_types.MakeJobErrorPermanent(failure)
	}
	return gristmill_job_types.MakeJobErrorRetryable(failure)
}

// given is a text unless it is empty.
func given(value string) wit.Option[string] {
	if value == "" {
		return wit.None[string]()
	}
	return text(&value)
}

// dropped is what the worker holds for a job.
type dropped interface{ Drop() }

// open are permits and responses that the job has not ended. The worker must hold none when the job ends: an instance
// that left some behind is not used again.
var open = map[dropped]struct{}{}

func opened(held dropped) { open[held] = struct{}{} }

func closed(held dropped) { delete(open, held) }

func closeAll() {
	for held := range open {
		held.Drop()
	}
	clear(open)
}
