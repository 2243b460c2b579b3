package host

import (
	"fmt"
	"time"
)

// Kind is a reason why a service did not do what it was asked. It is an error itself, for errors.Is.
type Kind string

// Error makes a kind one that errors.Is finds.
func (k Kind) Error() string { return string(k) }

// Kinds, as the contract names them.
const (
	KindLimited        Kind = "limited"
	KindUnknownLimiter Kind = "unknown-limiter"
	KindOpen           Kind = "open"
	KindUnknownBreaker Kind = "unknown-breaker"
	KindDenied         Kind = "denied"
	KindInvalid        Kind = "invalid"
	KindUnavailable    Kind = "unavailable"
	KindQuotaExceeded  Kind = "quota-exceeded"
	KindTooLarge       Kind = "too-large"
	KindTimeout        Kind = "timeout"
	KindURL            Kind = "url"
	KindHeader         Kind = "header"
	KindFailed         Kind = "failed"
)

// ServiceError is what a service of the host refused or could not do.
type ServiceError struct {
	// Service is what was asked: `state`, `http` and so on.
	Service string
	// Kind is the reason.
	Kind Kind
	// Message is for people.
	Message string
	// RetryAfter is the soonest that it is worth trying again, for ErrLimited and ErrOpen.
	RetryAfter time.Duration
}

// Error is the message.
func (e *ServiceError) Error() string { return e.Message }

// Is makes errors.Is find the kind.
func (e *ServiceError) Is(target error) bool { return target == e.Kind }

// Hopeless is true for what would come again in every attempt.
func (e *ServiceError) Hopeless() bool {
	switch e.Kind {
	case KindUnavailable, KindLimited, KindOpen, KindTimeout, KindFailed:
		return false
	case KindQuotaExceeded:
		// The next attempt may add as many jobs again and comes to the same end; keys of the state may go meanwhile.
		return e.Service == "enqueue"
	default:
		return true
	}
}

// Limit makes the errors of limiters; `why` says more where the kind alone does not.
func Limit(kind Kind, why string, wait time.Duration) error {
	var message string
	switch kind {
	case KindLimited:
		message = fmt.Sprintf("the limiter has no room for %d ms", wait.Milliseconds())
	case KindUnknownLimiter:
		message = "no limiter has this name: define it as `[limiters.NAME]`"
	case KindDenied:
		message = "the job type does not allow this limiter: list it in `allow.limiters`"
	case KindUnavailable:
		message = "the limiter cannot be asked: " + why
	default:
		message = why
	}
	return &ServiceError{"rate-limit", kind, message, wait}
}

// Breaker makes the errors of circuit breakers.
func Breaker(kind Kind, why string, wait time.Duration) error {
	var message string
	switch kind {
	case KindOpen:
		message = fmt.Sprintf("the breaker is open for %d ms", wait.Milliseconds())
	case KindUnknownBreaker:
		message = "no breaker has this name: define it as `[breakers.NAME]`"
	case KindDenied:
		message = "the job type does not allow this breaker: list it in `allow.breakers`"
	case KindUnavailable:
		message = "the breaker cannot be asked: " + why
	default:
		message = why
	}
	return &ServiceError{"circuit-breaker", kind, message, wait}
}

// Enqueue makes the errors of adding jobs.
func Enqueue(kind Kind, why string) error {
	switch kind {
	case KindQuotaExceeded:
		why = "the attempt has added as many jobs as it may"
	case KindUnavailable:
		why = "Redis did not answer: " + why
	}
	return &ServiceError{"enqueue", kind, why, 0}
}

// State makes the errors of durable state.
func State(kind Kind, why string) error {
	switch kind {
	case KindTooLarge:
		why = "the value is too large"
	case KindQuotaExceeded:
		why = "the job type has as many keys, or the attempt has made as many calls, as it may"
	case KindUnavailable:
		why = "Redis did not answer: " + why
	}
	return &ServiceError{"state", kind, why, 0}
}

// Secret makes the errors of secrets.
func Secret(kind Kind, name, why string) error {
	message := fmt.Sprintf("the job type does not allow the secret `%s`: list it in `allow.secrets`", name)
	if kind == KindUnavailable {
		message = fmt.Sprintf("the secret `%s` cannot be read: %s", name, why)
	}
	return &ServiceError{"secrets", kind, message, 0}
}

// Progress makes the one error of progress, checkpoints and the job's data.
func Progress(why string) error { return &ServiceError{"progress", KindFailed, why, 0} }

// HTTP makes the errors of requests that got no response; `of` is the host, URL or header, or a number of bytes.
func HTTP(kind Kind, of, why string) error {
	var message string
	switch kind {
	case KindURL:
		message = fmt.Sprintf("cannot request `%s`: %s", of, why)
	case KindHeader:
		message = "a header cannot be sent: " + why
	case KindDenied:
		message = fmt.Sprintf("the job type does not allow requests to `%s`; see `allow.http` and the job's log", of)
	case KindTimeout:
		message = fmt.Sprintf("`%s` took too long to answer", of)
	case KindTooLarge:
		message = fmt.Sprintf("the response has more than the %s bytes that the request accepts", of)
	default:
		message = fmt.Sprintf("the request to `%s` failed: %s", of, why)
	}
	return &ServiceError{"http", kind, message, 0}
}
