package gristmill

import (
	"fmt"
	"time"

	"gristmill/internal/host"
)

// End is how a job goes on after an error.
type End uint8

const (
	// EndRetryable is what may work later: retried under the job's policy; uses an attempt.
	EndRetryable End = iota
	// EndPermanent is what will never work: failed at once.
	EndPermanent
	// EndRateLimited is when something that was called said "slow down": delayed, uses no attempt.
	EndRateLimited
	// EndDeferred is not now: delayed, uses no attempt.
	EndDeferred
	// EndWaitForChildren is to be called again when this job's children have finished; uses no attempt.
	EndWaitForChildren
)

// String is the end's name in the contract.
func (e End) String() string {
	names := [...]string{"retryable", "permanent", "rate-limited", "deferred", "wait-for-children"}
	if int(e) < len(names) {
		return names[e]
	}
	return fmt.Sprintf("end %d", uint8(e))
}

// JobError is how a handler ends other than by returning a value. Return one from a handler, as it is or wrapped with
// `%w`; any other error is retryable.
type JobError struct {
	// End is how the job goes on.
	End End
	// Message is for people; it becomes BullMQ's `failedReason`, of which 8 KiB are kept, or goes to the job's log if
	// the job is delayed.
	Message string
	// Code is a stable word of few distinct values to group failures by; at most 64 bytes are kept.
	Code string
	// Detail is whatever explains more; it becomes an entry of BullMQ's `stacktrace`. At most 64 KiB are kept.
	Detail string
	// Delay is how long a deferred job waits, and the least time for a rate-limited one; zero leaves the latter to the
	// job's backoff.
	Delay time.Duration

	cause error
}

// Error is the message.
func (e *JobError) Error() string { return e.Message }

// Unwrap is the error that the message was made of with `%w`.
func (e *JobError) Unwrap() error { return e.cause }

// WithCode adds a stable word to a retryable or permanent error; others have none.
func (e *JobError) WithCode(code string) *JobError {
	e.Code = code
	return e
}

// WithDetail adds an explanation to a retryable or permanent error; others have none.
func (e *JobError) WithDetail(detail string) *JobError {
	e.Detail = detail
	return e
}

// Retryable may work later.
func Retryable(message string) *JobError { return &JobError{End: EndRetryable, Message: message} }

// Retryablef is Retryable with a message as of [fmt.Errorf].
func Retryablef(format string, arguments ...any) *JobError {
	cause := fmt.Errorf(format, arguments...)
	return &JobError{End: EndRetryable, Message: cause.Error(), cause: cause}
}

// Permanent will never work.
func Permanent(message string) *JobError { return &JobError{End: EndPermanent, Message: message} }

// Permanentf is Permanent with a message as of [fmt.Errorf].
func Permanentf(format string, arguments ...any) *JobError {
	cause := fmt.Errorf(format, arguments...)
	return &JobError{End: EndPermanent, Message: cause.Error(), cause: cause}
}

// RateLimited is for something that said "slow down"; pass how long, or zero if it did not say.
func RateLimited(retryAfter time.Duration, message string) *JobError {
	return &JobError{End: EndRateLimited, Message: message, Delay: retryAfter}
}

// Deferred is not now, but after `delay`.
func Deferred(delay time.Duration, reason string) *JobError {
	return &JobError{End: EndDeferred, Message: reason, Delay: delay}
}

// WaitForChildren asks to be called again when the children have finished.
func WaitForChildren() *JobError {
	return &JobError{End: EndWaitForChildren, Message: "waits for its children"}
}

// ServiceError is what a service of the host refused or could not do. Uncaught, a limiter without room and an open
// breaker send the job back for as long as they say; what would come again in every attempt (not allowed, malformed,
// too large) is permanent; all else is retryable.
//
//	if errors.Is(err, gristmill.ErrDenied) { … }
type ServiceError = host.ServiceError

// Reasons of a [ServiceError], for [errors.Is].
const (
	// ErrLimited is a limiter without room.
	ErrLimited = host.KindLimited
	// ErrUnknownLimiter is one that the worker's configuration does not have.
	ErrUnknownLimiter = host.KindUnknownLimiter
	// ErrOpen is a circuit breaker that lets no call pass.
	ErrOpen = host.KindOpen
	// ErrUnknownBreaker is one that the worker's configuration does not have.
	ErrUnknownBreaker = host.KindUnknownBreaker
	// ErrDenied is what the job type does not allow.
	ErrDenied = host.KindDenied
	// ErrInvalid is an argument that breaks a rule, or a value of another type than asked for.
	ErrInvalid = host.KindInvalid
	// ErrUnavailable is Redis not answering; whether a change was made is not known.
	ErrUnavailable = host.KindUnavailable
	// ErrQuotaExceeded is an attempt, or a job type, that has as many as it may.
	ErrQuotaExceeded = host.KindQuotaExceeded
	// ErrTooLarge is a value of the state over 64 KiB, or a response larger than its request accepts.
	ErrTooLarge = host.KindTooLarge
	// ErrTimeout is a server that took too long.
	ErrTimeout = host.KindTimeout
	// ErrURL is one that cannot be requested.
	ErrURL = host.KindURL
	// ErrHeader is one that cannot be sent.
	ErrHeader = host.KindHeader
	// ErrFailed is any other request without a response, and what progress and checkpoints could not do.
	ErrFailed = host.KindFailed
)
