// Package export_gristmill_job_handler is what the bindings call when the host runs an attempt.
package export_gristmill_job_handler

import (
	"gristmill/internal/bindings/gristmill_job_types"
	witTypes "gristmill/internal/wit/types"
)

// Handler runs one attempt; package wasm sets it.
var Handler func(gristmill_job_types.Job) witTypes.Result[witTypes.Option[[]uint8], gristmill_job_types.JobError]

// Run is the component's export.
func Run(job gristmill_job_types.Job) witTypes.Result[witTypes.Option[[]uint8], gristmill_job_types.JobError] {
	return Handler(job)
}
