// Package gristmill is for handlers of Gristmill, the worker for BullMQ queues that runs every job in its own
// WebAssembly sandbox.
//
// A handler is a function from a job's data to its return value:
//
//	func total(ctx gristmill.Context, job gristmill.Job[Order]) (string, error) {
//		log.Info(ctx, "adding up", "items", len(job.Data.Items))
//		return sum(job.Data.Items), nil
//	}
//
//	func init() { gristmill.Handle(total) }
//
//	func main() { gristmill.Main() }
//
// What a handler may ask of its host is in the packages below this one: log, progress, enqueue, state, secrets,
// ratelimit, circuitbreaker, metrics and http. Package gristmilltest tests handlers without WebAssembly.
package gristmill
