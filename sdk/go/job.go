package gristmill

// Job is one attempt of a job, with its data as the type that the handler takes. Times and headers are functions of
// [Context].
type Job[T any] struct {
	// ID is unique in its queue and the same in every attempt: use it as idempotency key.
	ID string
	// Name is BullMQ's job name.
	Name string
	// Queue is the queue's name without prefix.
	Queue string
	// Attempt is 1 for the first attempt.
	Attempt int
	// MaxAttempts is how many attempts the job may have, this one included; at least 1.
	MaxAttempts int
	// Data is what the producer sent.
	Data T
	// Raw is the data as JSON text, exactly as the producer wrote it.
	Raw []byte
}

// IsLastAttempt says whether a retryable error of this attempt is final, because no attempt is left.
func (j Job[T]) IsLastAttempt() bool { return j.Attempt >= j.MaxAttempts }
